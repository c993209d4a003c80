//go:build unix

package imap

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dovecotHome is a mailbox of Dovecot's, and how to open it. There is no daemon: each
// session is a process, logged in from the beginning.
type dovecotHome struct {
	t        testing.TB
	dir      string
	uid, gid int
	user     string
}

const dovecotProgram = "/usr/lib/dovecot/imap"

func newDovecotHome(t testing.TB) *dovecotHome {
	t.Helper()
	if _, err := os.Stat(dovecotProgram); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dovecot-imapd is missing")
		}
		t.Skip("dovecot-imapd is missing")
	}
	dir, err := os.MkdirTemp("", "dovecot") // t.TempDir is nobody's to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &dovecotHome{t, dir, os.Getuid(), os.Getgid(), os.Getenv("USER")}
	if d.uid == 0 {
		d.uid, d.gid, d.user = 65534, 65534, "nobody" // Dovecot serves no root
	}
	for _, sub := range []string{"", "run", "state", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		d.give(sub)
	}
	d.put("dovecot.conf", fmt.Sprintf(`base_dir = %[1]s/run
state_dir = %[1]s/state
mail_location = maildir:%[1]s/Maildir
mail_fsync = always
log_path = %[1]s/log
mail_uid = %[2]d
mail_gid = %[3]d
first_valid_uid = 1
first_valid_gid = 1
stats_writer_socket_path =
ssl = no
imap_hibernate_timeout = 0
`, dir, d.uid, d.gid))
	return d
}

// give makes a file Dovecot's own.
func (d *dovecotHome) give(name string) {
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(filepath.Join(d.dir, name), d.uid, d.gid); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dovecotHome) put(name, text string) {
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.give(name)
}

// letter puts a message into the INBOX; the number says in which order they come.
func (d *dovecotHome) letter(i int, text string) {
	if err := os.WriteFile(d.letterFile(i), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dovecotHome) letterFile(i int) string {
	return filepath.Join(d.dir, fmt.Sprintf("Maildir/cur/%d.M%d.host:2,", 1_000_000_000+i, i))
}

// open begins a session.
func (d *dovecotHome) open() *dialogue {
	d.t.Helper()
	cmd := exec.Command(dovecotProgram, "-c", filepath.Join(d.dir, "dovecot.conf"))
	cmd.Env = []string{"HOME=" + d.dir, "USER=" + d.user, "PATH=" + os.Getenv("PATH")}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.gid)}}
	}
	cmd.Stderr = io.Discard
	in, err := cmd.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	said := &dialogue{t: d.t, w: in, r: bufio.NewReaderSize(out, 64<<10), pid: cmd.Process.Pid}
	said.close = sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	d.t.Cleanup(said.close)
	said.response() // the greeting
	return said
}

// dovecot is a session with these messages in the INBOX.
func dovecot(t testing.TB, letters []string) *dialogue {
	t.Helper()
	d := newDovecotHome(t)
	for i, text := range letters {
		d.letter(i, text)
	}
	return d.open()
}

// ours is the same of our server.
func (h *house) dialogue(name string) *dialogue {
	h.t.Helper()
	_, addr := h.serve()
	conn, err := tls.Dial("tcp", addr.String(), h.clientTLS())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return h.loggedIn(name, conn)
}

func (h *house) loggedIn(name string, conn net.Conn) *dialogue {
	h.t.Helper()
	d := &dialogue{t: h.t, w: conn, r: bufio.NewReader(conn)}
	d.response()
	user, password := h.login(name)
	d.ask("LOGIN " + user + " " + password)
	return d
}

// dialogue speaks with a server.
type dialogue struct {
	t   testing.TB
	w   io.Writer
	r   *bufio.Reader
	tag int

	pid   int    // of Dovecot
	close func() // of Dovecot
}

var announced = regexp.MustCompile(`~?\{(\d+)\}\r\n$`)

// response reads one response with its literals.
func (d *dialogue) response() string {
	d.t.Helper()
	var all strings.Builder
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			d.t.Fatalf("after %q: %v", all.String()+line, err)
		}
		all.WriteString(line)
		m := announced.FindStringSubmatch(line)
		if m == nil {
			return strings.TrimSuffix(all.String(), "\r\n")
		}
		n, _ := strconv.Atoi(m[1])
		if _, err := io.CopyN(&all, d.r, int64(n)); err != nil {
			d.t.Fatal(err)
		}
	}
}

// ask gives the untagged responses of a command that must succeed.
func (d *dialogue) ask(command string) []string {
	d.t.Helper()
	all, last := d.try(command)
	if !strings.HasPrefix(last, "OK") {
		d.t.Fatalf("%.200q: %s", command, last)
	}
	return all
}

// try gives the untagged responses of a command, and how it ended.
func (d *dialogue) try(command string) (all []string, last string) {
	d.t.Helper()
	d.tag++
	tag := fmt.Sprintf("t%d ", d.tag)
	if _, err := io.WriteString(d.w, tag+command+"\r\n"); err != nil {
		d.t.Fatal(err)
	}
	for {
		line := d.response()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			return all, rest
		}
		all = append(all, strings.TrimPrefix(line, "* "))
	}
}

