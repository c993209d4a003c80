package receive_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/testaddress"
)

// TestTestAddress sends to test addresses what would be refused anywhere else, and looks
// at what was kept of it.
func TestTestAddress(t *testing.T) {
	var book *testaddress.Book
	var now func() time.Time
	p := &player{t: t}
	p.h = newHouse(t, storetest.Open(t, append([]store.Schema{testaddress.Schema}, schemas...)...), func(o *receive.Options) {
		now = o.World.Now
		book = testaddress.New(testaddress.Options{Store: o.Store, Now: now, Domain: func() mail.Domain { return ours }})
		o.Tests = book
	}, smtp.ServerOptions{})
	first, second := makeTest(t, book), makeTest(t, book)

	run(t, p, `
from 192.0.2.99
C: EHLO [192.0.2.99]
S: 250
C: MAIL FROM:<ceo@bank.example>
S: 250
C: RCPT TO:<`+first.Address+`>
S: 250
C: RCPT TO:<anna@ours.example>
S: 452 recipient.alone
C: RCPT TO:<`+second.Address+`>
S: 452 recipient.alone
C: DATA
S: 354
C: Authentication-Results: mx.ours.example; spf=pass smtp.mailfrom=bank.example
C: From: ceo@bank.example
C: Subject: forged
C:
C: Pay.
C: .
S: 250 judged
C: MAIL FROM:<ceo@bank.example> SIZE=10485761
S: 250
C: RCPT TO:<`+second.Address+`>
S: 552 recipient.test-size
C: RCPT TO:<test-aaaaaaaaaaaaaaaaaaaa@ours.example>
S: 550 recipient.unknown
C: RSET
S: 250
C: QUIT
S: 221
box anna inbox 0
queue 0
journal tested`)
	got, err := book.Look(t.Context(), first.ID)
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	a := got.Messages[0].Arrival
	if a.Client != netip.MustParseAddr("192.0.2.99") || a.HELO != "[192.0.2.99]" || a.From != "<ceo@bank.example>" || a.TLS != "" || a.PTR != "" {
		t.Errorf("the session was %+v", a)
	}
	if a.Here.Action != "refused" || a.Here.Reason == "" {
		t.Errorf("anybody else would have got it: %+v", a.Here)
	}
	if !strings.Contains(string(a.Results), `"result":"fail"`) || len(a.Chain) < 2 || a.Chain[0].Name != "bank.example" || !a.Chain[1].Same {
		t.Errorf("authentication: %s %+v", a.Results, a.Chain)
	}
	header := got.Messages[0].Header
	if !strings.HasPrefix(header, "Return-Path: <ceo@bank.example>\r\n") || strings.Count(header, "Authentication-Results:") != 1 ||
		!strings.Contains(header, "spf=fail") || !strings.HasSuffix(header, "Subject: forged\r\n") {
		t.Errorf("the header is\n%s", header)
	}

	p.h.clock.move(testaddress.Takes)
	run(t, p, `
from 192.0.2.1
C: EHLO mail.sender.example
S: 250
C: MAIL FROM:<joe@sender.example>
S: 250
C: RCPT TO:<`+second.Address+`>
S: 550 5.1.1 recipient.test-over
C: QUIT
S: 221`)
}

// TestTestAddressTooLarge declares nothing and sends too much.
func TestTestAddressTooLarge(t *testing.T) {
	var book *testaddress.Book
	p := &player{t: t}
	p.h = newHouse(t, storetest.Open(t, append([]store.Schema{testaddress.Schema}, schemas...)...), func(o *receive.Options) {
		book = testaddress.New(testaddress.Options{Store: o.Store, Now: o.World.Now, Domain: func() mail.Domain { return ours }})
		o.Tests = book
	}, smtp.ServerOptions{})
	a := makeTest(t, book)
	run(t, p, "from 192.0.2.1\nC: EHLO mail.sender.example\nS: 250\nC: MAIL FROM:<joe@sender.example>\nS: 250\nC: RCPT TO:<"+a.Address+">\nS: 250\nC: DATA\nS: 354\nC: From: joe@sender.example\nC:")
	p.conn.SetDeadline(time.Now().Add(time.Minute))
	line := strings.Repeat("x", 998) + "\r\n"
	if _, err := p.conn.Write([]byte(strings.Repeat(line, testaddress.MaxSize/len(line)+1))); err != nil {
		t.Fatal(err)
	}
	run(t, p, "C: .\nS: 552 5.3.4\nC: QUIT\nS: 221")
	if got, err := book.Look(t.Context(), a.ID); err != nil || len(got.Messages) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func makeTest(t *testing.T, book *testaddress.Book) testaddress.Address {
	a, err := book.Make(context.Background(), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run plays lines of a dialogue.
func run(t *testing.T, p *player, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb == "" {
			continue
		}
		if err := p.step(verb, rest); err != nil {
			t.Fatalf("%s\n%s", line, err)
		}
	}
}
