package reputation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// How long control results are believed. A list in order is asked again after a
// day; one out of order sooner, because the fault may be ours and mended.
const (
	goodFor   = 24 * time.Hour
	badFor    = time.Hour
	unseenFor = 5 * time.Minute // the points did not answer
)

// ControlState is what the control points of a list showed. The zero value is
// ControlUnknown.
type ControlState string

// The states.
const (
	ControlUnknown ControlState = ""          // could not be asked
	ControlHolds   ControlState = "holds"     // lists what it must, and nothing it must not
	ControlDead    ControlState = "dead"      // does not list what it must
	ControlAll     ControlState = "lists-all" // lists what it must not
	ControlRefused ControlState = "refused"   // refuses this resolver or key
	ControlSpoiled ControlState = "rewritten" // somebody else answers in its place
)

// Control is the result of asking a list's control points (RFC 5782 section 5).
type Control struct {
	State  ControlState `json:"state"`
	Asked  time.Time    `json:"asked,omitzero"`
	Cause  string       `json:"cause,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Raw    []string     `json:"raw,omitempty"`
}

// Memory keeps control results between runs, by a key of the Directory's making.
// It must be safe for concurrent use. What it loses is asked again.
type Memory interface {
	Recall(key string) (Control, bool)
	Remember(key string, c Control)
}

// MapMemory is a Memory that lives as long as its process. The zero value is
// ready.
type MapMemory struct{ m sync.Map }

// Recall finds an earlier result.
func (m *MapMemory) Recall(key string) (Control, bool) {
	v, ok := m.m.Load(key)
	if !ok {
		return Control{}, false
	}
	return v.(Control), true
}

// Remember keeps a result.
func (m *MapMemory) Remember(key string, c Control) { m.m.Store(key, c) }

// doubts is why an answer may not be believed in the light of the control points.
// A list that lost its "listed" point may still be believed when it lists, as long
// as it does not list everybody; its silence proves nothing.
func (c Control) doubts(listed bool) Reason {
	switch c.State {
	case ControlHolds:
		return ""
	case ControlDead:
		if listed {
			return ""
		}
		return Dead
	case ControlAll:
		return ListsAll
	case ControlRefused:
		return Refused
	case ControlSpoiled:
		return Rewritten
	}
	return NoControl
}

// fresh reports whether the result may still be used.
func (c Control) fresh(now time.Time) bool {
	limit := badFor
	switch c.State {
	case ControlHolds:
		limit = goodFor
	case ControlUnknown:
		limit = unseenFor
	}
	age := now.Sub(c.Asked)
	return age >= 0 && age < limit
}

// controlCall is one asking of control points, shared by all who need it.
type controlCall struct {
	done   chan struct{} // closed when the rest is set
	c      Control
	spoilt bool // who asked ran out of time
}

// Control is what the control points of a list show, asked now only when no
// earlier result is fresh.
func (d *Directory) Control(ctx context.Context, r world.Resolver, l *List) Control {
	return d.control(ctx, r, l, false)
}

func (d *Directory) control(ctx context.Context, r world.Resolver, l *List, ipv6 bool) Control {
	key := d.controlKey(l, ipv6)
	for {
		call, first := d.call(key)
		if first {
			return d.settle(ctx, key, call, d.recallOrAsk(ctx, r, l, ipv6, key))
		}
		if c, ok := call.wait(ctx); ok || ctx.Err() != nil {
			return c
		}
	}
}

// call is the asking under way or its fresh result; first tells the caller to ask.
func (d *Directory) call(key string) (call *controlCall, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	call, ok := d.controls[key]
	if ok && !call.stale(d.time()) {
		return call, false
	}
	call = &controlCall{done: make(chan struct{})}
	d.controls[key] = call
	return call, true
}

// settle ends a call. What was seen under a context that ended shows nothing about
// the list: the next who needs it asks.
func (d *Directory) settle(ctx context.Context, key string, call *controlCall, c Control) Control {
	d.mu.Lock()
	defer d.mu.Unlock()
	call.c, call.spoilt = c, ctx.Err() != nil && c.State == ControlUnknown
	if call.spoilt {
		delete(d.controls, key)
	}
	close(call.done)
	return c
}

// stale reports whether the call is finished and its result too old.
func (c *controlCall) stale(now time.Time) bool {
	select {
	case <-c.done:
		return !c.c.fresh(now)
	default:
		return false
	}
}

// wait is the result of a call, and whether it says something.
func (c *controlCall) wait(ctx context.Context) (Control, bool) {
	select {
	case <-c.done:
		return c.c, !c.spoilt
	case <-ctx.Done():
		return Control{Cause: "network", Detail: "the control points were not asked in time"}, false
	}
}

// controlKey names a list in one family and with one key or none: the answers of
// those differ. A few octets of a digest tell keys apart and give none away.
func (d *Directory) controlKey(l *List, ipv6 bool) string {
	key := l.ID
	if _, secret := d.zoneOf(l, ipv6); secret != "" {
		digest := sha256.Sum256([]byte(secret))
		key += fmt.Sprintf("+%x", digest[:3])
	}
	if ipv6 && l.Zone6 != "" {
		key += "/6"
	}
	return key
}

func (d *Directory) time() time.Time {
	if d.now == nil {
		return time.Time{}
	}
	return d.now()
}

func (d *Directory) recallOrAsk(ctx context.Context, r world.Resolver, l *List, ipv6 bool, key string) Control {
	now := d.time()
	if d.memory != nil {
		if c, ok := d.memory.Recall(key); ok && c.State != ControlUnknown && c.fresh(now) {
			return c
		}
	}
	c := d.askControl(ctx, r, l, ipv6)
	c.Asked = now
	if d.memory != nil && c.State != ControlUnknown {
		d.memory.Remember(key, c)
	}
	return c
}

// askControl asks the points: first what must be clean, then what must be listed.
func (d *Directory) askControl(ctx context.Context, r world.Resolver, l *List, ipv6 bool) Control {
	zone, key := d.zoneOf(l, ipv6)
	if zone == "" {
		return Control{Cause: "key", Detail: "it cannot be asked"}
	}
	if len(l.Control.Listed)+len(l.Control.Clean) == 0 {
		return askZone(ctx, r, zone, key)
	}
	p := pointAsker{d, r, l, zone, key, Control{}}
	other := ipv6 && l.Zone6 != ""
	for _, point := range l.Control.Clean {
		if p.ask(ctx, pointLabels(point, other), false); p.c.State != ControlHolds {
			return p.c
		}
	}
	for _, point := range l.Control.Listed {
		if p.ask(ctx, pointLabels(point, other), true); p.c.State != ControlHolds {
			return p.c
		}
	}
	return p.c
}

// pointAsker asks the points of one list, one after the other.
type pointAsker struct {
	d         *Directory
	r         world.Resolver
	l         *List
	zone, key string
	c         Control
}

// pointLabels turns a control point into what stands before the zone. RFC 5782
// section 5 has IPv6 lists use ::FFFF:7F00:2 for 127.0.0.2.
func pointLabels(point string, ipv6 bool) string {
	ip, err := netip.ParseAddr(point)
	if err != nil {
		return mail.MustParseDomain(point).String()
	}
	if !ipv6 {
		return world.ReverseLabels(ip)
	}
	mapped := ip.As16()
	var nibbles strings.Builder
	for i := len(mapped) - 1; i >= 0; i-- {
		fmt.Fprintf(&nibbles, "%x.%x.", mapped[i]&0xF, mapped[i]>>4)
	}
	return strings.TrimSuffix(nibbles.String(), ".")
}

// ask asks one point and sets the state by what it shows.
func (p *pointAsker) ask(ctx context.Context, labels string, mustList bool) {
	name, err := world.ParseName(labels + "." + p.zone)
	if err != nil {
		p.set(ControlUnknown, "key", "the key makes no DNS name")
		return
	}
	ips, raw, err := lookupCodes(ctx, p.r, name, p.key)
	p.c.Raw = append(p.c.Raw, raw)
	if err != nil && !errors.Is(err, world.ErrNotFound) {
		p.set(ControlUnknown, "network", mask(err.Error(), p.key))
		return
	}
	seen, shown := p.d.read(p.l, ips), mask(name.Text(), p.key)
	switch {
	case seen.why == Refused:
		p.set(ControlRefused, seen.cause, "its control point "+seen.detail)
	case seen.why == Rewritten:
		p.set(ControlSpoiled, seen.cause, "its control point "+seen.detail)
	case len(ips) > 0 && !mustList:
		p.set(ControlAll, "operator", "it lists "+shown+", which no list may: it lists the world")
	case len(ips) == 0 && mustList:
		p.set(ControlDead, deadCause(p.l, p.key), "it does not list "+shown+", which it must: it is dead, or does not know this resolver")
	default:
		p.set(ControlHolds, "", "")
	}
}

func (p *pointAsker) set(state ControlState, cause, detail string) {
	p.c.State, p.c.Cause, p.c.Detail = state, cause, detail
}

// deadCause is the likely cause of silence: lists that want to know their askers
// stay silent towards others, and a zone with a wrong key in it is empty.
func deadCause(l *List, key string) string {
	switch {
	case key != "":
		return "typo"
	case l.Access == Registration:
		return "registration"
	case l.Access == KeyOptional || l.Access == KeyRequired:
		return "key"
	}
	return "operator"
}

// askZone is the control of lists that publish no points: their zone must exist.
func askZone(ctx context.Context, r world.Resolver, zone, key string) Control {
	err := exists(ctx, r, world.MustParseName(zone))
	switch {
	case err == nil:
		return Control{State: ControlHolds}
	case errors.Is(err, world.ErrNotFound):
		return Control{State: ControlDead, Cause: "operator", Detail: "its zone does not exist"}
	}
	return Control{Cause: "network", Detail: mask(err.Error(), key)}
}
