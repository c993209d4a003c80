package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/smtp"
)

// Open is the session of ports 465 and 587: nothing goes before TLS, and no mail
// before a login (RFC 8314 section 3.3, RFC 6409 section 4.3).
// Who has too many connections is told so: nobody guesses passwords over thousands.
func (s *Submitter) Open(_ context.Context, p smtp.Peer) (smtp.Session, mail.Reply) {
	from := p.Remote.Addr()
	if against := s.crowd.Enter(from, s.world.Now()); against != "" {
		s.log.Info("too many connections", "client", p.Remote, "detail", against)
		return nil, mail.NewReply(421, onHold.enhanced, "Too many connections from your address")
	}
	return &loginSession{session: session{submitter: s, peer: p}, from: from}, mail.Reply{}
}

// OpenDevice is the session of the device listener: the network is the login. Who
// comes from no device's network is told so at once, whatever else it might ask.
func (s *Submitter) OpenDevice(ctx context.Context, p smtp.Peer) (smtp.Session, mail.Reply) {
	principal, err := s.accounts.Device(ctx, p.Remote.Addr().Unmap())
	switch {
	case errors.Is(err, account.ErrNoDevice):
		s.log.Info("no device", "client", p.Remote)
		return nil, refusal(noRelay, "%s belongs to no device of this server", p.Remote.Addr())
	case err != nil:
		s.log.Error("device not looked up", "client", p.Remote, "err", err)
		return nil, mail.NewReply(421, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 0}, "Temporary failure here; please try again later")
	}
	return &session{submitter: s, peer: p, principal: principal, mend: true}, mail.Reply{}
}

// session is one dialogue.
type session struct {
	submitter *Submitter
	peer      smtp.Peer
	principal account.Principal // Nobody before a login
	mend      bool

	from    mail.Address
	options smtp.MailOptions
	to      []queue.Recipient
}

// Hello notes who speaks. Before TLS and after it may be two different clients.
func (s *session) Hello(_ context.Context, p smtp.Peer) mail.Reply {
	s.peer = p
	return mail.Reply{}
}

// Mail judges the reverse-path. A device with a pinned address sends under it
// whatever it says.
func (s *session) Mail(ctx context.Context, from mail.Address, o smtp.MailOptions) mail.Reply {
	if s.principal.Kind == account.Nobody {
		return refusal(loginFirst, "Log in first")
	}
	if o.Size > s.submitter.o.MaxSize {
		return refusal(tooLarge, "The message is larger than %d octets", s.submitter.o.MaxSize)
	}
	if o.RequireTLS && s.peer.TLS == nil {
		return refusal(needsTLS, "REQUIRETLS needs TLS here too")
	}
	if isPinned(&s.principal) && !from.IsZero() {
		from = s.principal.Senders[0].Address
	}
	if err := s.submitter.checkReversePath(ctx, &s.principal, from); err != nil {
		return s.refuse(ctx, from, mail.Address{}, err)
	}
	s.from, s.options = from, o
	return mail.Reply{}
}

// Rcpt refuses who does not exist here, and the one too many, while the client can
// still do something about it.
func (s *session) Rcpt(ctx context.Context, to mail.Address, o smtp.RcptOptions) mail.Reply {
	p := &s.principal
	_, local, err := s.submitter.destination(ctx, p, to, s.options.SMTPUTF8)
	if err == nil {
		err = s.submitter.ledger.room(ctx, p.Name, s.submitter.rateOf(p), s.submitter.world.Now(), len(s.to)+1)
	}
	if err == nil && local {
		err = s.submitter.checkHeld(ctx, p)
	}
	if err != nil {
		r := s.refuse(ctx, s.from, to, err)
		if r.Enhanced == unknownUser.enhanced {
			s.noteRefusal(ctx)
		}
		return r
	}
	s.to = append(s.to, queue.Recipient{To: to, Notify: o.Notify, Original: o.Original})
	return mail.Reply{}
}

// Data submits.
func (s *session) Data(ctx context.Context, body io.Reader) []mail.Reply {
	id, err := s.submitter.Submit(ctx, Submission{
		Principal: s.principal, Protocol: s.protocol(), Client: s.peer.Remote.Addr(), From: s.from, To: s.to, Body: body, Mend: s.mend,
		EnvelopeID: s.options.EnvelopeID, Return: s.options.Return, RequireTLS: s.options.RequireTLS, SMTPUTF8: s.options.SMTPUTF8,
	})
	if err != nil {
		return []mail.Reply{s.answer(err)}
	}
	return []mail.Reply{refusal(accepted, "accepted as %s", id)}
}

