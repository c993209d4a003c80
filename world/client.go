package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	// defaultTimeout is for one lookup, with all resolvers and tries.
	defaultTimeout = 10 * time.Second
	// An answer is kept for its TTL within these: below, one run would ask
	// twice; above, RFC 8767 section 4 would have it days at most.
	minTTL = 5 * time.Second
	maxTTL = 24 * time.Hour
	// maxNegativeTTL is the bound that RFC 2308 section 5 suggests.
	maxNegativeTTL = 3 * time.Hour
	// failureTTL keeps a question that failed from being repeated at once (RFC
	// 9520 section 3.2).
	failureTTL = 5 * time.Second

	maxEntries = 100_000
	maxBytes   = 64 << 20
)

// question is a name and a type, class IN.
type question struct {
	name  Name
	qtype uint16
}

// client resolves names: it is the Resolver and Exchanger of a world.
type client struct {
	world     *World // its clock, network and map
	options   Options
	anchors   []string
	timeout   time.Duration
	transport *transport
	resolvers *resolvers
	answers   *cache[question, outcome]   // lookups, validated
	responses *cache[question, *response] // what resolvers said
	validator *validator
}

// outcome is the end of a lookup: one of the two is nil.
type outcome struct {
	answer *Answer
	err    *LookupError
}

// Stats counts what a world's resolver did since it was opened.
type Stats struct {
	Questions uint64 // names and types put to the resolvers
	Messages  uint64 // sent for them and by Exchange: retries, other resolvers, TCP
	TCP       uint64 // of the messages, over TCP
	Recalled  uint64 // lookups answered from memory
}

// Stats counts the DNS traffic so far; zero for a resolver that is not this
// package's.
func (w *World) Stats() Stats {
	if c, ok := w.Resolver.(*client); ok {
		return c.stats()
	}
	return Stats{}
}

