package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/bench"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// BenchmarkWatch is what a full look costs a server: two domains, a host name and two
// addresses with all checks, and the memory before, at its most and after.
func BenchmarkWatch(b *testing.B) {
	c, err := newContest(b.Context(), b.TempDir(), build(b), "")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.close(); err != nil {
			b.Error(err)
		}
	})
	ours, err := c.serve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	usage := func() bench.Usage {
		u, err := bench.UsageOf(ours.pid)
		if err != nil {
			b.Fatal(err)
		}
		return u
	}
	idle := func() float64 {
		time.Sleep(3 * idleAfter) // until memory is given back
		return float64(usage().RSS) / (1 << 20)
	}
	client := web.NewClient(&world.World{Network: world.Machine()}, filepath.Join(c.home.settings.Data, socketName))
	before, began := idle(), usage().CPU
	rows, looks := 0, 0
	for b.Loop() {
		job, err := web.StandingCheck.Do(b.Context(), client, web.StandingQuery{})
		if err != nil {
			b.Fatal(err)
		}
		found, err := web.Await[[]standing.Row](b.Context(), client, job, func(web.JobState) {})
		if err != nil {
			b.Fatal(err)
		}
		rows, looks = len(found), looks+1
	}
	used := usage()
	b.ReportMetric((used.CPU-began).Seconds()/float64(looks), "CPU-s/op")
	b.ReportMetric(float64(rows), "rows")
	b.ReportMetric(before, "MB-before")
	b.ReportMetric(float64(used.Peak)/(1<<20), "MB-most")
	b.ReportMetric(idle(), "MB-after")
}
