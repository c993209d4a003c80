package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/sessions"
)

// ServerOptions are the choices of one server. Open and Name must be set; the zero
// values of the others are safe.
type ServerOptions struct {
	Name        mail.Domain // in the banner and in the answer to EHLO
	TLS         *tls.Config // nil: no STARTTLS
	ImplicitTLS bool        // TLS comes first, as on port 465
	LMTP        bool        // LHLO, and a reply for each recipient (RFC 2033)
	Submission  bool        // AUTH is offered, never without TLS (RFC 6409)

	// Normalize makes CRLF of bare line ends in messages instead of refusing them, for
	// devices that know no better. The end of the data stays CRLF.CRLF.
	Normalize bool

	MaxSize        int64 // octets of a message; zero: 50 MiB
	MaxRecipients  int   // of a transaction; zero: 1000
	MaxErrors      int   // refused commands of a session, by syntax, order or login; zero: 20
	MaxConnections int   // open at a time; zero: 16384

	CommandTimeout time.Duration // for a command to come; zero: 5 minutes (RFC 5321 section 4.5.3.2.7)
	DataTimeout    time.Duration // for a block of a message to come; zero: 5 minutes
	SessionTimeout time.Duration // after which no new transaction begins; zero: 2 hours

	Mechanisms    []string       // of PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS; nil: PLAIN and LOGIN
	ProxyFrom     []netip.Prefix // who must begin with a PROXY header, v1 or v2; all others must not
	RequireTLSExt bool           // announces REQUIRETLS under TLS (RFC 8689)
	DSN           bool           // announces DSN (RFC 3461)

	Log        *slog.Logger            // nil: nothing is logged
	IsSelf     func(netip.Addr) bool   // clients that are this server looking at itself: what they break is on purpose; nil: nobody
	Transcript func(Peer, *Transcript) // gets the whole dialogue at its end, passwords masked; nil: none is kept

	// Open makes the session of a new connection. A negative reply, 554 or 421, is said
	// instead of the banner; the zero reply says 220.
	Open func(ctx context.Context, p Peer) (Session, mail.Reply)
}

func (o ServerOptions) withDefaults() ServerOptions {
	o.MaxSize = cmp.Or(o.MaxSize, 50<<20)
	o.MaxRecipients = cmp.Or(o.MaxRecipients, 1000)
	o.MaxErrors = cmp.Or(o.MaxErrors, 20)
	o.MaxConnections = cmp.Or(o.MaxConnections, 16384)
	o.CommandTimeout = cmp.Or(o.CommandTimeout, 5*time.Minute)
	o.DataTimeout = cmp.Or(o.DataTimeout, 5*time.Minute)
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 2*time.Hour)
	if o.Mechanisms == nil {
		o.Mechanisms = []string{authPlain, authLogin}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		// Microsoft's senders hang up when a ticket comes (golang/go #70232), and a
		// resumed handshake shows no certificate for tls-server-end-point to bind to.
		if !o.Submission || slices.Contains(o.Mechanisms, authSCRAMPlus) {
			o.TLS.SessionTicketsDisabled = true
		}
	}
	return o
}

// Server answers connections. Its methods may be called at any time from anywhere.
type Server struct {
	options ServerOptions
	banner  string
	keyword keywords

	sessions *sessions.Keeper[*conversation]
	retired  atomic.Pointer[retirement]
	stats    counters
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o ServerOptions) *Server {
	o = o.withDefaults()
	s := &Server{
		options: o,
		banner:  "220 " + o.Name.String() + " " + greeting(o),
		keyword: announce(o),
	}
	keep := sessions.Options[*conversation]{
		Begin: func(conn net.Conn) *conversation { return newConversation(s, conn) },
		Most:  o.MaxConnections, Log: o.Log,
	}
	if !o.ImplicitTLS {
		keep.Busy = func() string { return "421 4.3.2 " + o.Name.String() + " too many connections, try again later\r\n" }
	}
	s.sessions = sessions.NewKeeper(keep)
	return s
}

func greeting(o ServerOptions) string {
	if o.LMTP {
		return "LMTP ready"
	}
	return "ESMTP ready"
}

// Stats are what a server has done since it was made.
type Stats struct {
	Connections  int64 // accepted
	Open         int64 // of them still there
	Overloaded   int64 // turned away because of MaxConnections
	Handshakes   int64 // of TLS that succeeded
	FailedTLS    int64 // handshakes that failed
	Transactions int64 // MAIL accepted
	Messages     int64 // answered positively; an LMTP message counts once
	Octets       int64 // of those messages
	Refused      int64 // messages answered negatively, by the session or for their form
	Faults       int64 // commands refused for syntax or order
	Logins       int64 // that succeeded
	FailedLogins int64
	Panics       int64 // sessions that ended by a bug of ours
}

type counters struct {
	handshakes, failedTLS, transactions                       atomic.Int64
	messages, octets, refused, faults, logins, failed, panics atomic.Int64
}

// Stats counts what was done until now.
func (s *Server) Stats() Stats {
	c, kept := &s.stats, s.sessions.Stats()
	return Stats{
		Connections: kept.Accepted, Open: kept.Open, Overloaded: kept.Overloaded,
		Handshakes: c.handshakes.Load(), FailedTLS: c.failedTLS.Load(),
		Transactions: c.transactions.Load(), Messages: c.messages.Load(), Octets: c.octets.Load(), Refused: c.refused.Load(),
		Faults: c.faults.Load(), Logins: c.logins.Load(), FailedLogins: c.failed.Load(), Panics: c.panics.Load(),
	}
}