// wire is a value of IMAP: a string, nil for NIL, or a list.
type wire any

// parseWire reads the values of a response.
func parseWire(s string) (list []wire, rest string) {
	for s != "" {
		switch {
		case s[0] == ' ':
			s = s[1:]
		case s[0] == ')':
			return list, s[1:]
		case s[0] == '(':
			var inner []wire
			inner, s = parseWire(s[1:])
			list = append(list, wire(inner))
		case s[0] == '"':
			var b strings.Builder
			i := 1
			for ; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
				b.WriteByte(s[i])
			}
			list, s = append(list, wire(b.String())), s[i+1:]
		case s[0] == '{' || strings.HasPrefix(s, "~{"):
			end := strings.Index(s, "}\r\n")
			n, _ := strconv.Atoi(strings.TrimLeft(s[:end], "~{"))
			list, s = append(list, wire(s[end+3:end+3+n])), s[end+3+n:]
		default:
			i := 0
			for depth := 0; i < len(s) && (depth > 0 || s[i] != ' ' && s[i] != ')' && s[i] != '('); i++ {
				switch s[i] {
				case '[':
					depth++
				case ']':
					depth--
				}
			}
			atom := s[:i]
			s = s[i:]
			if atom == "NIL" {
				list = append(list, nil)
			} else {
				list = append(list, wire(atom))
			}
		}
	}
	return list, ""
}

// fetched is what FETCH said: item by item, of each message.
func fetched(responses []string) map[string]map[string]wire {
	all := map[string]map[string]wire{}
	for _, r := range responses {
		number, rest, ok := strings.Cut(r, " FETCH (")
		if !ok {
			continue
		}
		items, _ := parseWire(strings.TrimSuffix(rest, ")"))
		m := map[string]wire{}
		for i := 0; i+1 < len(items); i += 2 {
			m[strings.ToUpper(items[i].(string))] = items[i+1]
		}
		all[number] = m
	}
	return all
}

// small makes the words of a structure small: types, parameters and encodings have no
// case.
func small(w wire) wire {
	switch w := w.(type) {
	case string:
		return strings.ToLower(w)
	case []wire:
		all := make([]wire, len(w))
		for i := range w {
			all[i] = small(w[i])
		}
		return all
	}
	return w
}

// both are two servers with the same mail.
func both(t *testing.T, letters []string) (ours, theirs *dialogue) {
	theirs = dovecot(t, letters)
	h := newHouse(t)
	for _, text := range letters {
		h.deliver("anna", text)
	}
	ours = h.dialogue("anna")
	for _, d := range []*dialogue{ours, theirs} {
		d.ask("SELECT INBOX")
	}
	return ours, theirs
}

// TestFetchAsDovecot asks for everything of odd messages.
func TestFetchAsDovecot(t *testing.T) {
	ours, theirs := both(t, odd)
	sections := []string{"", "HEADER", "TEXT", "1", "1.MIME", "2", "2.MIME", "2.HEADER", "2.TEXT", "2.1", "2.1.MIME", "1.1", "1.2", "1.2.MIME", "3",
		"HEADER.FIELDS (Subject TO x-none)", "HEADER.FIELDS.NOT (Subject To)", "2.HEADER.FIELDS (subject)"}
	for _, section := range sections {
		compareFetch(t, ours, theirs, "BODY.PEEK["+section+"]")
	}
	for _, item := range []string{"ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[]<5.20>", "BODY.PEEK[TEXT]<3.10>", "BODY.PEEK[HEADER]<100000.1>",
		"RFC822.HEADER", "BINARY.SIZE[1]", "BINARY.PEEK[1]", "BINARY.PEEK[1]<2.5>"} {
		compareFetch(t, ours, theirs, item)
	}
}

func compareFetch(t *testing.T, ours, theirs *dialogue, item string) {
	t.Helper()
	a, end := ours.try("FETCH 1:* (" + item + ")")
	b, theirEnd := theirs.try("FETCH 1:* (" + item + ")")
	if end[:2] != theirEnd[:2] {
		t.Errorf("%s ends with %s, and Dovecot's with %s", item, end, theirEnd)
	}
	have, want := fetched(a), fetched(b)
	for i := range odd {
		n := strconv.Itoa(i + 1)
		for name, w := range want[n] {
			h := have[n][name]
			if h == nil && w == "" {
				continue // a part that is not there: NIL says so
			}
			if strings.HasPrefix(item, "BODYS") || item == "BODY" {
				h, w = small(h), small(w)
			}
			if diff := cmp.Diff(w, h); diff != "" && !isOtherwise(item, odd[i]) {
				t.Errorf("%s of\n%s\n(-Dovecot, +we) %s", item, odd[i], diff)
			}
		}
	}
}

