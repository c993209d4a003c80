package bench

import (
	"slices"
	"time"
)

// Report is what became of a load.
type Report struct {
	Accepted int64 // answered with 2yz at the end of the data
	Deferred int64 // answered with 4yz at any step
	Refused  int64 // answered with 5yz at any step
	Lost     int64 // connections that broke or were never made
	Elapsed  time.Duration
	Latency  Latency // of the accepted, from when they were due to their 250
	Said     string  // the last negative reply
	Trouble  string  // why the last connection was lost
}

// Answered counts the messages whose fate is known.
func (r Report) Answered() int64 { return r.Accepted + r.Deferred + r.Refused }

// PerSecond is the rate of accepted messages.
func (r Report) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Accepted) / r.Elapsed.Seconds()
}

func (r *Report) note(code int, took time.Duration) {
	switch code / 100 {
	case 2:
		r.Accepted++
		r.Latency.took = append(r.Latency.took, took)
	case 4:
		r.Deferred++
	default:
		r.Refused++
	}
}

func (r *Report) lose(err error) {
	r.Lost++
	r.Trouble = err.Error()
}

// merge adds up the parts of a run.
func merge(parts []Report) Report {
	var all Report
	for _, p := range parts {
		all.Accepted += p.Accepted
		all.Deferred += p.Deferred
		all.Refused += p.Refused
		all.Lost += p.Lost
		all.Latency.took = append(all.Latency.took, p.Latency.took...)
		if p.Said != "" {
			all.Said = p.Said
		}
		if p.Trouble != "" {
			all.Trouble = p.Trouble
		}
	}
	slices.Sort(all.Latency.took)
	return all
}

// Latency is how long messages took, each of them.
type Latency struct{ took []time.Duration } // sorted, in the report of a whole run

// Percentile is the time within which that share of the messages was answered,
// zero when there were none. 100 is the longest of all.
func (l Latency) Percentile(percent float64) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	i := int(percent / 100 * float64(len(l.took)))
	return l.took[min(max(i, 0), len(l.took)-1)]
}
