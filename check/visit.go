package check

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// Visit is what one polite conversation with port 25 of a host told: everything
// that most checks of a server need, asked once per run.
type Visit struct {
	Host       netip.Addr
	For        mail.Domain // on whose behalf recipients were asked about; zero for none
	Unreached  error       // the connection could not be opened
	Ended      error       // why the conversation broke off before its end, if it did
	Connecting time.Duration
	Greeting   time.Duration // from the connection to the banner
	Elapsed    time.Duration
	Banner     mail.Reply
	Hello      mail.Reply // before TLS
	Extensions smtp.Extensions
	StartTLS   TLSAnswer
	NullSender Asked            // MAIL FROM:<>, or the RCPT at which the server refused it
	Sender     Asked            // the same from another sender, where the null one is refused
	Unknown    Asked            // RCPT of a mailbox at For that nobody has
	Relay      Asked            // RCPT of an outsider
	Roles      map[string]Asked // role addresses and published contacts at For; only with proof
	Verify     Asked            // VRFY of a mailbox that nobody has; only with proof
	VerifyReal Asked            // VRFY of postmaster
	Expand     Asked            // EXPN; only with proof
	Quit       mail.Reply
	Faults     []smtp.Fault // rules of the protocol that the server broke
	Transcript []string
}

// Asked is a question to a server and its answer.
type Asked struct {
	Command string
	Reply   mail.Reply // zero: not asked, or no answer
	Err     error
	WhyNot  string // why it was not asked
}

// IsAnswered reports whether the server said yes or no.
func (a Asked) IsAnswered() bool { return !a.Reply.IsZero() }

// Evidence is the question and the answer as lines of proof.
func (a Asked) Evidence() []string {
	switch {
	case a.IsAnswered():
		return []string{"C: " + a.Command, "S: " + a.Reply.String()}
	case a.Err != nil:
		return []string{"C: " + a.Command, "* " + a.Err.Error()}
	}
	return evidence(a.WhyNot)
}

// TLSAnswer is what became of STARTTLS.
type TLSAnswer struct {
	Offered    bool
	ServerName string // the SNI that was sent; "" for none
	Reply      mail.Reply
	Err        error                // the command or the handshake failed
	State      *tls.ConnectionState // nil without a handshake; not verified
	Hello      mail.Reply           // EHLO after TLS
	Extensions smtp.Extensions      // after TLS
}

// visitKey tells visits apart: a stranger is visited once for all domains.
type visitKey struct {
	host netip.Addr
	on   mail.Domain
}

// patience with one host: longer than any sender's good will, shorter than ours.
const commandPatience = 20 * time.Second

// RoleNames are the role addresses asked about (RFC 2142), postmaster alone first.
var RoleNames = []string{"postmaster", "abuse", "security", "admin", "hostmaster", "webmaster", "noc"}

// Visit is the conversation with port 25 of a host, held once.
func (s *Subject) Visit(ctx context.Context, host netip.Addr) *Visit {
	proof := s.Proof(ctx, host)
	key := visitKey{host: host}
	if proof.Granted {
		key.on = s.mailDomain()
	}
	return s.visits.get(ctx, key, func(ctx context.Context) *Visit {
		return s.hosts.visits.get(ctx, s.forRun(), key, func(ctx context.Context) *Visit { return s.visit(ctx, host, proof) })
	})
}

func (s *Subject) visit(ctx context.Context, host netip.Addr, proof Proof) *Visit {
	v := &visitor{Visit: Visit{Host: host, For: s.mailDomain()}, subject: s, proof: proof}
	v.hold(ctx)
	if isOver(ctx) {
		s.hosts.unask("recipients", host.String(), v.names(ctx)...) // the run does not keep this visit
	}
	visit := v.Visit // alone: the run does not keep the target for which it was held
	return &visit
}

// visitor holds one conversation.
type visitor struct {
	Visit
	subject *Subject
	proof   Proof
	client  *smtp.Client
	sender  mail.Address // who asks about recipients: null, or another where null is refused
	open    transaction
	company company
}

