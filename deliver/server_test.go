package deliver_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// arrived is one message as a server took it.
type arrived struct {
	mail, data string
	rcpt       []string
	tls        bool
}

// server is a scripted mail server. It answers what it is told to, verb by verb,
// and hangs where it is told to.
type server struct {
	t       *testing.T
	name    string
	ext     []string          // of EHLO
	tls     *tls.Config       // not nil: STARTTLS
	answers map[string]string // "RCPT TO:<a@b>" or a verb or "banner" or "." -> reply; what is longer counts first
	once    map[string]string // the same, for the first time only
	hang    string            // a verb, "connect", "banner", "handshake", ".", where it falls silent
	cut     string            // a verb or ".", where it hangs up
	gate    chan struct{}     // not nil: messages are answered when it is closed
	most    int               // connections at a time; 0: any number

	mu       sync.Mutex
	messages []arrived
	sessions int
	open     int
	commands []string
	arrives  chan arrived
}

func newServer(t *testing.T, name string) *server {
	return &server{t: t, name: name, ext: []string{"PIPELINING", "8BITMIME", "SIZE 1000000", "SMTPUTF8", "DSN"},
		answers: map[string]string{}, arrives: make(chan arrived, 10000)}
}

// serve accepts on an address until the test ends.
func (s *server) serve(addr string) {
	s.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	s.t.Cleanup(func() { close(done); l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				stop := make(chan struct{})
				defer close(stop)
				all.Go(func() {
					select {
					case <-done:
						conn.Close()
					case <-stop:
					}
				})
				s.session(conn)
			})
		}
	})
}

func (s *server) session(conn net.Conn) {
	s.mu.Lock()
	s.sessions++
	s.open++
	full := s.most > 0 && s.open > s.most
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
	}()
	d := &dialogue{s: s, conn: conn, in: bufio.NewReader(conn)}
	if full {
		d.say("421 4.7.0 too many connections")
		return
	}
	if s.hangs("banner") {
		d.silence()
		return
	}
	d.say(s.answer("banner", "220 "+s.name+" ESMTP"))
	for d.step() {
	}
}

// hangs reports whether it falls silent there.
func (s *server) hangs(at string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hang == at
}

// recover ends its silence, for dialogues to come.
func (s *server) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = ""
}

// dialogue is the server's side of one connection.
type dialogue struct {
	s    *server
	conn net.Conn
	in   *bufio.Reader
	tls  bool
	msg  arrived
}

func (d *dialogue) silence() { io.Copy(io.Discard, d.in) }

func (d *dialogue) say(reply string) {
	fmt.Fprint(d.conn, strings.ReplaceAll(reply, "\n", "\r\n")+"\r\n")
}

// answer is what was scripted for a line, or the ordinary reply.
func (s *server) answer(line, ordinary string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for prefix, r := range s.once {
		if strings.HasPrefix(line, prefix) {
			delete(s.once, prefix)
			return r
		}
	}
	best, reply := -1, ordinary
	for prefix, r := range s.answers {
		if strings.HasPrefix(line, prefix) && len(prefix) > best {
			best, reply = len(prefix), r
		}
	}
	return reply
}

func (d *dialogue) step() bool {
	line, err := d.in.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimRight(line, "\r\n")
	d.s.mu.Lock()
	d.s.commands = append(d.s.commands, line)
	d.s.mu.Unlock()
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	verb, _, _ = strings.Cut(verb, ":")
	switch {
	case d.s.hangs(verb):
		d.silence()
		return false
	case d.s.cut == verb:
		return false
	}
	switch verb {
	case "EHLO":
		d.say(d.s.answer(line, d.hello()))
	case "STARTTLS":
		return d.starttls(line)
	case "MAIL":
		d.msg = arrived{mail: line, tls: d.tls}
		d.say(d.s.answer(line, "250 2.1.0 ok"))
	case "RCPT":
		r := d.s.answer(line, "250 2.1.5 ok")
		if strings.HasPrefix(r, "2") {
			d.msg.rcpt = append(d.msg.rcpt, line)
		}
		d.say(r)
	case "DATA":
		return d.data(line)
	case "AUTH":
		d.say(d.s.answer(line, "235 2.7.0 welcome"))
	case "QUIT":
		d.say("221 bye")
		return false
	default:
		d.say(d.s.answer(line, "250 ok"))
	}
	return true
}

func (d *dialogue) hello() string {
	lines := append([]string{d.s.name}, d.s.ext...)
	if d.s.tls != nil && !d.tls {
		lines = append(lines, "STARTTLS")
	}
	return "250-" + strings.Join(lines[:len(lines)-1], "\n250-") + "\n250 " + lines[len(lines)-1]
}

func (d *dialogue) starttls(line string) bool {
	d.say(d.s.answer(line, "220 go"))
	if d.s.hangs("handshake") {
		d.silence()
		return false
	}
	c := tls.Server(d.conn, d.s.tls)
	if c.Handshake() != nil {
		return false
	}
	d.conn, d.in, d.tls = c, bufio.NewReader(c), true
	return true
}

func (d *dialogue) data(line string) bool {
	r := d.s.answer(line, "354 go")
	if len(d.msg.rcpt) == 0 {
		r = "554 5.5.1 no valid recipients"
	}
	d.say(r)
	if !strings.HasPrefix(r, "354") {
		return true
	}
	var b strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	switch {
	case d.s.hangs("."):
		d.silence()
		return false
	case d.s.cut == ".":
		return false
	}
	if d.s.gate != nil {
		<-d.s.gate
	}
	reply := d.s.answer(".", "250 2.0.0 queued")
	if strings.HasPrefix(reply, "2") {
		d.msg.data = b.String()
		d.s.mu.Lock()
		d.s.messages = append(d.s.messages, d.msg)
		d.s.mu.Unlock()
		d.s.arrives <- d.msg
	}
	d.say(reply)
	d.msg = arrived{}
	return true
}

func (s *server) took() []arrived {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrived(nil), s.messages...)
}

func (s *server) heard(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, c := range s.commands {
		if strings.HasPrefix(c, prefix) {
			all = append(all, c)
		}
	}
	return all
}

func (s *server) script(line, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reply == "" {
		delete(s.answers, line)
		return
	}
	s.answers[line] = reply
}
