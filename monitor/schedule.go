package monitor

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// How long it takes to be sure: two more looks, each a part of Every after the one
// before. The full looks leave room for them and for as many again, until what belongs
// together is sure as well; and they vary, so that servers that were started together do
// not knock at the same lists together for ever.
const (
	trialsPerEvery = 24
	shortest       = 70 // percent of Every between two full looks
	longest        = 78
	maxTrials      = 5
)

// settle is how long after the start, or after a target has come, the first look is: the
// records and certificates of a new domain are on their way.
const settle = 30 * time.Second

// schedule is when to look at what.
type schedule struct {
	mu      sync.Mutex
	targets map[string]*appointment
}

// appointment is when one target is looked at next.
type appointment struct {
	full   time.Time // with all checks
	trial  time.Time // with the checks on trial; zero: there are none
	only   []string  // those
	trials int       // since the last full look
}

// period is the time between two full looks.
func period(every time.Duration) time.Duration {
	return every / 100 * time.Duration(shortest+rand.IntN(longest-shortest+1))
}

// add makes a first appointment with a target that was seen last at this time, if ever,
// and of which some checks may be on trial.
func (s *schedule) add(name string, seen time.Time, onTrial []string, now time.Time, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.targets == nil {
		s.targets = map[string]*appointment{}
	}
	soon := now.Add(min(settle, every/trialsPerEvery))
	a := &appointment{full: soon, only: slices.Clone(onTrial)}
	if len(onTrial) > 0 {
		a.trial = soon
	}
	if next := seen.Add(period(every)); !seen.IsZero() && !seen.After(now) && next.After(soon) {
		a.full = next
	}
	s.targets[name] = a
}

// has reports whether there is an appointment with a target.
func (s *schedule) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets[name] != nil
}

// keep drops the appointments with all others.
func (s *schedule) keep(names map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.targets {
		if !names[name] {
			delete(s.targets, name)
		}
	}
}

// hasten lets no full look be later than the present settings want.
func (s *schedule) hasten(latest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.targets {
		if a.full.After(latest) {
			a.full = latest
		}
	}
}

// next is when the next look is; zero: never.
func (s *schedule) next() (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.targets {
		for _, t := range []time.Time{a.full, a.trial} {
			if !t.IsZero() && (at.IsZero() || t.Before(at)) {
				at = t
			}
		}
	}
	return at
}

// hasTrials reports whether anything is on trial that will be looked at soon.
func (s *schedule) hasTrials() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.targets {
		if !a.trial.IsZero() {
			return true
		}
	}
	return false
}

// due are the targets to be looked at now: fully, or with some checks only. Those whose
// time comes soon are looked at together with the others, for what one look sees is one
// letter.
func (s *schedule) due(now time.Time, every time.Duration) (full map[string]bool, trials map[string][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = now.Add(every / trialsPerEvery / 2)
	full, trials = map[string]bool{}, map[string][]string{}
	for name, a := range s.targets {
		switch {
		case !a.full.After(now):
			full[name] = true
		case !a.trial.IsZero() && !a.trial.After(now):
			trials[name] = slices.Clone(a.only)
		}
	}
	return full, trials
}

// looked notes a look at a target, and the checks that are on trial after it. They are
// asked at the other targets as well: one cause shows at several, and half of them may have
// been looked at before it came.
func (s *schedule) looked(name string, fully bool, onTrial []string, now time.Time, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.targets[name]
	if a == nil {
		return
	}
	a.trials++
	if fully {
		a.full, a.trials = now.Add(period(every)), 0
	}
	a.trial, a.only = time.Time{}, nil
	if len(onTrial) == 0 || a.trials >= maxTrials {
		return
	}
	for _, other := range s.targets {
		other.retry(onTrial, now.Add(every/trialsPerEvery))
	}
}

// retry has some checks asked again at a time, with those that wait already.
func (a *appointment) retry(checks []string, at time.Time) {
	if a.trials >= maxTrials {
		return
	}
	if a.trial.IsZero() || a.trial.After(at) {
		a.trial = at
	}
	for _, id := range checks {
		if !slices.Contains(a.only, id) {
			a.only = append(a.only, id)
		}
	}
}

// failed puts a look off that could not be noted.
func (s *schedule) failed(name string, now time.Time, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.targets[name]; a != nil {
		again := now.Add(every / trialsPerEvery)
		if !a.full.After(now) {
			a.full = again
		}
		if !a.trial.IsZero() {
			a.trial = again
		}
	}
}
