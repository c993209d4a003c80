package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Load is mail for one server. To, Recipients and Messages must be given; it runs
// for Duration or until Count messages were answered, whichever comes first.
type Load struct {
	To            netip.AddrPort
	Sources       []netip.Addr   // our addresses, in turn; none: the system's choice
	Connections   int            // side by side; zero: 1
	PerConnection int            // messages before QUIT; zero: 100
	Count         int64          // messages in all; zero: no end
	Duration      time.Duration  // zero: no end
	WarmUp        time.Duration  // sent, and not counted
	Rate          float64        // messages a second, an open loop; zero: a closed one
	HELO          string         // "": localhost
	From          mail.Address   // the reverse-path
	Recipients    []mail.Address // of the messages, in turn
	Messages      [][]byte       // whole messages with CRLF line ends, in turn
	StartTLS      *tls.Config    // nil: in the clear
	TLS           *tls.Config    // from the first octet (RFC 8314)
}

// ErrLoad says that a load is not complete.
var ErrLoad = errors.New("a load needs a target, recipients and messages, and an end")

// run is what the connections of one load share.
type run struct {
	Load
	w       *world.World
	ready   [][]byte // the messages as DATA carries them
	next    atomic.Int64
	counts  atomic.Bool // the warm-up is over
	tickets chan time.Time
	stop    context.CancelFunc
	begin   time.Time
}

// Run sends the load and waits for all its connections. The error says that
// nothing could be sent at all; what happened to single messages is in the report.
func (l Load) Run(ctx context.Context, w *world.World) (Report, error) {
	if !l.To.IsValid() || len(l.Recipients) == 0 || len(l.Messages) == 0 || l.Count == 0 && l.Duration == 0 {
		return Report{}, ErrLoad
	}
	l.Connections, l.PerConnection = max(l.Connections, 1), max(l.PerConnection, 0)
	if l.PerConnection == 0 {
		l.PerConnection = 100
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{Load: l, w: w, stop: stop}
	for _, m := range l.Messages {
		r.ready = append(r.ready, stuffed(m))
	}
	return r.run(ctx)
}

func (r *run) run(ctx context.Context) (Report, error) {
	var wait sync.WaitGroup
	parts := make([]Report, r.Connections)
	if r.Rate > 0 {
		r.tickets = make(chan time.Time, 1<<16)
		wait.Go(func() { r.issue(ctx) })
	}
	r.counts.Store(r.WarmUp == 0)
	wait.Go(func() { r.clock(ctx) })
	var lanes sync.WaitGroup
	for i := range parts {
		lanes.Go(func() { r.lane(ctx, i, &parts[i]) })
	}
	lanes.Wait()
	end := time.Now() // elapsed
	r.stop()
	wait.Wait()
	total := merge(parts)
	if !r.begin.IsZero() {
		total.Elapsed = end.Sub(r.begin)
	}
	if total.Answered() == 0 && total.Trouble != "" {
		return total, errors.New(total.Trouble)
	}
	return total, nil
}

// clock ends the warm-up, and then the run.
func (r *run) clock(ctx context.Context) {
	if !pause(ctx, r.WarmUp) {
		return
	}
	r.begin = time.Now() // elapsed
	if r.WarmUp > 0 {
		r.next.Store(0)
		r.counts.Store(true)
	}
	if r.Duration > 0 && pause(ctx, r.Duration) {
		r.stop()
	}
}

// issue hands out the times at which messages of an open loop should leave.
func (r *run) issue(ctx context.Context) {
	step := time.Duration(float64(time.Second) / r.Rate)
	at := time.Now() // elapsed
	for {
		if !pause(ctx, time.Until(at)) { // elapsed
			return
		}
		for now := time.Now(); !at.After(now); at = at.Add(step) { // elapsed
			select {
			case r.tickets <- at:
			case <-ctx.Done():
				return
			}
		}
	}
}

// pause waits, and reports whether there was nothing to hurry for.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
