package check

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

// lost fails each of the questions for a while; forged by broken DNSSEC.
func lost(questions ...string) map[string]error { return failing(world.ErrTemporary, questions) }

func forged(questions ...string) map[string]error { return failing(world.ErrBogus, questions) }

func failing(kind error, questions []string) map[string]error {
	fail := map[string]error{}
	for _, q := range questions {
		fail[q] = kind
	}
	return fail
}

func TestSPFOfDomains(t *testing.T) {
	const (
		reject = "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n"
		inc    = "i.example.net. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
	)
	spf := func(record string) string { return `example.com. TXT "v=spf1 ` + record + `"` + "\n" }
	tests := []struct {
		name, zone string
		fail       map[string]error
		check      Check
		want       string
	}{
		{"no record", "", nil, spfRecord, "none/red"},
		{"record not answered", "", lost("example.com. TXT"), spfRecord, "no-answer/unknown"},
		{"record bogus", "", forged("example.com. TXT"), spfRecord, "bogus/unknown"},
		{"hostile text", `example.com. TXT "v=spf1 \000\255%{"`, nil, spfSyntax, "wrong/red"},

		{"lookups", spf("include:i.example.net -all") + inc, nil, spfLookups, "within/green"},
		{"lookups behind a lost include", spf("include:i.example.net -all"), lost("i.example.net. TXT"), spfLookups, "no-answer/unknown"},
		{"lookups behind a forged include", spf("include:i.example.net -all"), forged("i.example.net. TXT"), spfLookups, "bogus/unknown"},
		{"lookups beside a lost host", spf("a:h.example.net -all"), lost("h.example.net. A"), spfLookups, "within/green"},
		{"nine and a lost include", spf(strings.Repeat("a ", 8) + "include:i.example.net -all"), lost("i.example.net. TXT"), spfLookups, "no-answer/unknown"},
		{"nine", spf(strings.Repeat("a ", 9) + "-all"), nil, spfLookups, "close/yellow"},
		{"eleven and a lost include", spf(strings.Repeat("a ", 10) + "include:i.example.net -all"), lost("i.example.net. TXT"), spfLookups, "over/red"},

		{"voids", spf("a:h.example.net -all"), nil, spfVoids, "within/green"},
		{"voids behind a lost include", spf("include:i.example.net -all"), lost("i.example.net. TXT"), spfVoids, "no-answer/unknown"},
		{"voids with a lost host", spf("a:h.example.net -all"), lost("h.example.net. A"), spfVoids, "no-answer/unknown"},
		{"three voids and a lost host", spf("a:a.test a:b.test a:c.test a:h.example.net -all"), lost("h.example.net. A"), spfVoids, "over/red"},

		{"includes", spf("include:i.example.net -all") + inc, nil, spfIncludes, "right/green"},
		{"include lost", spf("include:i.example.net -all"), lost("i.example.net. TXT"), spfIncludes, "no-answer/unknown"},
		{"one include lost, one missing", spf("include:i.example.net include:none.test -all"), lost("i.example.net. TXT"), spfIncludes, "missing/red"},
		{"one include lost, one wrong", spf("include:w.test include:i.example.net -all") + `w.test. TXT "v=spf1 ip4:x -all"`, lost("i.example.net. TXT"), spfIncludes, "broken/red"},
		{"twice the same", spf("include:i.example.net include:i.example.net -all") + inc, nil, spfIncludes, "duplicate/yellow"},
		{"a circle", spf("include:example.com -all"), nil, spfIncludes, "loop/red"},

		{"-all", spf("-all"), nil, spfAll, "fail/green"},
		{"nothing at the end", spf("ip4:192.0.2.1"), nil, spfAll, "open/yellow"},
		{"redirect", spf("redirect=i.example.net") + inc, nil, spfAll, "fail/green"},
		{"redirect lost", spf("redirect=i.example.net"), lost("i.example.net. TXT"), spfAll, "no-answer/unknown"},
		{"redirect forged", spf("redirect=i.example.net"), forged("i.example.net. TXT"), spfAll, "bogus/unknown"},
		{"~all with DMARC", spf("~all") + reject, nil, spfAll, "softfail/green"},
		{"~all without DMARC", spf("~all"), nil, spfAll, "softfail-alone/yellow"},
		{"~all with DMARC lost", spf("~all"), lost("_dmarc.example.com. TXT"), spfAll, "no-answer/unknown"},
		{"~all with DMARC forged", spf("~all"), forged("_dmarc.example.com. TXT"), spfAll, "bogus/unknown"},
		{"-all with DMARC lost", spf("-all"), lost("_dmarc.example.com. TXT"), spfAll, "fail/green"},

		{"hosts", spf("a:h.example.net -all") + "h.example.net. A 192.0.2.1", nil, spfHosts, "resolve/green"},
		{"no such host", spf("a:h.example.net -all"), nil, spfHosts, "empty/yellow"},
		{"host lost", spf("a:h.example.net -all"), lost("h.example.net. A"), spfHosts, "no-answer/unknown"},
		{"host has another address", spf("a:h.example.net -all") + "h.example.net. A 192.0.2.1", lost("h.example.net. AAAA"), spfHosts, "resolve/green"},
		{"host lost, another empty", spf("a:h.example.net a:none.test -all"), lost("h.example.net. A"), spfHosts, "empty/yellow"},
		{"empty behind a redirect", spf("redirect=r.example.com") + `r.example.com. TXT "v=spf1 a:none.test -all"`, nil, spfHosts, "empty/yellow"},
		{"redirect lost, and its hosts", spf("redirect=i.example.net"), lost("i.example.net. TXT"), spfHosts, "no-answer/unknown"},

		{"narrow", spf("ip4:192.0.2.0/24 -all"), nil, spfBreadth, "narrow/green"},
		{"own terms do not hang on includes", spf("ip4:192.0.2.0/24 include:i.example.net -all"), lost("i.example.net. TXT"), spfBreadth, "narrow/green"},
		{"around a lost host", spf("a:h.example.net/8 -all"), lost("h.example.net. A"), spfBreadth, "no-answer/unknown"},
		{"wide, and a lost host", spf("ip4:10.0.0.0/12 a:h.example.net/8 -all"), lost("h.example.net. A"), spfBreadth, "no-answer/unknown"},
		{"huge, and a lost host", spf("ip4:10.0.0.0/7 a:h.example.net -all"), lost("h.example.net. A"), spfBreadth, "huge/red"},

		{"explanation lost", spf("-all exp=e.example.com"), lost("e.example.com. TXT"), spfExplanation, "no-answer/unknown"},
		{"explanation missing", spf("-all exp=e.example.com"), nil, spfExplanation, "missing/yellow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, subjectIn(newNames(t, tt.zone, tt.fail))); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}
