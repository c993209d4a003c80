package dialogue

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/sessions"
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

	open   *sessions.Keeper[*Conn]
	logins *account.Logins
	stats  counters
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o Options) *Server {
	o = o.withDefaults()
	s := &Server{options: o, logins: o.Accounts.NewLogins(o.MaxPerAccount)}
	keep := sessions.Options[*Conn]{
		Begin: func(conn net.Conn) *Conn { return newConn(s, conn) },
		Most:  o.MaxConnections, Log: o.Log,
	}
	if !o.ImplicitTLS && o.Busy != "" {
		keep.Busy = func() string { return o.Busy + "\r\n" }
	}
	s.open = sessions.NewKeeper(keep)
	return s
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
	failedTLS, logins, failed, faults, panics atomic.Int64
}

// Stats counts what was done until now.
func (s *Server) Stats() Stats {
	c, kept := &s.stats, s.open.Stats()
	return Stats{
		Connections: kept.Accepted, Open: kept.Open, Overloaded: kept.Overloaded, FailedTLS: c.failedTLS.Load(),
		Logins: c.logins.Load(), FailedLogins: c.failed.Load(), Faults: c.faults.Load(), Panics: c.panics.Load(),
	}
}
