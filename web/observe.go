package web

import (
	"context"
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// OpenFunc makes the session of a new connection: smtp.ServerOptions.Open.
type OpenFunc func(context.Context, smtp.Peer) (smtp.Session, mail.Reply)

// Observe stands between smtp and the session that decides: it counts the
// connections of a listener, each answer by stage and outcome, and how long clients
// wait for it.
func (m *Metrics) Observe(listener string, open OpenFunc) OpenFunc {
	t := m.Sessions
	return func(ctx context.Context, p smtp.Peer) (smtp.Session, mail.Reply) {
		o := observer{turns: t, listener: listener}
		defer o.begin("connect").end(&o.answer)
		t.opened.WithLabelValues(listener).Inc()
		inner, reply := open(ctx, p)
		o.answer = reply
		if inner == nil {
			return nil, reply
		}
		t.open.WithLabelValues(listener).Inc()
		o.Session = inner
		if login, ok := inner.(smtp.Authenticator); ok {
			return &observedLogin{&o, login}, reply
		}
		return &o, reply
	}
}

// observer is a session that counts.
type observer struct {
	smtp.Session
	turns    Turns
	listener string
	answer   mail.Reply // to the turn that is being counted
}

// turn is one question that is being answered.
type turn struct {
	o     *observer
	stage string
	began time.Time
}

func (o *observer) begin(stage string) turn {
	return turn{o, stage, time.Now()} // elapsed
}

func (t turn) end(reply *mail.Reply) {
	t.o.turns.count(t.o.listener, t.stage, *reply, time.Since(t.began)) // elapsed
}

// Hello counts EHLO, HELO and LHLO.
func (o *observer) Hello(ctx context.Context, p smtp.Peer) (reply mail.Reply) {
	defer o.begin("hello").end(&reply)
	return o.Session.Hello(ctx, p)
}

// Mail counts MAIL.
func (o *observer) Mail(ctx context.Context, from mail.Address, options smtp.MailOptions) (reply mail.Reply) {
	defer o.begin("mail").end(&reply)
	return o.Session.Mail(ctx, from, options)
}

// Rcpt counts RCPT.
func (o *observer) Rcpt(ctx context.Context, to mail.Address, options smtp.RcptOptions) (reply mail.Reply) {
	defer o.begin("rcpt").end(&reply)
	return o.Session.Rcpt(ctx, to, options)
}

// Data counts messages; the clock starts when the last octet is there, for how long
// the client sends is not ours to answer for.
func (o *observer) Data(ctx context.Context, body io.Reader) []mail.Reply {
	in := &lastOctet{Reader: body, at: time.Now()} // elapsed
	replies := o.Session.Data(ctx, in)
	waited := time.Since(in.at) // elapsed
	if len(replies) == 0 {
		replies = []mail.Reply{{}}
	}
	for _, reply := range replies {
		o.turns.count(o.listener, "data", reply, waited)
	}
	if len(replies) == 1 && replies[0].IsZero() {
		return nil
	}
	return replies
}

// Close counts the end of the connection.
func (o *observer) Close() {
	o.turns.open.WithLabelValues(o.listener).Dec()
	o.Session.Close()
}

// lastOctet remembers when the body ended.
type lastOctet struct {
	io.Reader
	at time.Time
}

// Read notes the end.
func (l *lastOctet) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err != nil {
		l.at = time.Now() // elapsed
	}
	return n, err
}

// WriteTo keeps the way without a buffer in between.
func (l *lastOctet) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, l.Reader)
	l.at = time.Now() // elapsed
	return n, err
}

// observedLogin is an observer whose clients may log in.
type observedLogin struct {
	*observer
	login smtp.Authenticator
}

// Plain counts logins by password.
func (o *observedLogin) Plain(ctx context.Context, authzid, user, password string) (reply mail.Reply) {
	defer o.begin("login").end(&reply)
	return o.login.Plain(ctx, authzid, user, password)
}

// SCRAM passes the question on; the login is counted when it succeeds or fails.
func (o *observedLogin) SCRAM(ctx context.Context, user string) (smtp.ScramKeys, mail.Reply) {
	return o.login.SCRAM(ctx, user)
}

// Authenticated counts logins by SCRAM.
func (o *observedLogin) Authenticated(ctx context.Context, user, mechanism string) (reply mail.Reply) {
	defer o.begin("login").end(&reply)
	return o.login.Authenticated(ctx, user, mechanism)
}
