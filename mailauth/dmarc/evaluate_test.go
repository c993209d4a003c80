package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/world"
)

// identifier reads "pass example.com".
func identifier(s string) dmarc.Identifier {
	result, domain, _ := strings.Cut(s, " ")
	if domain == "" {
		return dmarc.Identifier{Result: result}
	}
	return dmarc.Identifier{Domain: mail.MustParseDomain(domain), Result: result}
}

func evidence(spf string, dkim ...string) dmarc.Evidence {
	var e dmarc.Evidence
	if spf != "" {
		e.SPF = identifier(spf)
	}
	for _, s := range dkim {
		e.DKIM = append(e.DKIM, identifier(s))
	}
	return e
}

func TestEvaluate(t *testing.T) {
	const reject = "_dmarc.example.com TXT v=DMARC1; p=reject"
	list := func(s ...string) []string { return s }
	for _, c := range []struct {
		name, author, zone, spf string
		dkim                    []string
		want                    string // result published applied disposition spf dkim
	}{
		{"nothing passed", "example.com", reject, "fail example.com", nil, "fail reject reject reject false false"},
		{"nothing judged", "example.com", reject, "", nil, "fail reject reject reject false false"},
		{"spf of the same domain", "example.com", reject, "pass example.com", nil, "pass reject reject none true false"},
		{"spf of a subdomain", "example.com", reject, "pass bounce.example.com", nil, "pass reject reject none true false"},
		{"spf of the parent", "news.example.com", reject, "pass example.com", nil, "pass reject reject none true false"},
		{"spf of a sibling", "news.example.com", reject, "pass foo.example.com", nil, "pass reject reject none true false"},
		{"spf of a stranger", "example.com", reject, "pass example.net", nil, "fail reject reject reject false false"},
		{"spf of a name that ends alike", "example.com", reject, "pass notexample.com", nil, "fail reject reject reject false false"},
		{"softfail does not count", "example.com", reject, "softfail example.com", nil, "fail reject reject reject false false"},
		{"spf without a domain", "example.com", reject, "pass", nil, "fail reject reject reject false false"},
		{"one signature of many", "example.com", reject, "fail example.com", list("pass list.example", "fail example.com", "pass m.example.com"), "pass reject reject none false true"},
		{"both", "example.com", reject, "pass example.com", list("pass example.com"), "pass reject reject none true true"},
		{"d=com never aligns", "example.com", reject, "", list("pass com"), "fail reject reject reject false false"},
		{"strict dkim", "example.com", reject + "; adkim=s", "", list("pass m.example.com"), "fail reject reject reject false false"},
		{"strict dkim, exact", "example.com", reject + "; adkim=s", "", list("pass example.com"), "pass reject reject none false true"},
		{"strict spf alone", "example.com", reject + "; aspf=s", "pass m.example.com", list("pass m.example.com"), "pass reject reject none false true"},
		{"test mode", "example.com", reject + "; t=y", "", nil, "fail reject quarantine quarantine false false"},
		{"test mode of quarantine", "example.com", "_dmarc.example.com TXT v=DMARC1; p=quarantine; t=y", "", nil, "fail quarantine none none false false"},
		{"test mode of none", "example.com", "_dmarc.example.com TXT v=DMARC1; p=none; t=y", "", nil, "fail none none none false false"},
		{"test mode of sp", "x.example.com", "_dmarc.example.com TXT v=DMARC1; p=none; sp=reject; t=y", "", nil, "fail reject quarantine quarantine false false"},
		{"pct does not matter", "example.com", reject + "; pct=0", "", nil, "fail reject reject reject false false"},
		{"no record", "example.net", reject, "pass example.net", nil, "none   none false false"},
		{"no usable policy", "example.com", "_dmarc.example.com TXT v=DMARC1; p=rejct", "pass example.com", nil, "permerror   none false false"},
		{"p missing with rua", "example.com", "_dmarc.example.com TXT v=DMARC1; rua=mailto:a@example.com", "", nil, "fail none none none false false"},
		{"psd=n separates", "example.com", reject + "\n_dmarc.dept.example.com TXT v=DMARC1; p=none; psd=n", "pass mail.dept.example.com", list("pass dept.example.com"), "fail reject reject reject false false"},
		{"psd=n holds together", "a.dept.example.com", reject + "\n_dmarc.dept.example.com TXT v=DMARC1; p=none; psd=n", "pass b.dept.example.com", list("pass example.com"), "pass none none none true false"},
		{"psd=y separates", "a.gov.xx", "_dmarc.gov.xx TXT v=DMARC1; p=reject; psd=y", "pass b.gov.xx", list("pass gov.xx"), "fail reject reject reject false false"},
		{"psd=y holds together", "a.x.gov.xx", "_dmarc.gov.xx TXT v=DMARC1; p=reject; psd=y", "pass b.x.gov.xx", list("pass x.gov.xx"), "pass reject reject none true true"},
		{"without psd a registry's record joins all", "a.xx", "_dmarc.xx TXT v=DMARC1; p=reject", "pass b.xx", nil, "pass reject reject none true false"},
		{"alignment not known, another aligns", "example.com", reject + "\n_dmarc.m.example.com SERVFAIL", "pass m.example.com", list("pass example.com"), "pass reject reject none false true"},
		{"alignment not known", "example.com", reject + "\n_dmarc.m.example.com SERVFAIL", "pass m.example.com", nil, "temperror reject reject none false false"},
		{"spf not known", "example.com", reject, "temperror example.com", list("fail example.com"), "temperror reject reject none false false"},
		{"spf of a subdomain not known", "example.com", reject, "temperror m.example.com", nil, "temperror reject reject none false false"},
		{"spf not known, strict", "example.com", reject + "; aspf=s", "temperror m.example.com", nil, "fail reject reject reject false false"},
		{"spf of a stranger not known", "example.com", reject, "temperror example.net", nil, "fail reject reject reject false false"},
		{"spf of nobody not known", "example.com", reject, "temperror", nil, "fail reject reject reject false false"},
		{"spf not known, its alignment neither", "example.com", reject + "\n_dmarc.m.example.com SERVFAIL", "temperror m.example.com", nil, "temperror reject reject none false false"},
		{"spf not known, a signature aligns", "example.com", reject, "temperror example.com", list("pass example.com"), "pass reject reject none false true"},
		{"a signature not known", "example.com", reject, "fail example.com", list("fail example.com", "temperror example.com"), "temperror reject reject none false false"},
		{"a signature not known, another passes", "example.com", reject, "", list("temperror example.com", "pass example.com"), "pass reject reject none false true"},
		{"a signature of a stranger not known", "example.com", reject, "fail example.com", list("temperror list.example"), "fail reject reject reject false false"},
		{"not known, and no policy", "example.net", reject, "temperror example.net", nil, "none   none false false"},
		{"a permanent error is known", "example.com", reject, "permerror example.com", nil, "fail reject reject reject false false"},
		{"org not known, exact aligns", "example.com", reject + "\n_dmarc.com SERVFAIL", "pass example.com", nil, "pass reject reject none true false"},
		{"org not known, could align", "example.com", reject + "\n_dmarc.com SERVFAIL", "pass m.example.com", nil, "temperror reject reject none false false"},
		{"org not known, cannot align", "example.com", reject + "\n_dmarc.com SERVFAIL", "pass m.example.org", nil, "fail reject reject reject false false"},
		{"existence not known but passes", "x.example.com", "_dmarc.example.com TXT v=DMARC1; p=none; np=reject\nx.example.com SERVFAIL", "pass x.example.com", nil, "pass   none true false"},
	} {
		z := newZone(t, c.zone)
		d := dmarc.Discover(context.Background(), z, mail.MustParseDomain(c.author))
		e := dmarc.Evaluate(context.Background(), z, d, evidence(c.spf, c.dkim...))
		got := fmt.Sprintf("%s %s %s %s %v %v", e.Result, e.Published, e.Applied, e.Disposition, e.SPFAligned, e.DKIMAligned)
		if got != c.want || len(e.Reasons) == 0 {
			t.Errorf("%s:\n got %s\nwant %s\n%s", c.name, got, c.want, strings.Join(e.Reasons, "\n"))
		}
	}
}

