package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// sink is another mail server, which never fails.
type sink struct {
	mu     sync.Mutex
	life   int // of the server that sends: a new one after each start
	copies map[address][]arrival
	broken []string // marks, or headers without
}

// address is an attempt and one of its recipients.
type address struct{ mark, to string }

// arrival is one copy of a message.
type arrival struct {
	life  int
	trace mail.TraceID
}

func newSink(t *testing.T, at netip.AddrPort) *sink {
	t.Helper()
	s := &sink{copies: map[address][]arrival{}}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.ServerOptions{
		Name: mail.MustParseDomain("mx.sink.example"), MaxSize: 1 << 20,
		Open: func(context.Context, smtp.Peer) (smtp.Session, mail.Reply) { return &drain{sink: s}, mail.Reply{} },
	})
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	serving.Go(func() { _ = server.Serve(ctx, l) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return s
}

func (s *sink) nextLife() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life++
}

func (s *sink) lives() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// take notes a message before it is answered: an answer that is lost is one all the
// same.
func (s *sink) take(text string, to []string) {
	mark, whole := readMark(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !whole {
		s.broken = append(s.broken, mark)
	}
	for _, r := range to {
		at := address{mark, r}
		s.copies[at] = append(s.copies[at], arrival{s.life, traceOf(text)})
	}
}

// traceOf is the id that our server wrote into the first field.
func traceOf(text string) mail.TraceID {
	_, rest, _ := strings.Cut(text[strings.Index(text, "Received:")+1:], " id ")
	id, _, _ := strings.Cut(rest, ";")
	return mail.TraceID(strings.Fields(id + " ")[0])
}

// drain is a session of the sink.
type drain struct {
	sink *sink
	to   []string
}

func (*drain) Hello(context.Context, smtp.Peer) mail.Reply                     { return mail.Reply{} }
func (*drain) Mail(context.Context, mail.Address, smtp.MailOptions) mail.Reply { return mail.Reply{} }
func (d *drain) Reset()                                                        { d.to = nil }
func (*drain) Close()                                                          {}

func (d *drain) Rcpt(_ context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	d.to = append(d.to, to.String())
	return mail.Reply{}
}

func (d *drain) Data(_ context.Context, body io.Reader) []mail.Reply {
	text, err := io.ReadAll(body)
	if err != nil {
		return []mail.Reply{{Code: 451, Lines: []string{"not whole"}}}
	}
	d.sink.take(string(text), d.to)
	return nil
}
