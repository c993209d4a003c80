package policy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// recipient asks whether the mailbox exists, so that nothing has to be sent back
// later.
type recipient struct{ o Options }

// Name is "recipient".
func (*recipient) Name() string { return "recipient" }

// exempt are the local parts that get mail whatever it looks like: RFC 5321 section
// 4.5.1, RFC 2142 section 4.
var exempt = []string{"postmaster", "abuse"}

// Decide fills in the destination.
func (r *recipient) Decide(ctx context.Context, s *Session) Verdict {
	to := s.Recipient.To
	atHost := r.atHost(to)
	if atHost {
		to.Domain = r.o.Domains[0]
	}
	s.Recipient.Home = to
	s.Recipient.Exempt = slices.Contains(exempt, strings.ToLower(to.Local))
	if v, is := r.test(ctx, s, to); is {
		return v
	}
	var err error
	if srs.Is(to) {
		s.Recipient.Destination, err = r.owner(ctx, s, to)
	} else {
		s.Recipient.Destination, err = r.o.Resolve(ctx, to)
	}
	if err == nil && atHost && !s.Recipient.Destination.Role {
		err = account.ErrNoMailbox
	}
	switch {
	case err == nil:
		s.Recipient.Alone = r.o.OneByOne && len(s.Recipient.Destination.Mailboxes) > 0
		return Verdict{}
	case errors.Is(err, account.ErrDisabled):
		return reject(550, mail.EnhancedCode{Class: 5, Subject: 2, Detail: 1}, "recipient.disabled", "the mailbox is disabled")
	case errors.Is(err, account.ErrExpansion):
		return reject(550, mail.EnhancedCode{Class: 5, Subject: 4, Detail: 6}, "recipient.expansion", "the address leads in circles here").with(err.Error())
	case errors.Is(err, srs.ErrUnsigned):
		return reject(550, refusedPolicy, "recipient.srs-unsigned", "this address was never made here")
	case errors.Is(err, srs.ErrExpired):
		return reject(550, refusedPolicy, "recipient.srs-expired", "this address has expired")
	case errors.Is(err, account.ErrNotLocal):
		return reject(550, refusedPolicy, "relay.denied", "relaying denied")
	case errors.Is(err, account.ErrNoMailbox):
		return reject(550, unknownMailbox, "recipient.unknown", "there is no such mailbox")
	}
	return postpone(451, laterSystem, "recipient.unavailable", "the mailbox cannot be looked up now").with(err.Error())
}

// atHost reports whether the address is one of the host's own: <postmaster>, or a
// name at the host name. The host has no mailboxes, only the role addresses of the
// first domain (RFC 5321 section 4.5.1, RFC 2142).
func (r *recipient) atHost(to mail.Address) bool {
	return to.Domain.IsZero() || to.Domain == r.o.Hostname && !ours(r.o, to.Domain)
}

// test asks whether it is a test address. Those take mail whatever it looks like, as role
// addresses do, and each message alone: it is about that message.
func (r *recipient) test(ctx context.Context, s *Session, to mail.Address) (v Verdict, is bool) {
	if r.o.Test == nil || !testaddress.IsLike(to) {
		return Verdict{}, false
	}
	switch err := r.o.Test(ctx, to); {
	case errors.Is(err, testaddress.ErrNone):
		return Verdict{}, false
	case errors.Is(err, testaddress.ErrOver):
		return reject(550, unknownMailbox, "recipient.test-over", "this test address took mail for an hour, which is over: make a new one"), true
	case errors.Is(err, testaddress.ErrFull):
		return reject(550, unknownMailbox, "recipient.test-full", "this test address has had its messages: make a new one"), true
	case errors.Is(err, testaddress.ErrBusy):
		return postpone(451, laterSystem, "recipient.test-busy", "many test messages are being judged: try again in some minutes"), true
	case err != nil:
		return postpone(451, laterSystem, "recipient.unavailable", "the test address cannot be looked up now").with(err.Error()), true
	case s.Size > testaddress.MaxSize:
		return TestTooLarge(), true
	}
	s.Recipient.Test, s.Recipient.Exempt, s.Recipient.Alone = true, true, true
	return Verdict{}, true
}

// TestTooLarge refuses a message that is larger than a test needs to be.
func TestTooLarge() Verdict {
	return reject(552, tooLarge, "recipient.test-size", "a message to a test address may have 10 MB")
}

// owner finds who gets what comes back to a forward.
func (r *recipient) owner(ctx context.Context, s *Session, to mail.Address) (account.Destination, error) {
	back, err := r.o.SRS.Reverse(to, s.Now)
	if err != nil {
		return account.Destination{}, err
	}
	id, err := r.o.Owner(ctx, account.ID(back.Owner), to.Domain)
	if err != nil {
		return account.Destination{}, err
	}
	return account.Destination{Mailboxes: []account.Target{{Account: id, Address: to}}}, nil
}

// role ends the questions for role addresses: somebody whose mail is refused must
// have a way to say so.
type role struct{ exempt func(*Session) bool }

// roleMessage is role at DATA. Whoever reads abuse@ elsewhere gets only what anybody else
// would get: who passes spam on is a source of spam.
type roleMessage struct{ p *Policy }

// Name is "role".
func (*roleMessage) Name() string { return "role" }

// Decide accepts, and looks at what is to be passed on.
func (r *roleMessage) Decide(ctx context.Context, s *Session) Verdict {
	if !s.IsExempt() {
		return Verdict{}
	}
	v := Verdict{Action: Accept, Reason: "role"}
	if slices.ContainsFunc(s.Recipients, func(to Recipient) bool { return len(to.Destination.Forwards) > 0 }) {
		v.Stays, v.Detail = r.p.suspects(ctx, s)
	}
	return v
}

// Name is "role".
func (*role) Name() string { return "role" }

// Decide accepts.
func (r *role) Decide(_ context.Context, s *Session) Verdict {
	if r.exempt(s) {
		return Verdict{Action: Accept, Reason: "role"}
	}
	return Verdict{}
}

// company keeps recipients apart whose answers at DATA could differ: one reply must
// be true for all.
type company struct{}

// Name is "company".
func (*company) Name() string { return "company" }

// Decide compares with the first recipient.
func (*company) Decide(_ context.Context, s *Session) Verdict {
	if len(s.Recipients) == 0 || s.Front {
		return Verdict{}
	}
	first := &s.Recipients[0]
	if first.Alone || s.Recipient.Alone || first.Exempt != s.Recipient.Exempt {
		// RFC 5321 section 4.5.3.1.10: too many recipients, send the rest again.
		return postpone(452, mail.EnhancedCode{Class: 4, Subject: 5, Detail: 3}, "recipient.alone", "one at a time: send this recipient in a transaction of its own")
	}
	return Verdict{}
}
