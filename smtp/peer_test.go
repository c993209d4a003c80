package smtp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// peer is a server by somebody else, so that we do not agree with ourselves.
type peer struct {
	mu       sync.Mutex
	names    []string // said in EHLO
	messages []string
}

func (p *peer) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, c.Hostname())
	return &peerSession{p}, nil
}

type peerSession struct{ p *peer }

func (s *peerSession) Reset()                                 {}
func (s *peerSession) Logout() error                          { return nil }
func (s *peerSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s *peerSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "nobody there"}
	}
	return nil
}

func (s *peerSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.messages = append(s.p.messages, string(b))
	return err
}

// startPeer serves on loopback and returns the address and a pool that trusts it.
func startPeer(t testing.TB) (*peer, netip.AddrPort, *x509.CertPool) {
	t.Helper()
	cert, pool := certificate(t, "mx.example")
	p := &peer{}
	srv := gosmtp.NewServer(p)
	srv.Domain = "mx.example"
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.EnableSMTPUTF8, srv.EnableDSN, srv.EnableREQUIRETLS = true, true, true
	srv.ErrorLog = quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return p, netip.MustParseAddrPort(l.Addr().String()), pool
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// expect fails the test unless the reply has the code and there is no error.
func expect(t *testing.T, code int) func(mail.Reply, error) mail.Reply {
	return func(r mail.Reply, err error) mail.Reply {
		t.Helper()
		if err != nil || r.Code != code {
			t.Fatalf("%q, %v; want %d", r, err, code)
		}
		return r
	}
}

func TestPeerDelivery(t *testing.T) {
	p, addr, pool := startPeer(t)
	ctx := t.Context()
	c, err := Dial(ctx, &world.World{Network: world.Machine()}, addr, ClientOptions{Name: "before.example", NameTLS: "after.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	if !c.Extensions().Has("STARTTLS") {
		t.Fatal(c.Extensions())
	}
	expect(t, 220)(c.StartTLS(ctx, &tls.Config{ServerName: "mx.example", RootCAs: pool}))
	if c.Extensions() != nil {
		t.Error("what was announced in the clear outlived STARTTLS")
	}
	expect(t, 250)(c.Hello(ctx))
	if state, ok := c.TLS(); !ok || state.Version != tls.VersionTLS13 {
		t.Errorf("TLS state %v", ok)
	}
	body := "Subject: dots\r\n\r\n.\r\n..\r\n" + strings.Repeat("0123456789abcdef.\r\n", 5000) + ".end\r\n"
	expect(t, 250)(c.Mail(ctx, mail.MustParseAddress("a@a.example"), MailOptions{Size: int64(len(body)), Body: Body8BitMIME}))
	expect(t, 550)(c.Rcpt(ctx, mail.MustParseAddress("nobody@mx.example"), RcptOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.MustParseAddress("b@mx.example"), RcptOptions{Notify: []string{"NEVER"}}))
	expect(t, 250)(c.Data(ctx, strings.NewReader(body)))
	expect(t, 250)(c.Mail(ctx, mail.Address{}, MailOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.MustParseAddress("b@mx.example"), RcptOptions{}))
	expect(t, 250)(c.Bdat(ctx, []byte("Subject: x\r\n\r\n"), false))
	expect(t, 250)(c.Bdat(ctx, []byte(".\r\nend"), true))
	replies, err := c.Pipeline(ctx, []Command{"RSET", MailCommand(mail.Address{}, MailOptions{}), "RCPT TO:<nobody@mx.example>", "NOOP"})
	if err != nil || len(replies) != 4 || replies[2].Code != 550 {
		t.Fatal(replies, err)
	}
	expect(t, 221)(c.Quit(ctx))

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.messages) != 2 || p.messages[0] != body || p.messages[1] != "Subject: x\r\n\r\n.\r\nend" {
		t.Errorf("%d messages arrived, not as they were sent", len(p.messages))
	}
	if got := strings.Join(p.names, " "); got != "before.example after.example" {
		t.Errorf("EHLO names %s", got)
	}
	if s := c.Transcript().String(); !strings.Contains(s, "*: TLS 1.3, TLS_") || strings.Contains(s, "0123456789") {
		t.Errorf("transcript:\n%s", s)
	}
}

func TestWrongCertificate(t *testing.T) {
	_, addr, _ := startPeer(t)
	ctx := t.Context()
	c, err := Dial(ctx, &world.World{Network: world.Machine()}, addr, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	_, err = c.StartTLS(ctx, &tls.Config{ServerName: "mx.example", RootCAs: x509.NewCertPool()})
	var unknown x509.UnknownAuthorityError
	if !errors.Is(err, ErrTLS) || !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
	if _, err := c.Noop(ctx); !errors.Is(err, ErrTLS) {
		t.Errorf("the dialogue went on: %v", err)
	}
}

// TestHijack hands a connection over where the next octet is the ClientHello.
func TestHijack(t *testing.T) {
	_, addr, pool := startPeer(t)
	ctx := t.Context()
	c, err := Dial(ctx, &world.World{Network: world.Machine()}, addr, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	expect(t, 220)(c.BeginTLS(ctx))
	conn := tls.Client(c.Hijack(), &tls.Config{ServerName: "mx.example", RootCAs: pool})
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.Noop(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("two speak over one connection: %v", err)
	}
}

func TestDialNowhere(t *testing.T) {
	_, err := Dial(t.Context(), world.None(), netip.MustParseAddrPort("127.0.0.1:25"), ClientOptions{})
	if !errors.Is(err, world.ErrNoWorld) {
		t.Error(err)
	}
}

// TestBodyReaderFails wants the server never to take half a message for a whole one.
func TestBodyReaderFails(t *testing.T) {
	p, addr, _ := startPeer(t)
	ctx := t.Context()
	c, err := Dial(ctx, &world.World{Network: world.Machine()}, addr, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	expect(t, 250)(c.Mail(ctx, mail.Address{}, MailOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.MustParseAddress("b@mx.example"), RcptOptions{}))
	broken := errors.New("disk gone")
	_, err = c.Data(ctx, io.MultiReader(strings.NewReader("Subject: half\r\n\r\n"), failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := c.Noop(ctx); !errors.Is(err, broken) {
		t.Errorf("the dialogue went on: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.messages {
		if !bytes.HasPrefix([]byte(m), []byte("Subject: half")) {
			t.Errorf("%q", m)
		}
	}
}

// TestHalfABody: a store that hangs up in the middle says so in words with EOF in them,
// and what came until then is no message.
func TestHalfABody(t *testing.T) {
	for _, cause := range []error{io.ErrUnexpectedEOF, fmt.Errorf("database: %w", io.EOF), fmt.Errorf("bucket: %w", io.ErrUnexpectedEOF)} {
		client, server := net.Pipe()
		sent := make(chan []byte)
		go func() {
			octets, _ := io.ReadAll(server)
			sent <- octets
		}()
		c := NewClient(client, ClientOptions{})
		s := &bodySender{client: c}
		err := s.send(t.Context(), io.MultiReader(strings.NewReader("Subject: half\r\n\r\nThe first half\r\n"), failing{cause}))
		c.Close()
		if octets := <-sent; !errors.Is(err, cause) || bytes.HasSuffix(octets, []byte("\r\n.\r\n")) {
			t.Errorf("%v: sent %q as a whole message, error %v", cause, octets, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func BenchmarkData(b *testing.B) {
	body := strings.Repeat("A line of seventy-six characters or so, as mail has them by the thousand.\r\n", 1000)
	client, server := net.Pipe()
	go io.Copy(io.Discard, server)
	c := NewClient(client, ClientOptions{})
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		s := &bodySender{client: c}
		if err := s.send(context.Background(), strings.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}
