package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// patience is how long a resolver has the question for itself before the
	// next one is asked too. The first answer counts, a late one still does.
	patience = 1500 * time.Millisecond
	// rounds is how often each resolver is sent one question: packets get lost.
	rounds = 3
	// restTime is how long a silent resolver is asked after all others.
	restTime = 30 * time.Second
	// maxUnderWay bounds the questions in the air, and with them the sockets.
	maxUnderWay = 200
)

// resolver is one server that resolves for us, with what was learnt about it.
type resolver struct {
	at      netip.AddrPort
	trusted bool // its AD bit is believed
	noEDNS  atomic.Bool
	resting atomic.Int64 // silent: asked last until then, in Unix nanoseconds
	hearing hearing
}

// hearing is whether a resolver passes signatures on. Some strip them from all
// answers; what such a one says cannot be judged, and must not count as forged.
type hearing struct {
	probing chan struct{} // holds one: who finds out
	state   atomic.Int32
}

const (
	unheard int32 = iota // no answer with a signature yet
	hears
	deaf
)

func (r *resolver) isDeaf() bool { return r.hearing.state.Load() == deaf }

func (r *resolver) isResting() bool { return r.resting.Load() > time.Now().UnixNano() }

// reply is what a resolver said to a question.
type reply struct {
	*dns.Msg
	from *resolver
	// refused is why a trusted resolver would not hand the records out although
	// it has them: it validates, and they failed (RFC 4035 section 5.5).
	refused string
}

// resolvers asks several servers until one answers.
type resolvers struct {
	list      []*resolver
	transport *transport
	anchor    Name // a zone that must be signed
	dnssec    bool // ask for signatures, and judge them ourselves
	underWay  chan struct{}
	asked     atomic.Uint64 // questions
}

func newResolvers(o Options, t *transport, trusted anchors) *resolvers {
	p := &resolvers{transport: t, dnssec: len(trusted) > 0, underWay: make(chan struct{}, maxUnderWay)}
	for zone := range trusted {
		if p.anchor == "" || zone.Labels() < p.anchor.Labels() {
			p.anchor = zone
		}
	}
	for _, at := range o.Resolvers {
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		p.list = append(p.list, &resolver{
			at: at, trusted: slices.Contains(o.Trusted, at),
			hearing: hearing{probing: make(chan struct{}, 1)},
		})
	}
	return p
}

// turns is the order of attempts: each resolver once per round, the deaf ones
// late, the silent ones last.
func (p *resolvers) turns() []*resolver {
	var good, poor, silent []*resolver
	for _, r := range p.list {
		switch {
		case r.isResting():
			silent = append(silent, r)
		case r.isDeaf():
			poor = append(poor, r)
		default:
			good = append(good, r)
		}
	}
	return slices.Repeat(slices.Concat(good, poor, silent), rounds)
}

// attempt is how one try at one resolver ended.
type attempt struct {
	from  *resolver
	reply *reply
	err   error
}

// ask puts a question to the resolvers until one answers it or the context ends.
func (p *resolvers) ask(ctx context.Context, q question) (*reply, error) {
	select {
	case p.underWay <- struct{}{}:
		defer func() { <-p.underWay }()
	case <-ctx.Done():
		return nil, &silence{ctx.Err(), nil}
	}
	p.asked.Add(1)
	c := &contest{resolvers: p, question: q, turns: p.turns(), failed: make(map[*resolver]error)}
	c.results = make(chan attempt, len(c.turns))
	var under sync.WaitGroup
	defer under.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.start = func(r *resolver) {
		under.Go(func() {
			m, err := p.try(ctx, r, q)
			c.results <- attempt{r, m, err}
		})
	}
	return c.run(ctx)
}

// contest is one question with its attempts under way.
type contest struct {
	resolvers *resolvers
	question  question
	turns     []*resolver // still to come
	results   chan attempt
	pending   int
	failed    map[*resolver]error // answered, and of no use: not asked again
	order     []*resolver         // of failed
	spare     *reply              // of a deaf one, unless a better comes
	start     func(*resolver)
}

