package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/sessions"
)

// inMemory runs a test against a server over links, on made time.
func inMemory(t *testing.T, o ServerOptions, play func(t *testing.T, s *Server, l *links)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Name = mail.MustParseDomain("mx.example")
		s, l := NewServer(o), newLinks()
		done := make(chan error, 1)
		go func() { done <- s.Serve(context.Background(), l) }()
		play(t, s, l)
		s.Shutdown(context.Background())
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d conversations are left", n)
		}
	})
}

// said reads what the server says until it closes.
func said(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

const envelope = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"

// TestSlowLoris wants a client that sends an octet a minute to be gone soon, however it
// divides them, and an honest slow one to be served.
func TestSlowLoris(t *testing.T) {
	for _, tt := range []struct {
		name, begin, piece string
		every              time.Duration
		least, most        time.Duration // how long it is borne
	}{
		{"a letter of a command a minute", "", "x", time.Minute, 5 * time.Minute, 5 * time.Minute},
		{"a NOOP a minute", "", "NOOP\r\n", time.Minute, 100 * time.Minute, 130 * time.Minute},
		{"an octet of a message a minute", envelope + "DATA\r\n", "x", time.Minute, 5 * time.Minute, 6 * time.Minute},
		{"a line of a message every ten seconds", envelope + "DATA\r\n", "hello world\r\n", 10 * time.Second, 5 * time.Minute, 6 * time.Minute},
		{"a chunk of nothing a minute", envelope, "BDAT 0\r\n", time.Minute, 5 * time.Minute, 6 * time.Minute},
		{"a chunk of an octet a minute", envelope, "BDAT 1\r\nx", time.Minute, 5 * time.Minute, 6 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kept := &shelf{}
			inMemory(t, ServerOptions{Open: kept.open}, func(t *testing.T, _ *Server, l *links) {
				c := l.connect(0)
				start := time.Now()
				io.WriteString(c, tt.begin)
				go func() {
					for {
						if _, err := io.WriteString(c, tt.piece); err != nil {
							return
						}
						time.Sleep(tt.every)
					}
				}()
				text := said(t, c)
				c.Close()
				if took := time.Since(start); took < tt.least || took > tt.most || !strings.Contains(text, "\r\n421 ") {
					t.Errorf("borne for %s: %.300q", took, text)
				}
				time.Sleep(tt.every)
			})
		})
	}
}

// TestSlowLorisElsewhere has a client be slow where no commands are: before it is
// greeted, within the handshake, and in reading what it is told.
func TestSlowLorisElsewhere(t *testing.T) {
	drip := func(c net.Conn, text string, every time.Duration) {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(every)
		}
	}
	for _, tt := range []struct {
		name string
		most time.Duration
		play func(c net.Conn)
	}{
		{"a PROXY header in a minute", proxyTimeout + time.Second, func(c net.Conn) { drip(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n", 2*time.Second) }},
		{"a handshake in an hour", handshakeTimeout + time.Second, func(c net.Conn) {
			io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO x\r\n")
			in := bufio.NewReader(c)
			for line := ""; !strings.HasPrefix(line, "250 "); {
				line, _ = in.ReadString('\n')
			}
			io.WriteString(c, "STARTTLS\r\n")
			in.ReadString('\n')
			drip(c, "\x16\x03\x01\x02\x00"+strings.Repeat("\x01", 512), 7*time.Second)
		}},
		{"nothing is read", 6 * time.Minute, func(c net.Conn) {
			io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n")
			drip(c, strings.Repeat("NOOP\r\n", 1000), time.Second)
		}},
		{"an octet a minute is read", 12 * time.Minute, func(c net.Conn) {
			io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n")
			for one := make([]byte, 1); ; time.Sleep(time.Minute) {
				if _, err := c.Read(one); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := &shelf{}
				o := ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: kept.open, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
				withTLS(t, &o)
				client, server := net.Pipe()
				over := make(chan bool)
				start := time.Now()
				go func() { newConversation(NewServer(o), &placed{server}).Run(context.Background()); close(over) }()
				played := make(chan bool)
				go func() { tt.play(client); close(played) }()
				<-over
				if took := time.Since(start); took > tt.most {
					t.Errorf("borne for %s", took)
				}
				client.Close()
				<-played
			})
		})
	}
}

// placed is a pipe with an address, which PROXY asks for.
type placed struct{ net.Conn }

func (*placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4000} }
func (*placed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 25} }

func TestHonestSlowClient(t *testing.T) {
	kept := &shelf{}
	inMemory(t, ServerOptions{Open: kept.open}, func(t *testing.T, _ *Server, l *links) {
		c := l.connect(0)
		io.WriteString(c, envelope+"DATA\r\n")
		line := strings.Repeat("x", 158) + "\r\n"
		for range 3600 { // 160 octets a second for an hour, as over a bad radio link
			io.WriteString(c, line)
			time.Sleep(time.Second)
		}
		io.WriteString(c, ".\r\nQUIT\r\n")
		if text := said(t, c); !strings.Contains(text, "250 2.0.0 message accepted") {
			t.Errorf("%q", text)
		}
	})
}

