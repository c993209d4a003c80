package authority

import (
	"maps"
	"sync"

	"github.com/miekg/dns"
)

// Question is a name and a type, as the resolver was asked.
type Question struct {
	Name string // lower case, with its final dot
	Type uint16
}

// String is the question as dig would be given it.
func (q Question) String() string { return q.Name + " " + dns.TypeToString[q.Type] }

// census counts the questions that reached the resolver. A question asked again
// over TCP because its answer was truncated counts once.
type census struct {
	mu      sync.Mutex
	counts  map[Question]int
	retries map[Question]bool
}

func (c *census) count(q Question, tcp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tcp && c.retries[q] {
		delete(c.retries, q)
		return
	}
	if c.counts == nil {
		c.counts = map[Question]int{}
	}
	c.counts[q]++
}

// retry notes that a truncated answer will be asked for again.
func (c *census) retry(q Question, reply *dns.Msg) {
	if reply == nil || !reply.Truncated {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retries == nil {
		c.retries = map[Question]bool{}
	}
	c.retries[q] = true
}

// Questions tells how often the resolver was asked each question since the last
// Forget.
func (a *Authority) Questions() map[Question]int {
	a.census.mu.Lock()
	defer a.census.mu.Unlock()
	return maps.Clone(a.census.counts)
}

// Forget sets all counts of Questions to nothing.
func (a *Authority) Forget() {
	a.census.mu.Lock()
	defer a.census.mu.Unlock()
	clear(a.census.counts)
	clear(a.census.retries)
}