func (c *contest) run(ctx context.Context) (*reply, error) {
	hedge := time.NewTimer(patience)
	defer hedge.Stop()
	current := c.next()
	for c.pending > 0 {
		select {
		case got := <-c.results:
			c.pending--
			if got.err == nil && c.accept(got) {
				return got.reply, nil
			}
			if c.fail(ctx, got); got.from != current {
				continue // its place was taken over when the hedge began
			}
		case <-hedge.C:
			if current.rest(); c.spare != nil {
				return c.spare, nil
			}
		case <-ctx.Done():
			for ; c.pending > 0; c.pending-- {
				c.fail(ctx, <-c.results)
			}
			return c.end(ctx)
		}
		if r := c.next(); r != nil {
			current = r
		}
		hedge.Reset(patience)
	}
	return c.end(ctx)
}

func (c *contest) end(ctx context.Context) (*reply, error) {
	if c.spare != nil {
		return c.spare, nil
	}
	return nil, c.silence(ctx.Err())
}

// accept takes an answer, or keeps that of a deaf resolver in reserve while there
// is one to ask that hears.
func (c *contest) accept(a attempt) bool {
	a.from.resting.Store(0)
	better := func(r *resolver) bool {
		_, failed := c.failed[r]
		return !failed && !r.isDeaf() && !r.isResting()
	}
	if !a.from.isDeaf() || !slices.ContainsFunc(c.resolvers.list, better) {
		return true
	}
	c.spare = a.reply
	c.failed[a.from] = errDeaf
	return false
}

// errDeaf makes a contest go on without a resolver that strips signatures.
var errDeaf = errors.New("no signatures")

// next starts the next attempt at a resolver that has not failed.
func (c *contest) next() *resolver {
	for len(c.turns) > 0 {
		r := c.turns[0]
		c.turns = c.turns[1:]
		if _, ok := c.failed[r]; !ok {
			c.pending++
			c.start(r)
			return r
		}
	}
	return nil
}

// fail notes what a resolver did instead of answering. An attempt that the
// context broke off tells nothing, unless something else than an answer came.
func (c *contest) fail(ctx context.Context, a attempt) {
	if a.err == nil || ctx.Err() != nil && !isMisanswer(a.err) {
		return
	}
	if _, ok := c.failed[a.from]; !ok {
		c.order = append(c.order, a.from)
	}
	c.failed[a.from] = a.err
	var r refusal
	if !errors.As(a.err, &r) {
		a.from.rest()
	}
}

func (r *resolver) rest() { r.resting.Store(time.Now().Add(restTime).UnixNano()) }

// silence is that no resolver answered: what each of them did instead.
type silence struct {
	ended  error // the context's, when time ran out
	failed []string
}

func (c *contest) silence(ended error) *silence {
	s := &silence{ended: ended}
	for _, r := range c.order {
		s.failed = append(s.failed, fmt.Sprintf("%s from %s", plainError(c.failed[r]), r.at))
	}
	return s
}

func (s *silence) Error() string { return strings.Join(s.failed, "; ") }

// refusal is an answer that says nothing about the question.
type refusal struct{ reason string }

func (r refusal) Error() string { return r.reason }

// try puts the question to one resolver, with EDNS unless it cannot read that.
func (p *resolvers) try(ctx context.Context, r *resolver, q question) (*reply, error) {
	edns := !r.noEDNS.Load()
	m, err := p.transport.exchange(ctx, p.message(r, q, edns), r.at)
	if err == nil && edns && lacksEDNS(m) {
		// RFC 6891 section 7: without the OPT record it may understand. Only when it
		// then does is that remembered: the error may have been about this question,
		// and without EDNS there are no signatures for any.
		m, err = p.transport.exchange(ctx, p.message(r, q, false), r.at)
		if err == nil && !lacksEDNS(m) {
			r.noEDNS.Store(true)
		}
	}
	if err != nil {
		return nil, err
	}
	if r.trusted && m.Rcode == dns.RcodeServerFailure {
		return p.tryUnchecked(ctx, r, q, m)
	}
	got, err := judge(m, r)
	if err == nil && p.dnssec {
		p.listen(ctx, r, m)
	}
	return got, err
}

