package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// knockPatience bounds each command of the test message.
const knockPatience = time.Minute

// Knock passes a test message to a mail server by its name, as a stranger on port 25
// does, whatever the MX records say. The error is what kept it from being taken.
func Knock(ctx context.Context, w *world.World, host mail.Domain, to mail.Address) error {
	ips, err := world.LookupHost(ctx, w, host)
	if err != nil {
		return fmt.Errorf("find %s: %w", host, err)
	}
	var errs []error
	for _, ip := range ips {
		if err := knockAt(ctx, w, ip, host, to); err != nil {
			errs = append(errs, fmt.Errorf("%s at %s does not take a message for %s: %w", host, ip, to, err))
			continue
		}
		return nil
	}
	return errors.Join(errs...)
}

func knockAt(ctx context.Context, w *world.World, ip netip.Addr, host mail.Domain, to mail.Address) error {
	c, err := smtp.Dial(ctx, w, netip.AddrPortFrom(ip, 25), smtp.ClientOptions{Name: "switch-test." + host.String(), Timeout: knockPatience, DataTimeout: 2 * knockPatience})
	if err != nil {
		return err
	}
	defer c.Close()
	letter, err := knockLetter(w.Now(), host, to)
	if err != nil {
		return err
	}
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) { return c.Greet(ctx) },
		func() (mail.Reply, error) { return c.Hello(ctx) },
		func() (mail.Reply, error) { return c.Mail(ctx, mail.Address{}, smtp.MailOptions{}) },
		func() (mail.Reply, error) { return c.Rcpt(ctx, to, smtp.RcptOptions{}) },
		func() (mail.Reply, error) { return c.Data(ctx, bytes.NewReader(letter)) },
	} {
		reply, err := say()
		if err != nil {
			return err
		}
		if !reply.IsPositive() {
			return errors.New(reply.String())
		}
	}
	_, _ = c.Quit(ctx) // the message is theirs already
	return nil
}

func knockLetter(now time.Time, host mail.Domain, to mail.Address) ([]byte, error) {
	var b bytes.Buffer
	err := message.Compose(&b, message.Draft{
		From: []message.Mailbox{{Name: "Allgreen", Address: mail.Address{Local: "postmaster", Domain: host}}},
		To:   []message.Mailbox{{Address: to}}, Subject: "Test before the mail of " + to.Domain.String() + " moves here", Date: now,
		Text:   "This message came to " + host.String() + " directly. That it is here shows that\nthe server takes mail for the domain. Nothing is to be done about it.\n",
		Fields: []message.Field{message.NewField("Auto-Submitted", "auto-generated")}, // RFC 3834
	})
	return b.Bytes(), err
}
