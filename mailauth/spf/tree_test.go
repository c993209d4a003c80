package spf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

func expand(t *testing.T, z world.Resolver, b spf.Bounds) *spf.Tree {
	t.Helper()
	return spf.Expand(t.Context(), z, mail.MustParseDomain("example.com"), b)
}

func domainsOf(tree *spf.Tree) string {
	var names []string
	for _, n := range tree.Nodes {
		names = append(names, n.Domain)
	}
	return strings.Join(names, " ")
}

func TestExpand(t *testing.T) {
	z := zoneOf(t,
		"example.com TXT v=spf1 a mx/24//64 include:a.test -include:b.test exists:%{i}.rbl.test ?ip4:203.0.113.1 redirect=c.%{d2}",
		"example.com A 192.0.2.1", "example.com MX 10 mx.example.com", "mx.example.com A 192.0.2.77", "mx.example.com AAAA 2001:db8::77",
		"a.test TXT v=spf1 ip4:198.51.100.7/24 -ip4:198.51.101.0/24 ip6:2001:db8:1::/48 ptr ~all include:never.test",
		"b.test TXT v=spf1 ip4:10.0.0.0/8 -all",
		"c.example.com TXT v=spf1 include:a.test a:none.test -all",
	)
	tree := expand(t, z, spf.Bounds{})
	if got, want := domainsOf(tree), "example.com a.test b.test c.example.com"; got != want {
		t.Errorf("nodes %q, want %q", got, want)
	}
	// a mx include(ptr) include exists redirect(include(ptr) a)
	if tree.Lookups != 10 || tree.Voids != 1 || tree.VoidsIPv6 != 2 {
		t.Errorf("%d lookups, %d and %d void; want 10, 1, 2", tree.Lookups, tree.Voids, tree.VoidsIPv6)
	}
	var got []string
	for _, a := range tree.Authorized {
		got = append(got, fmt.Sprint(a.Prefix, " ", a.Domain, " ", a.Term, " ", a.Via))
	}
	want := []string{
		"192.0.2.1/32 example.com a []",
		"192.0.2.0/24 example.com mx/24//64 []",
		"2001:db8::/64 example.com mx/24//64 []",
		"198.51.100.0/24 a.test ip4:198.51.100.7/24 [include:a.test]",
		"2001:db8:1::/48 a.test ip6:2001:db8:1::/48 [include:a.test]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("authorized\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var open []string
	for _, u := range tree.Unlisted {
		open = append(open, u.Domain+" "+u.Term)
	}
	if want := []string{"a.test ptr", "example.com exists:%{i}.rbl.test"}; !slices.Equal(open, want) {
		t.Errorf("unlisted %q, want %q", open, want)
	}
	if want := []spf.Link{{"c.example.com", "include:a.test", "a.test"}}; !slices.Equal(tree.Duplicates, want) {
		t.Errorf("duplicates %v, want %v", tree.Duplicates, want)
	}
	if tree.Loops != nil || tree.Missing != nil || tree.Cut {
		t.Errorf("loops %v, missing %v, cut %v", tree.Loops, tree.Missing, tree.Cut)
	}
}

// TestExpandCountsAsAReceiver holds the worst case against an evaluation in which
// nothing matches.
func TestExpandCountsAsAReceiver(t *testing.T) {
	for _, record := range []string{
		"v=spf1 a mx ptr exists:x.test include:i.test ~all",
		"v=spf1 a:x.test -mx:i.test redirect=i.test",
		"v=spf1 ip4:203.0.113.1 include:i.test include:i.test ?all a a a",
		"v=spf1 exists:%{p}.test -all",
	} {
		z := zoneOf(t, "example.com TXT "+record, "i.test TXT v=spf1 a mx:example.com -all", "i.test A 203.0.113.2",
			"example.com A 203.0.113.3", "example.com MX 10 i.test", "x.test TXT nothing", "i.test MX 5 i.test",
			"7.2.0.192.in-addr.arpa PTR q.test")
		tree := expand(t, z, spf.Bounds{})
		e := spf.Evaluate(t.Context(), z, from("alice@example.com", "192.0.2.7"))
		if strings.Contains(record, "exists:x") || strings.Contains(record, "%{p}") {
			e.Voids = tree.Voids // ptr and names that hang on the client cannot be foreseen
		}
		if tree.Lookups != e.Lookups || tree.Voids != e.Voids {
			t.Errorf("%s: tree %d lookups, %d void; receiver %d, %d\n%s", record, tree.Lookups, tree.Voids, e.Lookups, e.Voids, e.Text())
		}
	}
}

func TestExpandFindsBrokenLinks(t *testing.T) {
	z := zoneOf(t,
		"example.com TXT v=spf1 include:example.com include:a.test include:none.test include:two.test include:bad.test include:slow.test -all",
		"a.test TXT v=spf1 include:b.test", "b.test TXT v=spf1 redirect=a.test",
		"two.test TXT v=spf1 -all", "two.test TXT v=spf1 ~all", "bad.test TXT v=spf1 ip4:x -all", "slow.test TIMEOUT",
	)
	tree := expand(t, z, spf.Bounds{})
	if want := []spf.Link{{"example.com", "include:example.com", "example.com"}, {"b.test", "redirect=a.test", "a.test"}}; !slices.Equal(tree.Loops, want) {
		t.Errorf("loops %v, want %v", tree.Loops, want)
	}
	if want := []spf.Link{{"example.com", "include:none.test", "none.test"}, {"example.com", "include:two.test", "two.test"}}; !slices.Equal(tree.Missing, want) {
		t.Errorf("missing %v, want %v", tree.Missing, want)
	}
	nodes := map[string]*spf.Node{}
	for _, n := range tree.Nodes {
		nodes[n.Domain] = n
	}
	if n := nodes["bad.test"]; len(n.Problems) != 1 {
		t.Errorf("bad.test: %v", n.Problems)
	}
	if n := nodes["slow.test"]; n.Err == nil {
		t.Error("slow.test has no error")
	}
	if n := nodes["two.test"]; len(n.Records) != 2 || n.Record != nil {
		t.Errorf("two.test: %v", n.Records)
	}
}

func TestExpandAll(t *testing.T) {
	tree := expand(t, zoneOf(t, "example.com TXT v=spf1 ip4:192.0.2.1 all redirect=x.test"), spf.Bounds{})
	if len(tree.Authorized) != 3 || tree.Authorized[1].Prefix.Bits() != 0 || tree.Authorized[2].Prefix.String() != "::/0" {
		t.Errorf("+all authorizes everybody: %v", tree.Authorized)
	}
	if tree.Lookups != 0 || len(tree.Nodes) != 1 {
		t.Error("nothing behind an all counts")
	}
}

func TestFetchTellsLookAlikes(t *testing.T) {
	z := zoneOf(t, "example.com TXT v=spf1 -all", "example.com TXT  v=spf1 a -all", "example.com TXT v=spf10 -all", "example.com TXT spf2.0/pra -all",
		"example.com TXT v=spf1; a -all", "example.com TXT \"v=spf1 -all\"", "example.com TXT v = spf1 -all", "example.com TXT google-site-verification=v=spf1")
	f := spf.Fetch(t.Context(), z, "example.com.")
	var codes []string
	for _, l := range f.LookAlikes {
		codes = append(codes, l.Code)
	}
	if want := []string{"space", "version", "sender-id", "version", "space", "typo"}; !slices.Equal(codes, want) {
		t.Errorf("look-alikes %q, want %q", codes, want)
	}
	if f.Record == nil || len(f.Records) != 1 || f.Others != 1 || f.Records[0].Strings[0] != "v=spf1 -all" {
		t.Errorf("records %v, others %d", f.Records, f.Others)
	}
}
