package show

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/allgreen-mail/allgreen/finding"
)

func TestHTMLGolden(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, []*finding.Report{sick(), healthy()}); err != nil {
		t.Fatal(err)
	}
	golden(t, "both.html", b.Bytes())
}

// attack puts one text wherever a remote side could have its say.
func attack(s string) *finding.Report {
	f := finding.Finding{
		Check: "smtp.banner", Group: "smtp", Status: finding.Red, Code: "odd", Subject: s, Summary: s, Evidence: []string{s}, Why: s, Fix: s,
		Records: []finding.Record{{Name: s, Type: "TXT", Value: s}, {Name: s, Type: "MX", Value: s}},
		Who:     finding.Who(s), Refs: []string{s}, Affects: []string{s},
	}
	r := finding.NewReport(s, []finding.Finding{f})
	r.Addresses = []finding.Address{{IP: s, Source: s, Name: s}}
	return r
}

// FuzzHTML parses the page again: whatever a server said, the elements and their
// attributes' names are those of the template.
func FuzzHTML(f *testing.F) {
	for _, seed := range []string{"250 ok", "</pre><script>alert(1)</script>", `" onmouseover="x`, "javascript:alert(1)", "<!--", "\x1b[2J\x00"} {
		f.Add(seed)
	}
	allowed := skeleton(f, "harmless")
	f.Fuzz(func(t *testing.T, s string) {
		for shape := range skeleton(t, s) {
			if !allowed[shape] {
				t.Errorf("%q made the page hold %s", s, shape)
			}
		}
	})
}

// skeleton is which elements have which attributes on the page, links with
// where they lead.
func skeleton(t testing.TB, s string) map[string]bool {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, []*finding.Report{attack(s)}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && wash(string(r)) != string(r) }); i >= 0 {
		t.Fatalf("%q brought %q onto the page", s, b.String()[i])
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]bool{}
	for n := range root.Descendants() {
		if n.Type == html.CommentNode {
			shapes["a comment"] = true
		}
		if n.Type != html.ElementNode {
			continue
		}
		shape := "<" + n.Data
		for _, a := range n.Attr {
			shape += " " + a.Key
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "https://www.rfc-editor.org/rfc/rfc") {
				shape += "=" + a.Val
			}
		}
		shapes[shape] = true
	}
	return shapes
}

func TestReferenceOf(t *testing.T) {
	for ref, want := range map[string]string{
		"RFC 7208 4.6.4": "https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4",
		"RFC 9989":       "https://www.rfc-editor.org/rfc/rfc9989",
		"M3AAWG":         "",
		"RFC 1 x":        "",
	} {
		if got := referenceOf(ref); got.Link != want || got.Text != ref {
			t.Errorf("referenceOf(%q) = %q", ref, got)
		}
	}
}

func TestHTMLReturnsTheErrorOfTheWriter(t *testing.T) {
	if err := HTML(full{}, []*finding.Report{sick()}); !errors.Is(err, errFull) {
		t.Errorf("HTML: %v", err)
	}
}