func TestSessionTimeout(t *testing.T) {
	kept := &shelf{}
	inMemory(t, ServerOptions{Open: kept.open, SessionTimeout: time.Hour}, func(t *testing.T, _ *Server, l *links) {
		c := l.connect(0)
		for range 18 { // four minutes each
			io.WriteString(c, envelope+"DATA\r\nx\r\n.\r\n")
			time.Sleep(4 * time.Minute)
		}
		if text := said(t, c); !strings.HasSuffix(text, "421 4.4.2 the session has lasted long enough\r\n") || len(kept.taken()) > 17 {
			t.Errorf("%d letters, %q", len(kept.taken()), text[max(0, len(text)-200):])
		}
	})
}

// TestRetire: clients of a server that was replaced are asked to connect again when they
// say nothing, or when they never stop; what is under way is not disturbed.
func TestRetire(t *testing.T) {
	kept := &shelf{}
	inMemory(t, ServerOptions{Open: kept.open}, func(t *testing.T, s *Server, l *links) {
		idle, slow, busy := l.connect(0), l.connect(0), l.connect(0)
		io.WriteString(idle, "EHLO c.example\r\n")
		io.WriteString(slow, envelope)
		synctest.Wait()
		began := time.Now()
		s.Retire(time.Minute, 10*time.Minute)
		if text := said(t, idle); !strings.HasSuffix(text, "421 4.3.2 mx.example was set up anew, please connect again\r\n") || time.Since(began) != time.Minute {
			t.Errorf("after %s: %q", time.Since(began), text)
		}
		time.Sleep(3 * time.Minute)
		io.WriteString(slow, "DATA\r\nx\r\n.\r\n")
		began = time.Now()
		if text := said(t, slow); !strings.Contains(text, "250 2.0.0 message accepted\r\n421 4.3.2 ") || time.Since(began) != time.Minute {
			t.Errorf("after %s: %q", time.Since(began), text)
		}
		for range 40 {
			io.WriteString(busy, envelope+"RSET\r\n")
			time.Sleep(30 * time.Second)
		}
		if text := said(t, busy); !strings.HasSuffix(text, "421 4.3.2 mx.example was set up anew, please connect again\r\n") {
			t.Errorf("%q", text)
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	kept := &shelf{}
	inMemory(t, ServerOptions{Open: kept.open, MaxConnections: 2}, func(t *testing.T, s *Server, l *links) {
		a, b := l.connect(0), l.connect(0)
		synctest.Wait()
		c := l.connect(0)
		if text := said(t, c); text != "421 4.3.2 mx.example too many connections, try again later\r\n" {
			t.Errorf("%q", text)
		}
		a.Close()
		synctest.Wait()
		d := l.connect(0)
		io.WriteString(d, "QUIT\r\n")
		if text := said(t, d); !strings.HasPrefix(text, "220 ") {
			t.Errorf("%q", text)
		}
		b.Close()
		if n := s.Stats(); n.Overloaded != 1 || n.Connections != 3 {
			t.Errorf("%+v", n)
		}
	})
}

// TestRefusedAtTheDoor wants the reason as the banner, and after 554 patience until QUIT
// (RFC 5321 section 3.1).
func TestRefusedAtTheDoor(t *testing.T) {
	for _, tt := range []struct {
		reply mail.Reply
		want  string
	}{
		{mail.NewReply(554, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, "no"), "554 5.7.1 no\r\n503 5.5.1 no service, as was said\r\n221 2.0.0 goodbye\r\n"},
		{mail.NewReply(421, mail.EnhancedCode{Class: 4, Subject: 7, Detail: 0}, "later"), "421 4.7.0 later\r\n"},
	} {
		open := func(context.Context, Peer) (Session, mail.Reply) { return nil, tt.reply }
		inMemory(t, ServerOptions{Open: open}, func(t *testing.T, _ *Server, l *links) {
			c := l.connect(0)
			io.WriteString(c, "EHLO x\r\nQUIT\r\n")
			if got := said(t, c); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestHandshakeTimeout wants a client that is silent after 220, or speaks no TLS, to be
// gone.
func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		o := ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: kept.open}
		withTLS(t, &o)
		for _, rest := range []string{"", "\x16\x03\x01", "NOOP\r\n"} {
			s := NewServer(o)
			client, server := newLink(0)
			io.WriteString(client, "EHLO x\r\n")
			over := make(chan bool)
			go func() { newConversation(s, server).Run(context.Background()); close(over) }()
			synctest.Wait()
			io.WriteString(client, "STARTTLS\r\n")
			synctest.Wait()
			io.WriteString(client, rest)
			start := time.Now()
			<-over
			if took := time.Since(start); took > handshakeTimeout+time.Second || s.Stats().FailedTLS != 1 {
				t.Errorf("%q: gone after %s", rest, took)
			}
		}
	})
}

// TestShutdownUnderLoad stops a server in the middle of many messages: every message that
// got its 250 is there, and nothing runs on.
func TestShutdownUnderLoad(t *testing.T) {
	kept := &shelf{}
	s, addr := serveOn(t, ServerOptions{Open: kept.open})
	var answered sync.Map
	var clients sync.WaitGroup
	begun := make(chan bool, 100)
	for range 20 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", addr.String())
			if err != nil {
				return
			}
			c := NewClient(conn, ClientOptions{})
			defer c.Close()
			c.Greet(t.Context())
			c.Hello(t.Context())
			for {
				text := rand.Text() + "\r\n"
				c.Mail(t.Context(), mail.Address{}, MailOptions{})
				c.Rcpt(t.Context(), mail.Address{Local: "postmaster"}, RcptOptions{})
				r, err := c.Data(t.Context(), strings.NewReader(text))
				if err != nil || r.Code != 250 {
					return
				}
				answered.Store(text, true)
				select {
				case begun <- true:
				default:
				}
			}
		})
	}
	for range 100 {
		<-begun
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	clients.Wait()
	have := map[string]bool{}
	for _, l := range kept.taken() {
		have[l.text] = true
	}
	answered.Range(func(text, _ any) bool {
		if !have[text.(string)] {
			t.Errorf("%q was answered and is not there", text)
		}
		return true
	})
	if _, err := net.Dial("tcp", addr.String()); err == nil {
		t.Error("somebody listens still")
	}
}

// TestServerTranscript wants the dialogue without passwords, and without the message.
func TestServerTranscript(t *testing.T) {
	got := make(chan string, 1)
	kept := &shelf{}
	o := ServerOptions{Open: kept.openLogin, Submission: true, Mechanisms: []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"},
		Transcript: func(_ Peer, tr *Transcript) { got <- tr.String() }}
	config := withTLS(t, &o)
	_, addr := serveOn(t, o)
	c := dialTest(t, addr, ClientOptions{})
	ctx := t.Context()
	expect(t, 220)(c.Greet(ctx))
	expect(t, 250)(c.Hello(ctx))
	expect(t, 220)(c.StartTLS(ctx, config))
	expect(t, 250)(c.Hello(ctx))
	expect(t, 535)(c.AuthPlain(ctx, testUser, "hunter2"))
	expect(t, 235)(c.AuthLogin(ctx, testUser, testPassword))
	expect(t, 250)(c.Mail(ctx, mail.Address{}, MailOptions{}))
	expect(t, 250)(c.Rcpt(ctx, mail.Address{Local: "postmaster"}, RcptOptions{}))
	expect(t, 250)(c.Data(ctx, strings.NewReader("Subject: private\r\n")))
	expect(t, 221)(c.Quit(ctx))
	text := <-got
	for _, secret := range []string{testPassword, "hunter2", "private", string(encoded(testPassword)), string(encoded("\x00" + testUser + "\x00hunter2"))} {
		if strings.Contains(text, secret) {
			t.Errorf("%q stands in\n%s", secret, text)
		}
	}
	for _, line := range []string{"S: 220 mx.example", "C: AUTH PLAIN ********", "C: ********", "C: [18 octets of message]", "*: TLS 1.3", "C: QUIT", "S: 221"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
}

func TestPanicIsLogged(t *testing.T) {
	var log bytes.Buffer
	kept := &shelf{}
	s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: kept.open, Log: slog.New(slog.NewTextHandler(&log, nil))})
	out := converse(t, s, envelope+"DATA\r\npanic\r\n.\r\nNOOP\r\n", 0)
	if !strings.HasSuffix(out, "421 4.3.0 internal error, try again later\r\n") || !strings.Contains(log.String(), "shelfSession") || s.Stats().Panics != 1 {
		t.Errorf("%q\n%s", out, log.String())
	}
}

