package smtp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

// model is the protocol as a person would explain it, written without a look at the
// server: it has the whole of what a client said and the whole of what the server
// answered, walks through both, and says where they do not fit, and what messages
// must have been accepted. It leaves to the server what it likes of the syntax, so a
// reply decides whether a command was understood, but never what a message is.
type model struct {
	in      []byte // what the client said and the model did not use yet
	replies []mail.Reply
	lmtp    bool

	mailed   bool
	accepted int
	letters  []string // accepted, and once for all recipients
}

var (
	replyLine  = regexp.MustCompile(`^[2-5][0-9][0-9][ -][ -~]*$`)
	mailLine   = regexp.MustCompile(`(?i)^MAIL FROM: *<.*>`)
	rcptLine   = regexp.MustCompile(`(?i)^RCPT TO: *<.+>`)
	bdatLine   = regexp.MustCompile(`(?i)^BDAT ([0-9]{1,18})( +LAST)?[ \t]*$`)
	unreadable = regexp.MustCompile("[\x00-\x08\x0a-\x1f\x7f]")
)

// readReplies takes apart what the server said, which must be replies and nothing else.
func readReplies(out string) ([]mail.Reply, error) {
	var all []mail.Reply
	var lines []string
	for out != "" {
		line, rest, ok := strings.Cut(out, "\r\n")
		if !ok || !replyLine.MatchString(line) || len(line) > 510 {
			return all, fmt.Errorf("no line of a reply: %q", line)
		}
		out = rest
		if lines = append(lines, line); line[3] == '-' {
			continue
		}
		r, err := mail.ParseReply(lines)
		if err != nil {
			return all, err
		}
		all, lines = append(all, r), nil
	}
	if lines != nil {
		return all, fmt.Errorf("a reply without end: %q", lines)
	}
	return all, nil
}

// judge walks through the dialogue. It returns when either side says no more.
func (m *model) judge() error {
	if _, ok := m.reply(); !ok {
		return fmt.Errorf("no greeting")
	}
	for {
		i := bytes.IndexByte(m.in, '\n')
		if i < 0 && len(m.in) < maxSkipped {
			return m.silent("the client said no more")
		}
		if i <= 0 || m.in[i-1] != '\r' {
			if r, ok := m.reply(); !ok || r.Code != 421 {
				return fmt.Errorf("a line without CR was answered by %s", r)
			}
			return m.silent("the line had no CRLF")
		}
		line := string(m.in[:i-1])
		m.in = m.in[i+1:]
		if f := bdatLine.FindStringSubmatch(line); f != nil && !m.holds(f[1]) {
			return m.cutOff(line)
		}
		r, ok := m.reply()
		if !ok {
			return fmt.Errorf("no reply to %q", line)
		}
		over, err := m.command(line, r)
		if err != nil {
			return fmt.Errorf("%q was answered by %s: %w", line, r, err)
		}
		if over {
			return m.silent("the server ended it")
		}
	}
}

func (m *model) reply() (mail.Reply, bool) {
	if len(m.replies) == 0 {
		return mail.Reply{}, false
	}
	r := m.replies[0]
	m.replies = m.replies[1:]
	return r, true
}

func (m *model) silent(why string) error {
	if len(m.replies) > 0 {
		return fmt.Errorf("%s, and the server says: %s", why, m.replies[0])
	}
	return nil
}

func (m *model) command(line string, r mail.Reply) (over bool, err error) {
	verb, _, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	bad := unreadable.MatchString(line) || len(line) > maxCommand-2
	switch {
	case bad && r.Code != 500 && r.Code != 421:
		return false, fmt.Errorf("it cannot be read")
	case r.Code == 421:
		return true, nil
	case bad:
		return false, nil
	}
	switch verb {
	case "MAIL":
		if r.IsPositive() && (m.mailed || !mailLine.MatchString(line)) {
			return false, fmt.Errorf("it has no place here")
		}
		m.mailed = m.mailed || r.IsPositive()
	case "RCPT":
		if r.IsPositive() && (!m.mailed || !rcptLine.MatchString(line)) {
			return false, fmt.Errorf("it has no place here")
		}
		if r.IsPositive() {
			m.accepted++
		}
	case "DATA":
		if r.Code == 354 {
			return m.data()
		}
		if r.IsPositive() {
			return false, fmt.Errorf("DATA is never done at once")
		}
	case "BDAT":
		return m.bdat(line, r)
	case "EHLO", "HELO", "LHLO", "RSET":
		if r.IsPositive() {
			m.mailed, m.accepted = false, 0
		}
	case "QUIT":
		return r.Code == 221, nil
	case "STARTTLS", "AUTH", "EXPN", "ETRN", "TURN":
		if r.Code < 500 {
			return false, fmt.Errorf("it is not to be had here")
		}
	}
	return false, nil
}