// Signatures of one message share the steps of the discovery, are bounded, and SPF
// comes before them.
func TestEvaluateBoundsItsQuestions(t *testing.T) {
	z := newZone(t, "_dmarc.example.com TXT v=DMARC1; p=reject")
	d := dmarc.Discover(context.Background(), z, mail.MustParseDomain("example.com"))
	before := len(z.asked)
	var signatures []string
	for i := range 500 {
		signatures = append(signatures, fmt.Sprintf("pass s%d.example.com", i%50))
	}
	dmarc.Evaluate(context.Background(), z, d, evidence("pass example.com", signatures...))
	if n := len(z.asked) - before; n != 10 {
		t.Errorf("500 signatures of 50 domains cost %d questions", n)
	}
}

func TestAuthorDomain(t *testing.T) {
	a, b := mail.MustParseDomain("a.example"), mail.MustParseDomain("b.example")
	for _, c := range []struct {
		fields  int
		domains []mail.Domain
		want    mail.Domain
		err     error
	}{
		{1, []mail.Domain{a}, a, nil},
		{1, []mail.Domain{a, a}, a, nil},
		{1, []mail.Domain{a, b}, mail.Domain{}, dmarc.ErrManyAuthors},
		{1, []mail.Domain{a, {}}, mail.Domain{}, dmarc.ErrManyAuthors},
		{2, []mail.Domain{a, a}, mail.Domain{}, dmarc.ErrManyFroms},
		{1, nil, mail.Domain{}, dmarc.ErrNoAuthor},
		{0, nil, mail.Domain{}, dmarc.ErrNoAuthor},
		{1, []mail.Domain{{}}, mail.Domain{}, dmarc.ErrNoAuthor},
	} {
		got, err := dmarc.AuthorDomain(c.fields, c.domains)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d fields, %v: %v, %v", c.fields, c.domains, got, err)
		}
		if err != nil && dmarc.NoAuthor(err).Result != dmarc.ResultPermError {
			t.Errorf("%v: not a permerror", err)
		}
	}
}

