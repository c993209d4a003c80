package check

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

// Audit is one run over any number of targets. What it learns of a host serves
// all of them, so a host that many domains share is visited once.
type Audit struct {
	World    *world.World
	Options  Options
	Checks   []Check
	hosts    hosts
	arrivals arrivals
}

// NewAudit makes a run of all checks.
func NewAudit(w *world.World, o Options) *Audit {
	if o.Lists == nil {
		o.Lists = reputation.NewDirectory(reputation.Options{Now: w.Now})
	}
	return &Audit{World: w, Options: o, Checks: All()}
}

// Progress is told after each check how many of how many are done.
type Progress func(done, all int)

// Run audits one target. It always returns a report; what could not be seen in
// time is Unknown in it.
func (a *Audit) Run(ctx context.Context, t Target, progress Progress) *finding.Report {
	began := time.Now() // elapsed
	ctx, cancel := context.WithTimeout(ctx, a.Options.timeout())
	defer cancel()
	ctx, leave := a.enter(ctx)
	defer leave()
	s := newSubject(ctx, a, t)
	findings := a.judge(ctx, s, progress)
	r := finding.NewReport(t.Text, findings)
	r.Kind = s.Target.Kind.String()
	r.Title = s.title(ctx)
	r.Started = a.World.Now().UTC().Truncate(time.Second)
	r.ElapsedMS = time.Since(began).Milliseconds() // elapsed
	for _, address := range s.Addresses(ctx) {
		r.Addresses = append(r.Addresses, finding.Address{IP: address.IP.String(), Source: address.Source})
	}
	return r
}

// enter keeps what serves the whole run until the way out is taken: first the looks
// that are under way end, then the listener that they may need.
func (a *Audit) enter(ctx context.Context) (inside context.Context, leave func()) {
	a.arrivals.enter()
	return a.hosts.looks.enter(ctx), func() {
		a.hosts.looks.leave()
		a.arrivals.leave()
	}
}

// ahead is how many targets may be begun before the report of the first of them is
// handed over, as a multiple of those that run at once. A slow target holds up the
// others behind it, rather than have their reports pile up.
const ahead = 4

// RunAll audits many targets side by side and hands each report over as soon as
// it is there, in the order of the targets. When the context ends, no further
// target is begun: those under way are reported, and the error is the context's.
func (a *Audit) RunAll(ctx context.Context, targets []Target, each func(*finding.Report)) error {
	ctx, leave := a.enter(ctx)
	defer leave()
	width := a.Options.Parallel
	if width <= 0 {
		width = defaultParallel
	}
	begun := make(chan chan *finding.Report, ahead*width-1) // one more is waited for
	var running sync.WaitGroup
	running.Go(func() {
		defer close(begun)
		a.begin(ctx, targets, width, begun)
	})
	reported := 0
	for report := range begun {
		each(<-report)
		reported++
	}
	running.Wait()
	if reported < len(targets) {
		return ctx.Err()
	}
	return nil
}

// begin runs the targets, so many at once, and waits for them. Each target puts the
// place of its report into the queue, which is the order.
func (a *Audit) begin(ctx context.Context, targets []Target, width int, queue chan<- chan *finding.Report) {
	slots := make(chan struct{}, width)
	var running sync.WaitGroup
	defer running.Wait()
	for _, t := range targets {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		report := make(chan *finding.Report, 1)
		queue <- report
		running.Go(func() {
			report <- a.Run(ctx, t, nil)
			<-slots
		})
	}
}

// verdicts are the findings of the checks of one subject as they come in.
type verdicts struct {
	needs    map[string][]string
	done     map[string]chan struct{}
	findings map[string][]finding.Finding
	mu       sync.Mutex
}

// judge runs the wanted checks, and silently those that they need, all at once.
func (a *Audit) judge(ctx context.Context, s *Subject, progress Progress) []finding.Finding {
	todo := a.selected(s.Target.Kind)
	v := &verdicts{needs: map[string][]string{}, done: map[string]chan struct{}{}, findings: map[string][]finding.Finding{}}
	for _, c := range todo {
		v.done[c.About().ID] = make(chan struct{})
		v.needs[c.About().ID] = c.About().Needs
	}
	var running sync.WaitGroup
	var count int
	for _, c := range todo {
		running.Go(func() {
			found := v.run(ctx, c, s)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.findings[c.About().ID] = found
			close(v.done[c.About().ID])
			count++
			if progress != nil {
				progress(count, len(todo))
			}
		})
	}
	running.Wait()
	var all []finding.Finding
	for _, c := range todo {
		if a.Options.wants(c.About()) || v.isTheReason(c.About().ID) {
			all = append(all, v.findings[c.About().ID]...)
		}
	}
	return all
}

