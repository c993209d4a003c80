package structure_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/allgreen-mail/allgreen/message/structure"
)

func read(t testing.TB, text string) *structure.Message {
	t.Helper()
	m, err := structure.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// crlf is a text of a test with the line ends of mail.
func crlf(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n")
}

var nested = crlf(`
From: Joe <joe@example.org>
Sender: =?utf-8?Q?J=C3=B6?= <desk@example.org>
To: "Anna \"A\" B." <anna@example.com>, team: bert@example.com, carl@example.com;,
 dora@example.com (Dora)
Subject: Re: [list]
	all of it
Date: Sat, 21 Nov 2026 12:30:00 +0130
Message-ID: <1@example.org>
In-Reply-To: <0@example.org>
References: <a@example.org> <b@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner

plain text
of two lines
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: Quoted-Printable
Content-ID: <html@example.org>
Content-Language: en, de
Content-Location: http://example.org/

<p>html</p>

--inner--
epilogue of inner
--outer
Content-Type: message/rfc822
Content-Description: what was sent
Content-Disposition: attachment; filename*0="a long"; filename*1=" name.eml"

Subject: inside
From: inner@example.org
Content-Type: multipart/mixed; boundary=deep

--deep
Content-Type: image/png; name="x.png"
Content-Transfer-Encoding: base64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

aGVsbG8=
--deep--
--outer--
epilogue
`)

func TestRead(t *testing.T) {
	m := read(t, nested)
	if m.Size != int64(len(nested)) {
		t.Errorf("size %d, want %d", m.Size, len(nested))
	}
	for _, tt := range []struct {
		section []int
		kind    string
		body    string
		lines   int64
	}{
		{[]int{1}, "multipart/alternative", "", 14},
		{[]int{1, 1}, "text/plain", "plain text\r\nof two lines", 1},
		{[]int{1, 2}, "text/html", "<p>html</p>\r\n", 1},
		{[]int{2}, "message/rfc822", "", 10},
		{[]int{2, 1}, "image/png", "aGVsbG8=", 0},
	} {
		p := m.Find(tt.section)
		if p == nil {
			t.Errorf("%v: no such part", tt.section)
			continue
		}
		body := nested[p.Body.Start:p.Body.End]
		if got := p.Type + "/" + p.Subtype; got != tt.kind || p.Lines != tt.lines || tt.body != "" && body != tt.body {
			t.Errorf("%v: %s of %d lines, %q; want %s of %d, %q", tt.section, got, p.Lines, body, tt.kind, tt.lines, tt.body)
		}
	}
	for _, section := range [][]int{{0}, {3}, {1, 3}, {1, 1, 1}, {2, 2}, {2, 1, 1}, {-1}} {
		if p := m.Find(section); p != nil {
			t.Errorf("%v is %s/%s", section, p.Type, p.Subtype)
		}
	}
	if p := m.Find([]int{2}).Children[0]; nested[p.Header.Start:p.Header.Start+15] != "Subject: inside" || !strings.HasSuffix(nested[:p.Header.End], "deep\r\n\r\n") {
		t.Errorf("the header of the message inside is %q", nested[p.Header.Start:p.Header.End])
	}
	if m.Sent.UTC().Format("15:04") != "11:00" || m.Sent.Format("15:04") != "12:30" {
		t.Errorf("sent %s", m.Sent)
	}
	if diff := cmp.Diff([]string{"a@example.org", "b@example.org"}, m.References); diff != "" {
		t.Error(diff)
	}
}

func TestEnvelope(t *testing.T) {
	const want = `("Sat, 21 Nov 2026 12:30:00 +0130" "Re: [list]	all of it" (("Joe" NIL "joe" "example.org"))` +
		` (("=?utf-8?Q?J=C3=B6?=" NIL "desk" "example.org")) (("Joe" NIL "joe" "example.org"))` +
		` (("Anna \"A\" B." NIL "anna" "example.com")(NIL NIL "team" NIL)(NIL NIL "bert" "example.com")(NIL NIL "carl" "example.com")(NIL NIL NIL NIL)("Dora" NIL "dora" "example.com"))` +
		` NIL NIL "<0@example.org>" "<1@example.org>")`
	b := read(t, nested).Encode()
	if got := string(structure.EnvelopeOf(b)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for text, want := range map[string]string{
		"":                           `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`,
		"Subject:\r\nDate: \r\n":     `("" "" NIL NIL NIL NIL NIL NIL NIL NIL)`,
		"Subject: gr\xfc\xdfe\r\n":   "(NIL {5}\r\ngr\xfc\xdfe NIL NIL NIL NIL NIL NIL NIL NIL)",
		"Subject: a\x00b\\\"\r\n":    "(NIL {5}\r\na\x80b\\\" NIL NIL NIL NIL NIL NIL NIL NIL)",
		"subject : old\r\n":          `(NIL "old" NIL NIL NIL NIL NIL NIL NIL NIL)`,
		"Subject: 1\nSubject: 2\n":   `(NIL "1" NIL NIL NIL NIL NIL NIL NIL NIL)`,
		"To: a@b\r\nTo: c@d\r\n":     `(NIL NIL NIL NIL NIL ((NIL NIL "a" "b")(NIL NIL "c" "d")) NIL NIL NIL NIL)`,
		"\r\nSubject: not in it\r\n": `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`,
	} {
		if got := string(structure.EnvelopeOf(read(t, text).Encode())); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for body, want := range map[string]string{
		`a@b`:                              `(NIL NIL "a" "b")`,
		`<a@b>`:                            `(NIL NIL "a" "b")`,
		`A B <a@b>, "C, D" <c@d>`:          `("A B" NIL "a" "b")("C, D" NIL "c" "d")`,
		`a@b (Comment (nested))`:           `("Comment (nested)" NIL "a" "b")`,
		`A  (not the name)  B <a@b>`:       `("A B" NIL "a" "b")`,
		`"quoted local"@b`:                 `(NIL NIL "quoted local" "b")`,
		`a . b @ c . d`:                    `(NIL NIL "a.b" "c.d")`,
		`<@x,@y:a@b>`:                      `(NIL "@x,@y" "a" "b")`,
		`a@[192.0.2.1]`:                    `(NIL NIL "a" "[192.0.2.1]")`,
		`nobody`:                           `(NIL NIL "nobody" "MISSING_DOMAIN")`,
		`<>`:                               `(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")`,
		`Name <a@b`:                        `("Name" NIL "a" "b")`,
		`Name <a@b> junk, c@d`:             `("Name" NIL "a" "b")(NIL NIL "c" "d")`,
		`undisclosed-recipients:;`:         `(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)`,
		`g: a@b`:                           `(NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)`,
		`"never closed <a@b>`:              `(NIL NIL "never closed <a@b>" "MISSING_DOMAIN")`,
		`,,;a@b,`:                          `(NIL NIL "a" "b")`,
		`a@b c@d`:                          `(NIL NIL "a" "b")`,
		`=?utf-8?q?=C3=BC?= <u@x>`:         `("=?utf-8?q?=C3=BC?=" NIL "u" "x")`,
		"J\xc3\xbcrgen <j@b\xc3\xbc.de>":   "({7}\r\nJ\xc3\xbcrgen NIL \"j\" {6}\r\nb\xc3\xbc.de)",
		`(only a comment)`:                 ``,
		`First.Last@x, O'Brien <o'b@x.ie>`: `(NIL NIL "First.Last" "x")("O'Brien" NIL "o'b" "x.ie")`,
	} {
		e := read(t, "Cc: "+body+"\r\n\r\n").Envelope
		got := string(e.Append(nil))
		want := "(NIL NIL NIL NIL NIL NIL (" + want + ") NIL NIL NIL)"
		if want = strings.Replace(want, "()", "NIL", 1); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", body, got, want)
		}
	}
}

// sound finds what holds of every message, whatever it is.
func sound(t testing.TB, text []byte) *structure.Message {
	t.Helper()
	m, err := structure.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if m.Size != int64(len(text)) || m.Root.Header.Start != 0 || m.Root.Body.End != m.Size {
		t.Fatalf("%d octets: %+v", len(text), m.Root)
	}
	check(t, m.Root, structure.Range{End: m.Size})
	b := m.Encode()
	again, err := structure.Decode(b)
	if err != nil {
		t.Fatalf("decode %q: %v", b, err)
	}
	if !bytes.Equal(again.Encode(), b) {
		t.Fatalf("encoded again it is\n%q, and was\n%q", again.Encode(), b)
	}
	if head, err := structure.DecodeHead(b, structure.WithSubject); err != nil || head.Size != m.Size || head.Envelope.Subject != m.Envelope.Subject {
		t.Fatalf("DecodeHead: %v", err)
	}
	for _, part := range [][]byte{structure.EnvelopeOf(b), m.BodyStructure(true), m.BodyStructure(false)} {
		if rest, err := value(part); err != nil || len(rest) > 0 {
			t.Fatalf("%q is not an IMAP list: %v, and %q is left", part, err, rest)
		}
	}
	return m
}

func check(t testing.TB, p *structure.Part, in structure.Range) {
	t.Helper()
	if p.Header.Start < in.Start || p.Header.End < p.Header.Start || p.Body.Start != p.Header.End || p.Body.End < p.Body.Start || p.Body.End > in.End {
		t.Fatalf("%s/%s lies at %v %v in %v", p.Type, p.Subtype, p.Header, p.Body, in)
	}
	if p.IsMultipart() != (len(p.Children) > 0 && !p.IsMessage()) || p.IsMessage() && len(p.Children) != 1 {
		t.Fatalf("%s/%s has %d children", p.Type, p.Subtype, len(p.Children))
	}
	at := p.Body.Start
	for _, child := range p.Children {
		check(t, child, structure.Range{Start: at, End: p.Body.End})
		at = child.Body.End
	}
}

// value reads one value of IMAP: a list, a string, NIL or a number.
func value(b []byte) (rest []byte, err error) {
	switch {
	case len(b) == 0:
		return nil, errors.New("it ends")
	case b[0] == '(':
		b = b[1:]
		for len(b) > 0 && b[0] != ')' {
			if b, err = value(b); err != nil {
				return b, err
			}
			b = bytes.TrimPrefix(b, []byte(" "))
		}
		if len(b) == 0 {
			return nil, errors.New("a list is open")
		}
		return b[1:], nil
	case b[0] == '"':
		for i := 1; i < len(b); i++ {
			switch c := b[i]; {
			case c == '\\':
				i++
			case c == '"':
				return b[i+1:], nil
			case c == '\r' || c == '\n' || c == 0 || c >= 0x7F:
				return b, fmt.Errorf("%q in a quoted string", c)
			}
		}
		return nil, errors.New("a quote is open")
	case b[0] == '{':
		var n int
		if _, err := fmt.Sscanf(string(b), "{%d}\r\n", &n); err != nil {
			return b, err
		}
		i := bytes.IndexByte(b, '\n') + 1
		if i+n > len(b) || bytes.IndexByte(b[i:i+n], 0) >= 0 {
			return b, errors.New("a literal is short, or has NUL")
		}
		return b[i+n:], nil
	}
	i := 0
	for i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] >= 'A' && b[i] <= 'Z') {
		i++
	}
	if i == 0 {
		return b, fmt.Errorf("%q begins no value", b[:min(len(b), 10)])
	}
	return b[i:], nil
}

