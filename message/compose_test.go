package message_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

func box(name, address string) message.Mailbox {
	return message.Mailbox{Name: name, Address: mail.MustParseAddress(address)}
}

func compose(t testing.TB, d message.Draft) string {
	t.Helper()
	var b bytes.Buffer
	if err := message.Compose(&b, d); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.String())
	return b.String()
}

// wellFormed holds what is written to the limits of RFC 5322 section 2.1.1.
func wellFormed(t testing.TB, text string) {
	t.Helper()
	form := &message.Form{}
	_, _ = io.WriteString(form, text)
	_ = form.Close()
	if form.BareCR+form.BareLF+form.NUL+form.LongLines+form.EightBit > 0 {
		t.Fatalf("not fit to be sent: %+v\n%q", form, text)
	}
}

func TestComposeStructure(t *testing.T) {
	from := []message.Mailbox{box("", "a@example.com")}
	png := func(id string) message.Attachment {
		return message.Attachment{Name: "l.png", Type: "image/png", ContentID: id, Content: strings.NewReader("\x89PNG")}
	}
	for _, tt := range []struct {
		name  string
		draft message.Draft
		want  string
	}{
		{"nothing", message.Draft{}, "text/plain 7bit"},
		{"text", message.Draft{Text: "hello"}, "text/plain 7bit"},
		{"umlauts", message.Draft{Text: "Grüße, und noch vieles mehr"}, "text/plain quoted-printable"},
		{"kanji", message.Draft{Text: "日本語"}, "text/plain base64"},
		{"a long line", message.Draft{Text: strings.Repeat("word ", 40)}, "text/plain quoted-printable"},
		{"a line that mbox would change", message.Draft{Text: "\nFrom here on"}, "text/plain quoted-printable"},
		{"html", message.Draft{HTML: "<p>x"}, "text/html 7bit"},
		{"both", message.Draft{Text: "x", HTML: "<p>x"}, "multipart/alternative [text/plain 7bit, text/html 7bit]"},
		{"a file", message.Draft{Text: "x", Attachments: []message.Attachment{png("")}}, "multipart/mixed [text/plain 7bit, image/png base64]"},
		{"an image in the page", message.Draft{HTML: "x", Attachments: []message.Attachment{png("i")}}, "multipart/related [text/html 7bit, image/png base64]"},
		{"an image without a page", message.Draft{Text: "x", Attachments: []message.Attachment{png("i")}}, "multipart/mixed [text/plain 7bit, image/png base64]"},
		{"a message", message.Draft{Attachments: []message.Attachment{{Type: "message/rfc822"}}}, "multipart/mixed [text/plain 7bit, application/octet-stream base64]"},
		{"all of it", message.Draft{Text: "x", HTML: "x", Attachments: []message.Attachment{png("i"), png("")}},
			"multipart/mixed [multipart/alternative [text/plain 7bit, multipart/related [text/html 7bit, image/png base64]], image/png base64]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.draft.From = from
			m, err := netmail.ReadMessage(strings.NewReader(compose(t, tt.draft)))
			if err != nil {
				t.Fatal(err)
			}
			if got := structure(t, m.Header.Get, m.Body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// structure reads with the standard library.
func structure(t *testing.T, get func(string) string, body io.Reader) string {
	kind, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return kind + " " + get("Content-Transfer-Encoding")
	}
	var parts []string
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return kind + " [" + strings.Join(parts, ", ") + "]"
		}
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, structure(t, p.Header.Get, p))
	}
}

