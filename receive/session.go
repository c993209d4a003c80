package receive

import (
	"context"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/smtp"
)

// session is one connection: an smtp.Session.
type session struct {
	r     *Receiver
	front bool // LMTP
	state *policy.Session

	trace    mail.TraceID // of the transaction
	options  smtp.MailOptions
	eightBit bool               // the message has octets over 127
	verifier *mailauth.Verifier // begun with the first recipient
	release  context.CancelFunc // of its time
	known    mailauth.Client    // from earlier messages of this connection
	events   []journal.Event    // refusals that are not yet in the journal
}

// authTime is how long the names behind a message are asked for. A client waits ten
// minutes for the end of DATA (RFC 5321 section 4.5.3.2.6).
const authTime = 45 * time.Second

// Hello keeps what the client says of itself.
func (s *session) Hello(_ context.Context, p smtp.Peer) mail.Reply {
	if p.HELO != s.state.Peer.HELO {
		s.known = mailauth.Client{}
	}
	s.state.Peer = p
	return mail.Reply{}
}

// Mail begins a transaction. What speaks against it is said at RCPT; only a disk
// without room is no secret.
func (s *session) Mail(ctx context.Context, from mail.Address, o smtp.MailOptions) mail.Reply {
	s.Reset()
	s.state.Mail(from, o.Size)
	s.trace, s.options = mail.NewTraceID(s.r.o.World.Now()), o
	if err := s.r.hasRoom(ctx); err != nil {
		return s.failed(err, "room")
	}
	return mail.Reply{}
}

// Rcpt asks the chain.
func (s *session) Rcpt(ctx context.Context, to mail.Address, _ smtp.RcptOptions) mail.Reply {
	s.state.Recipient = policy.Recipient{To: to}
	v := s.r.policy.Ask(ctx, policy.Rcpt, s.state)
	if v.IsRefusal() {
		s.refuse(v, to)
		return v.Reply
	}
	s.state.Recipients = append(s.state.Recipients, s.state.Recipient)
	s.authenticate(ctx)
	return mail.Reply{}
}

// authenticate asks for what the envelope tells, while the client sends the rest.
func (s *session) authenticate(ctx context.Context) {
	if s.front || s.verifier != nil {
		return
	}
	ctx, s.release = context.WithTimeout(ctx, authTime)
	envelope := mailauth.Envelope{
		IP: s.state.IP, HELO: s.state.Peer.HELO, ReversePath: s.state.ReversePath, Receiver: s.r.o.Hostname.String(),
	}
	s.verifier = mailauth.BeginFor(ctx, s.r.o.World, envelope, s.known)
}

// Reset ends a transaction.
func (s *session) Reset() {
	s.state.Reset()
	if s.verifier != nil {
		s.verifier.Close()
		s.release()
		s.verifier, s.release = nil, nil
	}
}

// Close ends the connection, and writes down what was refused in it.
func (s *session) Close() {
	s.Reset()
	s.r.policy.End(s.state)
	s.writeDown()
}
