package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/sasl"
)

// maxResponse is the longest line of a login.
const maxResponse = 12 << 10

// login is LOGIN (RFC 9051 section 6.2.3). Before TLS the password is not even looked at.
func (s *session) login(ctx context.Context, cmd *syntax.Command) (answer, error) {
	if s.tls == nil {
		return answer{}, errPrivacy
	}
	l := cmd.Args.(*syntax.Login)
	return s.password(ctx, "LOGIN", l.User, l.Password)
}

// errPrivacy is a login before TLS.
var errPrivacy = no("PRIVACYREQUIRED", "No password before TLS")

// errWrong is a login that failed, whatever the reason was.
var errWrong = no("AUTHENTICATIONFAILED", "Wrong user or password")

// password judges the password of a person or an app.
func (s *session) password(ctx context.Context, mechanism, user, password string) (answer, error) {
	p, err := s.server.options.Accounts.Login(ctx, s.attempt(user, password))
	return s.enter(ctx, p, user, mechanism, err)
}

func (s *session) attempt(user, password string) account.Attempt {
	return account.Attempt{User: user, Password: password, From: s.remote}
}

// authenticate is AUTHENTICATE (RFC 9051 section 6.2.2).
func (s *session) authenticate(ctx context.Context, cmd *syntax.Command) (answer, error) {
	a := cmd.Args.(*syntax.Authenticate)
	switch {
	case s.tls == nil:
		return answer{}, errPrivacy
	case !slices.Contains(mechanisms, a.Mechanism):
		return answer{}, no("CANNOT", "mechanism not known here")
	}
	first, err := s.firstResponse(a)
	if err == nil && a.Mechanism == sasl.PLAIN {
		return s.plain(ctx, first)
	}
	user := ""
	if err == nil {
		user, err = s.scram(ctx, a.Mechanism, first)
	}
	if err != nil {
		return answer{}, s.failed(user, a.Mechanism, err)
	}
	p, err := s.server.options.Accounts.Authenticated(ctx, s.attempt(user, ""))
	return s.enter(ctx, p, user, a.Mechanism, err)
}

// plain is PLAIN. To act as somebody else is nobody's right.
func (s *session) plain(ctx context.Context, message []byte) (answer, error) {
	authzid, user, password, err := sasl.Plain(message)
	if err == nil && authzid != "" && authzid != user {
		return answer{}, no("AUTHORIZATIONFAILED", "Nobody may act as somebody else")
	}
	if err != nil {
		return answer{}, s.failed(user, sasl.PLAIN, err)
	}
	return s.password(ctx, sasl.PLAIN, user, password)
}

func (s *session) scram(ctx context.Context, mechanism string, first []byte) (user string, err error) {
	return sasl.SCRAM(sasl.Exchange{
		Mechanism: mechanism, Offered: mechanisms, TLS: s.tls, Shown: s.shown, First: first, Ask: s.ask,
		Keys: func(user string) (sasl.Keys, error) {
			keys, _, err := s.server.options.Accounts.Scram(ctx, s.attempt(user, ""))
			return sasl.Keys(keys), err
		},
	})
}

// firstResponse is the initial response, asked for when it was not sent along.
func (s *session) firstResponse(a *syntax.Authenticate) ([]byte, error) {
	switch string(a.Initial) {
	case "":
		return s.ask(nil)
	case "=": // an empty one (RFC 4959 section 3)
		return nil, nil
	}
	return sasl.Decode(string(a.Initial))
}

// errCancelled is a client that thought better of it.
var errCancelled = errors.New("the client cancelled the login")

// ask sends a challenge and waits for the response.
func (s *session) ask(challenge []byte) ([]byte, error) {
	s.out.Raw("+ ").Raw(base64.StdEncoding.EncodeToString(challenge)).Raw("\r\n")
	line, err := s.line(nil, maxResponse)
	if err != nil {
		return nil, err
	}
	if string(line) == "*" {
		return nil, errCancelled
	}
	return sasl.Decode(string(line))
}

// enter is what follows a password, right or wrong.
func (s *session) enter(ctx context.Context, p account.Principal, user, mechanism string, err error) (answer, error) {
	if err == nil && p.Kind != account.Login {
		err = account.ErrCredentials
	}
	if err == nil {
		s.goodbye, err = s.server.logins.Admit(ctx, p.Account, s.Cut)
	}
	if err != nil {
		return answer{}, s.failed(user, mechanism, err)
	}
	s.who = p
	s.settle()
	s.server.stats.logins.Add(1)
	s.server.options.Log.Info("login", "service", "imap", "as", p.Name, "client", s.remote, "mechanism", mechanism)
	return answer{code: "CAPABILITY " + s.capabilities(), text: "welcome"}, nil
}

// failed is what a client hears of a login that did not succeed. Whether the user exists
// it does not hear.
func (s *session) failed(user, mechanism string, err error) error {
	s.server.stats.failed.Add(1)
	log := s.server.options.Log
	switch {
	case errors.Is(err, errCancelled):
		return bad("cancelled") // RFC 9051 section 6.2.2
	case errors.Is(err, sasl.ErrEncoding):
		return bad("not base64")
	case errors.Is(err, errTooLong):
		return bad("the response is too long")
	case errors.Is(err, account.ErrCrowded):
		log.Warn("login refused", "service", "imap", "user", user, "client", s.remote, "error", err)
		return no("LIMIT", "The account has too many sessions")
	case errors.Is(err, sasl.ErrExchange), errors.Is(err, account.ErrCredentials), errors.Is(err, account.ErrDisabled):
		log.Info("login refused", "service", "imap", "user", user, "client", s.remote, "mechanism", mechanism, "error", err)
		s.mayErr()
		return errWrong
	case errors.Is(err, account.ErrThrottled):
		log.Warn("login throttled", "service", "imap", "user", user, "client", s.remote, "mechanism", mechanism)
		s.mayErr()
		return no("AUTHENTICATIONFAILED", "Too many wrong passwords; wait a while")
	case s.lost != nil:
		s.misread(err)
		return errAnswered
	}
	return fmt.Errorf("log in %s: %w", user, err)
}
