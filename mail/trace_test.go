package mail

import (
	"strings"
	"testing"
	"time"
)

func TestNewTraceID(t *testing.T) {
	begin := time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC)
	seen := map[TraceID]bool{}
	last := TraceID("")
	for i := range 1000 {
		id := NewTraceID(begin.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 20 || strings.Trim(string(id), traceAlphabet) != "" {
			t.Fatalf("%q is not 20 letters of the alphabet", id)
		}
		if seen[id] || id <= last {
			t.Fatalf("%q does not come behind %q", id, last)
		}
		seen[id], last = true, id
	}
	if a, b := NewTraceID(begin), NewTraceID(begin); a == b {
		t.Errorf("two messages of one millisecond are both %q", a)
	}
}

func BenchmarkNewTraceID(b *testing.B) {
	now := time.Now()
	for b.Loop() {
		NewTraceID(now)
	}
}
