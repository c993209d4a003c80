package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// doubted is a resolver that answers one question its own way, or all questions
// about one name where the type is 0, and notes what it is asked.
type doubted struct {
	world.Resolver
	about doubt
	reply func() ([]string, error) // records without owner, or the error
	mu    sync.Mutex
	asked map[doubt]bool
}

type doubt struct {
	name  world.Name
	qtype uint16
}

func (d doubt) String() string {
	if d.qtype == 0 {
		return d.name.String() + " (any type)"
	}
	return d.name.String() + " " + dns.TypeToString[d.qtype]
}

func (d *doubted) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	d.mu.Lock()
	d.asked[doubt{name, qtype}] = true
	d.mu.Unlock()
	if d.reply == nil || name != d.about.name || d.about.qtype != 0 && d.about.qtype != qtype {
		return d.Resolver.Lookup(ctx, name, qtype)
	}
	texts, err := d.reply()
	if err != nil {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: err, Security: world.Secure}
	}
	a := &world.Answer{Name: name, Type: qtype, Security: world.Secure}
	for _, text := range texts {
		rr, err := dns.NewRR(name.String() + " " + dns.TypeToString[qtype] + " " + text)
		if err != nil {
			panic(err)
		}
		a.Records = append(a.Records, rr)
	}
	return a, nil
}

func fails(kind error) func() ([]string, error) {
	return func() ([]string, error) { return nil, kind }
}

func repliesWith(texts ...string) func() ([]string, error) {
	return func() ([]string, error) { return texts, nil }
}

// possible are answers that the lost one may have been, besides the one that is
// there: none at all, and something else. That the domain itself does not exist is
// not possible: names below it do (RFC 8020).
func possible(q doubt) []func() ([]string, error) {
	worlds := []func() ([]string, error){fails(world.ErrNoData)}
	if q.name != "example.com." {
		worlds = append(worlds, fails(world.ErrNoName))
	}
	switch q.qtype {
	case dns.TypeTXT:
		return append(worlds, repliesWith(`"v=spf1 ?include:void.test ip4:10.0.0.0/7 ?all"`), repliesWith(`"v=DMARC1; p=none; t=y"`),
			repliesWith(`"v=DKIM1; p="`), repliesWith(`"o=-"`, `"v=STSv1"`, `"v=TLSRPTv1"`), repliesWith(`"v=spf1 -all"`, `"v=spf1 +all"`))
	case dns.TypeMX:
		return append(worlds, repliesWith("0 ."), repliesWith("5 alias.test.", "10 mx1.example.com."))
	case dns.TypeA:
		return append(worlds, repliesWith("198.51.100.99"), repliesWith("127.0.0.1"))
	case dns.TypeAAAA:
		return append(worlds, repliesWith("2001:db8::99"))
	case dns.TypePTR:
		return append(worlds, repliesWith("1-2-3-4.dynamic.test."), repliesWith("mx1.example.com.", "a.test."))
	case dns.TypeSRV:
		return append(worlds, repliesWith("0 1 993 mx1.example.com."))
	}
	return worlds
}

// doubtGroups are the groups that live on DNS.
var doubtGroups = []string{"domain", "mx", "spf", "dkim", "dmarc", "bimi", "mta-sts", "tls-rpt", "rdns", "role", "submission", "access"}

// verdictsWith audits example.com in a world where one question has the reply given,
// and returns what the report claims to know, and what was asked.
func verdictsWith(ctx context.Context, n *names, about doubt, reply func() ([]string, error)) (map[string]finding.Finding, map[doubt]bool) {
	w := world.None()
	d := &doubted{Resolver: n, about: about, reply: reply, asked: map[doubt]bool{}}
	w.Resolver = d
	target := Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}
	said := map[string]finding.Finding{}
	for _, f := range NewAudit(w, Options{Only: doubtGroups}).Run(ctx, target, nil).Findings {
		switch f.Status {
		case finding.Green:
			said["green "+f.Check+" about "+f.Subject] = f
		case finding.Yellow, finding.Red:
			said[fmt.Sprintf("%s %s about %s", f.Status, f.Check, f.Subject)] = f
		}
	}
	return said, d.asked
}

