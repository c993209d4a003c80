package spf_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/world"
)

// bomb answers every TXT question with a record that includes ten new names: a
// tree without end. Other types get ten records.
type bomb struct{ record string }

func (b bomb) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	a := &world.Answer{Name: name, Type: qtype}
	head := dns.RR_Header{Name: string(name), Rrtype: qtype, Class: dns.ClassINET}
	for i := range 10 {
		switch qtype {
		case dns.TypeTXT:
			if i == 0 {
				a.Records = append(a.Records, &dns.TXT{Hdr: head, Txt: []string{b.record}})
			}
		case dns.TypeMX:
			a.Records = append(a.Records, &dns.MX{Hdr: head, Preference: 1, Mx: fmt.Sprintf("%d.%s", i, name)})
		case dns.TypePTR:
			a.Records = append(a.Records, &dns.PTR{Hdr: head, Ptr: fmt.Sprintf("%d.%s", i, name)})
		default:
			return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName}
		}
	}
	return a, nil
}

func bombRecord() string {
	terms := []string{"v=spf1"}
	for i := range 10 {
		terms = append(terms, fmt.Sprintf("include:%d.%%{d}", i))
	}
	return strings.Join(terms, " ")
}

// TestHostileZones runs what a hostile zone can publish past everything that
// reads it; each must end with few questions and little memory.
func TestHostileZones(t *testing.T) {
	const most = 120 // questions: 10 terms, each with up to 10 hosts, and the record
	for _, c := range []struct {
		name string
		r    world.Resolver
		want spf.Result
	}{
		{"a tree of 10^n includes", bomb{bombRecord()}, spf.PermError},
		{"10 mx of 10 hosts, again and again", bomb{"v=spf1 mx mx mx mx mx mx mx mx mx mx mx -all"}, spf.PermError},
		{"ptr and %{p} everywhere", bomb{"v=spf1 ptr exists:%{p}.x.test ptr:%{p}.x.test exists:%{p}.y.test include:%{p}.%{d}"}, spf.PermError},
		{"an include of itself", bomb{"v=spf1 include:%{d} -all"}, spf.PermError},
		{"a redirect to itself", bomb{"v=spf1 redirect=%{d}"}, spf.PermError},
		{"a redirect to ever longer names", bomb{"v=spf1 redirect=x.%{d}"}, spf.PermError},
		{"a name that macros blow up", bomb{"v=spf1 a:" + strings.Repeat("%{d}.", 10_000) + "com -all"}, spf.Fail},
		{"a text of 10 MB", bomb{"v=spf1 " + strings.Repeat("ip4:192.0.2.1 ", 700_000)}, spf.PermError},
		{"as many terms as fit", bomb{"v=spf1" + strings.Repeat(" -ip6:::", 8000) + " ?all"}, spf.Neutral},
		{"as many errors as fit", bomb{"v=spf1" + strings.Repeat(" x", 32_000)}, spf.PermError},
		{"as many repetitions as fit", bomb{"v=spf1" + strings.Repeat(" exp=", 13_000)}, spf.PermError},
		{"as many includes as fit", bomb{"v=spf1" + strings.Repeat(" ?include:%{d2}", 4300)}, spf.PermError},
		{"an explanation of macros", bomb{"v=spf1 -all exp=%{d} " + strings.Repeat("x=%{s}", 5000)}, spf.Fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			counting := &counter{inner: c.r}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			e := spf.Evaluate(t.Context(), counting, from("alice@example.com", "192.0.2.1"))
			runtime.ReadMemStats(&after)
			if e.Result != c.want || e.Lookups > 10 || len(e.Trace) > 1001 || len(e.Explanation) > 5000 {
				t.Errorf("%s (%.200s), want %s; %d lookups, %d steps", e.Result, e.Reason, c.want, e.Lookups, len(e.Trace))
			}
			if counting.n > most {
				t.Errorf("%d questions", counting.n)
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 300 {
				t.Errorf("%d MB allocated", mb)
			}
			for line := range strings.Lines(e.Text()) {
				if len(line) > 400 {
					t.Errorf("a line of %d octets", len(line))
				}
			}
			tree := spf.Expand(t.Context(), c.r, mail.MustParseDomain("example.com"), spf.Bounds{})
			if len(tree.Nodes) > 100 || len(tree.Authorized) > 20_000 {
				t.Errorf("%d nodes, %d networks", len(tree.Nodes), len(tree.Authorized))
			}
		})
	}
}

// counter counts the questions of one evaluation, which asks one at a time.
type counter struct {
	inner world.Resolver
	n     int
}

func (c *counter) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	c.n++
	return c.inner.Lookup(ctx, name, qtype)
}

func TestExpandIsCutByItsBounds(t *testing.T) {
	tree := expand(t, bomb{bombRecord()}, spf.Bounds{Records: 25, Queries: 40})
	if !tree.Cut || len(tree.Nodes) > 25 || tree.Lookups <= 10 {
		t.Errorf("cut %v, %d nodes, %d lookups", tree.Cut, len(tree.Nodes), tree.Lookups)
	}
	tree = expand(t, bomb{"v=spf1 mx:a.test mx:b.test mx:c.test a:d.test -all"}, spf.Bounds{Queries: 6})
	if !tree.Cut {
		t.Error("six questions are not enough for this record")
	}
}

// TestExpandKeepsFewTerms: a hundred records as long as DNS carries hold more
// terms than anybody should remember.
func TestExpandKeepsFewTerms(t *testing.T) {
	tree := expand(t, bomb{"v=spf1 include:x.%{d}" + strings.Repeat(" -ip6:::", 8000)}, spf.Bounds{})
	kept := 0
	for _, n := range tree.Nodes {
		kept += len(n.Terms) + len(n.Record.Terms)
	}
	if !tree.Cut || kept > 100_000 {
		t.Errorf("%d terms are kept, cut %v", kept, tree.Cut)
	}
}

// TestCancelledContext ends an evaluation as a temperror.
func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := spf.Evaluate(ctx, patient{}, from("alice@example.com", "192.0.2.1"))
	if e.Result != spf.TempError {
		t.Errorf("%s, want temperror", e.Result)
	}
}

// TestTimeLimit ends an evaluation that DNS lets wait for ever.
func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		e := spf.Evaluate(context.Background(), patient{}, from("alice@example.com", "192.0.2.1"))
		if took := time.Since(start); e.Result != spf.TempError || took != 20*time.Second {
			t.Errorf("%s after %s, want temperror after 20s (RFC 7208 section 4.6.4)", e.Result, took)
		}
	})
}

// patient answers when its context ends, and never before.
type patient struct{}

func (patient) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	<-ctx.Done()
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary, Detail: ctx.Err().Error()}
}
