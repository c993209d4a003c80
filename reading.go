package main

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/imap"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/web"
)

// reading is where mail programs read. It lives as long as the process and not as a
// generation: programs stay connected for days, and nothing of what a reload changes is
// a reason to end that.
type reading struct {
	imap, imaps *imap.Server
}

func newReading(s *server, c *config.Config) *reading {
	o := imap.Options{
		Name: imapName(c), TLS: s.identity.TLS(identity.IMAP), MaxMessage: int64(c.Receive.MaxSize),
		Store: s.store, Accounts: s.accounts, World: s.world, Index: s.index, Log: s.log,
	}
	implicit := o
	implicit.ImplicitTLS = true
	return &reading{imap.NewServer(o), imap.NewServer(implicit)}
}

// imapName is the name under which mail programs read.
func imapName(c *config.Config) mail.Domain {
	if c.Names.IMAP.IsZero() {
		return c.Hostname
	}
	return c.Names.IMAP
}

func (r *reading) servers() []*imap.Server { return []*imap.Server{r.imap, r.imaps} }

// readingDoors are the listeners for mail programs that read.
func (g *generation) readingDoors() []*door {
	r, l := g.server.reading, g.settings.Listen
	for _, s := range r.servers() {
		s.Restate(imapName(g.settings), int64(g.settings.Receive.MaxSize))
	}
	return []*door{g.readingDoor("imap", l.IMAP, r.imap), g.readingDoor("imaps", l.IMAPS, r.imaps)}
}

func (g *generation) readingDoor(service string, sockets []config.Socket, s *imap.Server) *door {
	return &door{service: service, sockets: sockets, serve: func(l net.Listener) error {
		return s.Serve(context.WithoutCancel(g.ctx), l)
	}}
}

// shutdown says goodbye to all programs. It may be called when nothing was opened.
func (r *reading) shutdown(ctx context.Context) error {
	if r == nil {
		return nil
	}
	var ending sync.WaitGroup
	errs := make([]error, len(r.servers()))
	for i, s := range r.servers() {
		ending.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// figures are what the programs do.
func (r *reading) figures() []web.Family {
	each := func(emit func(float64, ...string), read func(imap.Stats) float64, more ...string) {
		for i, s := range r.servers() {
			emit(read(s.Stats()), append([]string{[]string{"imap", "imaps"}[i]}, more...)...)
		}
	}
	return []web.Family{
		{Name: "imap_sessions", Help: "Mail programs connected by IMAP now.", Shape: web.Gauge, Labels: []string{"listener"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Open) })
		}},
		{Name: "imap_logins_total", Help: "Logins by IMAP.", Labels: []string{"listener", "outcome"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Logins) }, "accepted")
			each(emit, func(t imap.Stats) float64 { return float64(t.FailedLogins) }, "refused")
		}},
		{Name: "imap_commands_total", Help: "Commands of IMAP.", Labels: []string{"listener", "outcome"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Commands - t.Refused - t.Faults) }, "done")
			each(emit, func(t imap.Stats) float64 { return float64(t.Refused) }, "refused")
			each(emit, func(t imap.Stats) float64 { return float64(t.Faults) }, "not understood")
		}},
	}
}