func TestComposeRefuses(t *testing.T) {
	from := []message.Mailbox{box("", "a@example.com")}
	for name, d := range map[string]message.Draft{
		"nobody":          {},
		"several authors": {From: append(from, from...)},
		"type":            {From: from, Attachments: []message.Attachment{{Type: "image"}}},
		"container":       {From: from, Attachments: []message.Attachment{{Type: "multipart/mixed"}}},
		"line in a type":  {From: from, Attachments: []message.Attachment{{Type: "image/png\r\nBcc: x@y"}}},
		"content id":      {From: from, Attachments: []message.Attachment{{ContentID: "a>\r\nB: c"}}},
		"name":            {From: from, Attachments: []message.Attachment{{Name: strings.Repeat("x", 256)}}},
	} {
		if err := message.Compose(io.Discard, d); !errors.Is(err, message.ErrDraft) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTextField(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Hello", "Subject: Hello\r\n"},
		{"", "Subject:\r\n"},
		{"a\r\nBcc: x@example.net", "Subject: a Bcc: x@example.net\r\n"},
		{"Grüße", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"},
		{"one Grüße two", "Subject: one =?utf-8?q?Gr=C3=BC=C3=9Fe?= two\r\n"},
		{"one ü two ü three", "Subject: one =?utf-8?q?=C3=BC_two_=C3=BC?= three\r\n"},
		{"日本", "Subject: =?utf-8?b?5pel5pys?=\r\n"},
		{"=?utf-8?q?x?=", "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=\r\n"},
		{strings.Repeat("0123456789 ", 9), "Subject: " + strings.TrimSuffix(strings.Repeat("0123456789 ", 6), " ") + "\r\n 0123456789 0123456789 0123456789\r\n"},
	} {
		if got := message.TextField("Subject", tt.text).Raw(); got != tt.want {
			t.Errorf("%q\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

func TestAddressField(t *testing.T) {
	for _, tt := range []struct {
		box  message.Mailbox
		want string
	}{
		{box("", "a@example.com"), "a@example.com"},
		{box("Anna B", "a@example.com"), "Anna B <a@example.com>"},
		{box(`A. "B" \ C`, "a@example.com"), `"A. \"B\" \\ C" <a@example.com>`},
		{box("Änne", "a@example.com"), "=?utf-8?q?=C3=84nne?= <a@example.com>"},
		{box("", `"a b"@example.com`), `"a b"@example.com`},
		{box("", "ö@example.com"), "ö@example.com"},
	} {
		if got := message.AddressField("To", tt.box).Value(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// FuzzCompose writes what somebody said and reads it back with our own reader and
// with the standard library's.
func FuzzCompose(f *testing.F) {
	f.Add("Hello", "Anna", "text\n", "<p>html</p>", "a.txt", []byte("content"))
	f.Add("Grüße  an alle", `"A. B." <x>`, "Zeile\r\nFrom x\r\n.\r\n", "", "ü.pdf", []byte{0, 255})
	f.Add(strings.Repeat("long ", 100)+strings.Repeat("x", 2000), strings.Repeat("日", 200), strings.Repeat("y", 3000), "", strings.Repeat("ü", 120), []byte(nil))
	f.Add("=?utf-8?q?x?=", "=?", "=\n =20 \n", "\x00", "\r\nA: b", []byte("--"))
	f.Fuzz(func(t *testing.T, subject, name, text, html, file string, content []byte) {
		d := message.Draft{
			From: []message.Mailbox{box(name, "a@example.com")}, To: []message.Mailbox{box(name, "b@example.net"), box("", "c@example.net")},
			Subject: subject, Text: text, HTML: html, Date: time.Unix(1e9, 0).UTC(),
			Attachments: []message.Attachment{{Name: file, Content: bytes.NewReader(content)}},
		}
		if len(file) > 255 {
			t.Skip()
		}
		raw := compose(t, d)
		readOurs(t, raw, subject, name, content)
		m, err := netmail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.Header.AddressList("To")
		if err != nil || len(list) != 2 || list[0].Address != "b@example.net" || squeeze(list[0].Name) != squeeze(name) {
			t.Fatalf("net/mail reads To as %v, %v\n%q", list, err, m.Header.Get("To"))
		}
		got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || squeeze(got) != squeeze(subject) {
			t.Fatalf("net/mail reads the subject %q as %q, %v", subject, got, err)
		}
	})
}

// plain is what a header can carry of a text: control characters are spaces there.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", " "))
	return strings.Trim(strings.ToValidUTF8(s, "\uFFFD"), " ")
}

// squeeze also forgets how many spaces there are: net/mail does at a fold.
func squeeze(s string) string { return strings.Join(strings.Fields(plain(s)), " ") }

func readOurs(t *testing.T, raw, subject, name string, content []byte) {
	t.Helper()
	m, err := message.Read(strings.NewReader(raw), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Text("Subject"); got != plain(subject) {
		t.Fatalf("subject %q, want %q", got, plain(subject))
	}
	from, err := m.Header.From()
	if err != nil || len(from) != 1 || from[0].Name != plain(name) {
		t.Fatalf("from %q, %v, want %q", from, err, plain(name))
	}
	var last []byte
	problems, err := m.Walk(message.Limits{}, func(p *message.Part) error {
		var err error
		if !p.Holds() {
			last, err = io.ReadAll(p.Content())
		}
		return err
	})
	if err != nil || len(problems) > 0 || !bytes.Equal(last, content) {
		t.Fatalf("attachment %q, want %q; %v, %v", last, content, problems, err)
	}
}

const pythonReads = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(json.dumps({
  "subject": m["Subject"], "name": m["From"].addresses[0].display_name, "to": [a.addr_spec for a in m["To"].addresses],
  "text": m.get_body(("plain",)).get_content(), "html": m.get_body(("html",)).get_content(),
  "files": [[p.get_filename(), p.get_content_type()] for p in m.iter_attachments()],
  "defects": [str(d) for p in m.walk() for d in p.defects]}))
`

func TestPythonReadsWhatWeCompose(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no python3")
		}
		t.Skip("there is no python3 to read it")
	}
	long := strings.Repeat("Ein sehr langer Betreff mit Größe ", 8)
	raw := compose(t, message.Draft{
		From:    []message.Mailbox{box("Jürgen \"J\" Müller, Köln", "j@example.com")},
		To:      []message.Mailbox{box("日本語の長い名前", "a@example.net"), box("B, C", `"b c"@example.net`)},
		Subject: long, Text: "Grüße\r\n\r\n.\r\nEnde =20\r\n", HTML: "<p>日本語</p>",
		Attachments: []message.Attachment{{Name: "Übersicht 2026 (1).pdf", Type: "application/pdf", Content: strings.NewReader("%PDF")}, {Content: strings.NewReader("\x00")}},
	})
	cmd := exec.Command("python3", "-c", pythonReads)
	cmd.Stdin = strings.NewReader(raw)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	type read struct {
		Subject, Name, Text, HTML string
		To, Defects               []string
		Files                     [][]any
	}
	var got read
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := read{
		Subject: strings.TrimSpace(long), Name: `Jürgen "J" Müller, Köln`, To: []string{"a@example.net", `"b c"@example.net`},
		Text: "Grüße\n\n.\nEnde =20\n", HTML: "<p>日本語</p>\r\n", Defects: []string{},
		Files: [][]any{{"Übersicht 2026 (1).pdf", "application/pdf"}, {nil, "application/octet-stream"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Python reads it otherwise (-want +got):\n%s\n%s", diff, raw)
	}
}