// listen finds out whether a resolver passes signatures on. The first answer
// without any makes us ask it for the keys of a trust anchor, which are signed;
// when they are not to be had in time, validation will find that out by itself.
func (p *resolvers) listen(ctx context.Context, r *resolver, m *dns.Msg) {
	if hasSignature(m) {
		r.hearing.state.Store(hears)
	}
	if r.hearing.state.Load() != unheard {
		return
	}
	select {
	case r.hearing.probing <- struct{}{}:
		defer func() { <-r.hearing.probing }()
	case <-ctx.Done():
		return
	}
	if r.hearing.state.Load() == unheard {
		p.probe(ctx, r)
	}
}

func (p *resolvers) probe(ctx context.Context, r *resolver) {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	keys, err := p.transport.exchange(short, p.message(r, question{p.anchor, dns.TypeDNSKEY}, !r.noEDNS.Load()), r.at)
	switch {
	case ctx.Err() != nil: // the next answer will tell
	case err == nil && !isRefusal(keys.Rcode) && !hasSignature(keys):
		r.hearing.state.Store(deaf)
	default:
		r.hearing.state.Store(hears)
	}
}

func hasSignature(m *dns.Msg) bool {
	isSignature := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG }
	return slices.ContainsFunc(m.Answer, isSignature) || slices.ContainsFunc(m.Ns, isSignature)
}

// tryUnchecked tells a failed validation from a failed resolution: with CD set a
// validating resolver hands out what it refused before.
func (p *resolvers) tryUnchecked(ctx context.Context, r *resolver, q question, failed *dns.Msg) (*reply, error) {
	unchecked := p.message(r, q, !r.noEDNS.Load())
	unchecked.CheckingDisabled = true
	m, err := p.transport.exchange(ctx, unchecked, r.at)
	if err != nil || isRefusal(m.Rcode) {
		return judge(failed, r)
	}
	got, err := judge(m, r)
	if err == nil {
		got.refused = rcodeText(failed)
		got.AuthenticatedData = false
	}
	return got, err
}

// lacksEDNS reports an error as servers give it that do not know EDNS: without an
// OPT record of their own.
func lacksEDNS(m *dns.Msg) bool {
	if m.IsEdns0() != nil {
		return false
	}
	switch m.Rcode {
	case dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeBadVers:
		return true
	}
	return false
}

// message is the query for one resolver. CD is set where we judge ourselves, so
// that a validating resolver does not turn a broken signature into a silence
// (RFC 6840 section 5.9); a trusted resolver is asked for its own judgement.
func (p *resolvers) message(r *resolver, q question, edns bool) *dns.Msg {
	m := newQuery(q)
	m.RecursionDesired = true
	m.CheckingDisabled = p.dnssec && !r.trusted
	m.AuthenticatedData = r.trusted // RFC 6840 section 5.7: please say AD
	if edns {
		m.SetEdns0(ednsBuffer, p.dnssec || r.trusted)
	}
	return m
}

func newQuery(q question) *dns.Msg {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.Question = []dns.Question{{Name: string(q.name), Qtype: q.qtype, Qclass: dns.ClassINET}}
	return m
}

// judge tells an answer from a message that leaves the question open.
func judge(m *dns.Msg, r *resolver) (*reply, error) {
	switch {
	case isRefusal(m.Rcode):
		return nil, refusal{rcodeText(m)}
	case isReferral(m):
		return nil, refusal{"a referral instead of an answer"}
	}
	return &reply{Msg: m, from: r}, nil
}

// isReferral recognises a server that does not resolve: it sends us on to the
// name servers of a zone (RFC 2308 section 2.2).
func isReferral(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 || m.Authoritative {
		return false
	}
	has := func(t uint16) bool {
		return slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == t })
	}
	return has(dns.TypeNS) && !has(dns.TypeSOA)
}

// rcodeText names the response code, with the reason that RFC 8914 lets a server
// add.
func rcodeText(m *dns.Msg) string {
	text, ok := dns.RcodeToString[m.Rcode]
	if !ok {
		text = fmt.Sprintf("RCODE%d", m.Rcode)
	}
	opt := m.IsEdns0()
	if opt == nil {
		return text
	}
	for _, o := range opt.Option {
		if ede, ok := o.(*dns.EDNS0_EDE); ok {
			reason := dns.ExtendedErrorCodeToString[ede.InfoCode]
			return fmt.Sprintf("%s (%s)", text, strings.TrimSpace(reason+" "+printable(ede.ExtraText)))
		}
	}
	return text
}

// printable keeps what a server wrote from doing anything to a terminal.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
