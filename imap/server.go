package imap

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sessions"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are the choices of one server. Name, Store, Accounts and World must be set; the
// zero values of the others are safe.
type Options struct {
	Name        mail.Domain // in the greeting
	TLS         *tls.Config // nil: no STARTTLS, and so no login
	ImplicitTLS bool        // TLS comes first, as on port 993 (RFC 8314)

	Store    *store.Store
	Accounts *account.Directory
	World    *world.World
	Index    *mailbox.Index // of words; nil: every search for them reads the messages

	MaxMessage     int64         // octets of an APPEND; zero: 50 MiB
	MaxErrors      int           // unreadable commands and failed logins of a connection; zero: 20
	MaxConnections int           // open at a time; zero: 16384
	MaxPerAccount  int           // of them logged in to one account; zero: 100
	LoginTimeout   time.Duration // until a client has logged in; zero: 3 minutes
	IdleTimeout    time.Duration // for a command, or the end of IDLE, to come; zero: 31 minutes
	DataTimeout    time.Duration // for the next octets of a command or a response to move; zero: 5 minutes

	Log *slog.Logger // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	o.MaxErrors = cmp.Or(o.MaxErrors, 20)
	o.MaxConnections = cmp.Or(o.MaxConnections, 16384)
	o.MaxPerAccount = cmp.Or(o.MaxPerAccount, 100)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 3*time.Minute)
	// At least 30 minutes (RFC 9051 section 5.4), within which programs renew their IDLE
	// (RFC 2177): one more is for the way.
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 31*time.Minute)
	o.DataTimeout = cmp.Or(o.DataTimeout, 5*time.Minute)
	if o.Index == nil && o.Store != nil {
		o.Index = mailbox.NoIndex(o.Store)
	}
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
	said    atomic.Pointer[statement]

	sessions *sessions.Keeper[*session]
	logins   *account.Logins
	stats    counters
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o Options) *Server {
	o = o.withDefaults()
	s := &Server{options: o, logins: o.Accounts.NewLogins(o.MaxPerAccount)}
	keep := sessions.Options[*session]{
		Begin: func(conn net.Conn) *session { return newSession(s, conn) },
		Most:  o.MaxConnections, Log: o.Log,
	}
	if !o.ImplicitTLS {
		keep.Busy = func() string { return "* BYE [UNAVAILABLE] too many connections, try again later\r\n" }
	}
	s.sessions = sessions.NewKeeper(keep)
	s.Restate(o.Name, o.MaxMessage)
	return s
}

// statement is what may change while the server runs.
type statement struct {
	name       string
	maxMessage int64
}

// Restate changes Name and MaxMessage of the Options, after the configuration was read
// again. Sessions go on; what they are told from now on is the new.
func (s *Server) Restate(name mail.Domain, maxMessage int64) {
	s.said.Store(&statement{name.String(), cmp.Or(maxMessage, defaultMessage)})
}

// defaultMessage is how large a message may be where nothing was said.
const defaultMessage = 50 << 20

func (s *Server) name() string { return s.said.Load().name }

func (s *Server) maxMessage() int64 { return s.said.Load().maxMessage }

// Stats are what a server has done since it was made.
type Stats struct {
	Connections  int64 // accepted
	Open         int64 // of them still there
	Overloaded   int64 // turned away because of MaxConnections
	Handshakes   int64 // of TLS that succeeded
	FailedTLS    int64 // handshakes that failed
	Logins       int64 // that succeeded
	FailedLogins int64
	Commands     int64 // that were done
	Refused      int64 // answered NO
	Faults       int64 // answered BAD
	Appended     int64 // messages
	Panics       int64 // sessions that ended by a bug of ours
}

type counters struct {
	handshakes, failedTLS, logins, failed       atomic.Int64
	commands, refused, faults, appended, panics atomic.Int64
}

// Stats counts what was done until now.
func (s *Server) Stats() Stats {
	c, kept := &s.stats, s.sessions.Stats()
	return Stats{
		Connections: kept.Accepted, Open: kept.Open, Overloaded: kept.Overloaded,
		Handshakes: c.handshakes.Load(), FailedTLS: c.failedTLS.Load(), Logins: c.logins.Load(), FailedLogins: c.failed.Load(),
		Commands: c.commands.Load(), Refused: c.refused.Load(), Faults: c.faults.Load(), Appended: c.appended.Load(), Panics: c.panics.Load(),
	}
}
