package sessions

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// Session is the talk with one client.
type Session interface {
	// Run talks until either side has had enough, or the context ends: then the session
	// is being cut. It closes the connection, and a panic of its own is its own matter.
	Run(ctx context.Context)
	// Wake ends the wait for a command. It is called from another goroutine.
	Wake()
	// Cut ends whatever is being read or written. It is called from another goroutine.
	Cut()
}

// Options are the choices of one Keeper. Begin and Most must be set.
type Options[S Session] struct {
	Begin func(net.Conn) S // makes the session of a connection; it must not wait
	Busy  func() string    // what is said to who is one too many; nil: nothing
	Most  int              // sessions at a time
	Log   *slog.Logger     // nil: nothing is logged
}

// Keeper has the sessions of one server. Its methods may be called at any time from
// anywhere.
type Keeper[S Session] struct {
	options Options[S]

	life context.Context // of the sessions: it ends when they are cut
	kill context.CancelFunc

	mu        sync.Mutex
	sessions  map[Session]S // each under itself
	listeners map[net.Listener]bool
	stopping  atomic.Bool   // set under mu
	over      chan struct{} // closed after the last session of a stopped server
	stopped   error         // valid when over is closed

	running              sync.WaitGroup
	accepted, overloaded atomic.Int64
}

// NewKeeper makes a Keeper. It serves nobody yet.
func NewKeeper[S Session](o Options[S]) *Keeper[S] {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	life, kill := context.WithCancel(context.Background())
	return &Keeper[S]{
		options: o, life: life, kill: kill, over: make(chan struct{}),
		sessions: make(map[Session]S), listeners: make(map[net.Listener]bool),
	}
}

// Stats are what a Keeper has done since it was made.
type Stats struct {
	Accepted   int64 // sessions begun
	Open       int64 // of them still there
	Overloaded int64 // connections turned away because there were Most
}

// Stats counts what was done until now.
func (k *Keeper[S]) Stats() Stats {
	k.mu.Lock()
	open := len(k.sessions)
	k.mu.Unlock()
	return Stats{Accepted: k.accepted.Load(), Open: int64(open), Overloaded: k.overloaded.Load()}
}

// IsStopping reports whether Shutdown was called.
func (k *Keeper[S]) IsStopping() bool { return k.stopping.Load() }

// Each calls a function with every session that is there. None begins or ends
// meanwhile, so it must not wait.
func (k *Keeper[S]) Each(f func(S)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sessions {
		f(s)
	}
}
