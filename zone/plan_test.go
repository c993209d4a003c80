package zone

import (
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

const at = world.Name("example.com.")

// sets reads lines of "name type value".
func sets(t testing.TB, text string) []Set {
	t.Helper()
	var all []Set
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) < 3 {
			continue
		}
		name, err := absolute(f[0], at)
		if err != nil {
			t.Fatal(err)
		}
		value, err := Canonical(f[1], f[2])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Set{Name: name, Type: f[1], Values: []string{value}})
	}
	return gather(all)
}

func wants(t testing.TB, text string) (all []finding.Record) {
	t.Helper()
	for _, s := range sets(t, text) {
		for _, v := range s.Values {
			all = append(all, finding.Record{Name: s.Name.String(), Type: s.Type, Value: v})
		}
	}
	return all
}

// TestPlan has what is wanted, what is there, and what becomes of it.
func TestPlan(t *testing.T) {
	const ours = `@ TXT "v=spf1 ip4:203.0.113.7 -all"`
	for _, tt := range []struct {
		name, want, present, replace string
		status                       Status
		result, note                 string
	}{
		{name: "nothing there", want: "@ MX 10 mx.example.com.", status: Add, result: "10 mx.example.com."},
		{name: "there already", want: "@ MX 10 mx.example.com.", present: "@ MX 10 MX.example.com.", status: Fine, result: "10 mx.example.com."},
		{name: "another preference", want: "@ MX 10 mx.example.com.", present: "@ MX 5 mx.example.com.", status: Fine, result: "5 mx.example.com."},
		{name: "the mail of a live domain", want: "@ MX 10 mx.example.com.", present: "@ MX 10 mx.other.example.", status: Keep, result: "10 mx.other.example.", note: "another server"},
		{name: "the mail moves", want: "@ MX 10 mx.example.com.", present: "@ MX 10 mx.other.example.", replace: "MX", status: Replace, result: "10 mx.example.com."},
		{name: "a second exchanger", want: "@ MX 10 mx.example.com.", present: "@ MX 10 mx.example.com.\n@ MX 20 mx.other.example.", status: Keep, result: "10 mx.example.com. 20 mx.other.example."},

		{name: "spf beside a proof", want: ours, present: `@ TXT "google-site-verification=x"`, status: Merge, result: `"google-site-verification=x" "v=spf1 ip4:203.0.113.7 -all"`},
		{name: "spf of others", want: ours, present: `@ TXT "v=spf1 include:_spf.other.example ~all"`, status: Merge, result: `"v=spf1 include:_spf.other.example ip4:203.0.113.7 ~all"`, note: "both"},
		{name: "spf that has us", want: ours, present: `@ TXT "V=SPF1 mx IP4:203.0.113.7 ?all"`, status: Fine, result: `"V=SPF1 mx IP4:203.0.113.7 ?all"`},
		{name: "spf twice", want: ours, present: "@ TXT \"v=spf1 mx -all\"\n@ TXT \"v=spf1 a -all\"", status: Keep, result: `"v=spf1 a -all" "v=spf1 mx -all"`, note: "2 of them"},
		{name: "spf by redirect", want: ours, present: `@ TXT "v=spf1 redirect=_spf.other.example"`, status: Merge, result: `"v=spf1 ip4:203.0.113.7 redirect=_spf.other.example"`},
		{name: "spf replaced", want: ours, present: "@ TXT \"v=spf1 mx -all\"\n@ TXT \"x\"", replace: "TXT", status: Replace, result: `"v=spf1 ip4:203.0.113.7 -all" "x"`},

		{name: "a policy stays", want: `_dmarc TXT "v=DMARC1; p=quarantine"`, present: `_dmarc TXT "v=DMARC1; p=reject"`, status: Fine, result: `"v=DMARC1; p=reject"`, note: "stays"},
		{name: "reports stay", want: `_smtp._tls TXT "v=TLSRPTv1; rua=mailto:a@example.com"`, present: `_smtp._tls TXT "v=TLSRPTv1; rua=mailto:b@example.com"`, status: Fine, result: `"v=TLSRPTv1; rua=mailto:b@example.com"`},
		{name: "another policy of ours", want: `_mta-sts TXT "v=STSv1; id=2"`, present: `_mta-sts TXT "v=STSv1; id=1"`, status: Merge, result: `"v=STSv1; id=2"`},
		{name: "a selector in use", want: `ag-r1._domainkey TXT "v=DKIM1; p=AAAA"`, present: `ag-r1._domainkey TXT "k=rsa; p=BBBB"`, status: Keep, result: `"k=rsa; p=BBBB"`, note: "selector"},
		{name: "a key revoked", want: `ag-r1._domainkey TXT "v=DKIM1; p="`, present: `ag-r1._domainkey TXT "v=DKIM1; p=BBBB"`, replace: "TXT", status: Replace, result: `"v=DKIM1; p="`},
		{name: "a key in two strings", want: `s._domainkey TXT "v=DKIM1; p=AABB"`, present: `s._domainkey TXT "v=DKIM1; p=AA" "BB"`, status: Fine, result: `"v=DKIM1; p=AABB"`},

		{name: "a name in use", want: "mta-sts CNAME mx.example.com.", present: "mta-sts CNAME pages.other.example.", status: Keep, result: "pages.other.example.", note: "elsewhere"},
		{name: "a CNAME on the way", want: "mx A 203.0.113.7", present: "mx CNAME host.other.example.", status: Keep, note: "alone"},
		{name: "on the way of a CNAME", want: "mta-sts CNAME mx.example.com.", present: "mta-sts A 192.0.2.1", status: Keep, note: "alone"},
		{name: "an address in use", want: "mx A 203.0.113.7", present: "mx A 192.0.2.1", status: Keep, result: "192.0.2.1"},
		{name: "another key", want: "_25._tcp.mx TLSA 3 1 1 " + strings.Repeat("aa", 32), present: "_25._tcp.mx TLSA 3 1 1 " + strings.Repeat("BB", 32),
			status: Merge, result: "3 1 1 " + strings.Repeat("aa", 32) + " 3 1 1 " + strings.Repeat("bb", 32)},
		{name: "another authority", want: `mx CAA 0 issue "letsencrypt.org"`, present: `mx CAA 0 iodef "mailto:a@example.com"`, status: Merge, result: `0 iodef "mailto:a@example.com" 0 issue "letsencrypt.org"`},
		{name: "authorities enough", want: `mx CAA 0 issue "letsencrypt.org"`, present: "mx CAA 0 issue \"letsencrypt.org\"\nmx CAA 0 issue \"other.example\"", status: Fine, result: `0 issue "letsencrypt.org" 0 issue "other.example"`},
		{name: "programs look elsewhere", want: "_submissions._tcp SRV 0 1 465 mx.example.com.", present: "_submissions._tcp SRV 0 1 465 smtp.other.example.", status: Keep, result: "0 1 465 smtp.other.example."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPlan(at, wants(t, tt.want), sets(t, tt.present), func(_ world.Name, kind string) bool { return kind == tt.replace })
			if len(p.Steps) != 1 {
				t.Fatalf("%d steps", len(p.Steps))
			}
			s := p.Steps[0]
			slices.Sort(s.Result)
			if s.Status != tt.status || strings.Join(s.Result, " ") != tt.result || !strings.Contains(s.Note, tt.note) {
				t.Errorf("%s %q %q\nwant %s %q %q", s.Status, strings.Join(s.Result, " "), s.Note, tt.status, tt.result, tt.note)
			}
			if writes := tt.status == Add || tt.status == Merge || tt.status == Replace; (len(p.Changes()) == 1) != writes || p.Differs() != (tt.status != Fine) {
				t.Errorf("%d changes, differs %t", len(p.Changes()), p.Differs())
			}
			if tt.status == Keep {
				return
			}
			// What was made is fine ever after, and undone it is as it was.
			after := play(sets(t, tt.present), p.Changes())
			if again := NewPlan(at, wants(t, tt.want), after, nil); again.Differs() {
				t.Errorf("planned again: %+v", again.Steps)
			}
			if back := play(after, Undo(p.Changes())); !sameSets(back, sets(t, tt.present)) {
				t.Errorf("undone: %v", back)
			}
		})
	}
}

