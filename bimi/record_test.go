package bimi

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// codes is the codes of problems, a "!" behind the fatal ones.
func codes(problems []Problem) string {
	var words []string
	for _, p := range problems {
		if p.Fatal {
			p.Code += "!"
		}
		words = append(words, p.Code)
	}
	return strings.Join(words, " ")
}

func TestParseRecord(t *testing.T) {
	tests := []struct{ text, logo, evidence, codes string }{
		{"v=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem", "https://e.example/l.svg", "https://e.example/c.pem", ""},
		{"v=BIMI1;l=https://e.example/l.svg;a=https://e.example/c.pem;", "https://e.example/l.svg", "https://e.example/c.pem", ""},
		{"v=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem; avp=brand; lps=news,alerts; x=1", "https://e.example/l.svg", "https://e.example/c.pem", ""},
		{"v=BIMI1; l=https://e.example/l.svg", "https://e.example/l.svg", "", "no-evidence"},
		{"v=BIMI1; l=https://e.example/l.svg; a=;", "https://e.example/l.svg", "", "no-evidence"},
		{"v=BIMI1; l=; a=;", "", "", ""},
		{"v=BIMI1; l=", "", "", ""},
		{"v=BIMI1; l=; a=https://e.example/c.pem", "", "https://e.example/c.pem", "no-logo"},
		{"v=BIMI1; a=https://e.example/c.pem", "", "https://e.example/c.pem", "no-logo!"},
		{"v=BIMI1", "", "", "no-logo!"},
		{"v=BIMI2; l=https://e.example/l.svg; a=https://e.example/c.pem", "https://e.example/l.svg", "https://e.example/c.pem", "version!"},
		{"v=BIMI1; l=http://e.example/l.svg; a=https://e.example/c.pem", "", "https://e.example/c.pem", "scheme!"},
		{"v=BIMI1; l=//e.example/l.svg; a=https://e.example/c.pem", "", "https://e.example/c.pem", "scheme!"},
		{"v=BIMI1; l=https://e.example/l.png; a=https://e.example/c.pem", "https://e.example/l.png", "https://e.example/c.pem", "extension"},
		{"v=BIMI1; l=https://e.example/a.svg,https://e.example/b.svg; a=https://e.example/c.pem", "", "https://e.example/c.pem", "uri!"},
		{"v=BIMI1; l=https://e.example/a.svg; l=https://e.example/b.svg; a=https://e.example/c.pem", "https://e.example/a.svg", "https://e.example/c.pem", "duplicate!"},
		{"v=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem; avp=photo", "https://e.example/l.svg", "https://e.example/c.pem", "preference"},
		{"v=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem; lps=a b", "https://e.example/l.svg", "https://e.example/c.pem", "selector"},
		{"v=BIMI1; word; l=https://e.example/l.svg; a=https://e.example/c.pem", "https://e.example/l.svg", "https://e.example/c.pem", "syntax!"},
	}
	for _, tt := range tests {
		rec, problems := ParseRecord(tt.text)
		logo, evidence := "", ""
		if rec.Logo != nil {
			logo = rec.Logo.String()
		}
		if rec.Evidence != nil {
			evidence = rec.Evidence.String()
		}
		if logo != tt.logo || evidence != tt.evidence || codes(problems) != tt.codes {
			t.Errorf("%q: %q %q %q, want %q %q %q", tt.text, logo, evidence, codes(problems), tt.logo, tt.evidence, tt.codes)
		}
	}
	if rec, _ := ParseRecord("v=BIMI1; l=; a="); !rec.Declined {
		t.Error("empty l= and a= do not decline")
	}
}

func TestParseSelector(t *testing.T) {
	for value, want := range map[string]string{
		"v=BIMI1; s=brand": "brand", "v=BIMI1;s=brand;": "brand", " v=BIMI1 ; x=y; s=a.b": "a.b",
		"s=brand": "", "v=BIMI1": "", "v=BIMI1; s=": "", "v=BIMI1; s=a b": "", "v=BIMI1; s=a..b": "", "": "",
	} {
		if got, err := ParseSelector(value); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
}

// texts is a resolver of TXT records; what is not there does not exist.
type texts map[string][]string

func (z texts) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	a := &world.Answer{Name: name, Type: qtype}
	for _, s := range z[string(name)] {
		if s == "timeout" {
			return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary}
		}
		a.Records = append(a.Records, &dns.TXT{Txt: []string{s}})
	}
	if len(a.Records) == 0 || qtype != dns.TypeTXT {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName}
	}
	return a, nil
}

func TestLookupRecord(t *testing.T) {
	const good = "v=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem"
	z := texts{
		"default._bimi.example.com.":      {"unrelated", good},
		"brand._bimi.example.com.":        {good},
		"default._bimi.two.example.com.":  {good, good},
		"default._bimi.slip.example.com.": {"V=BIMI1; l=https://e.example/l.svg; a=https://e.example/c.pem"},
		"default._bimi.slow.example.com.": {"timeout"},
		"default._bimi.wild.example.net.": {"v=spf1 -all"},
	}
	org := mail.MustParseDomain("example.com")
	for _, tt := range []struct{ domain, selector, at, codes string }{
		{"example.com", "default", "default._bimi.example.com.", ""},
		{"news.example.com", "default", "default._bimi.example.com.", ""},
		{"example.com", "brand", "brand._bimi.example.com.", ""},
		{"two.example.com", "default", "default._bimi.two.example.com.", "several!"},
		{"slip.example.com", "default", "default._bimi.slip.example.com.", "version!"},
	} {
		f := LookupRecord(t.Context(), z, mail.MustParseDomain(tt.domain), org, tt.selector)
		if f.Err != nil || string(f.Name) != tt.at || codes(f.Problems) != tt.codes {
			t.Errorf("%s: %s %q %v", tt.domain, f.Name, codes(f.Problems), f.Err)
		}
	}
	for domain, want := range map[string]error{
		"slow.example.com": world.ErrTemporary, "wild.example.net": world.ErrNoData, "none.example.net": world.ErrNoName,
	} {
		if f := LookupRecord(t.Context(), z, mail.MustParseDomain(domain), mail.Domain{}, DefaultSelector); !errors.Is(f.Err, want) {
			t.Errorf("%s: %v", domain, f.Err)
		}
	}
	if f := LookupRecord(t.Context(), z, org, org, "a b"); !errors.Is(f.Err, world.ErrNotFound) {
		t.Errorf("a selector with a space: %v", f.Err)
	}
}

func FuzzBIMI(f *testing.F) {
	f.Add("v=BIMI1; l=https://e.example/l.svg; a=; avp=brand; lps=a,b")
	f.Add("v=BIMI1;;=;l=%zz")
	f.Fuzz(func(t *testing.T, s string) {
		rec, problems := ParseRecord(s)
		if rec.Logo != nil && rec.Logo.Scheme != "https" || len(problems) > maxProblems+1 {
			t.Errorf("%q becomes %+v with %d problems", s, rec, len(problems))
		}
		if !HasFatal(problems) && rec.Logo == nil && rec.Evidence == nil && !rec.Declined {
			t.Errorf("%q passes and says nothing", s)
		}
		ParseSelector(s)
	})
}
