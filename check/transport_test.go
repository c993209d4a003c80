package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// names is a resolver made of records. What stands in fail ("name. TYPE") answers
// with that error; what stands in plain is not signed, all else is.
type names struct {
	records map[string][]dns.RR
	fail    map[string]error
	plain   map[string]bool
}

func newNames(t *testing.T, text string, fail map[string]error, plain ...string) *names {
	t.Helper()
	n := &names{records: map[string][]dns.RR{}, fail: fail, plain: map[string]bool{}}
	for line := range strings.Lines(text) {
		rr, err := dns.NewRR(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if rr != nil {
			key := rr.Header().Name + " " + dns.TypeToString[rr.Header().Rrtype]
			n.records[key] = append(n.records[key], rr)
		}
	}
	for _, key := range plain {
		n.plain[key] = true
	}
	return n
}

func (n *names) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	key := name.String() + " " + dns.TypeToString[qtype]
	security := world.Secure
	if n.plain[key] {
		security = world.Insecure
	}
	if err := n.fail[key]; err != nil {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: err}
	}
	if len(n.records[key]) == 0 {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData, Security: security}
	}
	return &world.Answer{Name: name, Type: qtype, Records: n.records[key], Security: security}, nil
}

// subjectIn is the domain example.com in a world of names alone.
func subjectIn(n *names) *Subject {
	w := world.None()
	w.Resolver = n
	a := NewAudit(w, Options{})
	return newSubject(context.Background(), a, Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")})
}

// said are the codes of one check about a subject, sorted, with the status of each.
func said(t *testing.T, c Check, s *Subject) string {
	t.Helper()
	var words []string
	for _, f := range c.Run(t.Context(), s) {
		f = c.About().complete(f)
		bad := f.Status == finding.Red || f.Status == finding.Yellow
		if bad && (f.Fix == "" || f.Who == "" || len(f.Evidence) == 0) || f.Subject == "" || f.Summary == "" {
			t.Errorf("%s %s is incomplete: %+v", f.Check, f.Code, f)
		}
		words = append(words, f.Code+"/"+f.Status.String())
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

const twoHosts = `
example.com. MX 10 mx1.example.com.
example.com. MX 20 mx2.example.net.
mx1.example.com. A 192.0.2.1
mx2.example.net. A 192.0.2.2
`

func TestRecordsOfTransport(t *testing.T) {
	const sts, rpt = "_mta-sts.example.com.", "_smtp._tls.example.com."
	tests := []struct {
		name, zone string
		fail       map[string]error
		check      Check
		want       string
	}{
		{"no policy", "", nil, stsRecord, "none/skip"},
		{"another TXT there", sts + ` TXT "v=spf1 -all"`, nil, stsRecord, "none/skip"},
		{"a policy", sts + ` TXT "v=STSv1; id=1"`, nil, stsRecord, "valid/green"},
		{"no id", sts + ` TXT "v=STSv1;"`, nil, stsRecord, "invalid/red"},
		{"a bad id", sts + ` TXT "v=STSv1; id=2026-11-21"`, nil, stsRecord, "invalid/red"},
		{"two policies", sts + ` TXT "v=STSv1; id=1"` + "\n" + sts + ` TXT "v=STSv1; id=2"`, nil, stsRecord, "several/red"},
		{"hostile text", sts + ` TXT "v=STSv1; id=\000\255; ;;;="`, nil, stsRecord, "invalid/red"},
		{"no answer", "", map[string]error{sts + " TXT": world.ErrTemporary}, stsRecord, "no-answer/unknown"},
		{"bogus", "", map[string]error{sts + " TXT": world.ErrBogus}, stsRecord, "bogus/unknown"},
		{"no record, so nothing to fetch", "", nil, stsPolicy, ""},
		{"no name server for the policy host", sts + ` TXT "v=STSv1; id=1"`, map[string]error{"mta-sts.example.com. A": world.ErrTemporary}, stsPolicy, "no-answer/unknown"},
		{"no policy host", sts + ` TXT "v=STSv1; id=1"`, nil, stsPolicy, "no-host/red"},

		{"no reports", "", nil, tlsrptRecord, "none/skip"},
		{"reports by mail", rpt + ` TXT "v=TLSRPTv1; rua=mailto:tls@example.com"`, nil, tlsrptRecord, "valid/green"},
		{"reports to nowhere", rpt + ` TXT "v=TLSRPTv1;"`, nil, tlsrptRecord, "invalid/red"},
		{"reports over http", rpt + ` TXT "v=TLSRPTv1; rua=http://example.com/"`, nil, tlsrptRecord, "invalid/red"},
		{"reports twice", rpt + ` TXT "v=TLSRPTv1; rua=mailto:a@example.com"` + "\n" + rpt + ` TXT "v=TLSRPTv1; rua=mailto:b@example.com"`, nil, tlsrptRecord, "several/red"},
		{"one of two places is wrong", rpt + ` TXT "v=TLSRPTv1; rua=ftp://x/,mailto:a@example.com"`, nil, tlsrptRecord, "faults/yellow"},
		{"no answer about reports", "", map[string]error{rpt + " TXT": world.ErrTemporary}, tlsrptRecord, "no-answer/unknown"},
		{"deliverable", twoHosts + rpt + ` TXT "v=TLSRPTv1; rua=mailto:tls@example.com,https://example.net/r"`, nil, tlsrptReports, "deliverable/green web/skip"},
		{"to a domain that is not there", rpt + ` TXT "v=TLSRPTv1; rua=mailto:tls@example.org"`, nil, tlsrptReports, "undeliverable/yellow"},
		{"to a null MX", "example.org. MX 0 .\n" + rpt + ` TXT "v=TLSRPTv1; rua=mailto:tls@example.org"`, nil, tlsrptReports, "undeliverable/yellow"},
		{"nobody knows whether to", rpt + ` TXT "v=TLSRPTv1; rua=mailto:tls@example.org"`, map[string]error{"example.org. MX": world.ErrTemporary}, tlsrptReports, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, subjectIn(newNames(t, tt.zone, tt.fail))); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}

func TestRecordsOfDANE(t *testing.T) {
	const at1, at2 = "_25._tcp.mx1.example.com.", "_25._tcp.mx2.example.net."
	sum := strings.Repeat("ab", 32)
	one, both := twoHosts+at1+" TLSA 3 1 1 "+sum, twoHosts+at1+" TLSA 3 1 1 "+sum+"\n"+at2+" TLSA 3 1 1 "+sum
	tests := []struct {
		name, zone string
		fail       map[string]error
		plain      []string
		check      Check
		want       string
	}{
		{"none", twoHosts, nil, nil, danePresent, "none/skip none/skip"},
		{"both", both, nil, nil, danePresent, "published/green published/green"},
		{"one of two", one, nil, nil, danePresent, "partial/yellow published/green"},
		{"no answer for one", one, map[string]error{at2 + " TLSA": world.ErrTemporary}, nil, danePresent, "no-answer/unknown published/green"},
		{"no proof of absence", twoHosts, map[string]error{at1 + " TLSA": world.ErrBogus}, nil, danePresent, "broken/red none/skip"},
		{"the same below an unsigned host", twoHosts, map[string]error{at1 + " TLSA": world.ErrBogus}, []string{"mx1.example.com. A"}, danePresent, "bogus/unknown none/skip"},
		{"nobody knows the hosts", "", map[string]error{"example.com. MX": world.ErrTemporary}, nil, danePresent, ""},

		{"signed", both, nil, nil, daneSecure, "signed/green signed/green"},
		{"not published, so not to sign", twoHosts, nil, nil, daneSecure, ""},
		{"one unsigned", both, nil, []string{at1 + " TLSA"}, daneSecure, "signed/green unsigned/red"},
		{"its address unsigned", both, nil, []string{"mx1.example.com. A"}, daneSecure, "host-unsigned/red signed/green"},
		{"the domain unsigned", both, nil, []string{"example.com. MX"}, daneSecure, "domain-unsigned/skip domain-unsigned/skip"},

		{"one key", one, nil, nil, daneRollover, "single/skip"},
		{"two keys", one + "\n" + at1 + " TLSA 3 1 1 " + strings.Repeat("cd", 32), nil, nil, daneRollover, "prepared/green"},
		{"the second cannot be used", one + "\n" + at1 + " TLSA 1 1 1 " + sum, nil, nil, daneRollover, "single/skip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, subjectIn(newNames(t, tt.zone, tt.fail, tt.plain...))); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}

// withSTSPolicy is example.com with an MTA-STS policy that was fetched.
func withSTSPolicy(t *testing.T, body string) *Subject {
	t.Helper()
	s := subjectIn(newNames(t, twoHosts, nil))
	policy, problems := route.ParseSTSPolicy([]byte(body))
	s.sts.get(t.Context(), struct{}{}, func(context.Context) route.STS {
		return route.STS{Domain: s.Domain(), Records: []string{"v=STSv1; id=1"}, Record: route.STSRecord{ID: "1"},
			Body: []byte(body), Policy: policy, PolicyProblems: problems}
	})
	return s
}

func TestPolicyOfSTS(t *testing.T) {
	policy := func(mode, age string, mx ...string) string {
		lines := []string{"version: STSv1", "mode: " + mode, "max_age: " + age}
		for _, host := range mx {
			lines = append(lines, "mx: "+host)
		}
		return strings.Join(lines, "\r\n") + "\r\n"
	}
	const week = "604800"
	both := []string{"mx1.example.com", "*.example.net"}
	tests := []struct {
		name, body string
		check      Check
		want       string
	}{
		{"valid", policy("enforce", week, both...), stsSyntax, "valid/green"},
		{"a second less than a week", policy("enforce", "604799", both...), stsSyntax, "short-lived/yellow"},
		{"none may be short", policy("none", "60"), stsSyntax, "valid/green"},
		{"no mode", "version: STSv1\nmx: a.example\nmax_age: 604800\n", stsSyntax, "invalid/red"},
		{"a web page", "<!doctype html><p>Hello", stsSyntax, "invalid/red"},
		{"empty", "\n", stsSyntax, "invalid/red"},
		{"binary", "version: STSv1\x00\x1b[2J\xff", stsSyntax, "invalid/red"},
		{"an empty line", policy("enforce", week, both...) + "\n\n", stsSyntax, "faults/yellow"},
		{"enforce", policy("enforce", week, both...), stsMode, "enforce/green"},
		{"testing", policy("testing", week, both...), stsMode, "testing/yellow"},
		{"none", policy("none", week), stsMode, "off/yellow"},
		{"both listed", policy("enforce", week, both...), stsMX, "listed/green listed/green"},
		{"one listed", policy("enforce", week, "mx1.example.com"), stsMX, "listed/green not-listed/red"},
		{"one listed, while testing", policy("testing", week, "mx1.example.com"), stsMX, "listed/green not-listed-testing/yellow"},
		{"one more than there are", policy("enforce", week, append(both, "old.example.com")...), stsMX, "listed/green listed/green unused/skip"},
		{"off, so nobody minds", policy("none", week), stsMX, ""},
		{"a wildcard is one label", policy("enforce", week, "*.com", "mx2.example.net"), stsMX, "listed/green not-listed/red unused/skip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, withSTSPolicy(t, tt.body)); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}

// What is shown on port 25 decides, in its mode; what nobody heard decides nothing.
func TestPromiseOfSTS(t *testing.T) {
	v := Server{Name: mail.MustParseDomain("mx1.example.com")}
	tests := []struct {
		name, mode string
		answer     TLSAnswer
		want       string
	}{
		{"no STARTTLS", "enforce", TLSAnswer{}, "refused"},
		{"no STARTTLS, while testing", "testing", TLSAnswer{}, "reported"},
		{"it fails", "enforce", TLSAnswer{Offered: true, Err: &smtp.DialogueError{Kind: smtp.ErrTLS}}, "refused"},
		{"nobody answers", "enforce", TLSAnswer{Offered: true, Err: &smtp.DialogueError{Kind: smtp.ErrTimeout}}, "no-answer"},
		{"an old version", "enforce", TLSAnswer{Offered: true, State: &tls.ConnectionState{Version: tls.VersionTLS11}}, "refused"},
		{"another name was asked for", "enforce", TLSAnswer{Offered: true, ServerName: "mx.example.org", State: &tls.ConnectionState{Version: tls.VersionTLS13}}, "no-answer"},
		{"no certificate", "enforce", TLSAnswer{Offered: true, ServerName: v.Name.String(), State: &tls.ConnectionState{Version: tls.VersionTLS13}}, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := withSTSPolicy(t, fmt.Sprintf("version: STSv1\nmode: %s\nmx: mx1.example.com\nmax_age: 604800\n", tt.mode))
			if f := s.judgeSTSPromise(s.STS(t.Context()), v, &Visit{StartTLS: tt.answer}); f.Code != tt.want {
				t.Errorf("%s, want %s (%s)", f.Code, tt.want, f.Summary)
			}
		})
	}
}

func TestSuggestedIDIsTheTimeOfThisWorld(t *testing.T) {
	s := subjectIn(newNames(t, "", nil))
	s.World.Clock = func() time.Time { return time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC) }
	text := s.suggestSTS()
	if _, problems := route.ParseSTSRecord(text); len(problems) > 0 || text != "v=STSv1; id=20261121T160500" {
		t.Errorf("%q: %v", text, problems)
	}
}
