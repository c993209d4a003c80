package spf_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	blitiri "blitiri.com.ar/go/spf"

	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

const (
	seed  = 7208
	cases = 4000
)

// known is a difference to an oracle that the RFC decides for us.
type known struct {
	name  string // what differs, and the sentence that decides
	holds func(g generated, ours spf.Evaluation, theirs, message string) bool
}

// compare runs the generated cases past an oracle.
func compare(t *testing.T, gs []generated, oracle func(i int) (result, message string), differences []known) {
	seen := map[string]int{}
	agreed := map[spf.Result]int{}
	bad := 0
	for i, g := range gs {
		ours := spf.Evaluate(t.Context(), g.zone(), g.request())
		theirs, message := oracle(i)
		if string(ours.Result) == theirs {
			agreed[ours.Result]++
			continue
		}
		name := ""
		for _, k := range differences {
			if k.holds(g, ours, theirs, message) {
				name = k.name
				break
			}
		}
		if seen[name]++; name != "" {
			continue
		}
		if bad++; bad <= 5 {
			t.Errorf("case %d: ours %s (%s), theirs %s (%s)\n%s%s", i, ours.Result, ours.Reason, theirs, message, g, ours.Text())
		}
	}
	t.Logf("agreed: %v; known differences: %v; unknown: %d", agreed, seen, bad)
	for _, r := range []spf.Result{spf.None, spf.Neutral, spf.Pass, spf.Fail, spf.SoftFail, spf.TempError, spf.PermError} {
		if agreed[r] < 10 {
			t.Errorf("only %d cases came to %s on both sides: the generator does not reach it", agreed[r], r)
		}
	}
}

func generateCases() []generated {
	r := rand.New(rand.NewPCG(seed, seed))
	gs := make([]generated, cases)
	for i := range gs {
		gs[i] = generate(r, 2)
	}
	return gs
}

func TestAgainstBlitiri(t *testing.T) {
	// Its resolver interface cannot tell the A lookup of exists from the AAAA
	// lookup of a, so an IPv6 client is compared only where nothing says exists.
	gs := slices.DeleteFunc(generateCases(), func(g generated) bool {
		return strings.Contains(g.IP, ":") && strings.Contains(g.String(), "exists:")
	})
	compare(t, gs, func(i int) (string, string) {
		g := gs[i]
		resolver := goResolver{g.zone(), strings.Contains(g.IP, ":")}
		result, err := blitiri.CheckHostWithSender(net.ParseIP(g.IP), g.HELO, g.Sender, blitiri.WithResolver(resolver))
		if err == nil {
			return string(result), ""
		}
		return string(result), err.Error()
	}, []known{
		{"4.6: syntax errors anywhere in the record MUST be detected", brokenRecord},
		{"4.6.4: the limit is on terms whose query finds nothing; it forgets the void of a second ptr", func(_ generated, ours spf.Evaluation, _, _ string) bool {
			return tooVoid(ours.Reason) && looked(ours, "ptr") > 1
		}},
		{"5.4: a match of one exchanger is a match; it asks for all of them first", func(_ generated, ours spf.Evaluation, theirs, _ string) bool {
			return theirs == "temperror" && looked(ours, "mx") > 0
		}},
	})
}

func TestAgainstPySPF(t *testing.T) {
	gs := generateCases()
	answers := pySPF(t, gs)
	compare(t, gs, func(i int) (string, string) {
		result, message, _ := strings.Cut(answers[i], "\t")
		return result, message
	}, []known{
		{"4.6: syntax errors anywhere in the record MUST be detected", brokenRecord},
		{"4.6.4: the limit is on terms; it counts each host of an mx and each name of a ptr", func(_ generated, ours spf.Evaluation, _, message string) bool {
			return tooVoid(message) && looked(ours, "mx", "ptr") > 0
		}},
		{"5.5: a name whose lookup fails is skipped; it ends in temperror", func(_ generated, ours spf.Evaluation, theirs, _ string) bool {
			return theirs == "temperror" && looked(ours, "ptr") > 0
		}},
		{"5.4: a match of one exchanger is a match; it asks for all of them first", func(_ generated, ours spf.Evaluation, theirs, _ string) bool {
			return theirs == "temperror" && looked(ours, "mx") > 0
		}},
		{"4.6.4: loops end at the limit of ten; it refuses a record that includes itself unseen", func(_ generated, _ spf.Evaluation, _, message string) bool {
			return strings.Contains(message, "trivial recursion")
		}},
		{"7.1: %% is a macro-expand, and a domain-spec may end in one", func(g generated, _ spf.Evaluation, _, message string) bool {
			return strings.Contains(message, "invalid-macro-char : %%") && strings.Contains(g.String(), "a:%%")
		}},
	})
}

