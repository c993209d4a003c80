package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/smtp"
)

// lookEvery is how often it is looked whether a message has arrived.
const lookEvery = 300 * time.Millisecond

// sendFirst is the fourth stage: a message goes through the server as that of a mail
// program does, and its path and proofs are judged as a receiver would.
func (s *Setup) sendFirst(ctx context.Context) (Outcome, error) {
	out := green()
	if before, ok := s.State.Stages["first"]; ok && before.Status == finding.Green && (s.Answers.TestTo == "" || s.Answers.TestTo == s.State.Outside) {
		out.Line = before.Line
		out.note(finding.Green, before.Line, "")
		return out, nil
	}
	settings, who, err := s.writer(ctx)
	if err != nil {
		return out, err
	}
	if who.IsZero() {
		out.Line = "nobody writes from " + s.Domain.String() + " yet"
		out.info("nobody has a mailbox at "+s.Domain.String()+", so no message was sent from it", "make one, and run it again:", "allgreen account add you@"+s.Domain.String())
		return out, nil
	}
	out.Changed = true
	raw, err := s.sendToOneself(ctx, settings, who)
	if err != nil {
		out.stop("a message to oneself did not arrive: "+err.Error(), "see how far it came:", "allgreen log search --since 1h")
		return out, ctx.Err()
	}
	s.judgeMessage(ctx, settings, who, raw, &out)
	if err := s.sendOutside(ctx, settings, who, &out); err != nil {
		return out, err
	}
	out.Line = fmt.Sprintf("a message of %s arrived, signed and aligned", who)
	if out.Status != finding.Green {
		out.Line = fmt.Sprintf("a message of %s arrived, and something about it is not right", who)
	}
	return out, nil
}

// writer is who sends the first message of the domain: the zero address where nobody can.
func (s *Setup) writer(ctx context.Context) (Settings, mail.Address, error) {
	settings, err := s.House.Settings()
	if err != nil {
		return settings, mail.Address{}, err
	}
	if err := s.House.Serve(ctx); err != nil {
		return settings, mail.Address{}, err
	}
	if settings.Admin.Domain == s.Domain {
		return settings, settings.Admin, nil
	}
	who, err := s.House.AccountAt(ctx, s.Domain)
	return settings, who, err
}

// sendToOneself gives the message as it arrived.
func (s *Setup) sendToOneself(ctx context.Context, settings Settings, who mail.Address) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	s.Desk.Wait("sending a message to " + who.String())
	id, err := s.submit(ctx, settings, who, who)
	if err != nil {
		return nil, err
	}
	var raw []byte
	err = s.until(ctx, func() (bool, error) {
		raw, err = s.House.Arrived(ctx, who, id)
		return raw != nil, err
	})
	return raw, err
}