// data is a message up to CRLF.CRLF; the CRLF of the command line is a line end too.
func (m *model) data() (over bool, err error) {
	if m.accepted == 0 {
		return false, fmt.Errorf("there is no recipient")
	}
	all := append([]byte("\r\n"), m.in...)
	i := bytes.Index(all, []byte("\r\n.\r\n"))
	if i < 0 {
		m.in = nil
		if r, ok := m.reply(); ok && r.Code != 421 {
			return false, fmt.Errorf("the message has no end, and is answered by %s", r)
		}
		return true, nil
	}
	text := string(all[:i+2])
	m.in = all[i+5:]
	text = strings.ReplaceAll(text, "\r\n.", "\r\n")[2:]
	return m.end(text, false)
}

// end is the answer to a whole message.
func (m *model) end(text string, last bool) (over bool, err error) {
	faulty := bare.MatchString(text) || strings.Contains(text, "\x00")
	n := 1
	if m.lmtp {
		n = m.accepted
	}
	for range n {
		r, ok := m.reply()
		switch {
		case !ok:
			return false, fmt.Errorf("a message %.200q without an answer", text)
		case r.Code == 421:
			return true, nil
		case faulty && r.Code != 554, !faulty && r.Code != 250:
			return false, fmt.Errorf("message %.200q: %s", text, r)
		}
	}
	if !faulty {
		m.letters = append(m.letters, text)
	}
	m.mailed, m.accepted = false, 0
	return false, nil
}

// bdat is a message in chunks, of which the first was answered already; that answer
// goes back to the others first, because of LMTP.
func (m *model) bdat(line string, r mail.Reply) (over bool, err error) {
	m.replies = append([]mail.Reply{r}, m.replies...)
	transaction := m.accepted > 0
	var text strings.Builder
	for {
		f := bdatLine.FindStringSubmatch(line)
		if f == nil {
			return false, fmt.Errorf("whose size nobody can read")
		}
		size, _ := strconv.ParseInt(f[1], 10, 64)
		if !m.holds(f[1]) {
			return true, m.cutOff(line)
		}
		text.Write(m.in[:size])
		m.in = m.in[size:]
		if !transaction {
			if r, _ := m.reply(); r.Code != 503 {
				return false, fmt.Errorf("a chunk without a transaction: %s", r)
			}
			return false, nil
		}
		so := text.String()
		if f[2] != "" {
			if so != "" && !strings.HasSuffix(so, "\n") {
				so += "\r\n"
			}
			return m.end(so, true)
		}
		if r, ok := m.reply(); !ok || r.Code != 250 {
			// A fault ends it early; a CR at the end of the chunk is not one yet.
			if !ok || r.Code != 554 || !bare.MatchString(strings.TrimSuffix(so, "\r")) && !strings.Contains(so, "\x00") {
				return false, fmt.Errorf("a chunk of %.200q: %s", so, r)
			}
			m.mailed, m.accepted = false, 0
			return false, nil
		}
		if line, over, err = m.between(); line == "" {
			return over, err
		}
	}
}

// holds reports whether the client said so many octets more.
func (m *model) holds(size string) bool {
	n, err := strconv.ParseInt(size, 10, 64)
	return err == nil && int64(len(m.in)) >= n
}

// cutOff is the end of a dialogue in the middle of a chunk.
func (m *model) cutOff(line string) error {
	m.in = nil
	if r, ok := m.reply(); ok && r.Code != 421 && r.Code < 500 {
		return fmt.Errorf("the octets of %q are not there, and are answered by %s", line, r)
	}
	return nil
}

// between follows the commands between two chunks and gives the next BDAT, or "" when
// the message is given up.
func (m *model) between() (line string, over bool, err error) {
	for {
		i := bytes.IndexByte(m.in, '\n')
		if i < 0 || i == 0 || m.in[i-1] != '\r' {
			return "", false, nil // judge says what to think of that
		}
		line := string(m.in[:i-1])
		verb, _, _ := strings.Cut(line, " ")
		switch verb = strings.ToUpper(verb); {
		case verb == "BDAT" && bdatLine.MatchString(line) && !unreadable.MatchString(line):
			m.in = m.in[i+1:]
			return line, false, nil
		case verb == "RSET", verb == "QUIT", verb == "EHLO", verb == "HELO", verb == "LHLO":
			m.mailed, m.accepted = false, 0
			return "", false, nil
		}
		m.in = m.in[i+1:]
		r, ok := m.reply()
		if !ok {
			return "", false, fmt.Errorf("no reply to %q between chunks", line)
		}
		if r.Code == 421 {
			return "", true, nil
		}
		if r.IsPositive() && (verb == "MAIL" || verb == "RCPT" || verb == "DATA") {
			return "", false, fmt.Errorf("%q between chunks: %s", line, r)
		}
	}
}

// codes are the codes of replies, for comparison.
func codes(replies []mail.Reply) string {
	var all []string
	for _, r := range replies {
		all = append(all, strconv.Itoa(r.Code))
	}
	return strings.Join(all, " ")
}

