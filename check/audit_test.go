package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// says is a check that says one code.
func says(id, code string, needs ...string) Check {
	return rule{About{
		ID: id, Scope: Domain, Needs: needs, Why: "why", Fix: "fix", Who: finding.DNSOwner,
		Codes: []Code{{"good", finding.Green, "good"}, {"bad", finding.Red, "bad"}, {"blind", finding.Unknown, "not seen"}},
	}, func(context.Context, *Subject) []finding.Finding {
		return []finding.Finding{{Code: code, Subject: "example.com", Summary: code}}
	}}
}

// quiet is a check that finds nothing to judge, or says one code of status Skip.
func quiet(id, code string, needs ...string) Check {
	return rule{About{ID: id, Scope: Domain, Needs: needs, Codes: []Code{{"none", finding.Skip, "not there"}}},
		func(context.Context, *Subject) []finding.Finding {
			if code == "" {
				return nil
			}
			return []finding.Finding{{Code: code, Subject: "example.com", Summary: code}}
		}}
}

func audit(o Options, checks ...Check) *finding.Report {
	a := &Audit{World: world.None(), Options: o, Checks: checks}
	target := Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}
	return a.Run(context.Background(), target, nil)
}

func codes(r *finding.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Check+"="+f.Code)
	}
	return out
}

func TestAuditOrderAndNeeds(t *testing.T) {
	tests := []struct {
		name    string
		only    []string
		checks  []Check
		want    []string
		verdict finding.Status
	}{
		{"all green", nil, []Check{says("a.x", "good"), says("b.x", "good", "a.x")}, []string{"a.x=good", "b.x=good"}, finding.Green},
		{"what is needed is red", nil, []Check{says("a.x", "bad"), says("b.x", "good", "a.x")}, []string{"a.x=bad", "b.x=needs"}, finding.Red},
		{"what is needed is unknown", nil, []Check{says("a.x", "blind"), says("b.x", "good", "a.x")}, []string{"a.x=blind", "b.x=needs-unseen"}, finding.Unknown},
		{"a chain of what is unknown", nil, []Check{says("a.x", "blind"), says("b.x", "good", "a.x"), says("c.x", "good", "b.x")}, []string{"a.x=blind", "b.x=needs-unseen", "c.x=needs-unseen"}, finding.Unknown},
		{"a chain of needs", nil, []Check{says("a.x", "bad"), says("b.x", "good", "a.x"), says("c.x", "good", "b.x")}, []string{"a.x=bad", "b.x=needs", "c.x=needs"}, finding.Red},
		{"needed later in the list", nil, []Check{says("b.x", "good", "a.x"), says("a.x", "bad")}, []string{"b.x=needs", "a.x=bad"}, finding.Red},
		{"only a group", []string{"b"}, []Check{says("a.x", "good"), says("b.x", "good")}, []string{"b.x=good"}, finding.Green},
		{"only, needs run silently", []string{"c.x"}, []Check{says("a.x", "bad"), says("b.x", "good", "a.x"), says("c.x", "good", "b.x")}, []string{"c.x=needs"}, finding.Unknown},
		{"what is needed has not one finding", nil, []Check{says("a.x", "good"), quiet("b.x", "", "a.x"), says("c.x", "good", "b.x")}, []string{"a.x=good", "c.x=needs"}, finding.Green},
		{"what is needed is not there to be judged", nil, []Check{quiet("a.x", "none"), quiet("b.x", "", "a.x"), quiet("c.x", "", "b.x"), quiet("d.x", "none", "c.x")}, []string{"a.x=none", "d.x=none"}, finding.Unknown},
		{"nothing to judge", []string{"z"}, []Check{says("a.x", "good")}, nil, finding.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := audit(Options{Only: tt.only}, tt.checks...)
			if got := codes(r); !slices.Equal(got, tt.want) {
				t.Errorf("findings %v, want %v", got, tt.want)
			}
			if r.Verdict != tt.verdict {
				t.Errorf("verdict %v, want %v", r.Verdict, tt.verdict)
			}
		})
	}
}

