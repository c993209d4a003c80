package probe

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Limits of one session.
const (
	maxLine     = 2048 // octets of a command, four times what RFC 5321 section 4.5.3.1.4 grants
	maxCommands = 100
	maxFaults   = 10
	maxRcpts    = 10
)

// errLine ends a session: what came is not SMTP.
var errLine = errors.New("not a command line")

// session is one client and its transaction.
type session struct {
	listener *Listener
	conn     net.Conn
	r        *bufio.Reader
	client   netip.Addr
	helo     string

	hasMail bool
	reverse mail.Address
	rcpts   []Token // each said and not yet followed by a message
	faults  int
}

func newSession(l *Listener, conn net.Conn) *session {
	s := &session{listener: l, conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
	if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		s.client = at.Addr().Unmap()
	}
	return s
}

// run speaks until the client quits, breaks the rules, or time is up. Whatever
// recipients are left then were asked for and got no message.
func (s *session) run() {
	defer s.reset()
	s.reply(220, "", s.listener.domain.String()+" ESMTP probe listener")
	for range maxCommands {
		line, err := s.command()
		if err != nil {
			if errors.Is(err, errLine) {
				s.reply(500, "5.5.2", "lines end in CRLF and are shorter")
			}
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		if quit := s.obey(strings.ToUpper(verb), strings.TrimSpace(rest)); quit || s.faults > maxFaults {
			return
		}
	}
	s.reply(421, "4.7.0", "too many commands")
}

// command reads one line. A bare LF ends the session: it is how smuggling begins.
func (s *session) command() (string, error) {
	s.conn.SetReadDeadline(time.Now().Add(maxIdle)) // deadline
	raw, err := s.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errLine
	}
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(string(raw), "\r\n")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		return "", errLine
	}
	return line, nil
}

func (s *session) reply(code int, enhanced, text string) {
	if code >= 500 {
		s.faults++
	}
	if enhanced != "" {
		text = enhanced + " " + text
	}
	s.conn.SetWriteDeadline(time.Now().Add(maxIdle)) // deadline
	fmt.Fprintf(s.conn, "%d %s\r\n", code, text)
}

// obey does one command and reports whether it was the last.
func (s *session) obey(verb, rest string) (quit bool) {
	switch verb {
	case "EHLO", "HELO":
		s.hello(verb, rest)
	case "MAIL":
		s.mail(rest)
	case "RCPT":
		s.rcpt(rest)
	case "DATA":
		return s.data(rest)
	case "RSET":
		s.reset()
		s.reply(250, "2.0.0", "forgotten")
	case "NOOP":
		s.reply(250, "2.0.0", "nothing done")
	case "VRFY", "EXPN":
		s.verify(rest)
	case "QUIT":
		s.reply(221, "2.0.0", "goodbye")
		return true
	default:
		s.reply(502, "5.5.1", "not a command here")
	}
	return false
}

func (s *session) hello(verb, name string) {
	if name == "" {
		s.reply(501, "5.5.4", "who are you?")
		return
	}
	s.reset()
	s.helo = name
	if verb == "HELO" {
		s.reply(250, "", s.listener.domain.String())
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(maxIdle)) // deadline
	fmt.Fprintf(s.conn, "250-%s\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n", s.listener.domain, maxMessage)
}

func (s *session) mail(rest string) {
	path, params, ok := cutPath(rest, "FROM:")
	switch from, err := mail.ParsePath(path); {
	case s.helo == "":
		s.reply(503, "5.5.1", "EHLO first")
	case s.hasMail:
		s.reply(503, "5.5.1", "one transaction at a time")
	case !ok || err != nil:
		s.reply(501, "5.5.4", "MAIL FROM:<address>")
	case !knownParams(params):
		s.reply(555, "5.5.4", "a parameter is not known")
	default:
		s.hasMail, s.reverse = true, from
		s.reply(250, "2.1.0", "go on")
	}
}

func (s *session) rcpt(rest string) {
	path, params, ok := cutPath(rest, "TO:")
	to, err := mail.ParsePath(path)
	token, live := s.listener.live(to)
	switch {
	case !s.hasMail:
		s.reply(503, "5.5.1", "MAIL first")
	case !ok || err != nil || params != "":
		s.reply(501, "5.5.4", "RCPT TO:<address>")
	case !live:
		s.reply(550, "5.1.1", "no such address") // and nothing is relayed
	case len(s.rcpts) == maxRcpts:
		s.reply(452, "4.5.3", "too many recipients")
	default:
		s.rcpts = append(s.rcpts, token)
		s.reply(250, "2.1.5", "go on")
	}
}

// cutPath takes FROM:<path> or TO:<path> apart from the parameters behind it. A
// space behind the colon is against RFC 5321 section 3.3 and is refused.
func cutPath(rest, word string) (path, params string, ok bool) {
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return "", "", false
	}
	rest = rest[len(word):]
	end := strings.LastIndexByte(rest, '>')
	if !strings.HasPrefix(rest, "<") || end < 0 {
		return "", "", false
	}
	return rest[:end+1], strings.TrimSpace(rest[end+1:]), true
}

// knownParams are those that EHLO announced. A size that is too large shows when the
// message comes.
func knownParams(params string) bool {
	for param := range strings.FieldsSeq(strings.ToUpper(params)) {
		name, _, _ := strings.Cut(param, "=")
		if name != "SIZE" && name != "BODY" {
			return false
		}
	}
	return true
}

// verify tells nothing and remembers that it was asked.
func (s *session) verify(what string) {
	if at := strings.LastIndexByte(what, ' '); at >= 0 {
		what = what[at+1:]
	}
	if a, err := mail.ParseAddress(strings.Trim(what, "<>")); err == nil {
		if t, ok := s.listener.live(a); ok {
			s.listener.record(t, s.event(Asked))
		}
	}
	s.reply(252, "2.1.5", "send and see")
}

// reset ends the transaction. Recipients named in it got no message.
func (s *session) reset() {
	for _, t := range s.rcpts {
		s.listener.record(t, s.event(Callout))
	}
	s.hasMail, s.reverse, s.rcpts = false, mail.Address{}, nil
}

func (s *session) event(k Kind) Event {
	return Event{Kind: k, Client: s.client, HELO: s.helo, Reverse: s.reverse}
}