// until looks again and again until something is so.
func (s *Setup) until(ctx context.Context, is func() (bool, error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if yes, err := is(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// submit hands a message in as a mail program does: STARTTLS, a login, one recipient. A
// certificate that has not come yet is waited for.
func (s *Setup) submit(ctx context.Context, settings Settings, from, to mail.Address) (id string, err error) {
	password, done, err := s.House.Login(ctx, from)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	id = strings.ToLower(rand.Text()) + "@" + settings.Hostname.String()
	var text bytes.Buffer
	if err := message.Compose(&text, message.Draft{
		From: []message.Mailbox{{Address: from}}, To: []message.Mailbox{{Address: to}}, Subject: "The first message",
		Date: s.World.Now(), MessageID: id,
		Text: "This server is being set up. Whoever reads this has received its first\nmessage. Nothing need be done.\n",
	}); err != nil {
		return "", err
	}
	var tlsError *tls.CertificateVerificationError
	err = s.until(ctx, func() (bool, error) {
		err := s.handIn(ctx, settings, from, to, password, text.Bytes())
		if errors.As(err, &tlsError) {
			s.Desk.Wait("waiting for the certificate: " + tlsError.Err.Error())
			return false, nil
		}
		return err == nil, err
	})
	if err != nil && tlsError != nil {
		err = fmt.Errorf("%w (%w)", err, tlsError)
	}
	return id, err
}

func (s *Setup) handIn(ctx context.Context, settings Settings, from, to mail.Address, password string, text []byte) error {
	c, err := smtp.Dial(ctx, s.World, settings.Submit, smtp.ClientOptions{Name: settings.Hostname.String(), Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	say := func(reply mail.Reply, err error) error {
		if err == nil && !reply.IsPositive() {
			return reply
		}
		return err
	}
	for _, step := range []func() error{
		func() error { return say(c.Greet(ctx)) },
		func() error { return say(c.Hello(ctx)) },
		func() error { return say(c.BeginTLS(ctx)) },
		func() error {
			return c.Handshake(ctx, &tls.Config{ServerName: settings.Hostname.String(), RootCAs: s.World.Roots, Time: s.World.Now})
		},
		func() error { return say(c.Hello(ctx)) },
		func() error { return say(c.AuthPlain(ctx, from.String(), password)) },
		func() error { return say(c.Mail(ctx, from, smtp.MailOptions{})) },
		func() error { return say(c.Rcpt(ctx, to, smtp.RcptOptions{})) },
		func() error { return say(c.Data(ctx, bytes.NewReader(text))) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	_, _ = c.Quit(ctx) // the message is taken
	return nil
}

// judgeMessage shows the verdict of a receiver who takes the message from this machine.
func (s *Setup) judgeMessage(ctx context.Context, settings Settings, who mail.Address, raw []byte, out *Outcome) {
	w, err := s.fresh()
	if err != nil {
		out.note(finding.Unknown, "the message could not be judged: "+err.Error(), "")
		return
	}
	s.Desk.Wait("judging the message as a receiver would")
	o := s.Audit
	o.ClientHELO, o.MailFrom = settings.Hostname.String(), who.String()
	if len(settings.Addresses) > 0 {
		o.ClientIP = settings.Addresses[0]
	}
	report := check.NewAudit(w, o).Run(ctx, check.Target{Text: "-", Kind: check.Message, Raw: raw}, nil)
	out.note(finding.Green, fmt.Sprintf("a message from %s to itself went in and arrived: login, TLS, signature, mailbox", who), "")
	bad := 0
	for _, f := range report.WorstFirst() {
		if f.Status == finding.Red || f.Status == finding.Yellow {
			bad++
			out.note(f.Status, f.Summary, f.Fix, pasted(f)...)
		}
	}
	if bad == 0 {
		out.note(finding.Green, fmt.Sprintf("receivers would believe it: SPF, DKIM and DMARC pass (%d questions)", len(report.Findings)), "")
	}
}

// sendOutside sends one more, to an address of the person elsewhere.
func (s *Setup) sendOutside(ctx context.Context, settings Settings, who mail.Address, out *Outcome) error {
	text := s.Answers.TestTo
	if text == "" {
		var err error
		text, err = s.Desk.Ask("An address of yours elsewhere, for one message (empty: none)", "")
		if err != nil && !errors.Is(err, ErrNobody) {
			return err
		}
	}
	if text == "" || text == "-" {
		return nil
	}
	to, err := mail.ParseAddress(text)
	if err != nil {
		return err
	}
	s.Desk.Wait("sending a message to " + to.String())
	since := s.World.Now().Add(-time.Second)
	if _, err := s.submit(ctx, settings, who, to); err != nil {
		out.note(finding.Red, fmt.Sprintf("the message to %s was not taken: %s", to, err), "")
		return nil
	}
	var fate Fate
	limited, cancel := context.WithTimeout(ctx, min(s.patience(), 2*time.Minute))
	defer cancel()
	err = s.until(limited, func() (bool, error) {
		var err error
		fate, err = s.House.Fate(ctx, to, since)
		return fate.Kind != "", err
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch fate.Kind {
	case "delivered":
		s.State.Outside = to.String()
		out.note(finding.Green, fmt.Sprintf("the message to %s was taken by the other side: %s", to, fate.Text), "look whether it lies in the inbox there, and not in Junk")
	case "bounced":
		out.note(finding.Red, fmt.Sprintf("the message to %s was refused: %s", to, fate.Text), "what that means:", fmt.Sprintf("allgreen explain %q", fate.Text))
	default:
		out.note(finding.Unknown, fmt.Sprintf("the message to %s is still on its way: %s", to, fate.Text), "see why:", "allgreen queue list")
	}
	return nil
}
