package dialogue

import (
	"context"
	"errors"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/sasl"
)

// What a login may end in, beside account.ErrThrottled and what passes.
var (
	// ErrPrivacy: there is no TLS, and so no password was looked at.
	ErrPrivacy = errors.New("no password before TLS")
	// ErrWrong: the user or the password is wrong, or the account is disabled.
	ErrWrong = errors.New("wrong user or password")
	// ErrCancelled: the client thought better of it.
	ErrCancelled = errors.New("the client cancelled the login")
	// ErrMechanism: there is no such mechanism here.
	ErrMechanism = errors.New("mechanism not known here")
)

// mechanisms are offered under TLS.
var mechanisms = []string{sasl.PLAIN, sasl.SCRAMSHA256, sasl.SCRAMSHA256Plus}

// Mechanisms are those of SASL that the client may use now: none before TLS.
func (c *Conn) Mechanisms() []string {
	if c.tls == nil {
		return nil
	}
	return mechanisms
}

// Login checks the password of a person or an app.
func (c *Conn) Login(ctx context.Context, user, password string) error {
	return c.password(ctx, "password", user, password)
}

func (c *Conn) password(ctx context.Context, mechanism, user, password string) error {
	if c.tls == nil {
		return ErrPrivacy
	}
	p, err := c.server.options.Accounts.Login(ctx, c.attempt(user, password))
	return c.enter(ctx, p, mechanism, user, err)
}

func (c *Conn) attempt(user, password string) account.Attempt {
	return account.Attempt{User: user, Password: password, From: c.remote}
}

// Authenticate is a login by SASL. First is the client's first message, nil when it must
// be asked for; ask sends a challenge and gives the response, neither in base64.
func (c *Conn) Authenticate(ctx context.Context, mechanism string, first []byte, ask func([]byte) ([]byte, error)) error {
	if c.tls == nil {
		return ErrPrivacy
	}
	if mechanism != sasl.PLAIN && mechanism != sasl.SCRAMSHA256 && mechanism != sasl.SCRAMSHA256Plus {
		return ErrMechanism
	}
	var err error
	if first == nil {
		if first, err = ask(nil); err != nil {
			return c.enter(ctx, account.Principal{}, mechanism, "", err)
		}
	}
	if mechanism == sasl.PLAIN {
		return c.plain(ctx, first)
	}
	user, err := sasl.SCRAM(sasl.Exchange{
		Mechanism: mechanism, Offered: mechanisms, TLS: c.tls, Shown: c.shown, First: first, Ask: ask,
		Keys: func(user string) (sasl.Keys, error) {
			keys, _, err := c.server.options.Accounts.Scram(ctx, c.attempt(user, ""))
			return sasl.Keys(keys), err
		},
	})
	var p account.Principal
	if err == nil {
		p, err = c.server.options.Accounts.Authenticated(ctx, c.attempt(user, ""))
	}
	return c.enter(ctx, p, mechanism, user, err)
}

// plain is PLAIN. To act as somebody else is nobody's right.
func (c *Conn) plain(ctx context.Context, message []byte) error {
	authzid, user, password, err := sasl.Plain(message)
	if err == nil && authzid != "" && authzid != user {
		err = sasl.ErrExchange
	}
	if err != nil {
		return c.enter(ctx, account.Principal{}, sasl.PLAIN, user, err)
	}
	return c.password(ctx, sasl.PLAIN, user, password)
}

// enter is what follows a password, right or wrong. Whether a user exists the client
// does not learn.
func (c *Conn) enter(ctx context.Context, p account.Principal, mechanism, user string, err error) error {
	if err == nil && p.Kind != account.Login {
		err = account.ErrCredentials
	}
	if err == nil {
		c.goodbye, err = c.server.logins.Admit(ctx, p.Account, c.Cut)
	}
	log := c.server.options.Log.With("service", c.server.options.Service, "user", user, "client", c.remote, "mechanism", mechanism)
	if err == nil {
		c.who, c.ends = p, time.Time{}
		c.server.stats.logins.Add(1)
		log.Info("login")
		return nil
	}
	c.server.stats.failed.Add(1)
	c.errors++
	switch {
	case errors.Is(err, sasl.ErrExchange), errors.Is(err, account.ErrCredentials), errors.Is(err, account.ErrDisabled):
		log.Info("login refused", "error", err)
		return ErrWrong
	case errors.Is(err, account.ErrThrottled):
		log.Warn("login throttled")
	case errors.Is(err, account.ErrCrowded):
		log.Warn("login refused", "error", err)
	}
	return err
}
