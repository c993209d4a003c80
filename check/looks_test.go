package check

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slowly is a look that takes its time and tells whether it was cut short.
func slowly(takes time.Duration, began *int) func(context.Context) error {
	return func(ctx context.Context) error {
		if ctx.Err() == nil {
			*began++
		}
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A run of several targets: each of them asks within a term.
func sharedRun(t *testing.T, run func(inside context.Context, b bounds)) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		inside := l.enter(t.Context())
		defer l.leave()
		run(inside, bounds{&l, time.Minute, 3})
	})
}

func TestSharedLookOutlivesWhoAskedFirst(t *testing.T) {
	sharedRun(t, func(inside context.Context, b bounds) {
		var m shared[string, error]
		began := 0
		hasty, cancel := context.WithTimeout(inside, time.Second)
		defer cancel()
		if err := m.get(hasty, b, "x", slowly(5*time.Second, &began)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the hasty one was told %v", err)
		}
		start := time.Now()
		if err := m.get(inside, b, "x", slowly(5*time.Second, &began)); err != nil || began != 1 {
			t.Errorf("the patient one was told %v after %d looks", err, began)
		}
		if waited := time.Since(start); waited != 4*time.Second {
			t.Errorf("waited %v, want the rest of the look under way", waited)
		}
	})
}

func TestSharedLookHasItsOwnLimitAndIsTriedAgain(t *testing.T) {
	sharedRun(t, func(inside context.Context, b bounds) {
		var m shared[string, error]
		began := 0
		for range 2 {
			start := time.Now()
			err := m.get(inside, b, "x", slowly(time.Hour, &began))
			if waited := time.Since(start); waited != b.limit || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended after %v with %v, want %v", waited, err, b.limit)
			}
		}
		if began != 2 {
			t.Errorf("%d looks, want 2: what was cut short is not kept", began)
		}
	})
}

func TestTheLastWhoLeavesEndsLooksAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		var m shared[string, error]
		first, second := l.enter(t.Context()), l.enter(t.Context())
		ended := false
		ctx, cancel := context.WithCancel(first)
		cancelled := make(chan struct{})
		go func() {
			defer close(cancelled)
			m.get(ctx, bounds{&l, time.Minute, 3}, "x", func(ctx context.Context) error {
				if context.Cause(ctx) != nil {
					return ctx.Err() // said to the one who leaves
				}
				<-ctx.Done()
				time.Sleep(time.Second) // to hang up
				ended = true
				return ctx.Err()
			})
		}()
		synctest.Wait()
		cancel()
		<-cancelled
		l.leave()
		if synctest.Wait(); ended || second.Err() != nil {
			t.Error("the look ended while another target may want it")
		}
		if l.leave(); !ended {
			t.Error("nobody waited for the look")
		}
	})
}

// While one term's looks are being ended, another may begin: it looks for itself.
func TestNextTermTakesNothingFromAnEndedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		b := bounds{&l, time.Minute, 3}
		var m shared[string, error]
		old := l.enter(t.Context())
		ctx, cancel := context.WithCancel(old)
		go m.get(ctx, b, "x", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		})
		synctest.Wait()
		cancel()
		go l.leave()
		synctest.Wait() // the old look is being ended
		began := 0
		defer l.leave()
		if err := m.get(l.enter(t.Context()), b, "x", slowly(3*time.Second, &began)); err != nil || began != 1 {
			t.Errorf("told %v after %d looks", err, began)
		}
		if err := m.get(l.enter(t.Context()), b, "x", slowly(time.Second, &began)); err != nil || began != 1 {
			t.Errorf("the old look threw the new fact away: %v, %d looks", err, began)
		}
		l.leave()
	})
}

// A look may ask for another fact; when all have left, neither waits for the other.
func TestLookWithinALookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		b := bounds{&l, time.Minute, 3}
		var outer, inner shared[string, error]
		began := 0
		inside, cancel := context.WithCancel(l.enter(t.Context()))
		go outer.get(inside, b, "x", func(ctx context.Context) error {
			return inner.get(ctx, b, "y", slowly(time.Hour, &began))
		})
		synctest.Wait()
		cancel()
		start := time.Now()
		if l.leave(); time.Since(start) != 0 {
			t.Errorf("leaving took %v", time.Since(start))
		}
	})
}

func TestSharedRemembersWhatWasAskedForLast(t *testing.T) {
	sharedRun(t, func(inside context.Context, b bounds) {
		var m shared[string, error]
		looks := map[string]int{}
		ask := func(key string) {
			_ = m.get(inside, b, key, func(context.Context) error { looks[key]++; return nil })
		}
		for _, key := range []string{"a", "b", "c", "a", "d", "a", "b"} { // d drops b
			ask(key)
		}
		if looks["a"] != 1 || looks["b"] != 2 || len(m.known) != b.keep || m.finished.Len() != b.keep {
			t.Errorf("looks %v, %d known", looks, len(m.known))
		}
	})
}

func TestSharedOutsideOfARun(t *testing.T) {
	var l looks
	var m shared[string, int]
	looks := 0
	for range 2 {
		m.get(t.Context(), bounds{&l, time.Minute, 3}, "x", func(context.Context) int { looks++; return looks })
	}
	if looks != 1 || l.users != 0 {
		t.Errorf("%d looks, %d left inside", looks, l.users)
	}
}
