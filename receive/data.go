package receive

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
)

// Data takes the message. Every way out but the last is a refusal: the 250 comes
// after the commit.
func (s *session) Data(ctx context.Context, body io.Reader) []mail.Reply {
	spool := s.r.o.Store.NewSpool()
	defer spool.Close()
	if reply, whole := s.takeIn(body, spool); !whole {
		return one(reply)
	}
	if s.verifier != nil {
		s.state.Results = s.verifier.Results()
		s.known = s.state.Results.Client()
		s.release()
		s.verifier, s.release = nil, nil
	}
	if s.isTest() {
		return one(s.takeTest(ctx, spool))
	}
	v := s.r.policy.Ask(ctx, policy.Data, s.state)
	if v.IsRefusal() {
		s.refuse(v, s.state.Recipients[0].To)
		return one(v.Reply)
	}
	spool.SetHead(s.head(v))
	replies := s.turnAwayFull(ctx)
	if s.r.o.LMTP != nil {
		replies = s.handOverAll(ctx, spool)
	}
	if len(s.state.Recipients) == 0 {
		return replies
	}
	reply := s.commit(ctx, spool, v)
	return fill(replies, reply)
}

// one is no reply for the zero one: the server has its own words then.
func one(r mail.Reply) []mail.Reply {
	if r.IsZero() {
		return nil
	}
	return []mail.Reply{r}
}

// fill puts the common reply in the places that have none of their own.
func fill(replies []mail.Reply, common mail.Reply) []mail.Reply {
	if replies == nil {
		return one(common)
	}
	for i := range replies {
		if replies[i].IsZero() {
			replies[i] = common
		}
	}
	return replies
}

// takeIn spools the message and hashes it on the way. It reports whether the message
// is whole; when it is not, the zero reply leaves the words to the server, which
// knows what is wrong with the stream.
func (s *session) takeIn(body io.Reader, spool *store.Spool) (reply mail.Reply, whole bool) {
	in := s.r.readers.Get().(*bufio.Reader)
	in.Reset(body)
	defer func() {
		in.Reset(nil)
		s.r.readers.Put(in)
	}()
	header, err := message.ReadHeader(in, message.Limits{})
	switch {
	case errors.Is(err, message.ErrHeaderTooLarge), tooManyFields(header):
		return mail.NewReply(554, mail.EnhancedCode{Class: 5, Subject: 6, Detail: 0}, "the header is too large"), false
	case err != nil:
		return mail.Reply{}, false
	}
	s.state.Header = header
	if s.verifier != nil {
		s.verifier.Header(header)
	}
	to := sink{spool: spool, verifier: s.verifier, look: s.isForwarded()}
	if to.err = writeHeader(spool, header, s.r.o.Hostname, s.front); to.err == nil {
		_, err = in.WriteTo(&to)
	}
	s.eightBit = to.eightBit || s.options.Body == smtp.Body8BitMIME || to.look && hasEightBit(header)
	s.state.Octets = spool.Size()
	switch {
	case to.err != nil:
		return s.failed(to.err, "spool"), false
	case err != nil:
		return mail.Reply{}, false
	}
	return mail.Reply{}, true
}

// hasEightBit finds octets over 127 in a header.
func hasEightBit(h message.Header) bool {
	return slices.ContainsFunc(h.Fields, func(f message.Field) bool {
		return strings.ContainsFunc(f.Raw(), func(r rune) bool { return r >= 0x80 })
	})
}

// isForwarded reports whether the message goes on to somebody elsewhere.
func (s *session) isForwarded() bool {
	return slices.ContainsFunc(s.state.Recipients, func(r policy.Recipient) bool { return len(r.Destination.Forwards) > 0 })
}

// tooManyFields: what lies behind the last field that was kept would be lost.
func tooManyFields(h message.Header) bool {
	for _, p := range h.Problems {
		if p.Code == message.TooManyFields {
			return true
		}
	}
	return false
}

// sink is where the body goes: into the hashes and the spool.
type sink struct {
	spool    *store.Spool
	verifier *mailauth.Verifier
	err      error // of the spool
	look     bool  // for octets over 127: only where the message is passed on
	eightBit bool
}

// Write fails only when the spool does.
func (k *sink) Write(p []byte) (int, error) {
	if k.verifier != nil {
		_, _ = k.verifier.Write(p) // it never fails
	}
	if k.look && !k.eightBit {
		k.eightBit = slices.ContainsFunc(p, func(c byte) bool { return c >= 0x80 })
	}
	n, err := k.spool.Write(p)
	k.err = err
	return n, err
}

