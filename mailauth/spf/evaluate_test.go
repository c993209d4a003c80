package spf_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

func from(sender, ip string) spf.Request {
	req := spf.Request{IP: netip.MustParseAddr(ip), HELO: "mx.example.com"}
	if sender != "" {
		req.Sender = mail.MustParseAddress(sender)
	}
	return req
}

// TestMacroExamples are the expansions of RFC 7208 section 7.4.
func TestMacroExamples(t *testing.T) {
	for macro, want := range map[string]string{
		"%{s}": "strong-bad@email.example.com", "%{o}": "email.example.com", "%{d}": "email.example.com",
		"%{d4}": "email.example.com", "%{d3}": "email.example.com", "%{d2}": "example.com", "%{d1}": "com",
		"%{dr}": "com.example.email", "%{d2r}": "example.email", "%{l}": "strong-bad", "%{l-}": "strong.bad",
		"%{lr}": "strong-bad", "%{lr-}": "bad.strong", "%{l1r-}": "strong",
		"%{ir}.%{v}._spf.%{d2}":      "3.2.0.192.in-addr._spf.example.com",
		"%{lr-}.lp._spf.%{d2}":       "bad.strong.lp._spf.example.com",
		"%{lr-}.lp.%{ir}.%{v}.%{d2}": "bad.strong.lp.3.2.0.192.in-addr.example.com",
		"%{ir}.%{v}.%{l1r-}.lp.%{d}": "3.2.0.192.in-addr.strong.lp.email.example.com",
		"%{d2}.trusted-domains.test": "example.com.trusted-domains.test",
		"%{c}|%{r}|%{t}|%{h}|%{p}":   "192.0.2.3|mx.receiver.example|1795277100|mx.example.org|unknown",
		"%{S}|%{L1R-}|%%%_%-":        "strong-bad%40email.example.com|strong|% %20",
		"%{d127r}|%{d.}":             "com.example.email|email.example.com",
	} {
		z := zoneOf(t, "email.example.com TXT v=spf1 exp=x.example.com -all", "x.example.com TXT "+macro)
		req := from("strong-bad@email.example.com", "192.0.2.3")
		req.HELO = "mx.example.org"
		req.Receiver = mail.MustParseDomain("mx.receiver.example")
		req.Now = time.Unix(1795277100, 0)
		if e := spf.Evaluate(t.Context(), z, req); e.Explanation != want {
			t.Errorf("%s: %q, want %q\n%s", macro, e.Explanation, want, e.Text())
		}
	}
	z := zoneOf(t, "email.example.com TXT v=spf1 exp=x.example.com -all", "x.example.com TXT %{ir}.%{v}._spf.%{d2}")
	e := spf.Evaluate(t.Context(), z, from("strong-bad@email.example.com", "2001:db8::cb01"))
	const want = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
	if !strings.EqualFold(e.Explanation, want) {
		t.Errorf("%q, want %q", e.Explanation, want)
	}
}