// selected are the checks that fit the kind of target and were asked for, with
// all that they need.
func (a *Audit) selected(kind Scope) []Check {
	byID := map[string]About{}
	for _, c := range a.Checks {
		byID[c.About().ID] = c.About()
	}
	needed := map[string]bool{}
	var need func(About)
	need = func(about About) {
		if about.Scope&kind == 0 || needed[about.ID] {
			return
		}
		needed[about.ID] = true
		for _, id := range about.Needs {
			need(byID[id])
		}
	}
	for _, about := range byID {
		if a.Options.wants(about) {
			need(about)
		}
	}
	if len(needed) > 0 {
		need(byID[existsID])
	}
	return slices.DeleteFunc(slices.Clone(a.Checks), func(c Check) bool { return !needed[c.About().ID] })
}

// run waits for what the check needs, runs it, and completes its findings.
func (v *verdicts) run(ctx context.Context, c Check, s *Subject) []finding.Finding {
	about := c.About()
	if v.isGone(about) {
		return nil
	}
	if missing, ok := v.missing(about.Needs); ok {
		f := finding.Finding{Code: "needs", Subject: s.String(), Summary: "not judged: " + missing + " must hold first"}
		if v.isHidden(missing) {
			f.Code, f.Summary = "needs-unseen", "not judged: "+missing+" must hold first, and could not be seen"
		}
		return []finding.Finding{about.complete(f)}
	}
	if err := ctx.Err(); err != nil {
		return one(about.complete(unseen(s.String(), err)))
	}
	found := c.Run(ctx, s)
	for i := range found {
		found[i] = about.complete(found[i])
	}
	return found
}

// isTheReason reports that this check tells why nothing else was judged: it is shown
// whatever was asked for.
func (v *verdicts) isTheReason(id string) bool {
	return id == existsID && slices.ContainsFunc(v.findings[id], func(f finding.Finding) bool { return f.Status != finding.Green })
}

// isGone reports that the domain was found not to exist, or that nobody can tell:
// then only that is said.
func (v *verdicts) isGone(about About) bool {
	if about.ID == existsID {
		return false
	}
	found, _ := v.of(existsID)
	for _, f := range found {
		if f.Status == finding.Red || f.Code == "no-names" {
			return true
		}
	}
	return false
}

// blocks reports that what a check found leaves nothing to build on. Where it holds
// for one host and not for another, the one is judged and the other left out by the
// checks themselves: a dead MX host must not hide what is wrong with the living.
func blocks(found []finding.Finding) bool {
	bad := false
	for _, f := range found {
		if f.Status == finding.Green {
			return false
		}
		bad = bad || f.Status == finding.Red || f.Status == finding.Unknown || isWaiting(f)
	}
	return bad
}

// isWaiting reports that a finding only names another check that must hold first.
func isWaiting(f finding.Finding) bool { return f.Code == "needs" || f.Code == "needs-unseen" }

// isHidden reports that what a check found is not that it does not hold, but that
// nobody could see it.
func (v *verdicts) isHidden(id string) bool {
	found, _ := v.of(id)
	return len(found) > 0 && !slices.ContainsFunc(found, func(f finding.Finding) bool {
		return f.Status != finding.Unknown && f.Code != "needs-unseen"
	})
}

// missing is the first needed check that is not fulfilled: red, unknown, itself
// skipped for want of another, or without a finding where it should have had one.
func (v *verdicts) missing(needs []string) (string, bool) {
	for _, id := range needs {
		found, runs := v.of(id)
		if !runs {
			continue
		}
		if blocks(found) {
			return id, true
		}
		if len(found) == 0 && !v.isInapplicable(id) {
			return id, true
		}
	}
	return "", false
}

// isInapplicable reports that a check had nothing to judge for a known reason: what
// it builds on is not there, and was skipped or was silent itself.
func (v *verdicts) isInapplicable(id string) bool {
	for _, need := range v.needs[id] {
		found, runs := v.of(need)
		seen := slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Status != finding.Skip })
		switch {
		case !runs:
		case len(found) == 0 && v.isInapplicable(need):
			return true
		case len(found) > 0 && !seen:
			return true
		}
	}
	return false
}

// of waits for the findings of a check, if it runs at all.
func (v *verdicts) of(id string) (found []finding.Finding, runs bool) {
	done, runs := v.done[id]
	if !runs {
		return nil, false
	}
	<-done
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.findings[id], true
}

// complete fills in what the manual page knows better than the judgement.
func (a About) complete(f finding.Finding) finding.Finding {
	status, declared := a.status(f.Code)
	if !declared {
		panic("check " + a.ID + " says the undeclared code " + f.Code)
	}
	f.Check, f.Group, f.Status = a.ID, a.Group(), status
	bad := status == finding.Red || status == finding.Yellow
	if f.Why == "" && bad {
		f.Why = a.Why
	}
	if f.Fix == "" && bad {
		f.Fix = a.Fix
	}
	if f.Who == "" && (bad || f.Fix != "") {
		f.Who = a.Who
	}
	if bad && f.Affects == nil {
		f.Affects = a.Affects
	}
	f.Refs = a.Refs
	f.Summary = strings.TrimSpace(f.Summary)
	return f
}
