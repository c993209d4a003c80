package bench

import (
	"context"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// Sink takes mail and forgets it. The zero value takes everything at once.
type Sink struct {
	Name       string        // in the banner; "": sink.example
	Delay      time.Duration // before the answer to the end of the data
	RcptDefers float64       // share of recipients answered with 451
	DataDefers float64       // share of messages answered with 451
	DataFails  float64       // share of messages answered with 554
	Taken      atomic.Int64  // messages answered with 250
	Octets     atomic.Int64  // of those messages
}

// Serve takes mail until the context ends.
func (s *Sink) Serve(ctx context.Context, listener net.Listener) error {
	t := &taker{name: s.Name, take: s.take}
	if t.name == "" {
		t.name = "sink.example"
	}
	if s.RcptDefers > 0 {
		t.rcpt = s.recipient
	}
	return t.serve(ctx, listener)
}

func (s *Sink) recipient(context.Context) string {
	if rand.Float64() < s.RcptDefers {
		return "451 4.2.1 Not now, says the sink\r\n"
	}
	return welcome
}

func (s *Sink) take(ctx context.Context, message []byte) string {
	pause(ctx, s.Delay)
	switch p := rand.Float64(); {
	case p < s.DataDefers:
		return "451 4.3.0 Not now, says the sink\r\n"
	case p < s.DataDefers+s.DataFails:
		return "554 5.7.1 Never, says the sink\r\n"
	}
	s.Taken.Add(1)
	s.Octets.Add(int64(len(message)))
	return welcome
}