func TestIdentities(t *testing.T) {
	z := zoneOf(t,
		"example.com TXT v=spf1 exists:%{l}.%{d}.said.test -all",
		"mx.example.com TXT v=spf1 exists:%{l}.%{o}.said.test -all",
		"alice.example.com.said.test A 127.0.0.2",
		"postmaster.mx.example.com.said.test A 127.0.0.2",
		"postmaster.example.com.said.test A 127.0.0.2",
		"xn--bcher-kva.example TXT v=spf1 exists:%{h}.said.test -all",
		"xn--bcher-kva.example.said.test A 127.0.0.2",
	)
	literal := from("alice@[192.0.2.1]", "192.0.2.1")
	helo := func(name string) spf.Request { r := from("", "192.0.2.1"); r.HELO = name; return r }
	for _, c := range []struct {
		name   string
		e      spf.Evaluation
		want   spf.Result
		domain string
		reason string
	}{
		{"reverse-path", spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")), spf.Pass, "example.com", ""},
		{"another local part", spf.Evaluate(t.Context(), z, from("bob@example.com", "192.0.2.1")), spf.Fail, "example.com", ""},
		{"null reverse-path", spf.Evaluate(t.Context(), z, from("", "192.0.2.1")), spf.Pass, "mx.example.com", ""},
		{"HELO", spf.EvaluateHELO(t.Context(), z, from("bob@example.com", "192.0.2.1")), spf.Pass, "mx.example.com", ""},
		{"empty local part", spf.Evaluate(t.Context(), z, spf.Request{
			IP: netip.MustParseAddr("192.0.2.1"), Sender: mail.Address{Domain: mail.MustParseDomain("example.com")},
		}), spf.Pass, "example.com", ""},
		{"HELO of one label", spf.EvaluateHELO(t.Context(), z, helo("localhost")), spf.None, "localhost", "several labels"},
		{"HELO is a literal", spf.EvaluateHELO(t.Context(), z, helo("[192.0.2.1]")), spf.None, "", "not a domain"},
		{"HELO is empty", spf.Evaluate(t.Context(), z, helo("")), spf.None, "", "not a domain"},
		{"HELO with U-labels", spf.EvaluateHELO(t.Context(), z, helo("bücher.example")), spf.Pass, "xn--bcher-kva.example", ""},
		{"address literal", spf.Evaluate(t.Context(), z, literal), spf.None, "", "address literal"},
		{"no domain", spf.Evaluate(t.Context(), z, spf.Request{IP: literal.IP, Sender: mail.Address{Local: "Postmaster"}}), spf.None, "", "no domain"},
		{"no client", spf.Evaluate(t.Context(), z, spf.Request{Sender: mail.MustParseAddress("alice@example.com")}), spf.None, "example.com", "no client"},
		{"no record", spf.Evaluate(t.Context(), z, from("a@example.net", "192.0.2.1")), spf.None, "example.net", "no SPF record"},
	} {
		if c.e.Result != c.want || c.e.Domain.String() != c.domain || !strings.Contains(c.e.Reason, c.reason) || (c.reason == "") != (c.e.Reason == "") {
			t.Errorf("%s: %s for %q (%s), want %s for %q (%s)", c.name, c.e.Result, c.e.Domain, c.e.Reason, c.want, c.domain, c.reason)
		}
	}
}

// TestInternationalizedLocalPart is RFC 8616 section 4: terms with %{s} or %{l}
// match nothing when the local part is not ASCII.
func TestInternationalizedLocalPart(t *testing.T) {
	for record, want := range map[string]spf.Result{
		"v=spf1 exists:%{l}.example.com -all":            spf.Fail,
		"v=spf1 exists:%{L}.example.com ?all":            spf.Neutral,
		"v=spf1 include:%{s}.example.com ~all":           spf.SoftFail,
		"v=spf1 redirect=%{l}.example.com":               spf.Neutral,
		"v=spf1 exists:%{o}.all.example.com -all":        spf.Pass,
		"v=spf1 -all exp=%{l}.example.com":               spf.Fail,
		"v=spf1 include:mixed.example.com -all":          spf.Pass,
		"v=spf1 -exists:%{l1r-}.%{d}.test ip4:0.0.0.0/0": spf.Pass,
	} {
		z := zoneOf(t, "xn--bcher-kva.example TXT "+record, "mixed.example.com TXT v=spf1 a:%{l}.x.test ip4:192.0.2.1 -all",
			"xn--bcher-kva.example.all.example.com A 127.0.0.2")
		req := from("müller@bücher.example", "192.0.2.1")
		if e := spf.Evaluate(t.Context(), z, req); e.Result != want || e.Explanation != "" {
			t.Errorf("%s: %s, want %s\n%s", record, e.Result, want, e.Text())
		}
	}
}

// TestNamesOfAnyOctets asks for a name that no host could have: quotes, slashes,
// spaces, a percent sign.
func TestNamesOfAnyOctets(t *testing.T) {
	const local = `we"ird\;@()$`
	z := zoneOf(t, "example.com TXT v=spf1 exists:%{l}%_a%-b%%.x.test -all")
	if err := z.add(local+" a%20b%.x.test", "A", "127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	req := from("x@example.com", "192.0.2.1")
	for sender, want := range map[string]spf.Result{local: spf.Pass, "plain": spf.Fail} {
		req.Sender.Local = sender
		if e := spf.Evaluate(t.Context(), z, req); e.Result != want {
			t.Errorf("%s: want %s\n%s", sender, want, e.Text())
		}
	}
}

func TestWhatDecided(t *testing.T) {
	z := zoneOf(t,
		"example.com TXT v=spf1 ip4:198.51.100.1 include:a.example.com redirect=b.example.com",
		"a.example.com TXT v=spf1 ?all include:never.example.com",
		"b.example.com TXT v=spf1 include:c.example.com ~all exp=no.example.com",
		"c.example.com TXT v=spf1 MX/24 -all",
		"c.example.com MX 10 mx.example.com",
		"mx.example.com A 192.0.2.77",
	)
	e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1"))
	path := []string{"redirect=b.example.com", "include:c.example.com", "MX/24"}
	if e.Result != spf.Pass || e.Mechanism != path[1] || !slices.Equal(e.Path, path) || e.Lookups != 4 || e.Voids != 0 {
		t.Errorf("%s by %q through %q, %d lookups\n%s", e.Result, e.Mechanism, e.Path, e.Lookups, e.Text())
	}
	e = spf.Evaluate(t.Context(), z, from("alice@example.com", "203.0.113.1"))
	if path := []string{"redirect=b.example.com", "~all"}; e.Result != spf.SoftFail || !slices.Equal(e.Path, path) {
		t.Errorf("%s through %q", e.Result, e.Path)
	}
	z = zoneOf(t, "example.com TXT v=spf1 ip4:198.51.100.1")
	if e = spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")); e.Result != spf.Neutral || e.Mechanism != "default" {
		t.Errorf("%s by %q, want neutral by default", e.Result, e.Mechanism)
	}
}

// TestLimits counts before it asks: the eleventh term sends no query.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, record string
		zone         []string
		want         spf.Result
		lookups      int
		voids        int
		queries      int64
	}{
		{"ten terms", "v=spf1" + strings.Repeat(" a:h.example.com", 10) + " -all", nil, spf.Fail, 10, 0, 11},
		{"eleven terms", "v=spf1" + strings.Repeat(" a:h.example.com", 11) + " -all", nil, spf.PermError, 10, 0, 11},
		{"eleven with the redirect", "v=spf1" + strings.Repeat(" a:h.example.com", 10) + " redirect=x.example.com", nil, spf.PermError, 10, 0, 11},
		{"two voids", "v=spf1 a:v.example.com mx:v.example.com -all", nil, spf.Fail, 2, 2, 3},
		{"three voids", "v=spf1 a:v.example.com mx:v.example.com exists:v.example.com a:h.example.com -all", nil, spf.PermError, 3, 3, 4},
		{"void ptr", "v=spf1 ptr ptr a:v.example.com -all", nil, spf.PermError, 3, 3, 3},
		{"%{p} is one lookup, once", "v=spf1 exists:%{p}.h.test exists:%{p}.i.test ?all", []string{"unknown.i.test A 127.0.0.2"}, spf.Pass, 3, 1, 4},
		{"%{p} over the limit", "v=spf1" + strings.Repeat(" a:h.example.com", 9) + " exists:%{p}.h.test -all", nil, spf.PermError, 10, 0, 10},
		{"include without a record", "v=spf1 include:v.example.com -all", nil, spf.PermError, 1, 1, 2},
		{"a name of 64 octets asks nothing", "v=spf1 a:" + strings.Repeat("x", 64) + ".example.com -all", nil, spf.Fail, 1, 0, 1},
		{"exp costs nothing", "v=spf1" + strings.Repeat(" a:h.example.com", 10) + " -all exp=v.example.com", nil, spf.Fail, 10, 0, 12},
		{"a host of the other family is void", "v=spf1 a:six.example.com a:six.example.com a:six.example.com -all", []string{"six.example.com AAAA 2001:db8::1"}, spf.PermError, 3, 3, 4},
	} {
		z := zoneOf(t, append(c.zone, "example.com TXT "+c.record, "h.example.com A 198.51.100.1", "x.example.com TXT v=spf1 -all")...)
		e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1"))
		if e.Result != c.want || e.Lookups != c.lookups || e.Voids != c.voids || z.queries.Load() != c.queries {
			t.Errorf("%s: %s, %d lookups, %d void, %d queries; want %s, %d, %d, %d\n%s", c.name,
				e.Result, e.Lookups, e.Voids, z.queries.Load(), c.want, c.lookups, c.voids, c.queries, e.Text())
		}
	}
}