func (s *session) protocol() string {
	if !s.peer.Remote.IsValid() {
		return ""
	}
	return s.peer.Via(s.principal.Kind == account.Login, s.options.SMTPUTF8)
}

// answer is for the client; what is our own fault stands in the log.
func (s *session) answer(err error) mail.Reply {
	r := replyTo(err)
	if r.Enhanced == ourFault.enhanced {
		s.submitter.log.Error("submission failed", "as", s.principal.Name, "client", s.peer.Remote, "err", err)
	}
	return r
}

// refuse is an answer that the journal keeps too.
func (s *session) refuse(ctx context.Context, from, to mail.Address, err error) mail.Reply {
	r := s.answer(err)
	s.submitter.note(ctx, s.peer.Remote.Addr(), refusalEvent(r, s.principal.Name, from.String(), to.String(), s.peer.Remote.Addr()))
	return r
}

// noteRefusal counts a recipient who does not exist: guessing is what a stolen
// password does.
func (s *session) noteRefusal(ctx context.Context) {
	if err := s.submitter.NoteRefusals(ctx, s.principal.Name, 1); err != nil {
		s.submitter.log.Error("refusal not counted", "as", s.principal.Name, "err", err)
	}
}

// Reset ends a transaction.
func (s *session) Reset() { s.from, s.options, s.to = mail.Address{}, smtp.MailOptions{}, nil }

// Close ends the session.
func (s *session) Close() {}

// loginSession is a session whose client may log in.
type loginSession struct {
	session
	from netip.Addr // as it is counted
}

// Close ends the session.
func (s *loginSession) Close() { s.submitter.crowd.Leave(s.from) }

// Plain judges the password of a person or an app. To act as somebody else is
// nobody's right.
func (s *loginSession) Plain(ctx context.Context, authzid, user, password string) mail.Reply {
	if s.peer.TLS == nil {
		return refusal(needsTLS, "No password before TLS") // smtp does not offer it either
	}
	if authzid != "" && authzid != user {
		return refusal(credentials, "Nobody may act as somebody else")
	}
	p, err := s.submitter.accounts.Login(ctx, s.attempt(user, password))
	return s.login(p, user, "PLAIN", err)
}

// SCRAM gives the verifier of a user's app passwords.
func (s *loginSession) SCRAM(ctx context.Context, user string) (smtp.ScramKeys, mail.Reply) {
	keys, _, err := s.submitter.accounts.Scram(ctx, s.attempt(user, ""))
	if err != nil {
		return smtp.ScramKeys{}, s.loginReply(user, "SCRAM", err)
	}
	return smtp.ScramKeys(keys), mail.Reply{}
}

// Authenticated logs in whoever has proven an app password.
func (s *loginSession) Authenticated(ctx context.Context, user, mechanism string) mail.Reply {
	p, err := s.submitter.accounts.Authenticated(ctx, s.attempt(user, ""))
	return s.login(p, user, mechanism, err)
}

func (s *loginSession) attempt(user, password string) account.Attempt {
	return account.Attempt{User: user, Password: password, From: s.peer.Remote.Addr()}
}

func (s *loginSession) login(p account.Principal, user, mechanism string, err error) mail.Reply {
	if err != nil {
		return s.loginReply(user, mechanism, err)
	}
	if p.Kind != account.Login {
		return refusal(credentials, "%s cannot log in here", user)
	}
	s.principal = p
	s.submitter.log.Info("login", "as", p.Name, "client", s.peer.Remote, "mechanism", mechanism)
	return mail.Reply{}
}

func (s *loginSession) loginReply(user, mechanism string, err error) mail.Reply {
	switch {
	case errors.Is(err, account.ErrCredentials), errors.Is(err, account.ErrDisabled):
		s.submitter.log.Info("login refused", "user", user, "client", s.peer.Remote, "mechanism", mechanism, "err", err)
		s.noteLogin(user, mechanism, "wrong user or password")
		return refusal(credentials, "Wrong user or password")
	case errors.Is(err, account.ErrThrottled):
		s.submitter.log.Warn("login throttled", "user", user, "client", s.peer.Remote, "mechanism", mechanism)
		s.noteLogin(user, mechanism, "throttled: too many wrong passwords")
		return refusal(throttled, "Too many wrong passwords; wait a while")
	}
	return s.answer(fmt.Errorf("log in %s: %w", user, err))
}

// noteLogin keeps a login that failed in the journal, under what the client called itself.
func (s *loginSession) noteLogin(user, mechanism, why string) {
	s.submitter.note(context.Background(), s.peer.Remote.Addr(), journal.Event{
		Kind: journal.LoginFailed, From: printable(user), Fields: map[string]string{"client": s.peer.Remote.Addr().String(), "mechanism": mechanism, "reason": why},
	})
}