func TestAuditCompletesFindings(t *testing.T) {
	f := audit(Options{}, says("a.x", "bad")).Findings[0]
	if f.Group != "a" || f.Status != finding.Red || f.Why != "why" || f.Fix != "fix" || f.Who != finding.DNSOwner {
		t.Errorf("the finding is incomplete: %+v", f)
	}
	if f := audit(Options{}, says("a.x", "good")).Findings[0]; f.Fix != "" || f.Why != "" {
		t.Errorf("a green finding preaches: %+v", f)
	}
}

func TestUndeclaredCodeIsOurBug(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an undeclared code went through")
		}
	}()
	About{ID: "a.x"}.complete(finding.Finding{Code: "surprise"})
}

// A world that reaches nothing shows nothing: never green, never red.
func TestNothingSeenIsNeitherGreenNorRed(t *testing.T) {
	for _, kind := range []Scope{Domain, Host, Address} {
		a := NewAudit(world.None(), Options{})
		target, err := ParseTarget("mail.example.com", kind)
		if kind == Address {
			target, err = ParseTarget("192.0.2.1", kind)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Run(t.Context(), target, nil).Findings {
			if f.Status == finding.Green || f.Status == finding.Red || f.Status == finding.Yellow {
				t.Errorf("%s of a %s says %s %s although nothing could be seen: %s", f.Check, kind, f.Status, f.Code, f.Summary)
			}
		}
	}
}

// numbered are targets d0.example, d1.example and so on.
func numbered(n int) []Target {
	var targets []Target
	for i := range n {
		d := mail.MustParseDomain(fmt.Sprintf("d%d.example", i))
		targets = append(targets, Target{Text: d.String(), Kind: Domain, Domain: d})
	}
	return targets
}

// runs is a check that does something for each target.
func runs(do func(ctx context.Context, s *Subject)) Check {
	return rule{About{ID: "a.x", Scope: Domain, Codes: []Code{{"good", finding.Green, "good"}}},
		func(ctx context.Context, s *Subject) []finding.Finding {
			do(ctx, s)
			return one(finding.Finding{Code: "good", Subject: s.String()})
		}}
}

func TestRunAllHoldsBackBehindASlowTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, begun := make(chan struct{}), 0
		var mu sync.Mutex
		a := &Audit{World: world.None(), Options: Options{Parallel: 2}, Checks: []Check{runs(func(_ context.Context, s *Subject) {
			mu.Lock()
			begun++
			mu.Unlock()
			if s.String() == "d0.example" {
				<-release
			}
		})}}
		targets, next := numbered(100), 0
		done := make(chan error)
		go func() {
			done <- a.RunAll(t.Context(), targets, func(r *finding.Report) {
				if r.Target != targets[next].Text {
					t.Errorf("report %d is of %s", next, r.Target)
				}
				next++
			})
		}()
		synctest.Wait()
		if mu.Lock(); begun > 2*ahead+1 || begun < 2 || next != 0 {
			t.Errorf("%d targets were begun and %d reported behind a slow one", begun, next)
		}
		mu.Unlock()
		close(release)
		if err := <-done; err != nil || next != len(targets) {
			t.Errorf("%d reports, %v", next, err)
		}
	})
}

func TestRunAllEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := &Audit{World: world.None(), Options: Options{Parallel: 2}, Checks: []Check{runs(func(ctx context.Context, _ *Subject) {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
		})}}
		reports, began := 0, time.Now()
		err := a.RunAll(ctx, numbered(1000), func(*finding.Report) { reports++ })
		if took := time.Since(began); took != time.Second || reports != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d reports in %v, then %v", reports, took, err)
		}
	})
}

func TestNoCheckBeginsAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &Audit{World: world.None(), Checks: []Check{runs(func(context.Context, *Subject) { t.Error("a check was run") })}}
	r := a.Run(ctx, numbered(1)[0], nil)
	if got := codes(r); !slices.Equal(got, []string{"a.x=out-of-time"}) {
		t.Errorf("found %v", got)
	}
}