func (v *visitor) hold(ctx context.Context) {
	began := time.Now()                              // elapsed
	defer func() { v.Elapsed = time.Since(began) }() // elapsed
	if v.Ended = v.begin(ctx); v.Ended != nil {
		return
	}
	if v.Extensions.Has("STARTTLS") {
		v.StartTLS.Offered = true
		if v.StartTLS.Err = v.excuse(ctx, v.startTLS(ctx)); v.StartTLS.Err != nil {
			// The channel is dead after a failed handshake; what is left to ask is
			// asked in the clear, as an opportunistic sender would.
			v.leave(ctx)
			if v.Ended = v.again(ctx); v.Ended != nil {
				return
			}
		}
	}
	v.Ended = v.ask(ctx)
	v.leave(ctx)
}

// begin opens the conversation up to the answer to EHLO.
func (v *visitor) begin(ctx context.Context) error {
	conn, err := v.subject.dial(ctx, netip.AddrPortFrom(v.Host, 25))
	if err != nil {
		v.Unreached = v.excuse(ctx, err)
		return v.Unreached
	}
	v.Connecting = conn.took
	v.client = smtp.NewClient(conn, smtp.ClientOptions{
		Name:    v.subject.Options.helo(),
		Timeout: v.subject.Options.patience(),
	})
	greeted := time.Now() // elapsed
	v.Banner, err = v.client.Greet(ctx)
	v.Greeting = time.Since(greeted) // elapsed
	if err == nil {
		err = refusal("the greeting", v.Banner)
	}
	if err == nil {
		v.Hello, err = v.client.Hello(ctx)
		v.Extensions = v.client.Extensions()
	}
	if err == nil {
		err = refusal("EHLO", v.Hello)
	}
	if err = v.excuse(ctx, err); err != nil {
		v.leave(ctx)
	}
	return err
}

// excuse marks what is not the host's fault.
func (v *visitor) excuse(ctx context.Context, err error) error {
	return v.subject.Options.excuse(ctx, err)
}

// again repeats the opening without judging it.
func (v *visitor) again(ctx context.Context) error {
	second := &visitor{Visit: Visit{Host: v.Host}, subject: v.subject}
	err := second.begin(ctx)
	v.client = second.client
	return err
}

func (v *visitor) startTLS(ctx context.Context) error {
	config := &tls.Config{
		InsecureSkipVerify: true, // seen here, judged by the checks
		MinVersion:         tls.VersionTLS10,
		ServerName:         v.subject.nameOf(ctx, v.Host),
		Time:               v.subject.World.Now,
	}
	var err error
	v.StartTLS.ServerName = config.ServerName
	v.StartTLS.Reply, err = v.client.StartTLS(ctx, config)
	if err != nil {
		return err
	}
	if err := refusal("STARTTLS", v.StartTLS.Reply); err != nil {
		return err
	}
	if state, ok := v.client.TLS(); ok {
		v.StartTLS.State = &state
	}
	v.StartTLS.Hello, err = v.client.Hello(ctx)
	v.StartTLS.Extensions = v.client.Extensions()
	return err
}

// ask asks about senders and recipients: one unknown mailbox and one outsider of a
// stranger, the role addresses and VRFY with proof. Every transaction is given up
// before DATA.
func (v *visitor) ask(ctx context.Context) error {
	if err := v.put(ctx, &v.NullSender, smtp.MailCommand(mail.Address{}, smtp.MailOptions{})); err != nil {
		return err
	}
	if err := v.askSender(ctx); err != nil {
		return err
	}
	if v.isSpared(ctx) {
		return nil
	}
	if err := v.settleSender(ctx); err != nil {
		return err
	}
	if err := v.askRecipients(ctx); err != nil {
		return err
	}
	if !v.proof.Granted {
		v.Verify.WhyNot, v.Expand.WhyNot = v.proof.How, v.proof.How
		return nil
	}
	return v.askWithProof(ctx)
}

// askSender asks for another sender where the null one is refused: who takes none at
// all has nothing against the null one.
func (v *visitor) askSender(ctx context.Context) error {
	if v.NullSender.Reply.IsPositive() {
		return nil
	}
	v.sender = v.subject.probeSender(ctx)
	if _, err := v.say(ctx, "RSET"); err != nil {
		return err
	}
	return v.put(ctx, &v.Sender, smtp.MailCommand(v.sender, smtp.MailOptions{}))
}

