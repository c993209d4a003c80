package receive_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// talk opens a session from an honest client, without the smtp server around it.
func talk(t testing.TB, h *house) smtp.Session {
	t.Helper()
	peer := smtp.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Local: netip.MustParseAddrPort("198.51.100.25:25"), HELO: "mail.sender.example", EHLO: true}
	s, reply := h.receiver.Open(t.Context(), peer)
	if !reply.IsZero() {
		t.Fatal(reply)
	}
	s.Hello(t.Context(), peer)
	return s
}

var (
	joe  = mail.MustParseAddress("joe@sender.example")
	anna = mail.MustParseAddress("anna@ours.example")
)

// TestNoRoom: below the watermark nobody gets further than MAIL, and when there is
// room again nothing has to be done.
func TestNoRoom(t *testing.T) {
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Schemas: schemas, Clock: time.Now, MinFree: 1 << 62})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	h := newHouse(t, st, nil, smtp.ServerOptions{})
	s := talk(t, h)
	defer s.Close()
	if r := s.Mail(t.Context(), joe, smtp.MailOptions{}); r.Code != 452 || r.Enhanced != (mail.EnhancedCode{Class: 4, Subject: 3, Detail: 1}) {
		t.Errorf("MAIL = %s, want 452 4.3.1", r)
	}
}

// TestStoreGone: a store that is gone is a temporary error at every step, and no
// step is a lie.
func TestStoreGone(t *testing.T) {
	for _, when := range []string{"RCPT", "DATA"} {
		t.Run(when, func(t *testing.T) {
			st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Schemas: schemas, Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			h := newHouse(t, st, nil, smtp.ServerOptions{})
			s := talk(t, h)
			defer s.Close()
			if r := s.Mail(t.Context(), joe, smtp.MailOptions{}); !r.IsZero() {
				t.Fatal(r)
			}
			if when == "RCPT" {
				st.Close()
			}
			r := s.Rcpt(t.Context(), anna, smtp.RcptOptions{})
			if when == "RCPT" {
				if r.Code != 451 {
					t.Errorf("RCPT = %s", r)
				}
				return
			}
			st.Close()
			if replies := s.Data(t.Context(), strings.NewReader("From: joe@sender.example\r\n\r\nhello\r\n")); len(replies) != 1 || replies[0].Code != 451 {
				t.Errorf("DATA = %v", replies)
			}
		})
	}
}

// TestCutShort: a body that ends in an error is never a message.
func TestCutShort(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...), nil, smtp.ServerOptions{})
	for _, text := range []string{"From: joe@sender.exa", "From: joe@sender.example\r\n\r\nhalf a mess"} {
		s := talk(t, h)
		s.Mail(t.Context(), joe, smtp.MailOptions{})
		s.Rcpt(t.Context(), anna, smtp.RcptOptions{})
		for _, r := range s.Data(t.Context(), io.MultiReader(strings.NewReader(text), broken{})) {
			if r.IsPositive() {
				t.Errorf("%q: %s", text, r)
			}
		}
		s.Close()
	}
	if n := len(h.box("anna", mailbox.Inbox)); n != 0 {
		t.Errorf("%d messages", n)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, smtp.ErrClosed }

// TestLargeBodiesStayOutside: many large messages at once take little memory.
func TestLargeBodiesStayOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 128 MB")
	}
	h := newHouse(t, storetest.Open(t, schemas...), nil, smtp.ServerOptions{})
	const size, senders = 16 << 20, 8
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := make(chan uint64, senders)
	for range senders {
		go func() {
			s := talk(t, h)
			defer s.Close()
			s.Mail(context.Background(), joe, smtp.MailOptions{})
			s.Rcpt(context.Background(), anna, smtp.RcptOptions{})
			var m runtime.MemStats
			end := readerFunc(func() {
				runtime.GC() // what counts is what is held, not when garbage is collected
				runtime.ReadMemStats(&m)
			})
			replies := s.Data(context.Background(), io.MultiReader(strings.NewReader("From: joe@sender.example\r\n\r\n"), io.LimitReader(&lines{}, size), end))
			if len(replies) != 1 || !replies[0].IsPositive() {
				t.Error(replies)
			}
			peak <- m.HeapAlloc
		}()
	}
	for range senders {
		after.HeapAlloc = max(after.HeapAlloc, <-peak)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > senders*(3<<20) {
		t.Errorf("%d MB for %d messages of %d MB", grown>>20, senders, size>>20)
	}
}

// lines is text without end.
type lines struct{ at int }

func (l *lines) Read(p []byte) (int, error) {
	const line = "a line of some length, like many others; it is repeated, and repeated\r\n"
	for i := range p {
		p[i] = line[l.at%len(line)]
		l.at++
	}
	return len(p), nil
}

// readerFunc is called when everything before it has been read.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// FuzzSession feeds any octets to a whole server. It must answer, never panic, never
// relay, and put into mailboxes only what it said 250 to.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<anna@ours.example>\r\nDATA\r\nFrom: a@b.example\r\n\r\nx\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nBDAT 3 LAST\r\nabcQUIT\r\n"))
	f.Add([]byte("HELO [1.2.3.4]\r\nMAIL FROM:<>\r\nRCPT TO:<v%x@ours.example>\r\nRCPT TO:<SRS0=a=b=c=d@ours.example>\r\n"))
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<both@ours.example>\r\nDATA\r\nAuthentication-Results: mx.ours.example; a=b\r\nFrom: x\r\nDelivered-To:\r\n\x80:\r\n.\r\n"))
	h := newHouse(f, storetest.Open(f, schemas...), nil, smtp.ServerOptions{})
	f.Fuzz(func(t *testing.T, octets []byte) {
		h := h.with(t)
		before := len(h.box("anna", mailbox.Inbox)) + len(h.box("anna", mailbox.Junk))
		conn := h.dial("192.0.2.1")
		conn.SetDeadline(time.Now().Add(time.Minute))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = conn.Write(octets) // the server may hang up in between
			_, _ = io.WriteString(conn, "\r\n.\r\nQUIT\r\n")
		}()
		taken := count(conn)
		conn.Close()
		<-sent
		if p := h.server.Stats().Panics; p > 0 {
			t.Fatalf("%d panics\n%s", p, h.log)
		}
		after := len(h.box("anna", mailbox.Inbox)) + len(h.box("anna", mailbox.Junk))
		if after-before > taken {
			t.Fatalf("%d messages arrived, and %d times 250 was said", after-before, taken)
		}
		for _, job := range h.queued() {
			if job.Destination != "else.example" {
				t.Fatalf("relayed: %+v", job)
			}
		}
	})
}

// count reads to the end and counts the messages that were taken.
func count(conn net.Conn) (n int) {
	in := bufio.NewScanner(conn)
	for in.Scan() {
		if strings.Contains(in.Text(), "taken as ") {
			n++
		}
	}
	return n
}