// TestStrangeReplies wants a session's odd answers to reach nobody.
func TestStrangeReplies(t *testing.T) {
	for name, tt := range map[string]struct {
		reply mail.Reply
		want  string
	}{
		"no code of SMTP": {mail.Reply{Code: 999}, "451 4.3.0 internal error, try again later\r\n"},
		"intermediate":    {mail.NewReply(354, mail.EnhancedCode{}, "go on"), "451 4.3.0 internal error, try again later\r\n"},
		"a line break":    {mail.NewReply(550, mail.EnhancedCode{}, "no\r\n250 yes"), "550 no  250 yes\r\n"},
		"an empty line":   {mail.Reply{Code: 550}, "550 \r\n"},
		"far too long":    {mail.NewReply(550, mail.EnhancedCode{}, strings.Repeat("word ", 200)), ""},
		"without a space": {mail.NewReply(550, mail.EnhancedCode{}, strings.Repeat("x", 20000)), ""},
	} {
		kept := &shelf{answer: func(letter) []mail.Reply { return []mail.Reply{tt.reply} }}
		s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: kept.open})
		out := converse(t, s, envelope+"DATA\r\nx\r\n.\r\n", 0)
		if _, err := readReplies(out); err != nil || !strings.HasSuffix(out, tt.want) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// TestEarlyAnswers wants a session that does not read on to change nothing of the rules.
func TestEarlyAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		reply      mail.Reply
		text, want string
	}{
		"accepts unread":             {mail.Reply{}, "DATA\r\nx\r\n.\r\nNOOP\r\n", "354 250 250"},
		"accepts what proves faulty": {mail.Reply{}, "DATA\r\nx\r\ny\nz\r\n.\r\nNOOP\r\n", "354 554 250"},
		"refuses unread":             {mail.NewReply(452, mail.EnhancedCode{}, "full"), "DATA\r\nx\n.\n\r\n.\r\nNOOP\r\n", "354 452 250"},
		"refuses the first chunk":    {mail.NewReply(452, mail.EnhancedCode{}, "full"), "BDAT 3\r\na\r\nBDAT 3 LAST\r\na\r\nNOOP\r\n", "452 503 250"},
	} {
		open := func(context.Context, Peer) (Session, mail.Reply) { return hasty{reply: tt.reply}, mail.Reply{} }
		s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: open})
		replies, err := readReplies(converse(t, s, envelope+tt.text, 0))
		if got := codes(replies); err != nil || got != "220 250 250 250 "+tt.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

type hasty struct {
	sink
	reply mail.Reply
}

func (h hasty) Data(context.Context, io.Reader) []mail.Reply { return []mail.Reply{h.reply} }

// TestServeFails wants a broken listener to be told, and its conversations to go on.
func TestServeFails(t *testing.T) {
	s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: sink{}.open})
	l := newLinks()
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), l) }()
	c := l.connect(0)
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	io.WriteString(c, "QUIT\r\n")
	if text := said(t, c); !strings.Contains(text, "221 ") {
		t.Errorf("%q", text)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Serve(t.Context(), newLinks()); err != nil {
		t.Error(err)
	}
}

func TestTickets(t *testing.T) {
	base := &tls.Config{}
	for _, tt := range []struct {
		o    ServerOptions
		want bool
	}{
		{ServerOptions{TLS: base}, true},
		{ServerOptions{TLS: base, Submission: true}, false},
		{ServerOptions{TLS: base, Submission: true, Mechanisms: []string{"SCRAM-SHA-256-PLUS"}}, true},
	} {
		if got := NewServer(tt.o).options.TLS.SessionTicketsDisabled; got != tt.want {
			t.Errorf("%+v: %v", tt.o, got)
		}
	}
	if base.SessionTicketsDisabled {
		t.Error("the caller's configuration was changed")
	}
}

// TestContextEndsTheServer wants the end of the context to be a shutdown like any other.
func TestContextEndsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		s, l := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: kept.open}), newLinks()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		idle, busy := l.connect(0), l.connect(0)
		io.WriteString(busy, envelope+"DATA\r\nx\r\n")
		synctest.Wait()
		cancel()
		synctest.Wait()
		if text := said(t, idle); !strings.HasSuffix(text, "421 4.3.2 mx.example is shutting down\r\n") {
			t.Errorf("%q", text)
		}
		io.WriteString(busy, ".\r\n")
		if text := said(t, busy); !strings.Contains(text, "250 2.0.0 message accepted\r\n421 ") {
			t.Errorf("%q", text)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestHangingSession wants a session that obeys its context to be cut after the grace.
func TestHangingSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func(context.Context, Peer) (Session, mail.Reply) { return hanging{}, mail.Reply{} }
		s, l := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: open}), newLinks()
		go s.Serve(t.Context(), l)
		c := l.connect(0)
		io.WriteString(c, envelope+"DATA\r\nx\r\n.\r\n")
		synctest.Wait()
		start := time.Now()
		if err := s.Shutdown(t.Context()); err == nil || time.Since(start) != sessions.Grace {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		c.Close()
	})
}

type hanging struct{ sink }

func (hanging) Data(ctx context.Context, body io.Reader) []mail.Reply {
	io.Copy(io.Discard, body)
	<-ctx.Done()
	return []mail.Reply{mail.NewReply(451, mail.EnhancedCode{}, "cut")}
}
