package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/submit"
)

// alertHeld tells the administrator that a sender's mail waits, and how to go on.
func (s *server) alertHeld(ctx context.Context, a submit.Alert) {
	s.alert(ctx, a.Principal+" is on hold", fmt.Sprintf(`What %[1]s sends waits, because %[2]s.
%[3]d messages that were on their way wait as well.

If it was %[1]s who sent them, let them go:

    allgreen account free %[1]s

If somebody has stolen the password, change it and throw the messages away:

    allgreen account passwd %[1]s
    allgreen account free %[1]s --drop

What it was:

    allgreen queue list --origin %[1]s --state held
`, a.Principal, strings.TrimSuffix(a.Why, "."), a.Held), a.Trace)
}

// alertDelivery tells the administrator what delivering has noticed.
func (s *server) alertDelivery(ctx context.Context, a deliver.Alert) {
	subject := a.Kind
	if a.Destination != "" {
		subject += ": " + a.Destination
	}
	s.alert(ctx, subject, a.Text+"\n", "")
}

// alert puts a message into the administrator's mailbox. It never leaves this
// server, so that no trouble with sending hides it. Where there is no administrator
// yet the log is all there is.
func (s *server) alert(ctx context.Context, subject, text string, about mail.TraceID) {
	if err := s.writeAlert(ctx, subject, text, about); err != nil {
		s.log.Error("the administrator could not be told", "subject", subject, "text", text, "error", err)
	}
}

func (s *server) writeAlert(ctx context.Context, subject, text string, about mail.TraceID) error {
	return s.writeAlertAlso(ctx, subject, text, about, nil)
}

// writeAlertAlso is writeAlert with something else in the same transaction.
func (s *server) writeAlertAlso(ctx context.Context, subject, text string, about mail.TraceID, also func(*store.Tx) error) error {
	return s.writeToOwner(ctx, 0, subject, text, about, also)
}

// writeToOwner is writeAlertAlso to the owner of an account; to the administrator where it
// is gone or 0.
func (s *server) writeToOwner(ctx context.Context, owner account.ID, subject, text string, about mail.TraceID, also func(*store.Tx) error) error {
	host, now := s.identity.Statement().Hostname, s.world.Now()
	var to account.Target
	err := s.store.Read(ctx, func(tx *store.Tx) (err error) {
		to, err = s.accounts.Standing(tx, owner)
		return err
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	trace := mail.NewTraceID(now)
	fmt.Fprintf(&b, "Return-Path: <>\r\n")
	err = message.Compose(&b, message.Draft{
		From: []message.Mailbox{{Name: "Allgreen", Address: mail.Address{Local: "postmaster", Domain: host}}},
		To:   []message.Mailbox{{Address: to.Address}}, Subject: "[" + host.String() + "] " + subject, Date: now, Text: text,
		Fields: []message.Field{message.NewField("Auto-Submitted", "auto-generated")}, // RFC 3834
	})
	if err != nil {
		return err
	}
	spool := s.store.NewSpool()
	defer spool.Close()
	if _, err := spool.Write(b.Bytes()); err != nil {
		return err
	}
	m := accept.Message{
		Trace: trace, Spool: spool, Received: now, Unfiltered: true, Also: also,
		Deliveries: []accept.Delivery{{To: to.Address, Destination: account.Destination{Mailboxes: []account.Target{to}}}},
	}
	if about != "" {
		m.Events = []journal.Event{{Kind: journal.Alert, To: to.Address.String(), Fields: map[string]string{"about": string(about), "subject": subject}}}
	}
	return s.accept.Commit(ctx, m)
}