func TestSound(t *testing.T) {
	for name, text := range nasty() {
		t.Run(name, func(t *testing.T) {
			m := sound(t, []byte(text))
			if kept := len(m.Encode()); kept > 4096+3*len(text) {
				t.Errorf("%d octets are kept of %d", kept, len(text))
			}
			slow, err := structure.Read(iotest.OneByteReader(strings.NewReader(text[:min(len(text), 100_000)])))
			if err != nil {
				t.Fatal(err)
			}
			if len(text) <= 100_000 && !bytes.Equal(slow.Encode(), m.Encode()) {
				t.Error("octet by octet it is another")
			}
		})
	}
}

// nasty are messages that nobody should send.
func nasty() map[string]string {
	part := func(i int) string {
		return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	var deep, same, flat, messages strings.Builder
	flat.WriteString(part(0))
	for i := range 10_000 {
		deep.WriteString(part(i))
		same.WriteString(part(1))
		flat.WriteString("\r\nx\r\n--b0\r\n")
		messages.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	return map[string]string{
		"nothing": "", "a line": "hello", "no header": "\r\nhello", "only LF": strings.ReplaceAll(nested, "\r", ""),
		"nested": nested, "10,000 deep": deep.String(), "10,000 of one boundary": same.String(), "10,000 beside": flat.String(), "10,000 messages": messages.String(),
		"no boundary":       "Content-Type: multipart/mixed\r\n\r\nhello\r\n",
		"boundary not used": "Content-Type: multipart/mixed; boundary=x\r\n\r\nhello\r\n",
		"not closed":        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n",
		"only closed":       "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n\r\nhello\r\n",
		"header only parts": "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n--x\r\nContent-Type: multipart/mixed; boundary=y\r\n--x--",
		"ends in delimiter": "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
		"empty boundary":    "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nhello\r\n----\r\n",
		"dashes":            "Content-Type: multipart/mixed; boundary=\"--\"\r\n\r\n----\r\n\r\nhello\r\n------\r\n" + strings.Repeat("--\r\n", 10_000),
		"long boundary":     "Content-Type: multipart/mixed; boundary=" + strings.Repeat("x", 1000) + "\r\n\r\n--" + strings.Repeat("x", 1000) + "\r\n",
		"long line":         "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + strings.Repeat("x", 70_000) + "\r\n--x--\r\n",
		"long field":        "Subject: " + strings.Repeat("x", 300_000) + "\r\nFrom: a@b\r\n\r\n",
		"many addresses":    "To: " + strings.Repeat("a,", 100_000) + "\r\n\r\n",
		"many fields":       strings.Repeat("To: a\r\n", 20_000) + "\r\n",
		"many parameters":   "Content-Type: a/b" + strings.Repeat(";a*0*=b", 20_000) + "\r\n\r\n",
		"many identifiers":  "References: " + strings.Repeat("<a@b>", 20_000) + "\r\n\r\n",
		"eight bits":        "Subject: \xff\xfe\x00\r\nFrom: \x80\x81 <\xff@\xfe>\r\nContent-Type: text/pl\xe4in; ch\xe4rset=\"\xff\"\r\nContent-ID: \x00\r\nContent-Language: \xff\r\n\r\n\xff",
		"base64 message":    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQo=\r\n",
		"controls":          "Subject: \x01\x02\rx\r\nFrom: \"a\rb\" <\x7f@x>\r\n\r\n",
		"year 0":            "Date: Sat, 01 Jan 0001 00:00:00 +0000\r\n\r\n",
		"far zone":          "Date: Sat, 1 Jan 2000 00:00:00 +9959\r\n\r\n",
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := structure.Read(io.MultiReader(strings.NewReader("Subject: x\r\n"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("Read() = %v", err)
	}
}

func TestDecode(t *testing.T) {
	m := read(t, nested)
	again, err := structure.Decode(m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, again, cmp.AllowUnexported(structure.Envelope{}), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeHead(t *testing.T) {
	m := read(t, nested)
	e := m.Envelope
	for want, is := range map[structure.Fields]structure.Message{
		0:                                    {},
		structure.WithSubject:                {Envelope: structure.Envelope{Subject: e.Subject}},
		structure.WithFrom:                   {Envelope: structure.Envelope{From: e.From}},
		structure.WithTo:                     {Envelope: structure.Envelope{To: e.To}},
		structure.WithCc | structure.WithBcc: {Envelope: structure.Envelope{Cc: e.Cc, Bcc: e.Bcc}},
		structure.WithIDs:                    {Envelope: structure.Envelope{InReplyTo: e.InReplyTo, MessageID: e.MessageID}, References: m.References},
		structure.WithAll:                    {Envelope: e, References: m.References},
	} {
		is.Size, is.Sent = m.Size, m.Sent
		got, err := structure.DecodeHead(m.Encode(), want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&is, got, cmp.AllowUnexported(structure.Envelope{}), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("%b: %s", want, diff)
		}
	}
}

func TestDecodeOthers(t *testing.T) {
	b := read(t, nested).Encode()
	for i := range b {
		if _, err := structure.Decode(b[:i]); !errors.Is(err, structure.ErrEncoded) {
			t.Fatalf("%d octets of %d: %v", i, len(b), err)
		}
	}
	if _, err := structure.Decode(append(b, 0)); !errors.Is(err, structure.ErrEncoded) {
		t.Errorf("with something behind it: %v", err)
	}
	if b[0] = 77; structure.EnvelopeOf(b) != nil {
		t.Error("another version is read")
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range nasty() {
		if len(text) < 10_000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) { sound(t, text) })
}

func FuzzDecode(f *testing.F) {
	for _, text := range nasty() {
		if len(text) < 10_000 {
			f.Add(read(f, text).Encode())
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := structure.Decode(b)
		if err != nil {
			return
		}
		m.BodyStructure(true)
		if _, err := structure.Decode(m.Encode()); err != nil {
			t.Errorf("encoded again: %v", err)
		}
	})
}

// letter is an ordinary message of about so many octets: as they come from outside,
// with trace fields and a signature.
func letter(size int) []byte {
	head := crlf(`
Return-Path: <joe@example.org>
Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=example.org;
	dkim=pass header.d=example.org header.s=s1; dmarc=pass header.from=example.org
Received: from mail.example.org (mail.example.org [192.0.2.1])
	by mx.example.com with ESMTPS (TLS 1.3 TLS_AES_128_GCM_SHA256) id 1AB2CD3EF
	for <anna@example.com>; Sat, 21 Nov 2026 12:00:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1; h=from:to:subject:date:
 message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=Q2hlY2sgSW50ZWdyaXR5IQQ2hlY2sgSW50
 ZWdyaXR5IQQ2hlY2sgSW50ZWdyaXR5IQQ2hlY2sgSW50ZWdyaXR5IQQ2hlY2sgSW50ZWdyaXR5IQ==
From: "Joe Example" <joe@example.org>
To: Anna Example <anna@example.com>
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from here
Date: Sat, 21 Nov 2026 12:00:00 +0000
Message-ID: <1234567890@example.org>
References: <a@example.org> <b@example.org>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_1234567890"

--=_1234567890
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

`)
	const line = "It is a line of text, like any other, and there are many of them.\r\n"
	half := strings.Repeat(line, (size-len(head))/2/len(line))
	return []byte(head + half + "\r\n--=_1234567890\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + half + "\r\n--=_1234567890--\r\n")
}

// BenchmarkRead is what a delivery costs more.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10, 10 << 20} {
		text := letter(size)
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			kept := 0
			for b.Loop() {
				r.Reset(text)
				m, err := structure.Read(r)
				if err != nil {
					b.Fatal(err)
				}
				kept = len(m.Encode())
			}
			b.ReportMetric(float64(kept), "octets/kept")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	kept := read(b, string(letter(4096))).Encode()
	for name, f := range map[string]func() error{
		"all":      func() error { _, err := structure.Decode(kept); return err },
		"head":     func() error { _, err := structure.DecodeHead(kept, structure.WithAll); return err },
		"subject":  func() error { _, err := structure.DecodeHead(kept, structure.WithSubject); return err },
		"envelope": func() error { structure.EnvelopeOf(kept); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestBodyStructure(t *testing.T) {
	m := read(t, nested)
	const want = `((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 24 1 NIL NIL NIL NIL)("text" "html" ("charset" "utf-8") "<html@example.org>" NIL "quoted-printable" 13 1 NIL NIL ("en" "de") "http://example.org/") "alternative" ("boundary" "inner") NIL NIL NIL)` +
		`("message" "rfc822" NIL NIL "what was sent" "7bit" 231 (NIL "inside" ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL) (("image" "png" ("name" "x.png") NIL NIL "base64" 8 "Q2hlY2sgSW50ZWdyaXR5IQ==" NIL NIL NIL) "mixed" ("boundary" "deep") NIL NIL NIL) 10 NIL ("attachment" ("filename" "a long name.eml")) NIL NIL) "mixed" ("boundary" "outer") NIL NIL NIL)`
	if got := string(m.BodyStructure(true)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(m.BodyStructure(false)); !strings.HasPrefix(got, `((("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 24 1)(`) || !strings.HasSuffix(got, ` 10) "mixed")`) {
		t.Errorf("BODY is %s", got)
	}
}

// TestStructureIsSmall: what is kept of a message is not as large as a stranger likes, and
// the last part is still known for what it is.
func TestStructureIsSmall(t *testing.T) {
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=x\r\n\r\n")
	for range 900 {
		b.WriteString("--x\r\nContent-Type: image/png")
		for j := range 90 {
			fmt.Fprintf(&b, ";\r\n p%d=\"%s\"", j, strings.Repeat("v", 100))
		}
		b.WriteString("\r\n\r\nx\r\n")
	}
	b.WriteString("--x--\r\n")
	kept, err := structure.Of(strings.NewReader(b.String()))
	if err != nil || len(kept) > 4<<20 {
		t.Fatalf("of %d octets %d are kept, %v", b.Len(), len(kept), err)
	}
	m, err := structure.Decode(kept)
	if err != nil {
		t.Fatal(err)
	}
	if last := m.Find([]int{900}); last == nil || last.Type != "image" || len(last.Params) == 0 {
		t.Errorf("the last part is %+v", last)
	}
	// The next message has all the room again.
	again, err := structure.Of(strings.NewReader(b.String()))
	if err != nil || !bytes.Equal(again, kept) {
		t.Errorf("the same again: %d octets, %v", len(again), err)
	}
}