func TestErrorsOfDNS(t *testing.T) {
	for record, want := range map[string]spf.Result{
		"v=spf1 a:slow.example.com -all":          spf.TempError,
		"v=spf1 mx:slow.example.com -all":         spf.TempError,
		"v=spf1 exists:slow.example.com -all":     spf.TempError,
		"v=spf1 include:slow.example.com -all":    spf.TempError,
		"v=spf1 redirect=slow.example.com":        spf.TempError,
		"v=spf1 -all exp=slow.example.com":        spf.Fail,
		"v=spf1 ptr:example.net ~all":             spf.SoftFail,
		"v=spf1 exists:%{p}.x.test ~all":          spf.SoftFail,
		"v=spf1 ip4:192.0.2.1 a:slow.example.com": spf.Pass,
	} {
		z := zoneOf(t, "example.com TXT "+record, "slow.example.com TIMEOUT", "1.2.0.192.in-addr.arpa TIMEOUT")
		if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")); e.Result != want {
			t.Errorf("%s: %s, want %s", record, e.Result, want)
		}
	}
	bogus := failing{&world.LookupError{Name: "example.com.", Kind: world.ErrBogus, Detail: "signature expired"}}
	e := spf.Evaluate(t.Context(), bogus, from("alice@example.com", "192.0.2.1"))
	if e.Result != spf.TempError || !strings.Contains(e.Reason, "signature expired") {
		t.Errorf("a bogus answer is %s (%s), want temperror with its reason", e.Result, e.Reason)
	}
}

