package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/web"
)

// edgeWatch finds out, again and again, at which address others see this server. What
// it finds is shown and stops nothing: mail that leaves from a strange address is worth
// a warning, and mail that comes in does not care.
type edgeWatch struct {
	server  *server
	sources atomic.Pointer[identity.EdgeSources]
	changed chan struct{} // a reload said something else
	found   atomic.Pointer[foundEdge]
}

// foundEdge is what one look has found.
type foundEdge struct {
	identity.Edge
	at time.Time
}

// How often to look: others are not asked more often than a person would look, and
// sooner again where nobody answered.
const (
	edgeEvery = 24 * time.Hour
	edgeAgain = time.Hour
)

func newEdgeWatch(s *server, sources identity.EdgeSources) *edgeWatch {
	e := &edgeWatch{server: s, changed: make(chan struct{}, 1)}
	e.sources.Store(&sources)
	return e
}

// run looks until the context ends.
func (e *edgeWatch) run(ctx context.Context) error {
	for {
		wait := edgeEvery
		if found, err := e.server.identity.FindEdge(ctx, *e.sources.Load()); err != nil {
			return err
		} else if e.note(ctx, found); len(found.Addresses()) == 0 && len(found.Sightings) > 0 || e.server.identity.IsNews(found) {
			wait = edgeAgain
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-e.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// change has the next look begin at once, after a reload. Addresses may have changed as
// well as sources; to look once too often costs four greetings.
func (e *edgeWatch) change(sources identity.EdgeSources) {
	found := e.found.Load()
	if found != nil && reflect.DeepEqual(*e.sources.Load(), sources) && reflect.DeepEqual(found.Configured, e.configured()) {
		return
	}
	e.sources.Store(&sources)
	select {
	case e.changed <- struct{}{}:
	default: // the last change was not looked at yet
	}
}

func (e *edgeWatch) configured() (all []netip.Addr) {
	for _, egress := range e.server.identity.Egress() {
		all = append(all, egress.IP)
	}
	return all
}

// note keeps what was found and says it: every time in the log, and to the
// administrator when it is another trouble than before.
func (e *edgeWatch) note(ctx context.Context, found identity.Edge) {
	defer e.found.Store(&foundEdge{found, e.server.world.Now()})
	log := e.server.log
	for _, s := range found.Sightings {
		log.Debug("asked at which address we are seen", "by", s.By, "from", s.From, "seen", s.Seen, "error", s.Err)
	}
	switch seen := found.Addresses(); {
	case len(found.Sightings) == 0:
		log.Info("nobody is asked at which address others see this server")
	case len(seen) == 0:
		log.Info("nobody said at which address others see this server", "asked", len(found.Sightings), "why", firstTrouble(found))
	case len(found.Problems) == 0:
		log.Info("others see this server where the configuration says", "addresses", fmt.Sprint(seen))
	}
	for _, p := range found.Problems {
		log.Warn("others see this server elsewhere: "+p.Text, "cure", p.Fix)
	}
	if !e.server.identity.IsNews(found) {
		return
	}
	if len(found.Problems) > 0 {
		if err := e.server.writeAlert(ctx, "others see this server elsewhere", edgeLetter(found), ""); err != nil {
			log.Warn("the administrator could not be told, and will be after the next look", "error", err)
			return
		}
	}
	if err := e.server.identity.KeepEdge(ctx, found); err != nil {
		log.Warn("what others see could not be kept", "error", err)
	}
}

// firstTrouble is why somebody gave no answer.
func firstTrouble(found identity.Edge) slog.Value {
	for _, s := range found.Sightings {
		if s.Err != nil {
			return slog.StringValue(s.By + ": " + s.Err.Error())
		}
	}
	return slog.StringValue("those who answered name no address")
}

// edgeLetter tells the administrator.
func edgeLetter(found identity.Edge) string {
	var b strings.Builder
	b.WriteString("The address that mail leaves from needs a PTR record and a place in SPF. What others see\nis not what the configuration says:\n")
	for _, p := range found.Problems {
		fmt.Fprintf(&b, "\n- %s.\n  What to do: %s.\n", p.Text, p.Fix)
	}
	b.WriteString("\nWho was asked:\n\n")
	for _, s := range found.Sightings {
		answer := "names no address"
		switch {
		case s.Err != nil:
			answer = s.Err.Error()
		case s.Seen.IsValid():
			answer = "sees " + s.Seen.String()
		}
		fmt.Fprintf(&b, "    %s: %s\n", s.By, answer)
	}
	return b.String()
}

// ask is the advice for readiness: what disagrees, and its cure.
func (e *edgeWatch) ask(context.Context) error {
	found := e.found.Load()
	if found == nil {
		return nil // the first look is under way
	}
	var errs []error
	for _, p := range found.Problems {
		errs = append(errs, fmt.Errorf("%s; %s", p.Text, p.Fix))
	}
	return errors.Join(errs...)
}

// figures are what was found, for Prometheus.
func (e *edgeWatch) figures() []web.Family {
	figure := func(name, help string, labels []string, read func(*foundEdge, func(float64, ...string))) web.Family {
		return web.Family{Name: name, Help: help, Shape: web.Gauge, Labels: labels, Read: func(emit func(float64, ...string)) {
			if found := e.found.Load(); found != nil {
				read(found, emit)
			}
		}}
	}
	return []web.Family{
		figure("edge_seen", "Addresses at which others see this server.", []string{"address"}, func(f *foundEdge, emit func(float64, ...string)) {
			for _, ip := range f.Addresses() {
				emit(1, ip.String())
			}
		}),
		figure("edge_problems", "Disagreements between the addresses configured and those seen.", nil, func(f *foundEdge, emit func(float64, ...string)) {
			emit(float64(len(f.Problems)))
		}),
		figure("edge_asked_seconds", "How long ago others were asked.", nil, func(f *foundEdge, emit func(float64, ...string)) {
			emit(e.server.world.Now().Sub(f.at).Seconds())
		}),
	}
}
