package pop3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Options are the choices of one server. Name, Store and Accounts must be set; the zero
// values of the others are safe.
type Options struct {
	Name        func() mail.Domain // in the greeting; asked for each
	TLS         *tls.Config        // nil: no STLS, and so no login
	ImplicitTLS bool               // TLS comes first, as on port 995 (RFC 8314)
	Store       *store.Store
	Accounts    *account.Directory

	MaxConnections int           // open at a time; zero: 4096
	IdleTimeout    time.Duration // for a command to come; zero: 10 minutes, the least of RFC 1939 section 3

	Log *slog.Logger // nil: nothing is logged
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o Options) *dialogue.Server {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return dialogue.NewServer(dialogue.Options{
		Service: "pop3", TLS: o.TLS, ImplicitTLS: o.ImplicitTLS, Accounts: o.Accounts, Busy: "-ERR [SYS/TEMP] too many connections, try again later",
		MaxConnections: o.MaxConnections, IdleTimeout: cmp.Or(o.IdleTimeout, 10*time.Minute), Log: o.Log,
		Talk: func(ctx context.Context, c *dialogue.Conn) error {
			s := &session{Conn: c, name: o.Name().String(), store: o.Store, log: log}
			return s.talk(ctx)
		},
	})
}

// session is the dialogue with one client.
type session struct {
	*dialogue.Conn
	name  string
	store *store.Store
	log   *slog.Logger
	user  string // as USER said, until PASS
	utf8  bool
	drop  *maildrop // nil before a login
	over  bool
}

// maxLine bounds a command: RFC 2449 section 4 allows 255 octets, logins need more.
const maxLine = 12 << 10

// talk is the whole dialogue.
func (s *session) talk(ctx context.Context) error {
	s.ok("%s POP3 ready", s.name)
	for !s.over {
		line, err := s.ReadLine(maxLine)
		switch {
		case errors.Is(err, dialogue.ErrTooLong), errors.Is(err, dialogue.ErrBareLine):
			s.fault(err.Error())
			continue
		case errors.Is(err, dialogue.ErrStopping):
			s.refuse("SYS/TEMP", "the server is stopping, come again")
			return err
		case errors.Is(err, dialogue.ErrLate):
			s.refuse("SYS/TEMP", "you took too long") // and nothing is deleted (RFC 1939 section 3)
			return err
		case err != nil:
			return err
		}
		if err := s.command(ctx, line); err != nil {
			return err
		}
	}
	return io.EOF
}

// ok is a positive answer of one line.
func (s *session) ok(format string, args ...any) { s.Printf("+OK "+format+"\r\n", args...) }

// refuse is a negative answer with a response code (RFC 2449 section 8, RFC 3206).
func (s *session) refuse(code, text string) {
	if code != "" {
		text = "[" + code + "] " + text
	}
	s.Print("-ERR " + text + "\r\n")
}

// fault answers a line that is no command; too many of them end the dialogue.
func (s *session) fault(text string) {
	s.refuse("", text)
	if !s.MayErr() {
		s.refuse("SYS/PERM", "too many errors, goodbye")
		s.over = true
	}
}

// failed is an answer to what is our own trouble.
func (s *session) failed(what string, err error) {
	s.log.Error("POP3 failed", "as", s.Who().Name, "client", s.Remote(), "what", what, "error", err)
	s.refuse("SYS/TEMP", "temporary failure here, try again later")
}