func TestAuthorizeReport(t *testing.T) {
	const own = "_dmarc.example.com TXT v=DMARC1; p=none\n"
	for _, c := range []struct{ name, uri, zone, want, override string }{
		{"the same domain", "mailto:a@example.com", own, "permitted", ""},
		{"the same organization", "mailto:a@reports.example.com", own, "permitted", ""},
		{"another, silent", "mailto:a@example.net", own, "forbidden", ""},
		{"another, consenting", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT v=DMARC1", "permitted", ""},
		{"trailing semicolon", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT v=DMARC1;", "permitted", ""},
		{"any of several records", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT hello\nexample.com._report._dmarc.example.net TXT v=DMARC1\nexample.com._report._dmarc.example.net TXT v=DMARC1;", "permitted", ""},
		{"a text that is none", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT v=DMARC", "forbidden", ""},
		{"moved within the host", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT v=DMARC1; rua=mailto:b@example.net", "permitted", "b@example.net"},
		{"moved to another host", "mailto:a@example.net", own + "example.com._report._dmarc.example.net TXT v=DMARC1; rua=mailto:b@example.org", "forbidden", ""},
		{"not answered", "mailto:a@example.net", own + "example.com._report._dmarc.example.net SERVFAIL", "unknown", ""},
		{"bogus", "mailto:a@example.net", own + "example.com._report._dmarc.example.net BOGUS", "unknown", ""},
		{"organization not known", "mailto:a@other.com", own + "_dmarc.com SERVFAIL", "unknown", ""},
		{"no host", "mailto:", own, "forbidden", ""},
		{"a sibling behind psd=n", "mailto:a@dept.example.com", own + "_dmarc.dept.example.com TXT v=DMARC1; p=none; psd=n", "forbidden", ""},
		{"another scheme", "https://example.net/reports", own + "example.com._report._dmarc.example.net TXT v=DMARC1", "permitted", ""},
	} {
		uris, _ := dmarc.ParseURIs(c.uri)
		a := dmarc.AuthorizeReport(context.Background(), newZone(t, c.zone), mail.MustParseDomain("example.com"), uris[0])
		if a.Permission.String() != c.want || strings.Join(dmarc.Mailboxes(a.Override), " ") != c.override || a.Reason == "" {
			t.Errorf("%s: %s %v (%s)", c.name, a.Permission, dmarc.Mailboxes(a.Override), a.Reason)
		}
		if (a.Err != nil) != (c.want == "unknown") {
			t.Errorf("%s: error %v", c.name, a.Err)
		}
	}
}

func TestNoWorldIsNotNone(t *testing.T) {
	d := dmarc.Discover(context.Background(), world.None(), mail.MustParseDomain("example.com"))
	if e := dmarc.Evaluate(context.Background(), world.None(), d, dmarc.Evidence{}); e.Result != dmarc.ResultTempError {
		t.Errorf("a world that reaches nothing gives %s", e.Result)
	}
}

// BenchmarkDMARC discovers and evaluates with every answer at hand.
func BenchmarkDMARC(b *testing.B) {
	z := newZone(b, "_dmarc.example.com TXT v=DMARC1; p=reject; sp=reject; adkim=r; rua=mailto:dmarc@example.com,mailto:x@reports.example.net; fo=1")
	author := mail.MustParseDomain("news.example.com")
	by := evidence("pass bounce.example.com", "pass example.com", "pass esp.example.net")
	b.ReportAllocs()
	for b.Loop() {
		z.asked = z.asked[:0]
		d := dmarc.Discover(b.Context(), z, author)
		if e := dmarc.Evaluate(b.Context(), z, d, by); e.Result != dmarc.ResultPass {
			b.Fatal(e.Reasons)
		}
	}
}