// otherwise are things that we say otherwise than Dovecot, by item and Subject.
var otherwise = map[string]string{
	// The line end before a delimiter is never content, whosever delimiter it is (RFC
	// 2046 section 5.1.1).
	"BODY.PEEK[2]": "=?utf-8", "BODY.PEEK[2.TEXT]": "=?utf-8",
	// What is no multipart has no parts.
	"BODY.PEEK[2.1]": "not closed, nested", "BODY.PEEK[2.1.MIME]": "not closed, nested", "BODY.PEEK[1.1]": "=?utf-8, not closed, blanks behind",
	// The empty line of a header is part of it.
	"BODY.PEEK[2.MIME]": "empty parts", "BODY.PEEK[HEADER.FIELDS.NOT (Subject To)]": "no body, none",
	// Unfolding takes out line ends and nothing else (RFC 5322 section 2.2.3); of fields
	// that stand twice the topmost counts; no address is dropped.
	"ENVELOPE": "=?utf-8, first, addresses",
	// A value without the quotes that it needs is not cut.
	"BODY": "=?utf-8, comments", "BODYSTRUCTURE": "=?utf-8, comments",
}

// isOtherwise finds what is said otherwise.
func isOtherwise(item, text string) bool {
	_, subject, ok := strings.Cut(text, "Subject: ")
	if !ok {
		subject = "none"
	}
	for s := range strings.SplitSeq(otherwise[item], ", ") {
		if s != "" && strings.HasPrefix(subject, s) {
			return true
		}
	}
	return false
}

func crlf(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n")
}

// odd are messages as they come.
var odd = []string{
	crlf("From: a@b\nSubject: plain\n\nhello\n"),
	crlf("Subject: no body"),
	crlf("\nno header\n"),
	crlf(`
From: "Doe, John" <john@example.org>
To: A <a@b>, (c) c@d (Comment), g: x@y, "q \"x\"" <z@w>;
Cc: undisclosed-recipients:;
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
 folded	with
	tab
Date: Sat, 21 Nov 2026 12:30:00 +0130 (comment)
Message-ID: <1@example.org>
In-Reply-To: <0@example.org> (her letter)
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="out er"
Content-Language: en, de

preamble
--out er
Content-Type: text/plain; charset="utf-8"; format=flowed
Content-Transfer-Encoding: quoted-printable
Content-Disposition: inline

Gr=C3=BC=C3=9Fe, a soft =
line
--out er
Content-Type: message/rfc822
Content-Description: what "was" sent

Subject: inside
From: inner@example.org
Content-Type: multipart/alternative; boundary=deep

--deep
Content-Type: image/png; name="x y.png"
Content-ID: <img@x>
Content-Transfer-Encoding: BASE64
Content-Disposition: attachment; filename*0*=utf-8''long%20; filename*1="na me"; filename*2*=%20end
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Location: http://example.org/x

aGVsbG8=

--deep
Content-Type: TEXT/HTML

<p>
--deep--
--out er--
epilogue
`),
	crlf("Subject: message in message\nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n"),
	crlf("Subject: base64\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n\nR3L832UN\nCg==\n"),
	crlf("Subject: not closed\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\nContent-Type: text/html\n\n<b>two</b>\n"),
	crlf("Subject: digest\nContent-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: one\n\nbody one\n--x\n\nSubject: two\n\nbody two\n--x--\n"),
	crlf("Subject: eight \xfc\xdf bits\nFrom: J\xfcrgen <j@b>\nContent-Type: text/plain; charset=x\xfc\n\n\xfc\n"),
	crlf("Subject: utf8 Grüße\nFrom: Jürgen <jürgen@bücher.example>\n\nGrüße\n"),
	crlf("Subject: addresses\nFrom: nobody\nTo: <>\nCc: a@b c@d, <@x,@y:r@s>, Name <a@b\nBcc: \"quoted local\"@d, a . b @ c . d\nReply-To: r@s\nSender: s@t\n\n"),
	crlf("Subject: comments\nContent-Type: text/(what)plain (so); charset=(c)utf-8 (d); name=a b c\nContent-Disposition: attachment; filename=\"a;b\\\"c\"; size=5\n\nx\n"),
	crlf("Subject: nested\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nin b\n--a\n\nin a\n--a--\n"),
	crlf("Subject: empty parts\nContent-Type: multipart/mixed; boundary=a\n\n--a\n--a\n\n--a\n\n\n--a--\n"),
	crlf("Subject: languages\nContent-Type: text/plain\nContent-Language: en\nContent-ID: <1@x>\n\nx"),
	crlf("Subject: blanks behind\nContent-Type: multipart/mixed; boundary=a\n\n--a  \n\none\n--a--\t\n"),
	crlf("Subject:\nFrom:\nTo:\nDate:\nMessage-ID:\nIn-Reply-To:\n\nx\n"),
	crlf("Subject: first\nSubject: second\nTo: a@b\nTo: c@d\nFrom: a@b\nDate: junk\n\nx\n"),
}
