package mailauth

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// Envelope is what the SMTP session knew. All of it may be missing: what cannot be
// asked then has the result none.
type Envelope struct {
	IP          netip.Addr   // of the client
	HELO        string       // as the client said it
	ReversePath mail.Address // the zero value is the null reverse-path
	Receiver    string       // this host's name: who speaks in Authentication-Results
}

// SPF is the judgement on both identities of RFC 7208.
type SPF struct {
	Result   spf.Result // of MailFrom: the one that DMARC and others count
	HELO     spf.Evaluation
	MailFrom spf.Evaluation // of postmaster at the HELO name when the reverse-path is null
}

// Results is everything known about one message.
type Results struct {
	Envelope Envelope
	IPRev    IPRev
	SPF      SPF
	DKIM     []dkim.Verification // from the top of the header
	DMARC    dmarc.Evaluation
	ARC      arc.Chain // shown, and counted for nothing

	since time.Time // see Client
}

// Verify authenticates a message and reads its body to the end. The error is that
// of the body; there are no results then, for every signature would seem broken.
func Verify(ctx context.Context, w *world.World, e Envelope, m *message.Message) (Results, error) {
	v := Begin(ctx, w, e)
	v.Header(m.Header)
	if _, err := io.Copy(v, m.Body); err != nil {
		v.Close()
		return Results{}, fmt.Errorf("read the body: %w", err)
	}
	return v.Results(), nil
}

// Verifier authenticates a message that comes in pieces: Header once, the body by
// Write, then Results. Who began must call Results or Close.
type Verifier struct {
	ctx    context.Context
	cancel context.CancelFunc
	w      *world.World
	asking sync.WaitGroup

	results   Results
	header    message.Header
	policy    dmarc.Discovery // of an author who is known already
	discovery dmarc.Discovery
	keys      []*dkim.Key // that are known already
	noAuthor  error
	dkim      *dkim.Verifier
	arc       *arc.Verifier
}

// Client is what is known of a client that sends more than one message over one
// connection. The zero value knows nothing.
type Client struct {
	IPRev    IPRev
	HELO     spf.Evaluation
	MailFrom spf.Evaluation  // of the domain of the last reverse-path
	Policy   dmarc.Discovery // of the last author domain
	Keys     []*dkim.Key     // of the last signatures; their records are asked for again

	since time.Time // when the oldest of MailFrom and Policy was asked for
}

// senderFor is how long what the DNS says of a sender is believed within one
// connection: less than anybody publishes as the lifetime of such a record.
const senderFor = time.Minute

// Client is what holds for the next message of the same client as well, as long as
// it does not give itself another name. What could not be looked up is left out.
func (r *Results) Client() Client {
	var c Client
	if r.IPRev.Result != IPRevTempError {
		c.IPRev = r.IPRev
	}
	if r.SPF.HELO.Result != spf.TempError {
		c.HELO = r.SPF.HELO
	}
	c.since = r.since
	if m := &r.SPF.MailFrom; m.Result != spf.TempError && !m.Personal && !r.Envelope.ReversePath.IsZero() {
		c.MailFrom = *m
	}
	if d := &r.DMARC.Discovery; d.Err == nil && d.ExistenceErr == nil && d.Walk.Err == nil {
		c.Policy = *d
	}
	for i := range r.DKIM {
		if k := r.DKIM[i].Key; k != nil {
			c.Keys = append(c.Keys, k)
		}
	}
	return c
}

// fresh is what of it may still be believed.
func (c Client) fresh(now time.Time) Client {
	if age := now.Sub(c.since); age < 0 || age >= senderFor {
		c.MailFrom, c.Policy, c.since = spf.Evaluation{}, dmarc.Discovery{}, now
	}
	return c
}

// Begin asks in the background what the envelope alone tells: iprev and SPF.
func Begin(ctx context.Context, w *world.World, e Envelope) *Verifier {
	return BeginFor(ctx, w, e, Client{})
}

