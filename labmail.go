package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// letter is mail that the tour carries from a client to our server.
type letter struct {
	at         netip.AddrPort // of our server
	from       netip.Addr     // the client's; zero: any
	helo       string
	user, pass string // submission: TLS first, then the login
	sender, to string // envelope
	author     string // From
	subject    string
}

func (l letter) text(now time.Time) string {
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n\r\nHello from the tour.\r\n",
		l.author, l.to, l.subject, now.Format(time.RFC1123Z), strings.ToLower(string(mail.NewTraceID(now))), l.helo)
}

// post hands a letter in and gives the answer that decided: the first refusal, or
// the one to the end of the data.
func (l letter) post(ctx context.Context, w *world.World) (mail.Reply, error) {
	conn, err := w.DialFrom(ctx, l.from, l.at)
	if err != nil {
		return mail.Reply{}, err
	}
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: l.helo})
	defer c.Close()
	if err := l.secure(ctx, c, w); err != nil {
		return mail.Reply{}, err
	}
	sender, err := mail.ParseAddress(l.sender)
	if err != nil {
		return mail.Reply{}, err
	}
	to, err := mail.ParseAddress(l.to)
	if err != nil {
		return mail.Reply{}, err
	}
	for _, say := range []func() (mail.Reply, error){
		func() (mail.Reply, error) { return l.login(ctx, c) },
		func() (mail.Reply, error) { return c.Mail(ctx, sender, smtp.MailOptions{}) },
		func() (mail.Reply, error) { return c.Rcpt(ctx, to, smtp.RcptOptions{}) },
	} {
		if reply, err := say(); err != nil || !reply.IsZero() && !reply.IsPositive() {
			return reply, err
		}
	}
	return c.Data(ctx, strings.NewReader(l.text(w.Now())))
}

// secure greets, and has everything that follows inside TLS.
func (l letter) secure(ctx context.Context, c *smtp.Client, w *world.World) error {
	config := &tls.Config{ServerName: "mx.allgreen.example", RootCAs: w.Roots, Time: w.Now}
	if l.user != "" {
		if err := c.Handshake(ctx, config); err != nil {
			return err
		}
	}
	if reply, err := c.Greet(ctx); err != nil || !reply.IsPositive() {
		return errors.Join(err, notPositive(reply))
	}
	if reply, err := c.Hello(ctx); err != nil || !reply.IsPositive() {
		return errors.Join(err, notPositive(reply))
	}
	if l.user != "" {
		return nil
	}
	if reply, err := c.StartTLS(ctx, config); err != nil || !reply.IsPositive() {
		return errors.Join(err, notPositive(reply))
	}
	_, err := c.Hello(ctx)
	return err
}

func notPositive(reply mail.Reply) error {
	if reply.IsZero() || reply.IsPositive() {
		return nil
	}
	return reply
}

func (l letter) login(ctx context.Context, c *smtp.Client) (mail.Reply, error) {
	if l.user == "" {
		return mail.Reply{}, nil
	}
	return c.AuthPlain(ctx, l.user, l.pass)
}

// verified tells which signatures of a message hold, for people, and whether there
// is one for the domain.
func verified(ctx context.Context, w *world.World, data []byte, domain mail.Domain) (seen []string, ok bool, err error) {
	in := bytes.NewReader(data)
	header, body, err := splitMessage(in)
	if err != nil {
		return nil, false, err
	}
	for _, v := range dkim.Verify(ctx, w, header, body, w.Now()) {
		seen = append(seen, fmt.Sprintf("DKIM %s: d=%s s=%s %s", v.Result, v.Domain, v.Selector, v.Algorithm))
		ok = ok || v.Result == dkim.Pass && v.Domain == domain
	}
	return seen, ok, nil
}

// arrived waits for a message with this subject in a mailbox of ours and gives its
// header.
func (h *home) arrived(ctx context.Context, address mail.Address, role mailbox.Role, subject string) (message.Header, error) {
	a, err := h.server.accounts.Get(ctx, address)
	if err != nil {
		return message.Header{}, err
	}
	watch := h.server.store.Watch(mailbox.Topic(int64(a.ID)))
	defer watch.Close()
	for {
		header, ok, err := h.look(ctx, a.ID, role, subject)
		if ok || err != nil {
			return header, err
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			return header, fmt.Errorf("no message %q came for %s: %w", subject, address, ctx.Err())
		}
	}
}

func (h *home) look(ctx context.Context, id account.ID, role mailbox.Role, subject string) (found message.Header, ok bool, err error) {
	st := h.server.store
	var all []mailbox.Message
	err = st.Read(ctx, func(tx *store.Tx) error {
		folder, err := mailbox.FolderOf(tx, int64(id), role)
		if err != nil {
			return err
		}
		all, err = mailbox.Messages(tx, folder.ID, 0, 1000)
		return err
	})
	for _, m := range all {
		body, err := mailbox.Open(ctx, st, m.Folder, m.UID)
		if err != nil {
			return found, false, err
		}
		header, _, err := splitMessage(body)
		_ = body.Close() // it was read
		if err != nil {
			return found, false, err
		}
		if header.Value("Subject") == subject {
			return header, true, nil
		}
	}
	return found, false, err
}

// waits tells why the message to somebody waits, once it was tried.
func (h *home) waits(ctx context.Context, to string) (queue.Reason, error) {
	watch := h.server.store.Watch(queue.Topic)
	defer watch.Close()
	tick := time.NewTicker(100 * time.Millisecond) // settling wakes nobody
	defer tick.Stop()
	for {
		reasons, err := h.server.queue.Why(ctx, queue.Selection{All: true}, 100)
		if err != nil {
			return queue.Reason{}, err
		}
		for _, r := range reasons {
			if r.Job.Attempts > 0 && r.Job.Recipients[0].To.String() == to {
				return r, nil
			}
		}
		select {
		case <-watch.C():
		case <-tick.C:
		case <-ctx.Done():
			return queue.Reason{}, fmt.Errorf("no message to %s waits: %w", to, ctx.Err())
		}
	}
}

func splitMessage(in io.Reader) (message.Header, io.Reader, error) {
	m, err := message.Read(in, message.Limits{})
	if err != nil {
		return message.Header{}, nil, err
	}
	return m.Header, m.Body, nil
}
