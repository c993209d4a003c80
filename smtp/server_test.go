package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// letter is one message that a shelf took.
type letter struct {
	peer  Peer
	from  mail.Address
	to    []mail.Address
	mail  MailOptions
	rcpt  []RcptOptions
	text  string
	login string
}

// shelf is what its sessions accepted. Recipients whose local part begins with
// "nobody" are refused; a text with the word "refuse" too.
type shelf struct {
	mu      sync.Mutex
	letters []letter
	errors  []error                   // that Data saw
	answer  func(letter) []mail.Reply // of Data; nil: the ordinary one
}

func (s *shelf) open(_ context.Context, p Peer) (Session, mail.Reply) {
	return &shelfSession{shelf: s, open: p}, mail.Reply{}
}

func (s *shelf) taken() []letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]letter(nil), s.letters...)
}

type shelfSession struct {
	shelf  *shelf
	open   Peer
	letter letter
	login  string
	closed int
}

func (s *shelfSession) Hello(_ context.Context, p Peer) mail.Reply {
	if p.HELO == "refused.example" {
		return mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, "not you")
	}
	s.open = p
	return mail.Reply{}
}

func (s *shelfSession) Mail(_ context.Context, from mail.Address, o MailOptions) mail.Reply {
	if strings.HasPrefix(from.Local, "later") {
		return mail.NewReply(451, mail.EnhancedCode{Class: 4, Subject: 3}, "not now")
	}
	s.letter = letter{peer: s.open, from: from, mail: o, login: s.login}
	return mail.Reply{}
}

func (s *shelfSession) Rcpt(_ context.Context, to mail.Address, o RcptOptions) mail.Reply {
	if strings.HasPrefix(to.Local, "nobody") {
		return mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}, "no such user")
	}
	s.letter.to, s.letter.rcpt = append(s.letter.to, to), append(s.letter.rcpt, o)
	return mail.Reply{}
}

func (s *shelfSession) Data(_ context.Context, body io.Reader) []mail.Reply {
	var b strings.Builder
	_, err := io.Copy(&b, body)
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	if err != nil {
		s.shelf.errors = append(s.shelf.errors, err)
		return []mail.Reply{mail.NewReply(451, mail.EnhancedCode{}, "said by the session, and not to be heard")}
	}
	s.letter.text = b.String()
	if strings.Contains(s.letter.text, "panic") {
		panic("asked for")
	}
	if strings.Contains(s.letter.text, "refuse") {
		return []mail.Reply{mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, "as you say")}
	}
	s.shelf.letters = append(s.shelf.letters, s.letter)
	if s.shelf.answer != nil {
		return s.shelf.answer(s.letter)
	}
	return nil
}

func (s *shelfSession) Reset() { s.letter = letter{} }
func (s *shelfSession) Close() { s.closed++ }

// serveOn starts a server on loopback. It is shut down with the test.
func serveOn(t testing.TB, o ServerOptions) (*Server, netip.AddrPort) {
	t.Helper()
	if o.Name.IsZero() {
		o.Name = mail.MustParseDomain("mx.example")
	}
	l, err := (&world.World{Network: world.Machine()}).Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, netip.MustParseAddrPort(l.Addr().String())
}

// withTLS gives a server a certificate for mx.example, and the pool that trusts it.
func withTLS(t testing.TB, o *ServerOptions) *tls.Config {
	t.Helper()
	cert, pool := certificate(t, "mx.example")
	o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	return &tls.Config{ServerName: "mx.example", RootCAs: pool}
}

func dialTest(t testing.TB, addr netip.AddrPort, o ClientOptions) *Client {
	t.Helper()
	c, err := Dial(t.Context(), &world.World{Network: world.Machine()}, addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServerDelivery(t *testing.T) {
	s := &shelf{}
	o := ServerOptions{Open: s.open}
	config := withTLS(t, &o)
	server, addr := serveOn(t, o)
	ctx := t.Context()
	c := dialTest(t, addr, ClientOptions{Name: "before.example", NameTLS: "after.example"})
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	expect(t, 220)(c.StartTLS(ctx, config))
	expect(t, 503)(c.Mail(ctx, mail.Address{}, MailOptions{}))
	expect(t, 250)(c.Hello(ctx))
	body := "Subject: dots\r\n\r\n.\r\n..\r\n" + strings.Repeat("0123456789abcdef.\r\n", 5000) + ".end\r\n"
	expect(t, 250)(c.Mail(ctx, mail.MustParseAddress("a@a.example"), MailOptions{Size: int64(len(body)), Body: Body8BitMIME}))
	expect(t, 550)(c.Rcpt(ctx, mail.MustParseAddress("nobody@mx.example"), RcptOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.MustParseAddress("b@mx.example"), RcptOptions{}))
	expect(t, 250)(c.Data(ctx, strings.NewReader(body)))
	expect(t, 250)(c.Mail(ctx, mail.Address{}, MailOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.Address{Local: "Postmaster"}, RcptOptions{}))
	expect(t, 250)(c.Bdat(ctx, []byte("Subject: x\r\n\r"), false))
	expect(t, 250)(c.Bdat(ctx, []byte("\n.\r\nend"), true))
	expect(t, 221)(c.Quit(ctx))
	got := s.taken()
	if len(got) != 2 || got[0].text != body || got[1].text != "Subject: x\r\n\r\n.\r\nend\r\n" {
		t.Fatalf("%d letters: %+v", len(got), got)
	}
	if p := got[0].peer; p.HELO != "after.example" || p.Protocol != "ESMTPS" || !p.Remote.Addr().IsLoopback() {
		t.Errorf("peer %+v", p)
	}
	if n := server.Stats(); n.Messages != 2 || n.Handshakes != 1 || n.Octets != int64(len(body)+len(got[1].text)) {
		t.Errorf("%+v", n)
	}
}