// nobody is a mailbox that nobody has: random, and honest about why.
func nobody(d mail.Domain) mail.Address {
	return mail.Address{Local: "no-such-user-" + strings.ToLower(rand.Text()[:10]), Domain: d}
}

// isSpared reports whether this stranger was asked about recipients before, on
// another of its addresses or for another domain.
func (v *visitor) isSpared(ctx context.Context) bool {
	if v.proof.Granted {
		return false
	}
	names := v.names(ctx)
	first, earlier := v.subject.hosts.mayAsk("recipients", v.Host.String(), names...)
	if !first {
		v.Unknown.WhyNot = names[0] + " was asked in this run at " + earlier + "; a stranger is asked once"
		v.Relay.WhyNot = v.Unknown.WhyNot
	}
	return !first
}

// names are what the host is known by: its name, where there is one, and its address.
func (v *visitor) names(ctx context.Context) []string {
	return evidence(v.subject.nameOf(ctx, v.Host), v.Host.String())
}

// closing is the reply of a server that hangs up next, to whatever command (RFC 5321
// section 3.8).
const closing = 421

// put asks one question and keeps the answer.
func (v *visitor) put(ctx context.Context, a *Asked, command smtp.Command) error {
	a.Command = string(command)
	a.Reply, a.Err = v.say(ctx, command)
	return a.Err
}

// say says one command. The error is of a conversation that has come to its end.
func (v *visitor) say(ctx context.Context, command smtp.Command) (mail.Reply, error) {
	reply, err := v.client.Do(ctx, command)
	if err == nil && reply.Code == closing {
		err = refusal(string(command), reply)
	}
	return reply, v.excuse(ctx, err)
}

// leave says goodbye, or hangs up when nobody listens any more.
func (v *visitor) leave(ctx context.Context) {
	if v.client == nil {
		return
	}
	v.Quit, _ = v.client.Quit(ctx)
	v.Faults = append(v.Faults, v.client.Faults()...)
	v.Transcript = append(v.Transcript, v.client.Transcript().Evidence()...)
	v.client = nil
}

// Dial opens a connection to a host, when no other of ours is open there. Closing
// it lets the next one begin. The addresses of one MX name are one host, unless the
// person controls it.
func (s *Subject) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	conn, err := s.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// errPrivate is the error of dialing a host that a zone names inside a private
// network: no zone may use us to look around in ours.
var errPrivate = errors.New("the address is not public")

// mayDial reports whether an address may be connected to: a public one, the one the
// person typed, or any when the person says that the hosts are theirs. A server that
// looks at itself connects to nobody else.
func (s *Subject) mayDial(ip netip.Addr) bool {
	if s.Options.Ours != nil {
		return slices.Contains(s.Options.Ours, ip)
	}
	typed := s.Target.Kind == Address && ip == s.Target.IP
	return typed || s.Options.Allowed || s.World.IsPublic(ip)
}

func (s *Subject) dial(ctx context.Context, to netip.AddrPort) (*gatedConn, error) {
	from := s.Options.From
	switch {
	case from.IsValid() && from.Unmap().Is4() != to.Addr().Unmap().Is4():
		return nil, errFamily
	case s.mayDial(to.Addr()):
	case s.Options.Ours != nil && s.Options.Foreign:
		return nil, errReserved
	case s.Options.Ours != nil:
		return nil, errStranger
	default:
		return nil, fmt.Errorf("%w: %s", errPrivate, to.Addr())
	}
	names := []string{to.Addr().String()}
	if name := s.nameOf(ctx, to.Addr()); name != "" && !s.Proof(ctx, to.Addr()).Granted {
		names = []string{name, names[0]}
	}
	leave, err := s.hosts.enter(ctx, names...)
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, s.Options.patience())
	defer cancel()
	began := time.Now() // elapsed
	conn, err := s.World.DialFrom(dialing, from, to)
	if err != nil {
		leave()
		if s.Options.Ours != nil && s.World.IsElsewhere(ctx, to.Addr()) {
			err = fmt.Errorf("%w: %w", errInside, err)
		}
		return nil, err
	}
	return &gatedConn{conn, leave, time.Since(began)}, nil // elapsed
}