// failing answers every question with one error.
type failing struct{ err error }

func (f failing) Lookup(context.Context, world.Name, uint16) (*world.Answer, error) {
	return nil, f.err
}

func TestExplanations(t *testing.T) {
	for text, want := range map[string]string{
		"See http://x.test/?id=%{S}":  "See http://x.test/?id=alice%40example.com",
		"%{i} is not a host of %{d}.": "192.0.2.1 is not a host of example.com.",
		"no %{x} here":                "",
		"bell \a":                     "",
		"n\xc3\xb6":                   "",
		strings.Repeat("%{s}", 400):   "",
		strings.Repeat("x", 5001):     "",
		"two  spaces %% kept ":        "two  spaces % kept ",
		"%{r} at %{t}":                "unknown at 0",
	} {
		z := zoneOf(t, "example.com TXT v=spf1 -all exp=x.example.com", "x.example.com TXT "+text)
		if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")); e.Explanation != want {
			t.Errorf("%.60q: %q, want %q", text, e.Explanation, want)
		}
	}
}

func TestClientNameOfMacro(t *testing.T) {
	z := zoneOf(t, "a.example.com TXT v=spf1 -all exp=x.test", "x.test TXT %{p}",
		"1.2.0.192.in-addr.arpa PTR z.test", "1.2.0.192.in-addr.arpa PTR h.a.example.com", "1.2.0.192.in-addr.arpa PTR a.example.com",
		"1.2.0.192.in-addr.arpa PTR b.example.com",
		"z.test A 192.0.2.1", "h.a.example.com A 192.0.2.1", "a.example.com A 192.0.2.9", "b.example.com A 192.0.2.1")
	e := spf.Evaluate(t.Context(), z, from("alice@a.example.com", "192.0.2.1"))
	if e.Explanation != "h.a.example.com" {
		t.Errorf("%%{p} is %q, want the validated name below the domain", e.Explanation)
	}
}

// TestPointersThroughAliases: reverse zones are delegated with CNAMEs (RFC 2317),
// and the names they give may be aliases themselves.
func TestPointersThroughAliases(t *testing.T) {
	z := zoneOf(t, "example.com TXT v=spf1 ptr:example.net -all", "1.2.0.192.in-addr.arpa CNAME 1.0-25.2.0.192.in-addr.arpa",
		"1.0-25.2.0.192.in-addr.arpa PTR Mail.Example.NET", "mail.example.net CNAME h.example.org", "h.example.org A 192.0.2.1")
	if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")); e.Result != spf.Pass {
		t.Error(e.Text())
	}
}

// TestTenPointers: names behind the tenth do not count (section 4.6.4).
func TestTenPointers(t *testing.T) {
	lines := []string{"example.com TXT v=spf1 ptr:example.net ~all", "z.example.net A 192.0.2.1", "1.2.0.192.in-addr.arpa PTR z.example.net"}
	for i := range 9 {
		lines = append(lines, fmt.Sprintf("1.2.0.192.in-addr.arpa PTR n%d.example.net", i))
	}
	for want, more := range map[spf.Result]string{spf.Pass: "other.test TXT x", spf.SoftFail: "1.2.0.192.in-addr.arpa PTR n9.example.net"} {
		if e := spf.Evaluate(t.Context(), zoneOf(t, append(lines, more)...), from("alice@example.com", "192.0.2.1")); e.Result != want {
			t.Errorf("want %s\n%s", want, e.Text())
		}
	}
}