// A lost answer may have been the one that is there, another, or none. What a report
// says without it must hold in all those worlds; everything else is unknown.
func TestNothingIsSaidThatHangsOnALostAnswer(t *testing.T) {
	const common = `
		example.com. MX 10 mx1.example.com.
		example.com. MX 20 mx2.example.net.
		mx1.example.com. A 5.5.5.1
		mx2.example.net. A 5.5.5.2
		example.com. TXT "site-verification=1"
		_dmarc.example.com. TXT "v=DMARC1; p=reject; rua=mailto:d@reports.test"
		example.com._report._dmarc.reports.test. TXT "v=DMARC1"
		reports.test. MX 10 mx.reports.test.
		mx.reports.test. A 5.5.5.40
		_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:t@reports.test"
		_imaps._tcp.example.com. SRV 0 1 993 imap.example.com.
		imap.example.com. A 5.5.5.50
		s1._domainkey.example.com. TXT ` + edKey + `
		1.5.5.5.in-addr.arpa. PTR mx1.example.com.
		2.5.5.5.in-addr.arpa. PTR mx2.example.net.
		mx1.example.com. TXT "v=spf1 a -all"
		`
	for name, zone := range map[string]string{
		"includes":    common + `example.com. TXT "v=spf1 a:mx1.example.com mx include:i.test exists:e.test ~all"` + "\n" + `i.test. TXT "v=spf1 ip4:5.5.5.0/24 include:j.test -all"` + "\n" + `j.test. TXT "v=spf1 a:mx.reports.test exp=x.test -all"` + "\n" + `e.test. A 127.0.0.2`,
		"redirect":    common + `example.com. TXT "v=spf1 redirect=r.test"` + "\n" + `r.test. TXT "v=spf1 mx:example.com ip4:10.0.0.0/8 exp=x.test ~all"`,
		"explanation": common + `example.com. TXT "v=spf1 mx -all exp=x.test"` + "\n" + `x.test. TXT "no"`,
		"parked":      "example.com. MX 0 .\n" + `example.com. TXT "v=spf1 -all"` + "\n" + `_dmarc.example.com. TXT "v=DMARC1; p=reject"`,
		"defects":     strings.ReplaceAll(common, "p=reject", "p=none; t=y") + `example.com. TXT "v=spf1 a a:void.test include:none.test ptr +all"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loseEach(t, newNames(t, zone, nil))
		})
	}
}

func loseEach(t *testing.T, n *names) {
	whole, asked := verdictsWith(t.Context(), n, doubt{}, nil)
	for _, q := range toLose(asked) {
		worlds := []map[string]finding.Finding{whole}
		for _, reply := range possible(q) {
			said, _ := verdictsWith(t.Context(), n, q, reply)
			worlds = append(worlds, said)
		}
		for _, kind := range []error{world.ErrTemporary, world.ErrBogus} {
			said, _ := verdictsWith(t.Context(), n, q, fails(kind))
			for what, f := range said {
				if slices.ContainsFunc(worlds, func(w map[string]finding.Finding) bool { _, holds := w[what]; return !holds }) {
					t.Errorf("without an answer to %s (%s): %s, %s: %s; it need not be so", q, kind, what, f.Code, f.Summary)
				}
			}
		}
	}
}

// toLose are the questions that were asked, and the names of which several were; of
// the guesses at selectors, one that hits and one that misses.
func toLose(asked map[doubt]bool) []doubt {
	types := map[world.Name]int{}
	var questions []doubt
	for q := range asked {
		label, _, guess := strings.Cut(q.name.String(), "._domainkey.")
		if guess && label != "s1" && label != "default" && slices.Contains(commonSelectors(), label) {
			continue
		}
		questions = append(questions, q)
		if types[q.name]++; types[q.name] == 2 {
			questions = append(questions, doubt{name: q.name})
		}
	}
	return questions
}