// connect makes a world's resolver. The anchors are DS or DNSKEY records in
// presentation format; without any nothing is validated.
func (w *World) connect(o Options, anchors []string) error {
	unusable := func(at netip.AddrPort) bool { return !at.IsValid() || at.Port() == 0 }
	if len(o.Resolvers) == 0 || slices.ContainsFunc(o.Resolvers, unusable) {
		return fmt.Errorf("%w: it does not name its resolvers", ErrWorldFile)
	}
	trusted, err := readAnchors(anchors)
	if err != nil {
		return err
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	c := &client{
		world:     w,
		options:   o,
		anchors:   anchors,
		timeout:   o.Timeout,
		transport: &transport{network: func() Network { return w.Network }},
		answers:   newCache[question, outcome](maxEntries, maxBytes, o.Timeout, w.Now),
		// A little less, so that the lookup hears why its question failed.
		responses: newCache[question, *response](maxEntries, maxBytes, o.Timeout-o.Timeout/20, w.Now),
	}
	c.resolvers = newResolvers(o, c.transport, trusted)
	zones := newCache[Name, *zone](maxEntries, maxBytes, o.Timeout, w.Now)
	c.validator = &validator{anchors: trusted, ask: c.ask, now: w.Now, zones: zones}
	w.Resolver, w.Exchanger = c, c
	return nil
}

// Fresh is this world with a resolver that remembers nothing: for whoever looks again
// to see whether it is still so. A resolver that is not this package's stays.
func (w *World) Fresh() *World {
	fresh := *w
	if c, ok := w.Resolver.(*client); ok && fresh.connect(c.options, c.anchors) != nil {
		return w // what connected once connects again
	}
	return &fresh
}

// Resolvers are the resolvers that this world asks, in their order; none for a
// resolver that is not this package's.
func (w *World) Resolvers() []netip.AddrPort {
	c, ok := w.Resolver.(*client)
	if !ok {
		return nil
	}
	var all []netip.AddrPort
	for _, r := range c.resolvers.list {
		all = append(all, r.at)
	}
	return all
}

func (c *client) stats() Stats {
	return Stats{
		Questions: c.resolvers.asked.Load(),
		Messages:  c.transport.sent.Load(),
		TCP:       c.transport.tcp.Load(),
		Recalled:  c.answers.recalled(),
	}
}

// Lookup answers from memory, or waits for the one lookup of this question that
// runs at a time.
func (c *client) Lookup(ctx context.Context, name Name, qtype uint16) (*Answer, error) {
	canonical, err := ParseName(string(name))
	if err != nil {
		// A name that cannot be sent cannot exist either.
		return nil, &LookupError{Name: name, Type: qtype, Kind: ErrNoName, Detail: "it is no possible name"}
	}
	q := question{canonical, qtype}
	got, err := c.answers.get(ctx, q, func(ctx context.Context) filled[outcome] { return c.resolve(ctx, q) })
	switch {
	case err != nil:
		return nil, gaveUp(q, err)
	case got.err != nil:
		return nil, got.err
	}
	return got.answer, nil
}

func gaveUp(q question, cause error) *LookupError {
	return &LookupError{Name: q.name, Type: q.qtype, Kind: ErrTemporary, Detail: "given up: " + cause.Error(), Cause: cause}
}

// resolve is one whole lookup.
func (c *client) resolve(ctx context.Context, q question) filled[outcome] {
	t, failed := c.follow(ctx, q)
	if failed != nil {
		return filled[outcome]{outcome{err: failed}, failureTTL, costOfError}
	}
	v, err := c.validator.validate(ctx, t)
	if err != nil {
		told := t.told(err)
		ttl := failureTTL
		if told.Kind == ErrBogus {
			ttl = bogusTTL
		}
		return filled[outcome]{outcome{err: told}, ttl, costOfError}
	}
	return t.settle(v)
}

// costOfError is about what a remembered failure takes.
const costOfError = 500

// ask is one question to the resolvers, remembered.
func (c *client) ask(ctx context.Context, q question) (*response, *LookupError) {
	r, err := c.responses.get(ctx, q, func(ctx context.Context) filled[*response] {
		got, err := c.resolvers.ask(ctx, q)
		if err != nil {
			failed := c.silent(q, err)
			return filled[*response]{&response{failed: failed}, failureTTL, costOfError}
		}
		r := newResponse(q, got)
		return filled[*response]{r, r.ttl, r.cost}
	})
	if err != nil {
		return nil, c.silent(q, &silence{ended: err})
	}
	return r, r.failed
}

// silent says in words why no resolver answered.
func (c *client) silent(q question, err error) *LookupError {
	e := &LookupError{Name: q.name, Type: q.qtype, Kind: ErrTemporary, Detail: err.Error()}
	var s *silence
	if !errors.As(err, &s) || s.ended == nil {
		return e
	}
	e.Cause = s.ended
	e.Detail = "given up"
	if errors.Is(s.ended, context.DeadlineExceeded) {
		e.Detail = "time-out after " + c.responses.timeout.String()
	}
	if len(s.failed) > 0 {
		e.Detail += "; " + s.Error()
	}
	return e
}

// plainError is an error of a socket without the addresses and calls in it.
func plainError(err error) string {
	var op *net.OpError
	var r refusal
	switch {
	case errors.Is(err, errGarbage):
		return errGarbage.Error()
	case errors.Is(err, errStray):
		return errStray.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "time-out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &r):
		return r.reason
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", ", ")
}

// Exchange asks one server one question. A truncated answer is asked for again
// over TCP unless the query forbids it.
func (c *client) Exchange(ctx context.Context, q Query) (*dns.Msg, error) {
	name, err := ParseName(string(q.Name))
	if err != nil {
		return nil, &LookupError{Name: q.Name, Type: q.Type, Kind: ErrNoName, Detail: "it is no possible name"}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m := q.message(name)
	if !c.world.Map.holds(q.Server) {
		return nil, &LookupError{Name: q.Name, Type: q.Type, Kind: ErrTemporary, Detail: ErrOutside.Error(), Cause: ErrOutside}
	}
	to := c.world.Map.Socket(netip.AddrPortFrom(q.Server, 53))
	answer, err := c.exchange(ctx, q, m, to)
	if err != nil {
		return nil, &LookupError{
			Name: name, Type: q.Type, Kind: ErrTemporary, Cause: err,
			Detail: fmt.Sprintf("%s: %s", q.Server, plainError(err)),
		}
	}
	return answer, nil
}

func (q Query) message(name Name) *dns.Msg {
	m := newQuery(question{name, q.Type})
	m.RecursionDesired = q.Recursion
	if !q.Plain {
		buffer := q.Buffer
		if buffer == 0 {
			buffer = ednsBuffer
		}
		m.SetEdns0(buffer, q.DNSSEC)
	}
	return m
}

func (c *client) exchange(ctx context.Context, q Query, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	if q.TCP {
		return c.transport.overTCP(ctx, m, to)
	}
	answer, err := c.resend(ctx, m, to)
	if err != nil || !answer.Truncated || q.UDP {
		return answer, err
	}
	return c.transport.overTCP(ctx, m, to)
}

// resend repeats a question over UDP, as packets get lost. The last try has all
// the time that is left.
func (c *client) resend(ctx context.Context, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	for range rounds - 1 {
		short, cancel := context.WithTimeout(ctx, min(patience, c.timeout/rounds))
		answer, err := c.transport.overUDP(short, m, to)
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			return answer, err
		}
	}
	return c.transport.overUDP(ctx, m, to)
}