// play makes the changes in memory.
func play(present []Set, changes []Change) []Set {
	for _, c := range changes {
		present = slices.DeleteFunc(slices.Clone(present), func(s Set) bool { return s.Name == c.After.Name && s.Type == c.After.Type })
		if len(c.After.Values) > 0 {
			present = append(present, c.After)
		}
	}
	return present
}

func sameSets(a, b []Set) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s Set) bool { return !sameValues(s, find(b, s.Name, s.Type)) })
}

func TestPlanOrder(t *testing.T) {
	wanted := append(wants(t, "@ MX 10 mx.example.com.\n@ TXT \"v=spf1 mx -all\"\nmx A 203.0.113.7"),
		finding.Record{Name: "7.113.0.203.in-addr.arpa.", Type: "PTR", Value: "mx.example.com."},
		finding.Record{Name: "mx.example.net.", Type: "A", Value: "203.0.113.7"})
	p := NewPlan(at, wanted, nil, nil)
	var order []string
	for _, s := range p.Steps {
		order = append(order, s.Type+" "+string(s.Status))
	}
	if want := []string{"TXT add", "A add", "MX add", "PTR elsewhere", "A elsewhere"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	if c := p.Changes(); len(c) != 3 || c[2].After.Type != "MX" || Undo(c)[0].Before.Type != "MX" {
		t.Errorf("%+v", c)
	}
}

// TestTwoTextsAtOneName are one change of one set.
func TestTwoTextsAtOneName(t *testing.T) {
	p := NewPlan(at, wants(t, "@ TXT \"v=spf1 mx -all\"\n@ TXT \"proof=1\""), sets(t, "@ TXT \"v=spf1 a ~all\"\n@ TXT \"other\""), nil)
	c := p.Changes()
	if len(p.Steps) != 2 || len(c) != 1 || strings.Join(c[0].After.Values, " ") != `"other" "proof=1" "v=spf1 a mx ~all"` {
		t.Errorf("%+v\n%+v", p.Steps, c)
	}
}

func TestCanonical(t *testing.T) {
	for _, tt := range []struct{ kind, value, want string }{
		{"MX", "10  Mx.Example.COM.", "10 mx.example.com."},
		{"TXT", `"a" "b"`, `"ab"`},
		{"TXT", `"` + strings.Repeat("x", 255) + `" "y\"z"`, `"` + strings.Repeat("x", 255) + `" "y\"z"`},
		{"AAAA", "2001:DB8:0:0::7", "2001:db8::7"},
		{"CAA", `0 ISSUE "letsencrypt.org"`, `0 issue "letsencrypt.org"`},
		{"TLSA", "3 1 1 AABB", "3 1 1 aabb"},
	} {
		if got, err := Canonical(tt.kind, tt.value); err != nil || got != tt.want {
			t.Errorf("%s %s: %s, %v", tt.kind, tt.value, got, err)
		}
	}
	for kind, value := range map[string]string{"A": "mx.example.com.", "MX": "mx.example.com.", "TXT": "\"a\nx. 0 IN A 192.0.2.1\"", "CNAME": "a. ( b.", "NOSUCH": "x"} {
		if got, err := Canonical(kind, value); err == nil {
			t.Errorf("%s %q: %q", kind, value, got)
		}
	}
}

func FuzzMergeSPF(f *testing.F) {
	f.Add("v=spf1 mx ~all", "v=spf1 ip4:203.0.113.7 -all")
	f.Add("v=spf1 redirect=x", "v=spf1 -all")
	f.Add("", "v=spf1 a")
	f.Fuzz(func(t *testing.T, have, more string) {
		want := "v=spf1 " + more
		merged := MergeSPF(have, want)
		if again := MergeSPF(merged, want); again != merged {
			t.Errorf("merged again: %q, then %q", merged, again)
		}
		if h := strings.Fields(have); len(h) > 0 {
			rest := strings.Fields(merged)
			for _, term := range h {
				i := slices.Index(rest, term)
				if i < 0 {
					t.Fatalf("%q is lost from %q", term, merged)
				}
				rest = rest[i+1:]
			}
		}
	})
}

func FuzzCanonical(f *testing.F) {
	f.Add("TXT", `"a" "b"`)
	f.Add("MX", "10 mx.")
	f.Add("SRV", "0 1 465 x.")
	f.Add("CAA", `0 issue "a;b"`)
	f.Fuzz(func(t *testing.T, kind, value string) {
		once, err := Canonical(kind, value)
		if err != nil {
			return
		}
		if twice, err := Canonical(kind, once); err != nil || twice != once {
			t.Errorf("%s %q: %q, then %q, %v", kind, value, once, twice, err)
		}
	})
}
