package receive

import (
	"context"
	"errors"
	"strings"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// isTest asks the book of test addresses.
func (r *Receiver) isTest(ctx context.Context, to mail.Address) error {
	return r.o.Store.Read(ctx, func(tx *store.Tx) error { return r.o.Tests.Find(tx, to) })
}

// isTest reports whether the message goes to a test address. It goes nowhere else then.
func (s *session) isTest() bool { return len(s.state.Recipients) == 1 && s.state.Recipients[0].Test }

// takeTest keeps a message with all that this session knows of it, to be judged: it is no
// mail, so that no mailbox, queue or script has to do with it. Nothing is refused but what
// is too large, for the answer to bad mail is its verdict.
func (s *session) takeTest(ctx context.Context, spool *store.Spool) mail.Reply {
	to := s.state.Recipients[0].Home
	if s.state.Octets > testaddress.MaxSize {
		v := policy.TestTooLarge()
		s.refuse(v, to)
		return v.Reply
	}
	a := s.arrival(ctx, to)
	spool.SetHead(s.head(policy.Verdict{}))
	if err := spool.Place(ctx); err != nil {
		return s.failed(err, "place")
	}
	header, err := headerOf(spool)
	if err != nil {
		return s.failed(err, "header")
	}
	events := append(s.events, s.received(policy.Verdict{}, spool.Size()), journal.Event{
		Trace: s.trace, Time: s.state.Now, Kind: journal.Tested, From: s.state.ReversePath.String(), To: to.String()})
	err = s.r.o.Store.Write(ctx, func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		if err := s.r.o.Tests.Put(tx, to, a, header, body); err != nil {
			return err
		}
		return journal.Add(tx, events...)
	})
	switch {
	case errors.Is(err, testaddress.ErrFull): // others were faster since RCPT
		return mail.NewReply(550, mail.EnhancedCode{Class: 5, Subject: 2, Detail: 2}, "this test address has had its messages: make a new one")
	case err != nil:
		s.r.o.Log.Error("cannot take a test message", "trace", s.trace, "error", err)
		return accept.Answer(err)
	}
	s.events = nil
	s.taken(policy.Verdict{Action: policy.Accept, Reason: "test"}, spool.Size())
	return mail.NewReply(250, mail.EnhancedCode{Class: 2}, "taken as "+string(s.trace)+" to be judged")
}

// arrival is what the session knows, and what would have become of the message.
func (s *session) arrival(ctx context.Context, to mail.Address) *testaddress.Arrival {
	s.state.Now = s.r.o.World.Now()
	a := &testaddress.Arrival{
		Trace: s.trace, Time: s.state.Now.UTC(), From: s.state.ReversePath.Path(), To: to.String(), Size: s.state.Octets,
		Here: opinion(s.r.policy.Opinion(ctx, s.state)),
	}
	var results *mailauth.Results
	if !s.front {
		a.Client = s.state.IP
		known := s.state.Results // the session forgets its own
		results = &known
	}
	a.Meet(s.state.Peer, results)
	return a
}

// opinion is a verdict of the chain in words for people.
func opinion(v policy.Verdict) testaddress.Opinion {
	word := map[policy.Action]string{policy.Junk: "junk", policy.Defer: "put off", policy.Reject: "refused"}[v.Action]
	if word == "" {
		word = "inbox"
	}
	return testaddress.Opinion{Action: word, Reason: v.Reason, Detail: v.Detail, Score: v.Score}
}

// headerOf is the header as it was spooled, with what stands in front. Tables hold text:
// what is none is shown as such.
func headerOf(spool *store.Spool) (string, error) {
	in, err := spool.Open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	m, err := message.Read(in, message.Limits{})
	if err != nil {
		return "", nil // longer than anybody reads: the verdict says so
	}
	var b strings.Builder
	for _, f := range m.Header.Fields {
		b.WriteString(f.Raw())
	}
	return strings.ReplaceAll(strings.ToValidUTF8(b.String(), "\uFFFD"), "\x00", "\uFFFD"), nil
}
