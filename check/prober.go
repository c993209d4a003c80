package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// prober speaks with one port of a host for as long as a battery takes: on one
// connection at a time, and a new one before the server loses patience.
type prober struct {
	subject  *Subject
	to       netip.AddrPort
	overTLS  bool // STARTTLS before anything is asked, where it is offered
	client   *smtp.Client
	refusals int // on this connection
}

// refusalsBorne is how many refusals one connection is used for. Postfix slows down
// after ten and hangs up after twenty, Exim after ten commands that bring no mail.
const refusalsBorne = 8

// ready makes sure that there is a connection on which a transaction can begin, and
// tells whether it is a new one.
func (p *prober) ready(ctx context.Context) (fresh bool, err error) {
	if p.client != nil && p.refusals < refusalsBorne {
		reply, err := p.client.Rset(ctx)
		if err == nil && reply.IsPositive() {
			return false, nil
		}
		p.hangUp()
	}
	p.leave(ctx)
	return true, p.open(ctx)
}

// open connects and says EHLO.
func (p *prober) open(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	err := p.greet(ctx)
	if err == nil && p.overTLS && p.client.Extensions().Has("STARTTLS") {
		err = p.startTLS(ctx)
	}
	if err != nil {
		p.hangUp()
	}
	return err
}

func (p *prober) connect(ctx context.Context) error {
	conn, err := p.subject.Dial(ctx, p.to)
	if err != nil {
		return err
	}
	p.refusals = 0
	p.client = smtp.NewClient(conn, smtp.ClientOptions{
		Name:        p.subject.Options.helo(),
		Timeout:     min(commandPatience, p.subject.Options.timeout()),
		DataTimeout: min(commandPatience, p.subject.Options.timeout()),
		ClearAuth:   true, // only to fail: no password of anybody is ever said
	})
	if p.to.Port() != 465 {
		return nil
	}
	return p.client.Handshake(ctx, p.tlsConfig(ctx))
}

func (p *prober) greet(ctx context.Context) error {
	reply, err := p.client.Greet(ctx)
	if err == nil {
		err = refusal("the greeting", reply)
	}
	if err != nil {
		return err
	}
	return p.hello(ctx)
}

func (p *prober) hello(ctx context.Context) error {
	reply, err := p.client.Hello(ctx)
	if err == nil {
		err = refusal("EHLO", reply)
	}
	return err
}

// startTLS goes over to TLS; what the certificate is worth is another check's
// question.
func (p *prober) startTLS(ctx context.Context) error {
	reply, err := p.client.StartTLS(ctx, p.tlsConfig(ctx))
	if err == nil {
		err = refusal("STARTTLS", reply)
	}
	if err != nil {
		return err
	}
	return p.hello(ctx)
}

func (p *prober) tlsConfig(ctx context.Context) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // judged by the tls checks
		MinVersion:         tls.VersionTLS10,
		ServerName:         p.subject.nameOf(ctx, p.to.Addr()),
		Time:               p.subject.World.Now,
	}
}

// say sends one command. A reply 421 ends the connection, as the server will.
func (p *prober) say(ctx context.Context, command string) (mail.Reply, error) {
	reply, err := p.client.Do(ctx, smtp.Command(command))
	if reply.Code >= 400 {
		p.refusals++
	}
	if err == nil && reply.Code == 421 {
		err = errShown
	}
	if err != nil {
		p.hangUp()
	}
	return reply, err
}

// errShown is a server that shows us the door.
var errShown = errors.New("the server ended the connection")

// wantsTLS reports that a command was refused only because it came in the clear.
func wantsTLS(r mail.Reply) bool {
	return r.Code == 530 && strings.Contains(strings.ToUpper(r.Text()), "TLS")
}

// leave says goodbye, if there is anybody to say it to.
func (p *prober) leave(ctx context.Context) {
	if p.client != nil {
		_, _ = p.client.Quit(ctx)
		p.client = nil
	}
}

func (p *prober) hangUp() {
	if p.client != nil {
		_ = p.client.Close()
		p.client = nil
	}
}