// BeginFor is Begin for a client of whom something is known, which is not asked for
// again.
func BeginFor(ctx context.Context, w *world.World, e Envelope, known Client) *Verifier {
	v := &Verifier{w: w, noAuthor: dmarc.ErrNoAuthor}
	v.ctx, v.cancel = context.WithCancel(ctx)
	r := &v.results
	r.Envelope = e
	now := w.Now()
	known = known.fresh(now)
	r.since, v.policy, v.keys = known.since, known.Policy, known.Keys
	request := spf.Request{IP: e.IP, Sender: e.ReversePath, HELO: e.HELO, Now: now}
	if d, err := mail.ParseDomain(e.Receiver); err == nil {
		request.Receiver = d
	}
	r.IPRev, r.SPF.HELO = known.IPRev, known.HELO
	if r.IPRev.Result == "" {
		v.asking.Go(func() { r.IPRev = CheckIPRev(v.ctx, w, e.IP) })
	}
	if r.SPF.HELO.Result == "" {
		v.asking.Go(func() { r.SPF.HELO = spf.EvaluateHELO(v.ctx, w, request) })
	}
	switch sender := e.ReversePath.Domain; {
	case !sender.IsZero() && sender == known.MailFrom.Domain:
		r.SPF.MailFrom = known.MailFrom
	case !e.ReversePath.IsZero():
		v.asking.Go(func() { r.SPF.MailFrom = spf.Evaluate(v.ctx, w, request) })
	}
	return v
}

// Session waits for what the envelope alone tells. The results of the message are
// still missing.
func (v *Verifier) Session() (IPRev, SPF) {
	v.asking.Wait()
	s := &v.results.SPF
	if v.results.Envelope.ReversePath.IsZero() {
		// RFC 7208 section 2.4: both identities are postmaster at the HELO name.
		s.MailFrom = s.HELO
		s.MailFrom.Identity = spf.MailFrom
	}
	s.Result = s.MailFrom.Result
	return v.results.IPRev, *s
}

// Header takes the header and asks for the author's policy in the background.
func (v *Verifier) Header(h message.Header) {
	v.header = h
	v.dkim = dkim.NewVerifier(h)
	v.dkim.Know(v.keys)
	v.arc = arc.NewVerifier(h)
	author, err := authorDomain(h)
	switch v.noAuthor = err; {
	case err != nil:
	case author == v.policy.Author:
		v.discovery = v.policy
	default:
		v.asking.Go(func() { v.discovery = dmarc.Discover(v.ctx, v.w, author) })
	}
}

// authorDomain is the one domain in the From field, or why there is none. A
// mailbox that cannot be read counts as one of another domain, for nobody knows
// what a mail program will show for it.
func authorDomain(h message.Header) (mail.Domain, error) {
	mailboxes, err := h.From()
	domains := make([]mail.Domain, 0, len(mailboxes)+1)
	for _, m := range mailboxes {
		domains = append(domains, m.Address.Domain)
	}
	if err != nil {
		domains = append(domains, mail.Domain{})
	}
	return dmarc.AuthorDomain(h.Count("From"), domains)
}

// Write takes the next octets of the body. It never fails.
func (v *Verifier) Write(p []byte) (int, error) {
	_, _ = v.dkim.Write(p) // neither fails
	_, _ = v.arc.Write(p)
	return len(p), nil
}

// Results waits for everything and judges. Call it once, after the body.
func (v *Verifier) Results() Results {
	defer v.cancel()
	v.Session()
	r := &v.results
	now := v.w.Now()
	if v.dkim != nil {
		verifyChain := func() { r.ARC = v.arc.Result(v.ctx, v.w, now) }
		if v.header.Has("ARC-Seal") {
			v.asking.Go(verifyChain)
		} else {
			verifyChain() // there is nothing to look up
		}
		r.DKIM = v.dkim.Results(v.ctx, v.w, now)
		v.asking.Wait()
	}
	if v.noAuthor != nil {
		r.DMARC = dmarc.NoAuthor(v.noAuthor)
		return *r
	}
	r.DMARC = dmarc.Evaluate(v.ctx, v.w, v.discovery, r.evidence())
	return *r
}

// Close gives the message up, and waits for what was begun.
func (v *Verifier) Close() {
	v.cancel()
	v.asking.Wait()
}

// evidence is what DMARC needs to know of SPF and DKIM.
func (r *Results) evidence() dmarc.Evidence {
	e := dmarc.Evidence{SPF: dmarc.Identifier{Domain: r.SPF.MailFrom.Domain, Result: string(r.SPF.Result)}}
	for _, s := range r.DKIM {
		e.DKIM = append(e.DKIM, dmarc.Identifier{Domain: s.Domain, Result: s.Result.String()})
	}
	return e
}
