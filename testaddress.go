package main

import (
	"context"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// newTests are the test addresses of the server, at its first domain.
func (s *server) newTests() *testaddress.Book {
	return testaddress.New(testaddress.Options{
		Store: s.store, Now: s.world.Now, Domain: s.testDomain, Judge: s.judgeTest, Log: s.log,
	})
}

// testDomain is where new test addresses stand.
func (s *server) testDomain() mail.Domain { return s.accounts.Domains()[0] }

// judgeTest has all checks of a message look at it, with what the session found out when
// it came.
func (s *server) judgeTest(ctx context.Context, a *testaddress.Arrival, raw []byte) (testaddress.Verdict, error) {
	now := s.now.Load()
	o := s.checkOptions(now.settings) // whoever is named in a message is not to be knocked up by it
	o.Lists, o.ClientIP, o.ClientHELO, o.MailFrom, o.Results = now.lists, a.Client, a.HELO, a.From, a.Known()
	r := check.NewAudit(s.world, o).Run(ctx, check.Target{Text: a.To, Kind: check.Message, Raw: raw}, nil)
	v := testaddress.Verdict{Report: r}
	for _, x := range check.Receivers(check.Message, r) {
		v.Receivers = append(v.Receivers, testaddress.Receiver(x))
	}
	return v, nil
}
