package message

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// outline is the structure of a message, a line for every part: number, type and
// decoded text of leaves.
func outline(t testing.TB, text string, l Limits) (lines, problems []string) {
	t.Helper()
	m, err := Read(iotest.HalfReader(strings.NewReader(text)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.Walk(l, func(p *Part) error {
		line := strings.Repeat("  ", p.Depth) + strings.TrimSpace(p.Number+" "+p.Type)
		if p.Filename != "" {
			line += " " + p.Disposition + " " + p.Filename
		}
		if !p.Holds() {
			content, err := io.ReadAll(p.Text())
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", content)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		p.Detail = ""
		problems = append(problems, p.String())
	}
	return lines, problems
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestWalk(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=\"b 1\"\n\n"
	tests := []struct {
		name, text string
		lines      []string
		problems   []string
	}{
		{"plain", "Subject: x\n\nhello\n", []string{`1 text/plain "hello\r\n"`}, nil},
		{"no body", "Subject: x\n\n", []string{`1 text/plain ""`}, nil},
		{"html in latin-1, quoted-printable", "Content-Type: TEXT/HTML; charset=iso-8859-1\nContent-Transfer-Encoding: Quoted-Printable (c)\n\n<b>caf=E9</b>=\n!\n",
			[]string{`1 text/html "<b>café</b>!\r\n"`}, nil},
		{"base64 with junk and no padding", "Content-Transfer-Encoding: base64\n\naGVs\n bG8!*gd29y\nbGQ\n", []string{`1 text/plain "hello world"`}, nil},
		{"base64 broken", "Content-Transfer-Encoding: base64\n\naGVsb", []string{`1 text/plain "hel"`}, []string{"bad-encoding in part 1"}},
		{"quoted-printable broken", "Content-Transfer-Encoding: quoted-printable\n\nab\n=zz\x01\xff\nc=", []string{`1 text/plain "ab\r\n=zz\x01�\r\nc"`}, []string{"bad-encoding in part 1"}},
		{"quoted-printable spaces", "Content-Transfer-Encoding: quoted-printable\n\na  \n b =\n c= \t\nd =20\n=3D=3d", []string{`1 text/plain "a\r\n b  cd  \r\n=="`}, nil},
		{"unknown encoding", "Content-Transfer-Encoding: x-uuencode\n\nabc\n", []string{`1 text/plain "abc\r\n"`}, []string{"unknown-encoding in part 1"}},
		{"unknown charset", "Content-Type: text/plain; charset=klingon\n\nabc\n", []string{`1 text/plain "abc\r\n"`}, []string{"unknown-charset in part 1"}},
		{"broken type", "Content-Type: nonsense\n\nabc\n", []string{`1 text/plain "abc\r\n"`}, nil},
		{"broken parameters", "Content-Type: text/html; charset=utf-8; charset=utf-8; =; x\n\né\n", []string{`1 text/html "é\r\n"`}, nil},

		{"multipart", mixed + "preamble\n--b 1\n\none\n--b 1 \t\nContent-Type: text/html\n\ntwo\n\n--b 1--\nepilogue\n--b 1\nnot a part\n",
			[]string{"multipart/mixed", `  1 text/plain "one"`, `  2 text/html "two\r\n"`}, nil},
		{"almost a boundary", mixed + "--b 1\n\n--b 12\n--b 1x\n --b 1\n--b 1--", []string{"multipart/mixed", `  1 text/plain "--b 12\r\n--b 1x\r\n --b 1"`}, nil},
		{"unclosed", mixed + "--b 1\n\none\n", []string{"multipart/mixed", `  1 text/plain "one\r\n"`}, []string{"unclosed"}},
		{"nothing inside", mixed, []string{"multipart/mixed"}, []string{"unclosed"}},
		{"header without empty line", mixed + "--b 1\nContent-Type: text/html\n--b 1--\n", []string{"multipart/mixed", `  1 text/html ""`}, nil},
		{"no boundary", "Content-Type: multipart/mixed\n\n--b\n", []string{`1 multipart/mixed "--b\r\n"`}, []string{"no-boundary"}},
		{"base64 multipart", "Content-Transfer-Encoding: base64\n" + mixed + "--b 1\n\none\n--b 1--\n",
			[]string{"multipart/mixed", `  1 text/plain "one"`}, []string{"bad-encoding"}},
		{"nested", mixed + "--b 1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\na\n--b2\n\nb\n--b2--\n--b 1\n\nc\n--b 1--\n",
			[]string{"multipart/mixed", "  1 multipart/alternative", `    1.1 text/plain "a"`, `    1.2 text/plain "b"`, `  2 text/plain "c"`}, nil},
		{"nested unclosed", mixed + "--b 1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\na\n--b 1\n\nc\n--b 1--\n",
			[]string{"multipart/mixed", "  1 multipart/alternative", `    1.1 text/plain "a"`, `  2 text/plain "c"`}, []string{"unclosed in part 1"}},
		{"embedded", mixed + "--b 1\nContent-Type: message/rfc822\n\nSubject: in\n\nbody\n--b 1--\n",
			[]string{"multipart/mixed", "  1 message/rfc822", `    1.1 text/plain "body"`}, nil},
		{"embedded multipart", mixed + "--b 1\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b 1--\n",
			[]string{"multipart/mixed", "  1 message/rfc822", "    1 multipart/mixed", `      1.1 text/plain "x"`}, nil},
		{"embedded in base64", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogMQ==\n", []string{`1 message/rfc822 "A: 1"`}, nil},
		{"digest", "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: in\n\nbody\n--d--\n",
			[]string{"multipart/digest", "  1 message/rfc822", `    1.1 text/plain "body"`}, nil},
		{"attachment", "Content-Type: application/pdf; name=x.pdf\nContent-Disposition: attachment; filename*=utf-8''na%C3%AFve.pdf\n\n%PDF\n",
			[]string{`1 application/pdf attachment naïve.pdf "%PDF\r\n"`}, nil},
		{"attachment with encoded words", "Content-Disposition: ATTACHMENT; filename=\"=?utf-8?q?na=C3=AFve.pdf?=\"\n\n",
			[]string{`1 text/plain attachment naïve.pdf ""`}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines, problems := outline(t, crlf(tt.text), Limits{})
			if d := cmp.Diff(tt.lines, lines); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(tt.problems, problems); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			asFile, _ := outline(t, tt.text, Limits{})
			for i := range asFile {
				if strings.ReplaceAll(asFile[i], `\r\n`, `\n`) != strings.ReplaceAll(tt.lines[i], `\r\n`, `\n`) {
					t.Errorf("with LF %s", asFile[i])
				}
			}
		})
	}
}

func TestWalkLimits(t *testing.T) {
	deep := ""
	for i := range 30 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	lines, problems := outline(t, deep, Limits{Depth: 3})
	if len(lines) != 4 || problems[0] != "too-deep in part 1.1.1" {
		t.Errorf("%q %q", lines, problems)
	}
	wide := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 5000)
	lines, problems = outline(t, wide, Limits{})
	if len(lines) != 1000 || problems[0] != "too-many-parts in part 1000" {
		t.Errorf("%d parts, %q", len(lines), problems)
	}
}

func TestWalkErrors(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("Content-Transfer-Encoding: base64\r\n\r\naGVs"), iotest.ErrReader(io.ErrClosedPipe))
	m, err := Read(broken, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Walk(Limits{}, func(p *Part) error {
		_, err := io.ReadAll(p.Content())
		return err
	})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v: a broken stream was taken for a broken encoding", err)
	}
	m, _ = Read(strings.NewReader("\r\nx"), Limits{})
	if _, err := m.Walk(Limits{}, func(*Part) error { return io.ErrNoProgress }); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
	m, _ = Read(strings.NewReader("\r\nx"), Limits{})
	if _, err := m.Walk(Limits{}, func(*Part) error { return ErrStop }); err != nil {
		t.Errorf("error %v", err)
	}
}

func TestLinks(t *testing.T) {
	tests := []struct {
		name, kind, body string
		want             []Link
	}{
		{"text", "text/plain", "See http://a.example/x?y=1, or <https://b.example> (www.c.example).\nmailto:x@d.example HTTP://E.example/! nothttp:/ http:// www.",
			[]Link{{URL: "http://a.example/x?y=1"}, {URL: "https://b.example"}, {URL: "www.c.example"}, {URL: "mailto:x@d.example"}, {URL: "HTTP://E.example/"}}},
		{"parentheses", "text/plain", "https://a.example/x_(y) (https://a.example/z)", []Link{{URL: "https://a.example/x_(y)"}, {URL: "https://a.example/z"}}},
		{"html", "text/html", `<A HREF="https://a.example/?x=1&amp;y=2">go  to <b>https://bank.example</b></A> <img src=cid:1><a href="#top">up</a><style>a{b:url(http://no.example)}</style><script>"http://no.example"</script> https://t.example.<form action=/u></form><a href=' mailto:u@a.example '>`,
			[]Link{
				{URL: "https://a.example/?x=1&y=2", From: "href", Tag: "a", Text: "go to https://bank.example"},
				{URL: "cid:1", From: "src", Tag: "img"}, {URL: "https://t.example"},
				{URL: "/u", From: "action", Tag: "form"}, {URL: "mailto:u@a.example", From: "href", Tag: "a"},
			}},
		{"image", "image/png", "http://a.example", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.want {
				if tt.want[i].From == "" {
					tt.want[i].From = "text"
				}
			}
			got, err := linksOf("Content-Type: " + tt.kind + "\r\n\r\n" + tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func linksOf(text string) (links []Link, err error) {
	m, err := Read(strings.NewReader(text), Limits{})
	if err != nil {
		return nil, err
	}
	_, err = m.Walk(Limits{}, func(p *Part) error {
		found, err := p.Links()
		links = append(links, found...)
		return err
	})
	return links, err
}

func TestLinksAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"many words":   "Content-Type: text/plain\r\n\r\n" + strings.Repeat("http://a.example ", 5000),
		"one word":     "Content-Type: text/plain\r\n\r\n" + strings.Repeat("<http://a.example>", 5000),
		"many anchors": "Content-Type: text/html\r\n\r\n" + strings.Repeat("<a href=http://a.example>x</a>", 5000),
	} {
		if links, err := linksOf(text); err != nil || len(links) != maxLinks {
			t.Errorf("%s: %d links, %v", name, len(links), err)
		}
	}
	long := "http://" + strings.Repeat("x", 100000)
	if links, err := linksOf("\r\n" + long); err != nil || len(links) != 1 || len(links[0].URL) > maxURL+1 {
		t.Errorf("%d links, %v", len(links), err)
	}
	if links, err := linksOf("Content-Type: text/html\r\n\r\n<a href=" + strings.Repeat("x", 3<<20) + "><a href=http://a.example>"); err != nil || len(links) > 1 {
		t.Errorf("%d links, %v", len(links), err)
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhttp://a.example\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGEgaHJlZj14Pg==\n--b--\n"))
	f.Add(crlf("Content-Type: message/rfc822\n\nContent-Type: multipart/digest; boundary=\"\"\n\n--\n\n----\n"))
	f.Add("Content-Type: multipart/x; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=b\n\n--b\n--b--\n=")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Read(strings.NewReader(s), Limits{})
		if err != nil {
			return
		}
		parts := 0
		_, err = m.Walk(Limits{Parts: 50, Depth: 5}, func(p *Part) error {
			if parts++; parts > 50 || p.Depth > 5 {
				t.Fatal("past the limits")
			}
			if parts%2 == 0 {
				_, err := p.Links()
				return err
			}
			n, err := io.Copy(io.Discard, p.Text())
			if n > int64(4*len(s)+64) {
				t.Fatalf("%d octets out of %d", n, len(s))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := m.Body.Read(make([]byte, 1)); n != 0 {
			t.Log("stopped early") // too many parts
		}
	})
}

func TestLeaf(t *testing.T) {
	p := Leaf("text/plain", "iso-8859-1", "Quoted-Printable", strings.NewReader("Gr=FC=DFe"))
	if text, err := io.ReadAll(p.Text()); err != nil || string(text) != "Grüße" {
		t.Errorf("Text() = %q, %v", text, err)
	}
	for encoding, known := range map[string]bool{"7bit": true, "base64": true, "quoted-printable": true, "x-uuencode": false, "": false} {
		if KnownEncoding(encoding) != known {
			t.Errorf("KnownEncoding(%q) = %t", encoding, !known)
		}
	}
	if s, ok := ToUTF8("koi8-r", []byte("\xf0")); s != "П" || !ok {
		t.Errorf("ToUTF8() = %q, %t", s, ok)
	}
	if s, ok := ToUTF8("x-unknown", []byte("a")); ok {
		t.Errorf("ToUTF8() = %q of an unknown charset", s)
	}
}