// turnAwayFull asks for room once more where the real size is larger than what RCPT
// was told. Only who declared less than it sent, or nothing, or a front, comes here.
// It leaves the recipients that have room; the replies are nil when all have.
func (s *session) turnAwayFull(ctx context.Context) []mail.Reply {
	size := s.state.Octets
	if s.r.o.LMTP != nil || s.state.Size >= size || s.state.Size == 0 && !s.front && !s.state.Recipients[0].Alone {
		return nil
	}
	replies := make([]mail.Reply, len(s.state.Recipients))
	var fitting []policy.Recipient
	for i, rcpt := range s.state.Recipients {
		if replies[i] = s.fits(ctx, rcpt, size); replies[i].IsZero() {
			fitting = append(fitting, rcpt)
		}
	}
	if len(fitting) == len(replies) {
		return nil
	}
	if !s.front { // one reply for all: nobody gets what somebody cannot
		for _, r := range replies {
			if !r.IsZero() {
				replies, fitting = []mail.Reply{r}, nil
				break
			}
		}
	}
	s.state.Recipients = fitting
	return replies
}

func (s *session) fits(ctx context.Context, rcpt policy.Recipient, size int64) mail.Reply {
	for _, target := range rcpt.Destination.Mailboxes {
		switch err := s.r.rooms.fits(ctx, target.Account, size); {
		case errors.Is(err, mailbox.ErrQuota):
			reply := policy.Full()
			s.refuse(policy.Verdict{Action: policy.Defer, Stage: "room", Reason: "room.mailbox", Reply: reply}, rcpt.To)
			return reply
		case err != nil:
			return s.failed(err, "room")
		}
	}
	return mail.Reply{}
}

// commit makes the promise.
func (s *session) commit(ctx context.Context, spool *store.Spool, v policy.Verdict) mail.Reply {
	m := accept.Message{
		Trace: s.trace, Spool: spool, From: s.state.ReversePath, Received: s.state.Now,
		Deliveries: make([]accept.Delivery, len(s.state.Recipients)),
		Events:     append(s.events, s.received(v, spool.Size())), Unproven: s.isUnproven(),
	}
	m.Remote.RequireTLS, m.Remote.SMTPUTF8, m.Remote.EightBit = s.options.RequireTLS, s.options.SMTPUTF8, s.eightBit
	for i, rcpt := range s.state.Recipients {
		d := &m.Deliveries[i]
		d.To, d.Destination, d.Stays = rcpt.Home, rcpt.Destination, v.Stays
		if v.Action == policy.Junk {
			d.Folder = mailbox.Junk
		}
		d.Elsewhere = s.r.o.LMTP != nil && len(rcpt.Destination.Mailboxes) > 0
	}
	switch err := s.r.o.Accept.Commit(ctx, m); {
	case err == nil:
	case s.isElsewhereOnly():
		// The other store has it and nothing else was promised: to be told no, the client
		// would bring it again.
		s.r.o.Log.Error("the journal is incomplete", "trace", s.trace, "error", err)
	default:
		return s.failed(err, "commit")
	}
	s.events = nil
	s.taken(v, spool.Size())
	return mail.NewReply(250, mail.EnhancedCode{Class: 2}, "taken as "+string(s.trace))
}

// isUnproven reports whether the author, or the domain that an answer would go to, denies
// the message. Who publishes nothing denies nothing.
func (s *session) isUnproven() bool {
	author, sender := &s.state.Results.DMARC, &s.state.Results.SPF
	switch author.Result {
	case dmarc.ResultFail, dmarc.ResultPermError:
		return true
	case dmarc.ResultPass:
		if boxes, err := s.state.Header.From(); err == nil && len(boxes) == 1 && boxes[0].Address.Domain == s.state.ReversePath.Domain {
			return false
		}
	}
	return sender.Result == spf.Fail || sender.Result == spf.SoftFail
}

// received is the first event of a message's life.
func (s *session) received(v policy.Verdict, size int64) journal.Event {
	fields := map[string]string{
		"client": s.client(), "dmarc": string(s.state.Results.DMARC.Result), "spf": string(s.state.Results.SPF.Result),
	}
	if v.Reason != "" {
		fields["reason"], fields["detail"] = v.Reason, v.Detail
	}
	return journal.Event{Trace: s.trace, Time: s.state.Now, Kind: journal.Received, From: s.state.ReversePath.String(), Fields: fields}
}
