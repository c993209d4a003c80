package web

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/allgreen-mail/allgreen/mail"
)

// Turns count what SMTP clients said and what they were answered.
type Turns struct {
	opened  *prometheus.CounterVec // listener
	open    *prometheus.GaugeVec   // listener
	replies *prometheus.CounterVec // listener, command, outcome, code
	seconds *prometheus.HistogramVec

	accepted *atomic.Int64 // messages
}

func newTurns(r prometheus.Registerer) Turns {
	t := Turns{
		accepted: new(atomic.Int64),
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "smtp_sessions_total", Help: "Connections taken, by listener.",
		}, []string{"listener"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "smtp_sessions", Help: "Connections open now, by listener.",
		}, []string{"listener"}),
		replies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "smtp_replies_total",
			Help: "Answers, by listener, stage, outcome (accepted, deferred, refused) and reply code.",
		}, []string{"listener", "stage", "outcome", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "smtp_reply_seconds", Help: "How long a client waited for an answer; for data, from its last octet.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"listener", "stage"}),
	}
	r.MustRegister(t.opened, t.open, t.replies, t.seconds)
	return t
}

// count notes one answer. The zero reply is the ordinary positive one.
func (t Turns) count(listener, stage string, reply mail.Reply, waited time.Duration) {
	outcome, code := "accepted", "250"
	switch {
	case reply.IsPermanent():
		outcome = "refused"
	case reply.IsTransient():
		outcome = "deferred"
	}
	if outcome != "accepted" {
		code = codeOf(reply)
	}
	if stage == "data" && outcome == "accepted" {
		t.accepted.Add(1)
	}
	t.replies.WithLabelValues(listener, stage, outcome, code).Inc()
	t.seconds.WithLabelValues(listener, stage).Observe(waited.Seconds())
}

// codeOf is the reply's code as a label: ours are few, and every refusal has its
// own enhanced one.
func codeOf(reply mail.Reply) string {
	if reply.Enhanced.IsZero() {
		return string(rune('0'+reply.Code/100)) + "xx"
	}
	return reply.Enhanced.String()
}

// Accepted is how many messages were taken since the start.
func (t Turns) Accepted() float64 { return float64(t.accepted.Load()) }
