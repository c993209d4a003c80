package smtp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// The rules of scripts for our server:
//
//	server words  the options: lmtp, submission, normalize, dsn, requiretls, tls,
//	              implicit, plus, proxy, size=N, recipients=N, errors=N
//	C: text       the client sends the line with CRLF
//	C! "text"     the client sends exactly these octets, quoted as in Go
//	S: text       the client must read this line, ended by CRLF
//	S* text       the client must read lines until one begins with this
//	tls           the client shakes hands
//	wait 10s      the client waits
//	shutdown      the server is told to stop
//	closed        the server must have closed, and said nothing more
//	L: "text"     the next accepted message is this, with From and To in front
//	E: text       the next message that was not whole failed with this

type serverScript struct {
	shelf   *shelf
	server  *Server
	conn    net.Conn
	r       *bufio.Reader
	letters int
	errors  int
	done    chan error
}

func playServerScript(t *testing.T, lines []string) {
	s := &serverScript{shelf: &shelf{}, done: make(chan error, 2)}
	s.server = NewServer(s.options(t, strings.Fields(lines[0])[1:]))
	l := newLinks()
	go func() { s.done <- s.server.Serve(t.Context(), l) }()
	s.use(l.connect(0))
	for i, line := range lines[1:] {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.play(t, line); err != nil {
			t.Errorf("line %d: %s", i+2, err)
			break
		}
	}
	s.conn.Close()
	s.server.Shutdown(t.Context())
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

func (s *serverScript) use(c net.Conn) { s.conn, s.r = c, bufio.NewReader(c) }

func (s *serverScript) options(t *testing.T, words []string) ServerOptions {
	o := ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: s.shelf.open}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "lmtp":
			o.LMTP = true
		case "submission":
			o.Submission, o.Open = true, s.shelf.openLogin
		case "normalize":
			o.Normalize = true
		case "dsn":
			o.DSN = true
		case "requiretls":
			o.RequireTLSExt = true
		case "tls", "implicit":
			withTLS(t, &o)
			o.ImplicitTLS = name == "implicit"
		case "proxy":
			o.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		case "size":
			o.MaxSize = int64(n)
		case "recipients":
			o.MaxRecipients = n
		case "errors":
			o.MaxErrors = n
		default:
			t.Fatalf("unknown option %q", word)
		}
	}
	return o
}

func (s *serverScript) play(t *testing.T, line string) error {
	word, text, _ := strings.Cut(line, " ")
	switch word {
	case "C:":
		_, err := io.WriteString(s.conn, text+"\r\n")
		return err
	case "C!":
		_, err := io.WriteString(s.conn, unquoted(text))
		return err
	case "S:":
		return s.hears(text)
	case "S*":
		for {
			got, err := s.r.ReadString('\n')
			if err != nil || strings.HasPrefix(got, text) {
				return err
			}
		}
	case "tls":
		c := tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true})
		s.use(c)
		return c.HandshakeContext(t.Context())
	case "wait":
		d, err := time.ParseDuration(text)
		time.Sleep(d)
		return err
	case "shutdown":
		go s.server.Shutdown(t.Context())
		return nil
	case "closed":
		if rest, err := io.ReadAll(s.r); len(rest) > 0 || err != nil {
			return fmt.Errorf("the server said more: %q, %v", rest, err)
		}
		return nil
	}
	return s.judge(word, text)
}

func (s *serverScript) hears(text string) error {
	got, err := s.r.ReadString('\n')
	if got != text+"\r\n" {
		return fmt.Errorf("got %q (%v), want %q", got, err, text)
	}
	return nil
}

// judge looks at what the session saw.
func (s *serverScript) judge(word, text string) error {
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	switch {
	case word == "L:" && len(s.shelf.letters) > s.letters:
		l := s.shelf.letters[s.letters]
		s.letters++
		var to []string
		for _, a := range l.to {
			to = append(to, a.Path())
		}
		if got := fmt.Sprintf("%q", l.from.Path()+" "+strings.Join(to, ",")+" "+l.text); got != text {
			return fmt.Errorf("accepted %s, want %s", got, text)
		}
		return nil
	case word == "E:" && len(s.shelf.errors) > s.errors:
		err := s.shelf.errors[s.errors]
		s.errors++
		if !strings.HasPrefix(err.Error(), text) {
			return fmt.Errorf("the session saw %q, want %q", err, text)
		}
		return nil
	}
	return fmt.Errorf("%s %s: nothing came, or this is no line of a script", word, text)
}