// slowMX answers each command after some time.
func slowMX(pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		fmt.Fprint(c, "220 mx.example.com\r\n")
		for lines := bufio.NewScanner(c); lines.Scan(); {
			time.Sleep(pause)
			answer := "250 mx.example.com\r\n"
			if lines.Text() == "QUIT" {
				answer = "221 bye\r\n"
			}
			if _, err := fmt.Fprint(c, answer); err != nil || lines.Text() == "QUIT" {
				return
			}
		}
	}
}

const sharedMX = `
example.com. 300 IN MX 10 mx.example.com.
example.net. 300 IN MX 10 mx.example.com.
mx.example.com. 300 IN A 8.8.1.1
`

// A host that the first target had no time for is not red for the second.
func TestOneTargetsHasteIsNoOthersFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{serve: slowMX(10 * time.Second)}
		defer network.servers.Wait()
		w := world.None()
		w.Resolver, w.Network = newNames(t, sharedMX, nil), network
		a := NewAudit(w, Options{Timeout: 4 * time.Minute, Only: []string{"smtp.basics"}})
		run := func(name string, limit time.Duration) string {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			r := a.Run(ctx, Target{Text: name, Kind: Domain, Domain: mail.MustParseDomain(name)}, nil)
			if took := time.Since(began); took > limit {
				t.Errorf("%s took %v, the limit is %v", name, took, limit)
			}
			return strings.Join(codes(r), " ")
		}
		hasty, patient := make(chan string, 1), make(chan string, 1)
		go func() { hasty <- run("example.com", 15*time.Second) }()
		synctest.Wait()
		go func() { patient <- run("example.net", 4*time.Minute) }()
		if got := <-hasty; got != "smtp.basics=out-of-time" && got != "smtp.basics=needs-unseen" {
			t.Errorf("the hasty one found %s", got)
		}
		if got := <-patient; got != "smtp.basics=right" {
			t.Errorf("the patient one found %s", got)
		}
		if network.dials["8.8.1.1:25"] != 1 {
			t.Errorf("the host was visited %d times", network.dials["8.8.1.1:25"])
		}
		_ = run("example.com", time.Minute) // what was seen is still known
		if network.dials["8.8.1.1:25"] != 1 {
			t.Errorf("the host was visited %d times", network.dials["8.8.1.1:25"])
		}
	})
}

// When the hasty one was alone, the next looks anew.
func TestAnEndedRunLeavesNothingWrongBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{serve: slowMX(3 * time.Second)}
		defer network.servers.Wait()
		w := world.None()
		w.Resolver, w.Network = newNames(t, sharedMX, nil), network
		a := NewAudit(w, Options{Timeout: 4 * time.Minute, Only: []string{"smtp.basics", "backscatter.unknown-user"}})
		hasty, cancel := context.WithTimeout(t.Context(), 10*time.Second) // within RCPT
		defer cancel()
		_ = a.Run(hasty, Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}, nil)
		got := codes(a.Run(t.Context(), Target{Text: "example.net", Kind: Domain, Domain: mail.MustParseDomain("example.net")}, nil))
		if want := []string{"smtp.basics=right", "backscatter.unknown-user=accepts-all"}; !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}

// A host too slow for the time of one target is still seen as far as it went, and
// visited once: the checks of one report speak of one visit.
func TestATargetHearsWhatWasSeenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{serve: slowMX(9 * time.Second)}
		defer network.servers.Wait()
		w := world.None()
		w.Resolver, w.Network = newNames(t, sharedMX, nil), network
		a := NewAudit(w, Options{Timeout: 40 * time.Second, Only: []string{"mx.reachable", "smtp.basics", "backscatter", "helo"}})
		got := codes(a.Run(t.Context(), Target{Text: "example.com", Kind: Domain, Domain: mail.MustParseDomain("example.com")}, nil))
		for _, want := range []string{"mx.reachable=answers", "smtp.basics=out-of-time"} {
			if !slices.Contains(got, want) {
				t.Errorf("found %v, want %s", got, want)
			}
		}
		if n := network.dials["8.8.1.1:25"]; n != 1 {
			t.Errorf("the host was visited %d times", n)
		}
	})
}
