package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/smtp"
)

// connection is an open dialogue with a server that is ready for messages.
type connection struct {
	client     *smtp.Client
	way        way
	egress     netip.Addr // as the message asked for it
	ext        smtp.Extensions
	channel    string // "TLS 1.3, DANE" or "in the clear"
	requireTLS bool   // fit for messages that demand it (RFC 8689)
	used       int    // messages
	most       int    // recipients of one transaction
}

// What makes a connection old.
const (
	maxMessages    = 100
	maxTransaction = 100 // recipients, as every server must take (RFC 5321 section 4.5.3.1.8)
)

// fits reports whether the next message may go over this connection too.
func (c *connection) fits(j *queue.Job) bool {
	return c.egress == j.Egress && (!j.RequireTLS || c.requireTLS) && c.used < maxMessages
}

// failure is an attempt to connect that led nowhere.
type failure struct {
	trouble    *trouble
	transcript string
}

// connect opens a dialogue for a message, trying one address after the other.
func (d *Deliverer) connect(ctx context.Context, j *queue.Job) (*connection, *failure) {
	ways, t := d.ways(ctx, j.Destination, j.Egress)
	if t != nil {
		return nil, &failure{t, ""}
	}
	var log []string
	var worst *trouble
	for i := range ways {
		c, transcript, t := d.open(ctx, &ways[i], j)
		if t == nil {
			c.egress = j.Egress
			return c, nil
		}
		log = append(log, transcript)
		if ctx.Err() != nil {
			t.stopped = true
		}
		if worst == nil || worst.permanent && !t.permanent {
			worst = t // what may pass on one way makes the whole temporary
		}
		if t.stopped {
			worst = t
			break
		}
	}
	d.plans.forget(j.Destination)
	return nil, &failure{worst, strings.Join(log, "\n")}
}

// open goes one way. Where TLS is nobody's demand and fails, it goes again without.
func (d *Deliverer) open(ctx context.Context, w *way, j *queue.Job) (*connection, string, *trouble) {
	c, transcript, t, plain := d.tryOpen(ctx, w, j, true)
	if t == nil || !plain {
		return c, transcript, t
	}
	c, more, t, _ := d.tryOpen(ctx, w, j, false)
	return c, transcript + "\n" + more, t
}

// tryOpen is open with or without TLS. plain tells that it is worth another try
// without.
func (d *Deliverer) tryOpen(ctx context.Context, w *way, j *queue.Job, useTLS bool) (_ *connection, transcript string, _ *trouble, plain bool) {
	client, t := d.dial(ctx, w)
	if t != nil {
		return nil, "*: " + t.sentence(), t, false
	}
	c := &connection{client: client, way: *w, channel: "in the clear", most: maxTransaction}
	o := opener{d: d, c: c, job: j}
	t = o.run(ctx, useTLS)
	if t == nil {
		return c, "", nil, false
	}
	transcript = client.Transcript().String() + "\n*: " + t.sentence()
	client.Close()
	return nil, transcript, t, o.plain
}

func (d *Deliverer) dial(ctx context.Context, w *way) (*smtp.Client, *trouble) {
	dialing, cancel := context.WithTimeout(ctx, d.options.Timeouts.Connect)
	defer cancel()
	client, err := smtp.Dial(dialing, d.options.World, w.to, smtp.ClientOptions{Name: w.helo, From: d.bound(w.from),
		Timeout: d.options.Timeouts.Command, DataTimeout: d.options.Timeouts.Data})
	if err == nil {
		return client, nil
	}
	t := temporary(code(4, 4, 1), "no connection to %s: %s", w.to, plainly(err))
	t.host = w.name()
	return nil, t
}

// bound is what the socket is bound to. Behind a translator it is left to the system:
// others see the address all the same, and its name is said in EHLO.
func (d *Deliverer) bound(from netip.Addr) netip.Addr {
	if slices.Contains(d.options.Elsewhere, from) {
		return netip.Addr{}
	}
	return from
}

