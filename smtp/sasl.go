package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/sasl"
)

// The mechanisms of AUTH that a server knows.
const (
	authPlain     = sasl.PLAIN
	authLogin     = sasl.LOGIN
	authSCRAMPlus = sasl.SCRAMSHA256Plus
)

// errCancelled ends a login without an answer of the session's, as the errors of sasl do.
var errCancelled = errors.New("the client cancelled the login")

// auth is AUTH mechanism [initial-response] (RFC 4954 section 4).
func (c *conversation) auth(ctx context.Context, args string) {
	a, ok := c.session.(Authenticator)
	mechanism, initial, _ := strings.Cut(args, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case !ok || !c.server.options.Submission:
		c.fault("502 5.5.1 not implemented")
	case c.peer.TLS == nil:
		c.fault("538 5.7.11 TLS comes first") // and the password is not even looked at
	case !c.greeted:
		c.sequence("say EHLO first")
	case c.authenticated:
		c.sequence("logged in already")
	case c.transaction.begun:
		c.sequence("a transaction is under way")
	case len(c.in.unused()) > 0:
		c.injection("AUTH") // it ends a batch (RFC 4954 section 4)
	case !slices.Contains(c.server.options.Mechanisms, mechanism):
		c.fault("504 5.5.4 mechanism not known here")
	default:
		x := &exchange{c: c, initial: initial}
		reply, err := x.run(ctx, a, mechanism)
		c.loggedIn(reply, err)
	}
}

// loggedIn answers a login.
func (c *conversation) loggedIn(reply mail.Reply, err error) {
	switch {
	case err == nil && (reply.IsZero() || reply.IsPositive()):
		c.authenticated = true
		c.server.stats.logins.Add(1)
		c.answer(reply, "235 2.7.0 welcome")
		return
	case err == nil:
		c.answer(reply, "")
	case errors.Is(err, errCancelled):
		c.say("501 5.7.0 cancelled")
	case errors.Is(err, sasl.ErrEncoding):
		c.say("501 5.5.2 not base64")
	case errors.Is(err, errTooLong):
		c.say("500 5.5.6 line too long") // RFC 4954 section 4
	case errors.Is(err, sasl.ErrExchange):
		c.say("535 5.7.8 login failed")
	default:
		c.farewell(err)
		return
	}
	c.server.stats.failed.Add(1)
	if !c.over {
		c.mayErr()
	}
}

// exchange is one login under way.
type exchange struct {
	c       *conversation
	initial string // what stood behind the mechanism
}

func (x *exchange) run(ctx context.Context, a Authenticator, mechanism string) (mail.Reply, error) {
	switch mechanism {
	case authPlain:
		return x.plain(ctx, a)
	case authLogin:
		return x.login(ctx, a)
	}
	return x.scram(ctx, a, mechanism)
}

// plain is RFC 4616: authzid NUL authcid NUL password.
func (x *exchange) plain(ctx context.Context, a Authenticator) (mail.Reply, error) {
	message, err := x.first("")
	if err != nil {
		return mail.Reply{}, err
	}
	authzid, user, password, err := sasl.Plain(message)
	if err != nil {
		return mail.Reply{}, err
	}
	return a.Plain(ctx, authzid, user, password), nil
}

// login is the mechanism without a standard that Outlook and cameras speak: two
// questions, of which the first may be answered ahead.
func (x *exchange) login(ctx context.Context, a Authenticator) (mail.Reply, error) {
	user, err := x.first("Username:")
	if err != nil {
		return mail.Reply{}, err
	}
	password, err := x.ask("Password:")
	if err != nil {
		return mail.Reply{}, err
	}
	if len(user) == 0 {
		return mail.Reply{}, sasl.ErrExchange
	}
	return a.Plain(ctx, "", string(user), string(password)), nil
}

// first is the initial response, asked for when it was not sent along.
func (x *exchange) first(question string) ([]byte, error) {
	switch x.initial {
	case "":
		return x.ask(question)
	case "=": // an empty one (RFC 4954 section 4)
		return nil, nil
	}
	return sasl.Decode(x.initial)
}

// ask sends a challenge and waits for the response. Neither goes into the transcript.
func (x *exchange) ask(challenge string) ([]byte, error) {
	c := x.c
	c.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, err := c.line(maxAuthLine)
	if err != nil {
		return nil, err
	}
	if c.transcript != nil {
		c.transcript.add(FromClient, true, masked)
	}
	if line == "*" {
		return nil, errCancelled
	}
	return sasl.Decode(line)
}

// errRefused is a login that the session refused in the middle of it.
var errRefused = errors.New("the session refused the login")

// scram is SCRAM-SHA-256, with or without PLUS.
func (x *exchange) scram(ctx context.Context, a Authenticator, mechanism string) (mail.Reply, error) {
	first, err := x.first("")
	if err != nil {
		return mail.Reply{}, err
	}
	var refusal mail.Reply
	user, err := sasl.SCRAM(sasl.Exchange{
		Mechanism: mechanism, Offered: x.c.server.options.Mechanisms, TLS: x.c.peer.TLS, Shown: x.c.serverCert, First: first,
		Ask: func(challenge []byte) ([]byte, error) { return x.ask(string(challenge)) },
		Keys: func(user string) (ScramKeys, error) {
			keys, reply := a.SCRAM(ctx, user)
			if reply.IsTransient() || reply.IsPermanent() {
				refusal = reply
				return keys, errRefused
			}
			return keys, nil
		},
	})
	switch {
	case errors.Is(err, errRefused):
		return refusal, nil
	case err != nil:
		return mail.Reply{}, err
	}
	return a.Authenticated(ctx, user, mechanism), nil
}

// tlsConfig is the server's, and where a binding may need to know the certificate that
// was shown, one that remembers it.
func (c *conversation) tlsConfig() *tls.Config {
	config := c.server.options.TLS
	if !c.server.options.Submission || !slices.Contains(c.server.options.Mechanisms, authSCRAMPlus) {
		return config
	}
	return sasl.Remember(config, func(der []byte) { c.serverCert = der })
}
