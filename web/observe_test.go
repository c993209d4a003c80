package web

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// picky refuses one recipient, and every message but the first.
type picky struct {
	messages int
	closed   bool
}

func (p *picky) Hello(context.Context, smtp.Peer) mail.Reply                     { return mail.Reply{} }
func (p *picky) Mail(context.Context, mail.Address, smtp.MailOptions) mail.Reply { return mail.Reply{} }
func (p *picky) Reset()                                                          {}
func (p *picky) Close()                                                          { p.closed = true }
func (p *picky) Rcpt(_ context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	if to.Local == "nobody" {
		return mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}, "no such user")
	}
	return mail.Reply{}
}

func (p *picky) Data(_ context.Context, body io.Reader) []mail.Reply {
	io.Copy(io.Discard, body)
	if p.messages++; p.messages > 1 {
		return []mail.Reply{{Code: 451}}
	}
	return nil
}

// loginPicky may be logged in to.
type loginPicky struct{ picky }

func (*loginPicky) Plain(context.Context, string, string, string) mail.Reply {
	return mail.NewReply(535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}, "no")
}
func (*loginPicky) SCRAM(context.Context, string) (smtp.ScramKeys, mail.Reply) {
	return smtp.ScramKeys{}, mail.Reply{}
}
func (*loginPicky) Authenticated(context.Context, string, string) mail.Reply { return mail.Reply{} }

func TestObserve(t *testing.T) {
	m, ctx := NewMetrics(), t.Context()
	inner := &picky{}
	s, _ := m.Observe("smtp", func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) { return inner, mail.Reply{} })(ctx, smtp.Peer{})
	if _, ok := s.(smtp.Authenticator); ok {
		t.Error("port 25 offers a login")
	}
	s.Hello(ctx, smtp.Peer{})
	s.Mail(ctx, mail.Address{}, smtp.MailOptions{})
	s.Rcpt(ctx, mail.MustParseAddress("anna@example.com"), smtp.RcptOptions{})
	s.Rcpt(ctx, mail.MustParseAddress("nobody@example.com"), smtp.RcptOptions{})
	if got := s.Data(ctx, strings.NewReader("x")); got != nil {
		t.Errorf("the ordinary answer became %v", got)
	}
	if got := s.Data(ctx, strings.NewReader("x")); len(got) != 1 || got[0].Code != 451 {
		t.Errorf("a refusal became %v", got)
	}
	login, _ := m.Observe("submission", func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) { return &loginPicky{}, mail.Reply{} })(ctx, smtp.Peer{})
	if reply := login.(smtp.Authenticator).Plain(ctx, "", "anna", "wrong"); reply.Code != 535 {
		t.Errorf("a refused login became %v", reply)
	}
	refused := mail.NewReply(554, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, "listed")
	if none, reply := m.Observe("smtp", func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) { return nil, refused })(ctx, smtp.Peer{}); none != nil || reply.Code != 554 {
		t.Errorf("a refused connection became %v, %v", none, reply)
	}
	if s.Close(); !inner.closed {
		t.Error("the end is not passed on")
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`allgreen_smtp_sessions_total{listener="smtp"} 2`,
		`allgreen_smtp_sessions{listener="smtp"} 0`,
		`allgreen_smtp_replies_total{code="5.1.1",listener="smtp",outcome="refused",stage="rcpt"} 1`,
		`allgreen_smtp_replies_total{code="250",listener="smtp",outcome="accepted",stage="data"} 1`,
		`allgreen_smtp_replies_total{code="4xx",listener="smtp",outcome="deferred",stage="data"} 1`,
		`allgreen_smtp_replies_total{code="5.7.1",listener="smtp",outcome="refused",stage="connect"} 1`,
		`allgreen_smtp_replies_total{code="5.7.8",listener="submission",outcome="refused",stage="login"} 1`,
		`allgreen_smtp_reply_seconds_count{listener="smtp",stage="data"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}