// TestNullMX: there is no host to ask for (RFC 7505).
func TestNullMX(t *testing.T) {
	z := zoneOf(t, "example.com TXT v=spf1 mx -all", "example.com MX 0 .")
	if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")); e.Result != spf.Fail || e.Voids != 0 || z.queries.Load() != 2 {
		t.Errorf("%d queries\n%s", z.queries.Load(), e.Text())
	}
}

// TestMappedClient: an IPv4-mapped address is IPv4, for macros too (section 5).
func TestMappedClient(t *testing.T) {
	z := zoneOf(t, "example.com TXT v=spf1 -ip6:::/0 -ip6:::ffff:192.0.2.1 exists:%{ir}.%{v}.%{c}.test ~all", "1.2.0.192.in-addr.192.0.2.1.test A 127.0.0.2")
	if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "::ffff:192.0.2.1")); e.Result != spf.PermError {
		t.Errorf("%%{c} stands outside of an explanation: %s", e.Text())
	}
	z = zoneOf(t, "example.com TXT v=spf1 -ip6:::/0 -ip6:::ffff:192.0.2.1 exists:%{ir}.%{v}.%{i}.test ~all", "1.2.0.192.in-addr.192.0.2.1.test A 127.0.0.2")
	if e := spf.Evaluate(t.Context(), z, from("alice@example.com", "::ffff:192.0.2.1")); e.Result != spf.Pass {
		t.Error(e.Text())
	}
}

// TestJSON is the contract of `allgreen spf`.
func TestJSON(t *testing.T) {
	z := zoneOf(t, "example.com TXT v=spf1 mx ip4:192.0.2.0/24 -all", "example.com MX 10 mx.example.com", "mx.example.com A 198.51.100.1")
	e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1"))
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"result":"pass","mechanism":"ip4:192.0.2.0/24","domain":"example.com","explanation":"","lookups":1,"void":0,"trace":[` +
		`{"depth":0,"domain":"example.com","record":"v=spf1 mx ip4:192.0.2.0/24 -all","term":"","outcome":"record"},` +
		`{"depth":0,"domain":"example.com","term":"mx","outcome":"no match","detail":"198.51.100.1"},` +
		`{"depth":0,"domain":"example.com","term":"ip4:192.0.2.0/24","outcome":"match"}],"identity":"mailfrom"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, _ := json.Marshal(spf.Evaluation{}); !strings.Contains(string(got), `"trace":[]`) {
		t.Errorf("an empty trace is a list: %s", got)
	}
}

func TestText(t *testing.T) {
	z := zoneOf(t,
		"example.com TXT v=spf1 a include:_spf.provider.example -all exp=why.example.com", "example.com A 198.51.100.1",
		"_spf.provider.example TXT v=spf1 ip4:203.0.113.0/24 ip4:198.51.100.0/26 ip6:2001:db8:4:5::/64 ~all",
		"why.example.com TXT %{i} may not send for %{d}; ask \x1bpostmaster.",
	)
	e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1"))
	const want = `spf fail for example.com by -all

example.com: v=spf1 a include:_spf.provider.example -all exp=why.example.com
    a  no match (198.51.100.1)
    include:_spf.provider.example  no match (_spf.provider.example gives
      softfail)
    _spf.provider.example: v=spf1 ip4:203.0.113.0/24 ip4:198.51.100.0/26
      ip6:2001:db8:4:5::/64 ~all
        ip4:203.0.113.0/24  no match
        ip4:198.51.100.0/26  no match
        ip6:2001:db8:4:5::/64  no match
      = ~all  match
  = -all  match
  " exp=why.example.com  explain (not used: it is not plain ASCII)

2 of 10 lookups, 0 of 2 void
`
	if got := e.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTextStaysWithinItsColumns(t *testing.T) {
	long := strings.Repeat("x", 50) + "." + strings.Repeat("y", 50) + ".example.com"
	z := zoneOf(t, "example.com TXT v=spf1 a:"+long+" include:"+long+" -all\x1b[2J", long+" TXT v=spf1 ?all")
	for _, record := range []string{"v=spf1 a:" + long + " include:" + long + " -all", "v=spf1 \x1b[2J"} {
		z.names["example.com."] = zoneOf(t, "example.com TXT "+record).names["example.com."]
		text := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.1")).Text()
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Error("an escape sequence reaches the terminal")
		}
	}
}
