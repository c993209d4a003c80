package dialogue

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/account"
)

// Options are the choices of one server. Service, Accounts and Talk must be set; the zero
// values of the others are safe.
type Options struct {
	Service     string      // in the log
	TLS         *tls.Config // nil: no STARTTLS, and so no login
	ImplicitTLS bool        // TLS comes first (RFC 8314)
	Accounts    *account.Directory
	Busy        string // the line for who is one too many; "": none

	MaxErrors      int           // lines that were no command, and failed logins, of a connection; zero: 20
	MaxConnections int           // open at a time; zero: 4096
	MaxPerAccount  int           // of them logged in to one account; zero: 50
	LoginTimeout   time.Duration // until a client has logged in; zero: 3 minutes
	IdleTimeout    time.Duration // for a command to come; zero: 10 minutes
	DataTimeout    time.Duration // for the octets of an answer to move; zero: 5 minutes

	// Talk is the dialogue with one client. What it printed is sent before the connection
	// is closed; its error is for the log.
	Talk func(ctx context.Context, c *Conn) error

	Log *slog.Logger // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	o.MaxErrors = cmp.Or(o.MaxErrors, 20)
	o.MaxConnections = cmp.Or(o.MaxConnections, 4096)
	o.MaxPerAccount = cmp.Or(o.MaxPerAccount, 50)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 3*time.Minute)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.DataTimeout = cmp.Or(o.DataTimeout, 5*time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.TLS != nil {
		// A resumed handshake shows no certificate for tls-server-end-point to bind to.
		o.TLS = o.TLS.Clone()
		o.TLS.SessionTicketsDisabled = true
	}
	return o
}

// Server answers connections. Its methods may be called at any time from anywhere.
type Server struct {
	options Options

	life context.Context // of the dialogues: it ends when they are cut
	kill context.CancelFunc

	mu        sync.Mutex
	open      map[*Conn]bool
	listeners map[net.Listener]bool
	logins    map[account.ID]int // how many dialogues each account has
	stopping  atomic.Bool        // set under mu
	over      chan struct{}      // closed after the last dialogue of a stopped server
	stopped   error              // valid when over is closed

	running sync.WaitGroup
	stats   counters
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o Options) *Server {
	life, kill := context.WithCancel(context.Background())
	return &Server{
		options: o.withDefaults(), life: life, kill: kill,
		open: make(map[*Conn]bool), listeners: make(map[net.Listener]bool), logins: make(map[account.ID]int),
		over: make(chan struct{}),
	}
}

// Stats are what a server has done since it was made.
type Stats struct {
	Connections  int64 // accepted
	Open         int64 // of them still there
	Overloaded   int64 // turned away because of MaxConnections
	FailedTLS    int64 // handshakes that failed
	Logins       int64 // that succeeded
	FailedLogins int64
	Faults       int64 // lines that were no command
	Panics       int64 // dialogues that ended by a bug of ours
}

type counters struct {
	connections, overloaded, failedTLS, logins, failed, faults, panics atomic.Int64
}

// Stats counts what was done until now.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.open)
	s.mu.Unlock()
	c := &s.stats
	return Stats{
		Connections: c.connections.Load(), Open: int64(open), Overloaded: c.overloaded.Load(), FailedTLS: c.failedTLS.Load(),
		Logins: c.logins.Load(), FailedLogins: c.failed.Load(), Faults: c.faults.Load(), Panics: c.panics.Load(),
	}
}

// admit counts a dialogue that logs in.
func (s *Server) admit(id account.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logins[id] >= s.options.MaxPerAccount {
		return ErrCrowded
	}
	s.logins[id]++
	return nil
}

// dismiss is the end of a dialogue that admit counted.
func (s *Server) dismiss(id account.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logins[id]--; s.logins[id] <= 0 {
		delete(s.logins, id)
	}
}
