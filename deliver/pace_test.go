package deliver

import (
	"testing"
	"time"
)

// TestPace: one connection more for a round of successes, half as many after a sign of
// too much, and signs that come together are one.
func TestPace(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPace(20)
	if p.connections() != 4 {
		t.Errorf("begins with %d", p.connections())
	}
	for range 4 + 5 + 6 {
		p.succeeded()
	}
	if n := p.connections(); n < 6 || n > 7 {
		t.Errorf("%d after three rounds", n)
	}
	for range 10000 {
		p.succeeded()
	}
	if p.connections() != 20 {
		t.Errorf("grows to %d", p.connections())
	}
	for range 5 {
		p.tooMuch(now)
		now = now.Add(100 * time.Millisecond)
	}
	if p.connections() != 10 {
		t.Errorf("%d after signs that came together", p.connections())
	}
	for range 10 {
		now = now.Add(2 * time.Second)
		p.tooMuch(now)
	}
	if p.connections() != 1 {
		t.Errorf("%d at last", p.connections())
	}
}

// TestBlocked: longer each time, never for long, over after a success, and not
// prolonged by a clock that is set back.
func TestBlocked(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPace(20)
	var last time.Duration
	for range 10 {
		p.unreachable(now, "no answer")
		d := p.blocked.Sub(now)
		if d < last || d > 15*time.Minute {
			t.Errorf("blocked for %s after %s", d, last)
		}
		last = d
	}
	if last != 15*time.Minute || !p.isBlocked(now) || p.isBlocked(now.Add(last)) {
		t.Errorf("blocked for %s", last)
	}
	if p.isBlocked(now.Add(-24 * time.Hour)) {
		t.Error("a clock set back by a day blocks for a day")
	}
	p.succeeded()
	if p.isBlocked(now) {
		t.Error("blocked after a success")
	}
}
