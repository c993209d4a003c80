package check_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/world"
)

// attacks are the names of the hostile zone and what an audit must say of each: the
// check, its code, and a word of its summary or evidence where the code alone says
// too little.
var attacks = map[string][]string{
	"self":         {"mx.exists no-answer SERVFAIL"},
	"loop1":        {"mx.exists no-answer SERVFAIL"},
	"chain1":       {"mx.exists no-answer SERVFAIL"},
	"thousand-mx":  {"mx.count many 1000"},
	"thousand-a":   {"mx.exists implicit"},
	"spf-bomb":     {"spf.lookups over", "spf.includes loop"},
	"spf-mx":       {"spf.hosts too-many"},
	"spf-redirect": {"spf.includes loop"},
	"spf-chain1":   {"spf.lookups over"},
	"many-txt":     {"spf.record several 300"},
	"huge":         {"spf.record none"},
	"huge1":        {"spf.record none"},
	"odd":          {"spf.record none"},
	"empty":        {"spf.record none"},
	"full":         {"spf.record none"},
	"latin":        {"spf.syntax wrong"},
	"servfail":     {"mx.exists no-answer SERVFAIL", "mx.consistent unseen"},
	"refused":      {"mx.exists no-answer REFUSED"},
	"formerr":      {"mx.exists no-answer FORMERR"},
	"drop":         {"mx.exists out-of-time time-out"},
	"slow":         {"mx.exists out-of-time time-out"},
	"truncated":    {"spf.record none"},
	"nowhere":      {"dns.delegation no-answer SERVFAIL"},
}

// Bounds for a run over the whole zone: many times what a good domain takes, and
// far below what would hurt.
const (
	hostilePatience = 60 * time.Second
	hostileMemory   = 256 << 20 // octets allocated in all
	hostileReport   = 128 << 10
)

// Whatever a zone does, its audit ends in time, in bounded memory, and with a
// finding that says what is wrong.
func TestHostileZone(t *testing.T) {
	l := start(t, lab.Options{})
	w, err := l.File().World(world.Options{Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	targets := []check.Target{target(t, "hostile.example")}
	for name := range attacks {
		targets = append(targets, target(t, name+".hostile.example"))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	audit := check.NewAudit(w, check.Options{Battery: true, Timeout: hostilePatience})
	audit.RunAll(t.Context(), targets, func(r *finding.Report) { judgeHostile(t, r) })
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > hostileMemory {
		t.Errorf("the hostile zone cost %d MB", used>>20)
	}
}

func target(t *testing.T, name string) check.Target {
	t.Helper()
	parsed, err := check.ParseTarget(name, check.Domain)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func judgeHostile(t *testing.T, r *finding.Report) {
	t.Helper()
	if took := time.Duration(r.ElapsedMS) * time.Millisecond; took > hostilePatience+time.Minute {
		t.Errorf("%s took %s", r.Target, took)
	}
	for _, record := range recordsOf(map[string]*finding.Report{r.Target: r}) {
		judgeRecord(t, record)
	}
	if n := reportSize(r); n > hostileReport {
		t.Errorf("the report on %s has %d octets", r.Target, n)
	}
	for _, want := range attacks[strings.TrimSuffix(r.Target, ".hostile.example")] {
		words := strings.Fields(want)
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return says(f, words) }) {
			t.Errorf("%s: nothing says %q: %q", r.Target, want, find(r, words[0]))
		}
	}
}

// says reports whether a finding is the check's, with the code, and mentions a word.
func says(f finding.Finding, words []string) bool {
	text := f.Summary + strings.Join(f.Evidence, "\n")
	return f.Check == words[0] && f.Code == words[1] && (len(words) < 3 || strings.Contains(text, words[2]))
}