// converse plays what a client says, all of it at once, against a server, and gives
// what the server answered until it closed.
func converse(t testing.TB, s *Server, said string, step int) string {
	t.Helper()
	client, server := newLink(step)
	io.WriteString(client, said)
	client.CloseWrite()
	c := newConversation(s, server)
	c.Run(context.Background())
	out, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// agree fails the test unless server and model agree about a dialogue.
func agree(t testing.TB, said string, step int, lmtp bool) (replies []mail.Reply, letters []string) {
	t.Helper()
	kept := &shelf{}
	s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), LMTP: lmtp, DSN: true, MaxErrors: 1 << 30, Open: kept.open})
	out := converse(t, s, said, step)
	replies, err := readReplies(out)
	if err != nil {
		t.Fatalf("%q:\n%s\n%s", said, out, err)
	}
	m := &model{in: []byte(said), replies: replies, lmtp: lmtp}
	if err := m.judge(); err != nil {
		t.Fatalf("%q:\n%s\n%s", said, out, err)
	}
	for _, l := range kept.taken() {
		letters = append(letters, l.text)
	}
	if fmt.Sprintf("%q", letters) != fmt.Sprintf("%q", m.letters) {
		t.Fatalf("%q:\n%s\naccepted %q, and the model %q", said, out, letters, m.letters)
	}
	if n := s.Stats(); n.Panics != 0 || n.Messages != int64(len(letters)) {
		t.Fatalf("%q: %+v", said, n)
	}
	return replies, letters
}

func FuzzServer(f *testing.F) {
	const begin = "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
	for _, s := range []string{
		begin + "DATA\r\nSubject: x\r\n\r\n.dot\r\n..\r\n.\r\nQUIT\r\n",
		begin + "RCPT TO:<nobody@d.example>\r\nRCPT TO:<e@d.example>\r\nDATA\r\n.\r\nNOOP\r\n",
		begin + "BDAT 3\r\na\r\nBDAT 2\r\nb\rNOOP\r\nBDAT 1 LAST\r\n\nQUIT\r\n",
		begin + "BDAT 4\r\na\n.\nBDAT 3 LAST\r\n.\r\nRSET\r\n",
		begin + "BDAT 1\r\n\rMAIL FROM:<>\r\nRSET\r\n",
		begin + "DATA\r\na\n.\r\nb\r.\r\n\x00\r\n.\r\nMAIL FROM:<\"a>b\"@c.example> SIZE=3 BODY=8BITMIME RET=FULL\r\n",
		"HELO x\r\nMAIL FROM:<>\r\nVRFY a\r\nEXPN b\r\nHELP\r\nSTARTTLS\r\nAUTH PLAIN AAA=\r\nTURN\r\nBDAT x\r\n",
		"EHLO x\r\nMAIL FROM:<\xc3\xa9@x.example> SMTPUTF8\r\nRCPT TO:<Postmaster> NOTIFY=NEVER ORCPT=rfc822;a+2Bb\r\nDATA\r\n\r\n..\r\n.\r\n",
		"NOOP\nQUIT\r\n", "NO\rOP\r\n", "GET / HTTP/1.1\r\n", strings.Repeat("x", 3000) + "\r\nNOOP\r\n",
		"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n",
	} {
		f.Add(s[:len(s)*2/3], 0, false)
		f.Add(s, 0, false)
		f.Add(s, 1, true)
	}
	f.Fuzz(func(t *testing.T, said string, step int, lmtp bool) {
		agree(t, said, max(0, step), lmtp)
	})
}

// FuzzBDAT cuts a message into chunks at any places, with other commands in between, and
// has the dialogue come in pieces of any size.
func FuzzBDAT(f *testing.F) {
	f.Add("Subject: x\r\n\r\n.\r\nend", []byte{3, 0, 1, 200}, 1)
	f.Add("a\r\nb\r", []byte{3, 1, 1}, 0)
	f.Add("a\n.\nb\x00", []byte{2, 2}, 2)
	f.Add("\r\n\r\n", []byte{1, 129, 1, 1}, 3)
	f.Add(strings.Repeat("0123456789abcdef\r\n", 200), []byte{250, 250, 250, 1}, 1024)
	f.Fuzz(func(t *testing.T, text string, cuts []byte, step int) {
		var b strings.Builder
		b.WriteString("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
		rest := text
		for _, cut := range cuts[:min(len(cuts), 50)] {
			n := min(int(cut), len(rest))
			fmt.Fprintf(&b, "BDAT %d\r\n%s", n, rest[:n])
			rest = rest[n:]
			if cut > 128 {
				b.WriteString("NOOP\r\n")
			}
		}
		fmt.Fprintf(&b, "BDAT %d LAST\r\n%sNOOP\r\nQUIT\r\n", len(rest), rest)
		replies, letters := agree(t, b.String(), max(0, step), false)
		faulty := bare.MatchString(text) || strings.Contains(text, "\x00")
		if faulty == (len(letters) == 1) || replies[len(replies)-1].Code != 221 {
			t.Fatalf("%q: accepted %q", text, letters)
		}
	})
}