func tooVoid(why string) bool {
	return strings.Contains(why, "look up what does not exist") || strings.Contains(why, "Void lookup limit")
}

// brokenRecord reports whether ours is the permerror of a syntax error.
func brokenRecord(_ generated, ours spf.Evaluation, _, _ string) bool {
	last := ours.Trace[len(ours.Trace)-1]
	_, problems := spf.Parse(last.Record)
	return ours.Result == spf.PermError && last.Record != "" && len(problems) > 0
}

// looked counts the terms of these names in the trace.
func looked(e spf.Evaluation, names ...string) int {
	n := 0
	for _, s := range e.Trace {
		name := strings.ToLower(strings.TrimLeft(s.Term, "+-~?"))
		if i := strings.IndexAny(name, ":/"); i >= 0 {
			name = name[:i]
		}
		if slices.Contains(names, name) {
			n++
		}
	}
	return n
}

// pySPF asks python3-spf about all cases at once.
func pySPF(t *testing.T, gs []generated) []string {
	t.Helper()
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import spf").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-spf is not installed")
		}
		t.Skip("python3-spf is not installed")
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, g := range gs {
		if err := enc.Encode(g); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/pyspf_oracle.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		lines = append(lines, s.Text())
	}
	if len(lines) != len(gs) {
		t.Fatalf("%d answers to %d cases", len(lines), len(gs))
	}
	return lines
}

// goResolver is a zone in the shape of net.Resolver, for clients of one family.
type goResolver struct {
	z  *zone
	v6 bool
}

func goError(err error) error {
	if err == nil {
		return nil
	}
	absent := errors.Is(err, world.ErrNotFound)
	return &net.DNSError{Err: err.Error(), IsNotFound: absent, IsTemporary: !absent}
}

// name turns what a Go program asks for into a name; as with net.Resolver, what
// is no host name does not exist.
func (r goResolver) name(s string) (world.Name, error) {
	n, err := rawName(s)
	if err != nil {
		return "", &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return n, nil
}

func (r goResolver) LookupTXT(ctx context.Context, s string) ([]string, error) {
	n, err := r.name(s)
	if err != nil {
		return nil, err
	}
	texts, _, err := world.LookupTXT(ctx, r.z, n)
	var out []string
	for _, t := range texts {
		out = append(out, t.Text)
	}
	return out, goError(err)
}

func (r goResolver) LookupMX(ctx context.Context, s string) ([]*net.MX, error) {
	n, err := r.name(s)
	if err != nil {
		return nil, err
	}
	mxs, _, err := world.LookupMX(ctx, r.z, n)
	var out []*net.MX
	for _, mx := range mxs {
		out = append(out, &net.MX{Host: string(mx.Host), Pref: mx.Preference})
	}
	return out, goError(err)
}

func (r goResolver) LookupIPAddr(ctx context.Context, s string) ([]net.IPAddr, error) {
	n, err := r.name(s)
	if err != nil {
		return nil, err
	}
	lookup := world.LookupA
	if r.v6 {
		lookup = world.LookupAAAA
	}
	ips, _, err := lookup(ctx, r.z, n)
	var out []net.IPAddr
	for _, ip := range ips {
		out = append(out, net.IPAddr{IP: ip.AsSlice()})
	}
	return out, goError(err)
}

func (r goResolver) LookupAddr(ctx context.Context, s string) ([]string, error) {
	names, _, err := world.LookupPTR(ctx, r.z, netip.MustParseAddr(s))
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	return out, goError(err)
}
