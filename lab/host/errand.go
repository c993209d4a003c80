package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

// errand is a message that a host sends by itself. Without content it is a
// callout: it ends after RCPT.
type errand struct {
	by      *Mail
	from    string
	to      target
	content []byte
}

// errandTime is how long one errand may take.
const errandTime = 10 * time.Second

var errErrand = errors.New("nobody took it")

// run sends to the first server of the recipient's domain that answers.
func (e errand) run(ctx context.Context, town *Town) error {
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	for _, to := range town.Route(e.to.domain) {
		conn, err := e.dial(ctx, to)
		if err != nil {
			continue
		}
		release := lifetime.Close(ctx, conn)
		err = e.converse(conn)
		release()
		conn.Close()
		return err
	}
	return errErrand
}

// dial goes out from the host's own address: that is what blocklists and SPF see.
func (e errand) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.by.Addr, 0))}
	return d.DialContext(ctx, "tcp4", to.String())
}

func (e errand) converse(conn net.Conn) error {
	in := bufio.NewReader(conn)
	if err := expect(in, "2"); err != nil {
		return err
	}
	steps := []struct{ say, want string }{
		{"EHLO " + e.by.says() + "\r\n", "2"},
		{"MAIL FROM:<" + e.from + ">\r\n", "2"},
		{"RCPT TO:<" + e.to.String() + ">\r\n", "2"},
		{"DATA\r\n", "3"},
		{stuff(e.content), "2"},
	}
	if e.content == nil {
		steps = steps[:3]
	}
	for _, step := range steps {
		if _, err := conn.Write([]byte(step.say)); err != nil {
			return err
		}
		if err := expect(in, step.want); err != nil {
			return err
		}
	}
	_, err := conn.Write([]byte("QUIT\r\n"))
	return err
}

// expect reads one reply of at most 100 lines.
func expect(in *bufio.Reader, class string) error {
	for range 100 {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 || line[3] != '-' {
			if !strings.HasPrefix(line, class) {
				return fmt.Errorf("%w: %s", errErrand, strings.TrimSpace(line))
			}
			return nil
		}
	}
	return errErrand
}

// stuff makes content fit for DATA: dots doubled, the end marked.
func stuff(content []byte) string {
	text := "\r\n" + strings.TrimSuffix(string(content), "\r\n")
	return strings.TrimPrefix(strings.ReplaceAll(text, "\r\n.", "\r\n.."), "\r\n") + "\r\n.\r\n"
}

// later runs an errand that nobody waits for but the town.
func (s *session) later(e errand) {
	s.town.errands.Go(func() { e.run(s.ctx, s.town) })
}

// callOut asks the sender's own server whether it would take mail for the sender.
func (s *session) callOut(from string) error {
	return errand{by: s.mail, from: "", to: splitPath(from)}.run(s.ctx, s.town)
}

// passOn relays a message.
func (s *session) passOn(done envelope, body []byte) {
	trace := fmt.Sprintf("Received: from %s ([%s]) by %s with ESMTP; %s\r\n",
		s.helo, s.remote, s.mail.Name, time.Now().Format(time.RFC1123Z))
	from := done.from
	if from != "" && splitPath(from).domain == "" {
		from += "@" + s.mail.Name // a bare name is its own user's
	}
	for _, to := range done.relays {
		s.later(errand{by: s.mail, from: from, to: to, content: append([]byte(trace), body...)})
	}
}

// writeBack sends what the server's character writes to senders.
func (s *session) writeBack(done envelope) {
	ch := s.mail.Character
	if done.from == "" || done.from == "<>" {
		return
	}
	to := splitPath(done.from)
	if to.domain == "" {
		return
	}
	switch {
	case done.lost && ch.UnknownUsers == Bounced:
		s.later(errand{by: s.mail, to: to, content: s.bounce(done)})
	case done.hasLocal && ch.Writes == WritesChallenges:
		s.later(errand{by: s.mail, to: to, content: s.letter("Please confirm that you are human",
			done, "Your message is held. Follow this link to have it delivered.")})
	case done.hasLocal && ch.Writes == WritesVacations:
		s.later(errand{by: s.mail, from: done.to[0], to: to, content: s.letter("Out of office",
			done, "I am away and shall read your message some day.")})
	}
}

func (s *session) letter(subject string, done envelope, text string) []byte {
	now := time.Now()
	return fmt.Appendf(nil, "From: <postmaster@%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\n"+
		"Message-ID: <%d@%s>\r\n\r\n%s\r\n",
		s.mail.domains()[0], done.from, subject, now.Format(time.RFC1123Z), now.UnixNano(), s.mail.Name, text)
}

// bounce is a delivery status notification (RFC 3464) about all recipients.
func (s *session) bounce(done envelope) []byte {
	const boundary = "=_bounce"
	var b strings.Builder
	fmt.Fprintf(&b, "From: Mail Delivery System <mailer-daemon@%s>\r\nTo: <%s>\r\n", s.mail.Name, done.from)
	fmt.Fprintf(&b, "Subject: Undelivered Mail Returned to Sender\r\nDate: %s\r\n", time.Now().Format(time.RFC1123Z))
	fmt.Fprintf(&b, "Message-ID: <%d@%s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n", time.Now().UnixNano(), s.mail.Name)
	fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=delivery-status; boundary=%q\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; %s\r\n", boundary, s.mail.Name)
	for _, to := range done.to {
		fmt.Fprintf(&b, "\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.1.1\r\n", to)
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return []byte(b.String())
}
