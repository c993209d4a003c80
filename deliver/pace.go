package deliver

import "time"

// pace says how many connections a destination bears: one more for every round of
// successes, half as many after a sign of too much (additive increase,
// multiplicative decrease). It is guarded by its lane.
type pace struct {
	limit   float64 // connections; at least 1
	most    float64
	slowed  time.Time // of the last decrease
	failed  int       // times in a row that nobody there could be talked to
	blocked time.Time // until then nothing is tried
	reason  string    // of blocked
}

const startConnections = 4

// settlePace is the time in which signs of too much are one sign: they come from
// connections that were opened before the first of them.
const settlePace = time.Second

func newPace(most int) pace {
	return pace{limit: min(startConnections, float64(most)), most: float64(most)}
}

func (p *pace) succeeded() {
	p.failed, p.blocked, p.reason = 0, time.Time{}, ""
	p.limit = min(p.most, p.limit+1/p.limit)
}

func (p *pace) tooMuch(now time.Time) {
	if now.Sub(p.slowed) < settlePace && now.After(p.slowed) {
		return
	}
	p.slowed = now
	p.limit = max(1, p.limit/2)
}

// unreachable blocks the destination: half a minute the first time, doubled up to a
// quarter of an hour.
func (p *pace) unreachable(now time.Time, reason string) {
	p.limit = 1
	p.blocked = now.Add(min(30*time.Second<<min(p.failed, 5), 15*time.Minute))
	p.failed++
	p.reason = reason
}

// isBlocked reports whether nothing is to be tried now. A clock that was set back
// does not make it last longer than it was meant to.
func (p *pace) isBlocked(now time.Time) bool {
	return p.blocked.After(now) && p.blocked.Sub(now) <= 15*time.Minute
}

func (p *pace) connections() int { return int(p.limit) }
