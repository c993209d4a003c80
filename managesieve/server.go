package managesieve

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/store"
)

// Options are the choices of one server. Name, Store and Accounts must be set; the zero
// values of the others are safe.
type Options struct {
	Name     func() mail.Domain // in the greeting; asked for each
	TLS      *tls.Config        // nil: no STARTTLS, and so no login
	Store    *store.Store
	Accounts *account.Directory

	MaxConnections int           // open at a time; zero: 1024
	IdleTimeout    time.Duration // for a command to come; zero: 30 minutes, the least of RFC 5804 section 1.2

	Log *slog.Logger // nil: nothing is logged
}

// NewServer makes a server. It serves nobody yet.
func NewServer(o Options) *dialogue.Server {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return dialogue.NewServer(dialogue.Options{
		Service: "managesieve", TLS: o.TLS, Accounts: o.Accounts, Busy: `BYE (TRYLATER) "Too many connections, try again later"`,
		MaxConnections: cmp.Or(o.MaxConnections, 1024), IdleTimeout: cmp.Or(o.IdleTimeout, 30*time.Minute), Log: o.Log,
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
	over  bool
}

// talk is the whole dialogue.
func (s *session) talk(ctx context.Context) error {
	s.capabilities()
	s.answer("OK", "", s.name+" is ready")
	for !s.over {
		line, err := s.readCommand()
		switch fault := new(syntaxError); {
		case errors.As(err, &fault):
			s.fault(fault.text)
			continue
		case errors.Is(err, dialogue.ErrStopping):
			s.answer("BYE", "TRYLATER", "The server is stopping, come again")
			return err
		case errors.Is(err, dialogue.ErrLate):
			s.answer("BYE", "", "You took too long")
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

// answer is the line that ends the answer to a command (RFC 5804 section 1.3).
func (s *session) answer(word, code, text string) {
	s.Print(word)
	if code != "" {
		s.Print(" (" + code + ")")
	}
	s.Print(" " + quote(text) + "\r\n")
}

func (s *session) ok(text string) { s.answer("OK", "", text) }

func (s *session) no(code, text string) { s.answer("NO", code, text) }

// fault answers what is no command; too many of them end the dialogue.
func (s *session) fault(text string) {
	s.no("", text)
	if !s.MayErr() {
		s.answer("BYE", "", "Too many errors")
		s.over = true
	}
}

// failed is an answer to what is our own trouble.
func (s *session) failed(what string, err error) {
	s.log.Error("ManageSieve failed", "as", s.Who().Name, "client", s.Remote(), "what", what, "error", err)
	s.no("TRYLATER", "Temporary failure here, try again later")
}

// capabilities are section 1.7. What needs TLS is not announced without.
func (s *session) capabilities() {
	s.Print("\"IMPLEMENTATION\" \"Allgreen\"\r\n")
	s.Print("\"SIEVE\" " + quote(strings.Join(sieve.Extensions(), " ")) + "\r\n")
	s.Print("\"SASL\" " + quote(strings.Join(s.Mechanisms(), " ")) + "\r\n")
	if s.CanStartTLS() {
		s.Print("\"STARTTLS\"\r\n")
	}
	s.Print("\"MAXREDIRECTS\" \"4\"\r\n")
	if who := s.Who(); who.Kind != account.Nobody {
		s.Print("\"OWNER\" " + quote(who.Name) + "\r\n")
	}
	s.Print("\"VERSION\" \"1.0\"\r\n")
}

// ask sends a challenge of a login and waits for the response (section 2.1).
func (s *session) ask(challenge []byte) ([]byte, error) {
	s.Print(quote(base64.StdEncoding.EncodeToString(challenge)) + "\r\n")
	words, err := s.readCommand()
	switch {
	case err != nil:
		return nil, err
	case len(words) != 1 || !words[0].isString:
		return nil, &syntaxError{"a string should stand there"}
	case words[0].text == "*":
		return nil, dialogue.ErrCancelled
	}
	return decode(words[0].text)
}
