package dmarc_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

// codes lists the problems as "code tag@offset", notes and all.
func codes(problems []dmarc.Problem) []string {
	var out []string
	for _, p := range problems {
		s := string(p.Code)
		if p.Tag != "" {
			s += " " + p.Tag
		}
		out = append(out, s)
	}
	return out
}

func TestParseFindsEveryProblem(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // codes, separated by commas
	}{
		{"v=DMARC1; p=none", ""},
		{"v=DMARC1;p=none;", ""},
		{"v = DMARC1 ; p = reject ; ", ""},
		{"V=DMARC1; p=REJECT", "tag-case v"},
		{"v=DMARC1; P=reject", "tag-case p"},
		{"v=DMARC1; p=none; rua=mailto:a@example.com; ruf=mailto:b@example.com; fo=1:d:s", ""},
		{"v=DMARC1; p=reject; sp=none; np=reject; psd=u; t=n; adkim=r; aspf=s", ""},
		{"v=DMARC1", "missing-policy p"},
		{"v=DMARC1; sp=none", "missing-policy p"},
		{"v=DMARC1; p=monitor", "invalid-policy p"},
		{"v=DMARC1; p=", "invalid-policy p"},
		{"v=DMARC1; p=none; sp=refuse; np=no", "invalid-policy sp,invalid-policy np"},
		{"v=DMARC1; p=none; p=reject", "repeated-tag p"},
		{"v=DMARC1; p=none; p=none", "repeated-tag p"},
		{"v=DMARC1; x=1; x=2; p=none", "unknown-tag x,repeated-tag x,policy-not-next p"},
		{"v=DMARC1; p=none; pct=50; rf=afrf; ri=3600", "obsolete-tag pct,obsolete-tag rf,obsolete-tag ri"},
		{"v=DMARC1; p=none; pct=101", "obsolete-tag pct,invalid-value pct"},
		{"v=DMARC1; p=none; pct=1%", "obsolete-tag pct,invalid-value pct"},
		{"v=DMARC1; p=none; adkim=relaxed; aspf=; t=yes; psd=maybe", "invalid-value adkim,empty-value aspf,invalid-value t,invalid-value psd"},
		{"v=DMARC1; p=none;; ", "empty-tag"},
		{"v=DMARC1; p=none; hello; =x", "not-a-tag,not-a-tag"},
		{"v=DMARC1; rua=mailto:a@example.com; p=none", "policy-not-next p"},
		{"v=DMARC1; p=none; fo=1", "fo-without-ruf fo"},
		{"v=DMARC1; p=none; ruf=mailto:a@example.com; fo=0:1", "invalid-value fo"},
		{"v=DMARC1; p=none; ruf=mailto:a@example.com; fo=d:d", "invalid-value fo"},
		{"v=DMARC1; p=none; ruf=mailto:a@example.com; fo=x", "invalid-value fo"},
		{"v=DMARC1; p=none; rua=dmarc@example.com", "invalid-uri rua"},
		{"v=DMARC1; p=none; rua=mailto:a@example.com!10m", "obsolete-size rua"},
		{"v=DMARC1; p=none; rua=mailto:a@example.com,,mailto:b@example.com", "invalid-uri rua"},
		{"v=DMARC1; p=none; rua=https://example.com/r", "unused-scheme rua"},
		{"v=DMARC1; p=none; rua=mailto:a!b@example.com", "invalid-uri rua"},
		{"v=DMARC1; p=none; rua=mailto:", "invalid-uri rua"},
		{"v=DMARC1; p=none “quoted”", "invalid-policy p,stray-character"},
		{"v=DMARC1; p=none; \u00fcbung=1", "stray-character,not-a-tag"},
		{"v=dmarc1; p=none", "not-dmarc v"},
		{"v=DMARC1 p=none", "not-dmarc v"},
		{"v=DMARC2; p=none", "not-dmarc v"},
		{" v=DMARC1; p=none", "not-dmarc v"},
		{"p=none; v=DMARC1", "not-dmarc v"},
		{"v=spf1 -all", "not-dmarc v"},
		{"", "not-dmarc v"},
	} {
		_, problems := dmarc.Parse(c.text)
		if got := strings.Join(codes(problems), ","); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// A TXT record can have 64 KB; what is said about one stays short.
func TestParseIsBounded(t *testing.T) {
	for _, part := range []string{"a;", ";", "a=b;", "p=none;", "rua=x,x,x;", "=;"} {
		r, problems := dmarc.Parse("v=DMARC1;" + strings.Repeat(part, 65000/len(part)))
		if len(r.Tags) > 64 || len(problems) > 200 {
			t.Errorf("%q: %d tags, %d problems", part, len(r.Tags), len(problems))
		}
	}
	r, problems := dmarc.Parse("v=DMARC1; p=none; rua=" + strings.Repeat("mailto:a@b,", 6000))
	if len(r.RUA) > 32 || len(problems) > 64 {
		t.Errorf("%d URIs, %d problems", len(r.RUA), len(problems))
	}
}

func TestParseGivesPlaces(t *testing.T) {
	text := "v=DMARC1;  sp = bad ; p=none; rua= mailto:a@example.com , x@example.com"
	r, problems := dmarc.Parse(text)
	for _, tag := range r.Tags {
		if !strings.HasPrefix(text[tag.NameAt:], tag.Name) || !strings.HasPrefix(text[tag.ValueAt:], tag.Value) {
			t.Errorf("tag %s is not at %d, %d", tag.Name, tag.NameAt, tag.ValueAt)
		}
	}
	for _, u := range r.RUA {
		if !strings.HasPrefix(text[u.At:], u.Text) {
			t.Errorf("URI %q is not at %d", u.Text, u.At)
		}
	}
	var at []string
	for _, p := range problems {
		at = append(at, text[p.At:min(len(text), p.At+3)])
	}
	if want := []string{"bad", "p=n", "x@e"}; !slices.Equal(at, want) {
		t.Errorf("problems at %q, want %q", at, want)
	}
}

func TestParseReadsValues(t *testing.T) {
	r, _ := dmarc.Parse("v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=S; aspf=r; psd=n; t=y; fo=1:d; ruf=mailto:f@example.com; pct=20")
	got := []any{r.P, r.SP, r.NP, r.ADKIM, r.ASPF, r.PSD, r.Testing, r.FO, r.Percent, dmarc.Mailboxes(r.RUF)}
	want := []any{dmarc.Reject, dmarc.Quarantine, dmarc.None, dmarc.Strict, dmarc.Relaxed, dmarc.PSDNo, true, []string{"1", "d"}, 20, []string{"f@example.com"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	defaults, _ := dmarc.Parse("v=DMARC1; p=none")
	if d := cmp.Diff([]any{[]string{"0"}, 100, dmarc.PSDUnknown, false}, []any{defaults.FO, defaults.Percent, defaults.PSD, defaults.Testing}); d != "" {
		t.Error(d)
	}
}

func TestEffectivePolicy(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"v=DMARC1; p=reject; sp=none", "reject none "},
		{"v=DMARC1; rua=mailto:a@example.com", "none  "},
		{"v=DMARC1", "no DMARC"},
		{"v=DMARC1; rua=a@example.com", "no DMARC"},
		{"v=DMARC1; p=x; rua=mailto:a@example.com; sp=reject", "none  "},
		{"v=DMARC1; p=reject; sp=x; rua=mailto:a@example.com", "none  "},
		{"v=DMARC1; p=reject; np=x; rua=mailto:a@example.com!5m", "none  "},
		{"v=DMARC1; p=reject; np=x", "no DMARC"},
		{"v=DMARC1; p=reject; np=x; rua=,https://example.com", "none  "},
	} {
		r, _ := dmarc.Parse(c.text)
		p, sp, np, ok := r.Effective()
		got := strings.Join([]string{string(p), string(sp), string(np)}, " ")
		if !ok {
			got = "no DMARC"
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestParseURIs(t *testing.T) {
	for _, c := range []struct{ text, want string }{ // scheme|mailbox|host|size
		{"mailto:a@example.com", "mailto|a@example.com|example.com|"},
		{"MAILTO:a@EXAMPLE.com!10M", "mailto|a@example.com|example.com|10m"},
		{"mailto:a@example.com!50", "mailto|a@example.com|example.com|50"},
		{"mailto:b%21c@example.com", "mailto|b!c@example.com|example.com|"},
		{"mailto:%22a%2Cb%22@example.com", "mailto|\"a,b\"@example.com|example.com|"},
		{"mailto:a%2cb@example.com", "mailto|||"}, // a comma needs quotes, too
		{"mailto:a+dmarc@example.com?subject=x", "mailto|a+dmarc@example.com|example.com|"},
		{"mailto:%22odd%20local%22@example.com", "mailto|\"odd local\"@example.com|example.com|"},
		{"mailto:d@xn--bcher-kva.example", "mailto|d@xn--bcher-kva.example|xn--bcher-kva.example|"},
		{"mailto:a@b@example.com", "mailto|||"},
		{"mailto:a@[192.0.2.1]", "mailto|a@[192.0.2.1]||"},
		{"mailto:a%zz@example.com", "|||"},
		{"https://reports.example.net:8443/in?x=1", "https||reports.example.net|"},
		{"http://192.0.2.1/", "http|||"},
		{"a@example.com", "|||"},
		{"mailto:a@example.com!", "|||"},
		{"mailto:a@example.com!10mb", "|||"},
		{"mailto:a b@example.com", "|||"},
		{"2x:y", "|||"},
		{"", "|||"},
	} {
		uris, _ := dmarc.ParseURIs(c.text)
		if len(uris) != 1 {
			t.Fatalf("%q: %d URIs", c.text, len(uris))
		}
		u := uris[0]
		if got := strings.Join([]string{u.Scheme, u.Mailbox.String(), u.Host.String(), u.Size}, "|"); got != c.want {
			t.Errorf("%q: got %s, want %s", c.text, got, c.want)
		}
	}
	many, problems := dmarc.ParseURIs(strings.Repeat("mailto:a@example.com,", 1000))
	if len(many) > 32 || len(problems) > 2 {
		t.Errorf("a thousand URIs gave %d, with %d problems", len(many), len(problems))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=none", "v=DMARC1;p=reject;rua=mailto:a@b.example!1m,x;;t=y;=;é=1;p=none", "v=DMARC1;" + strings.Repeat("a=b;", 99), "v=DMARC1" + strings.Repeat(";A=", 63)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, problems := dmarc.Parse(s)
		for _, p := range problems {
			if p.At < 0 || p.At > len(s) || p.Text == "" {
				t.Errorf("%q: a problem at %d: %q", s, p.At, p.Text)
			}
		}
		if r == nil {
			return
		}
		for _, tag := range r.Tags {
			if !strings.EqualFold(s[tag.NameAt:tag.NameAt+len(tag.Name)], tag.Name) || s[tag.ValueAt:tag.ValueAt+len(tag.Value)] != tag.Value {
				t.Errorf("%q: tag %q is not where it says", s, tag.Name)
			}
		}
		if p, _, _, ok := r.Effective(); ok == (p == "") {
			t.Errorf("%q: effective %q, %v", s, p, ok)
		}
	})
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{"mailto:a@b.example", "mailto:a%2c@b.example!9k, https://x/", "%,!,:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uris, _ := dmarc.ParseURIs(s)
		for _, u := range uris {
			if s[u.At:u.At+len(u.Text)] != u.Text {
				t.Errorf("%q: %q is not at %d", s, u.Text, u.At)
			}
			if !u.Mailbox.IsZero() && u.Scheme != "mailto" {
				t.Errorf("%q: a mailbox in %q", s, u.Text)
			}
		}
	})
}
