package monitor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// Post sends letters past our own queue and its ways out: through a server of somebody
// else, or straight to the recipient's. When our mail is refused everywhere, somebody must
// still hear of it.
type Post struct {
	World     *world.World
	HELO      string
	From      mail.Address
	Smarthost *Smarthost // nil: the recipient's own servers
	// Sign gives the letter the signatures of From's domain; nil: it has none.
	Sign func(letter []byte) ([]byte, error)
}

// Smarthost is a server that takes the letters of a login. The password is said only over
// TLS, and only to a server with a certificate for Host.
type Smarthost struct {
	Host           mail.Domain
	Port           uint16 // zero: 587; 465 speaks TLS from the first octet
	User, Password string // empty: no login
}

// To is a channel to one address.
func (p *Post) To(address mail.Address, host mail.Domain) Channel {
	return Channel{Name: "mail to " + address.String(), Tell: func(ctx context.Context, l Letter) error {
		text, err := p.write(address, host, l)
		if err != nil {
			return err
		}
		return p.send(ctx, address, text)
	}}
}

func (p *Post) write(to mail.Address, host mail.Domain, l Letter) ([]byte, error) {
	var b bytes.Buffer
	err := message.Compose(&b, message.Draft{
		From: []message.Mailbox{{Name: "Allgreen on " + host.String(), Address: p.From}}, To: []message.Mailbox{{Address: to}},
		Subject: "[" + host.String() + "] " + l.Subject, Date: l.Time, Text: l.Text,
		MessageID: string(mail.NewTraceID(l.Time)) + "@" + host.String(),
		Fields:    []message.Field{message.NewField("Auto-Submitted", "auto-generated")}, // RFC 3834
	})
	if err != nil || p.Sign == nil {
		return b.Bytes(), err
	}
	return p.Sign(b.Bytes())
}

// stop is one server that may take a letter.
type stop struct {
	at       netip.AddrPort
	need     route.Need
	implicit bool
	login    *Smarthost
}

// send tries one server after the other. A refusal for good ends it: the next server
// would say the same.
func (p *Post) send(ctx context.Context, to mail.Address, letter []byte) error {
	stops, err := p.stops(ctx, to)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range stops {
		err := p.hand(ctx, s, to, letter)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.at, err))
	}
	return errors.Join(errs...)
}

// maxStops bounds how many addresses one letter is offered to.
const maxStops = 4

func (p *Post) stops(ctx context.Context, to mail.Address) (all []stop, err error) {
	if p.Smarthost != nil {
		return p.smarthostStops(ctx)
	}
	plan := route.Requirement(ctx, p.World, to.Domain)
	if plan.Err != nil {
		return nil, fmt.Errorf("where the mail of %s goes could not be found out: %w", to.Domain, plan.Err)
	}
	for i := range plan.Hosts {
		if level := plan.Needs[i].Level; level == route.Undetermined || level == route.Forbidden {
			err = plan.Needs[i].Err
			continue
		}
		for _, ip := range plan.Hosts[i].Addresses() {
			if p.World.IsPublic(ip) {
				all = append(all, stop{at: netip.AddrPortFrom(ip, 25), need: plan.Needs[i]})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.Join(fmt.Errorf("no server takes mail for %s", to.Domain), err)
	}
	return all[:min(len(all), maxStops)], nil
}

func (p *Post) smarthostStops(ctx context.Context) (all []stop, err error) {
	s := p.Smarthost
	ips, err := world.LookupHost(ctx, p.World, s.Host)
	if err != nil {
		return nil, err
	}
	at := stop{need: route.Need{Level: route.Opportunistic, Names: []mail.Domain{s.Host}}, implicit: s.Port == 465, login: s}
	if s.User != "" || at.implicit {
		at.need.Level = route.WebPKI // a password goes to nobody unknown
	}
	for _, ip := range ips {
		at.at = netip.AddrPortFrom(ip, cmp.Or(s.Port, 587))
		all = append(all, at)
	}
	return all[:min(len(all), maxStops)], nil
}

// hand gives the letter to one server.
func (p *Post) hand(ctx context.Context, s stop, to mail.Address, letter []byte) error {
	c, err := smtp.Dial(ctx, p.World, s.at, smtp.ClientOptions{Name: p.HELO, Timeout: webTime, DataTimeout: tellTime})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := p.open(ctx, c, s); err != nil {
		return err
	}
	fates, err := c.Send(ctx, smtp.Envelope{From: p.From, To: []smtp.Recipient{{Address: to}}}, bytes.NewReader(letter))
	if err == nil && !fates[0].Reply.IsPositive() {
		err = said(fates[0].At, fates[0].Reply)
	}
	if err != nil {
		return err
	}
	_, _ = c.Quit(ctx) // the letter has been taken
	return nil
}

// open leads the dialogue to where mail can be sent: TLS where it can be had, and where
// it must be.
func (p *Post) open(ctx context.Context, c *smtp.Client, s stop) error {
	if s.implicit {
		if err := c.Handshake(ctx, p.config(s)); err != nil {
			return err
		}
	}
	if err := positive("the greeting")(c.Greet(ctx)); err != nil {
		return err
	}
	if err := positive("EHLO")(c.Hello(ctx)); err != nil {
		return err
	}
	switch offered := c.Extensions().Has("STARTTLS"); {
	case s.implicit:
	case offered:
		if err := positive("STARTTLS")(c.StartTLS(ctx, p.config(s))); err != nil {
			return err
		}
		if err := positive("EHLO")(c.Hello(ctx)); err != nil {
			return err
		}
	case s.need.Level != route.Opportunistic:
		return errors.New("it does not offer STARTTLS")
	}
	if s.login == nil || s.login.User == "" {
		return nil
	}
	how := c.AuthPlain
	if m := c.Extensions().AuthMechanisms(); !slices.Contains(m, "PLAIN") && slices.Contains(m, "LOGIN") {
		how = c.AuthLogin
	}
	return positive("the login")(how(ctx, s.login.User, s.login.Password))
}

// config leaves the judgement of the certificate to route, which knows DANE.
func (p *Post) config(s stop) *tls.Config {
	o := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, Time: p.World.Now, VerifyConnection: func(state tls.ConnectionState) error {
		return s.need.Verify(state.PeerCertificates, p.World.Roots, p.World.Now())
	}}
	if len(s.need.Names) > 0 {
		o.ServerName = s.need.Names[0].String()
	}
	return o
}

// positive makes an error of an answer that says no.
func positive(at string) func(mail.Reply, error) error {
	return func(r mail.Reply, err error) error {
		if err == nil && !r.IsPositive() {
			err = said(at, r)
		}
		return err
	}
}

func said(at string, r mail.Reply) error { return fmt.Errorf("%s was answered with %s", at, r) }