// plainly is a network error without the addresses, which the sentence has already.
func plainly(err error) string {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

// opener leads a new connection to the point where messages can be sent.
type opener struct {
	d     *Deliverer
	c     *connection
	job   *queue.Job
	plain bool
}

func (o *opener) run(ctx context.Context, useTLS bool) *trouble {
	c, w := o.c.client, &o.c.way
	if w.implicitTLS {
		if err := c.Handshake(ctx, o.config()); err != nil {
			return broken(w.name(), err)
		}
	}
	if t := o.positive(c.Greet(ctx)); t != nil {
		return t
	}
	if t := o.hello(ctx); t != nil {
		return t
	}
	if t := o.secure(ctx, useTLS); t != nil {
		return t
	}
	o.c.ext = c.Extensions()
	if t := o.demands(); t != nil {
		return t
	}
	return o.login(ctx)
}

// positive turns an answer that is not positive into trouble. One that comes before
// the first message says that the server does not want to talk to us now.
func (o *opener) positive(r mail.Reply, err error) *trouble {
	if err != nil {
		return broken(o.c.way.name(), err)
	}
	if r.IsPositive() {
		return nil
	}
	t := refusal(o.c.way.name(), r)
	t.over, t.tooMuch = true, !t.permanent
	return t
}

func (o *opener) hello(ctx context.Context) *trouble {
	r, err := o.c.client.Hello(ctx)
	if t := o.positive(r, err); t != nil {
		return t
	}
	if own := o.c.way.helo; own != "" && strings.EqualFold(smtp.NameIn(r), own) {
		return permanent(code(5, 4, 6), "the mail would come back to this server: the server at %s says that it is %s, as we do", o.c.way.to, own)
	}
	return nil
}

// secure brings TLS, where it can be had, and insists where it must be.
func (o *opener) secure(ctx context.Context, useTLS bool) *trouble {
	w := &o.c.way
	if w.implicitTLS {
		o.c.channel = describe(o.c.client, &w.need)
		return nil
	}
	must := w.need.Level != route.Opportunistic || o.job.RequireTLS
	if !useTLS || !o.c.client.Extensions().Has("STARTTLS") {
		if must {
			return o.insist("it does not offer STARTTLS")
		}
		return o.withoutTLS(ctx)
	}
	r, err := o.c.client.StartTLS(ctx, o.config())
	switch {
	case err != nil && ctx.Err() != nil:
		return broken(w.name(), err)
	case err != nil && must:
		return o.insist(err.Error())
	case err != nil:
		o.plain = true
		return broken(w.name(), err)
	case !r.IsPositive() && must:
		return o.insist("it refuses STARTTLS: " + r.String())
	case !r.IsPositive():
		return o.withoutTLS(ctx)
	}
	if err := o.d.tlsMemory.saw(ctx, w.destination); err != nil {
		o.d.log.Warn("that a domain has TLS could not be remembered", "domain", w.destination, "error", err)
	}
	o.c.channel = describe(o.c.client, &w.need)
	return o.hello(ctx)
}

// insist is the trouble of TLS that somebody demands and that is not to be had.
func (o *opener) insist(what string) *trouble {
	t := temporary(code(4, 7, 5), "TLS is demanded here (%s), and it failed: %s", demandOf(&o.c.way.need, o.job), what)
	t.host, t.over = o.c.way.name(), true
	if o.job.RequireTLS && o.c.way.need.Level == route.Opportunistic {
		t.permanent, t.status = true, code(5, 7, 30)
	}
	return t
}

func demandOf(n *route.Need, j *queue.Job) string {
	switch n.Level {
	case route.DANE, route.Encrypted:
		return "by the domain, with DANE"
	case route.WebPKI:
		return "by the domain, with MTA-STS"
	}
	if j.RequireTLS {
		return "by the sender, with REQUIRETLS"
	}
	return n.Level.String()
}

// withoutTLS goes on in the clear, unless the domain is known to have TLS: then the
// message waits for some time, and the administrator learns of it.
func (o *opener) withoutTLS(ctx context.Context) *trouble {
	w := &o.c.way
	since, first, err := o.d.tlsMemory.missed(ctx, w.destination)
	if err != nil {
		return fromStore("%s", err)
	}
	if since.IsZero() {
		return nil
	}
	if first {
		o.d.alert(ctx, Alert{Kind: "tls-lost", Destination: w.destination, Text: fmt.Sprintf(
			"%s offered TLS until now and does not any more; mail for %s waits %s for it and then goes in the clear",
			w.name(), w.destination, graceTLS)})
	}
	until := since.Add(graceTLS)
	if !o.d.options.World.Now().Before(until) {
		return nil
	}
	t := temporary(code(4, 7, 5), "it offered TLS before and does not any more; if that stays so, the message goes in the clear after %s",
		until.UTC().Format("15:04:05 UTC"))
	t.host, t.over, t.retryBy = w.name(), true, until.Add(time.Second)
	return t
}

// demands checks what this message demands of the server beyond TLS (RFC 8689
// section 4.2.1: the certificate verified, and the extension there).
func (o *opener) demands() *trouble {
	verified := o.c.way.need.Level == route.DANE || o.c.way.need.Level == route.WebPKI
	o.c.requireTLS = verified && o.c.ext.Has("REQUIRETLS")
	if !o.job.RequireTLS || o.c.requireTLS {
		return nil
	}
	t := permanent(code(5, 7, 30), "the sender demands TLS all the way (REQUIRETLS), which the server cannot promise")
	t.host = o.c.way.name()
	return t
}

func (o *opener) login(ctx context.Context) *trouble {
	s := o.c.way.login
	if s == nil || s.User == "" {
		return nil
	}
	how := o.c.client.AuthPlain
	if m := o.c.ext.AuthMechanisms(); !contains(m, "PLAIN") && contains(m, "LOGIN") {
		how = o.c.client.AuthLogin
	}
	r, err := how(ctx, s.User, s.Password)
	t := o.positive(r, err)
	if t != nil {
		// The password is the administrator's to repair; the messages are innocent.
		t.permanent, t.tooMuch = false, true
		o.d.alert(ctx, Alert{Kind: "smarthost-login", Destination: s.Host.String(), Text: "the smarthost refuses our login: " + t.text})
	}
	return t
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// config demands of TLS what the way needs. What crypto/tls would verify by itself is
// switched off: route judges, because DANE has rules of its own.
func (o *opener) config() *tls.Config {
	w := &o.c.way
	config := &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS12,
		Time:               o.d.options.World.Now,
		VerifyConnection: func(s tls.ConnectionState) error {
			return w.need.Verify(s.PeerCertificates, o.d.options.World.Roots, o.d.options.World.Now())
		},
	}
	if w.need.Level == route.Opportunistic {
		config.MinVersion = tls.VersionTLS10 // weak TLS is still better than none (RFC 7435)
	}
	if len(w.need.Names) > 0 {
		config.ServerName = w.need.Names[0].String() // RFC 7672 section 8.1: the TLSA base domain
	}
	return config
}

// describe names the channel for the journal.
func describe(c *smtp.Client, n *route.Need) string {
	state, ok := c.TLS()
	if !ok {
		return "in the clear"
	}
	return tls.VersionName(state.Version) + ", " + n.Level.String()
}
