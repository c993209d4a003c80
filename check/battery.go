package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/probe"
	"github.com/allgreen-mail/allgreen/smtp"
)

// Battery is every relay trick played on one port of a host, and what came of it.
type Battery struct {
	WhyNot   error // it was not played: no proof, not asked for
	Unseen   error // it could not be played
	Deaf     error // why no arrival could be seen; nil: a listener was there
	CatchAll bool  // the host takes mail for mailboxes that nobody has
	Waited   time.Duration
	Attempts []Attempt
	Heard    []probe.Event // what came to our sender meanwhile: callouts, bounces
}

// Attempt is one try to have a stranger's mail relayed.
type Attempt struct {
	trick
	Outcome Outcome
	said    []string // question: answer
	obeyed  bool     // the first command of the preparation was answered with success
	err     error
	token   probe.Token
	arrival probe.Event
}

// Outcome is how far an attempt came. The zero value is one that was not made.
type Outcome string

// The outcomes, the worst last.
const (
	Untried  Outcome = ""
	Refused  Outcome = "refused"
	Deferred Outcome = "deferred"         // a temporary error, which may be yes another time
	Broken   Outcome = "broken off"       // the connection ended
	Taken    Outcome = "taken at RCPT"    // and no message was sent
	Dropped  Outcome = "taken, then lost" // the message was taken and did not come out in time
	Arrived  Outcome = "arrived"          // it came out: the host relays
)

// Evidence is the attempt with each answer, in one line.
func (a Attempt) Evidence() string {
	line := a.ID + ": " + strings.Join(a.said, "; ")
	switch {
	case a.Outcome == Arrived:
		line += "; it arrived from " + a.arrival.Client.String()
	case a.Outcome == Dropped:
		line += "; it did not arrive"
	case a.err != nil:
		line += "; " + a.err.Error()
	}
	return line
}

// portKey tells batteries apart.
type portKey struct {
	to netip.AddrPort
	on mail.Domain
}

// errNoBattery is why a host that may be asked everything was not.
var errNoBattery = errors.New("asked only with --battery")

// mayProbe is nil when this host may be asked everything.
func (s *Subject) mayProbe(ctx context.Context, host netip.Addr) error {
	if proof := s.Proof(ctx, host); !proof.Granted {
		return errors.New(proof.How)
	}
	if !s.Options.Battery {
		return errNoBattery
	}
	return nil
}

// Battery plays all relay tricks on port 25 of a host, once per run and domain.
func (s *Subject) Battery(ctx context.Context, v Server) *Battery {
	at := netip.AddrPortFrom(v.IP, 25)
	return s.hosts.batteries.get(ctx, s.forRun(), portKey{at, s.mailDomain()}, func(ctx context.Context) *Battery {
		return s.playOn(ctx, v, tricks(), false, at)
	})
}

// SubmissionBattery plays the plain tricks on the submission ports of a host, without
// a login and over TLS where there is any.
func (s *Subject) SubmissionBattery(ctx context.Context, v Server) *Battery {
	at := netip.AddrPortFrom(v.IP, 587)
	return s.hosts.batteries.get(ctx, s.forRun(), portKey{at, s.mailDomain()}, func(ctx context.Context) *Battery {
		plain := slices.DeleteFunc(slices.Clone(tricks()), func(t trick) bool { return t.Row != "RELAY-01" })
		return s.playOn(ctx, v, plain, true, at, netip.AddrPortFrom(v.IP, 465))
	})
}

// playOn plays tricks on ports of one host, one port after the other.
func (s *Subject) playOn(ctx context.Context, v Server, all []trick, overTLS bool, ports ...netip.AddrPort) *Battery {
	visit := s.Visit(ctx, v.IP)
	b := &Battery{WhyNot: s.mayProbe(ctx, v.IP), CatchAll: visit.Unknown.Reply.IsPositive()}
	if visit.Connecting+visit.Greeting > slowDialogue {
		b.Unseen = errTooSlow
	}
	if b.WhyNot != nil || b.Unseen != nil {
		return b
	}
	for _, at := range ports {
		p := s.newPlayer(ctx, b, at, s.hostNames(ctx, v, visit))
		p.overTLS = overTLS
		p.play(ctx, all)
	}
	return b
}

// isUnanswered reports that no attempt met anybody.
func (b *Battery) isUnanswered() bool {
	return len(b.Attempts) > 0 && !slices.ContainsFunc(b.Attempts, func(a Attempt) bool { return a.Outcome != Untried })
}

// errNotAgain is an attempt that went through once.
var errNotAgain = errors.New("the battery could not repeat it")

// errTooSlow spares a slow host the many connections of a battery.
var errTooSlow = errors.New("the server is too slow for a battery of attempts; see smtp.speed")

// player plays tricks on one port.
type player struct {
	*Battery
	prober
	names    map[string]string
	victim   mail.Address // the recipient of the next attempt
	token    probe.Token  // that stands behind it; zero where nobody listens
	sender   probe.Token
	listener *probe.Listener
	failures int // connections that could not be made, in a row
	answered bool
	attempts []Attempt
}

func (s *Subject) newPlayer(ctx context.Context, b *Battery, to netip.AddrPort, names map[string]string) *player {
	p := &player{Battery: b, prober: prober{subject: s, to: to}, names: names, victim: outsider}
	var at netip.Addr
	var sender mail.Address
	if p.listener, b.Deaf = s.listener(ctx); b.Deaf == nil {
		_, at, _ = s.probeSite()
		p.sender = p.listener.Issue()
		sender = p.sender.Address()
		p.draw()
	}
	if p.sender == (probe.Token{}) {
		sender = s.probeSender(ctx)
	}
	outside(names, sender, p.victim, at)
	return p
}

// draw makes a new recipient, after the one before has been used up.
func (p *player) draw() {
	if p.listener == nil {
		return
	}
	if p.token = p.listener.Issue(); p.token == (probe.Token{}) {
		p.Deaf = errors.New("too many probes are under way")
		return
	}
	p.victim = p.token.Address()
	p.names["{v}"] = p.victim.Local
}

// maxFailures is how many connections in a row may fail before the rest of a battery
// is given up.
const maxFailures = 3

// play makes all attempts, then waits for what was taken to arrive.
func (p *player) play(ctx context.Context, all []trick) {
	for _, t := range all {
		a := Attempt{trick: t}
		if filled, known := t.filled(p.names); known && p.failures < maxFailures {
			a.trick = filled
			p.attempt(ctx, &a)
		}
		p.attempts = append(p.attempts, a)
	}
	p.leave(ctx)
	p.await(ctx)
	p.Attempts = append(p.Attempts, p.attempts...)
}

// attempt makes one attempt; a second time on a new connection when the server had
// enough of the old one.
func (p *player) attempt(ctx context.Context, a *Attempt) {
	alone := len(a.First) > 0
	if alone {
		p.leave(ctx)
	}
	for {
		a.said, a.err = nil, nil
		inClear := !p.overTLS
		fresh, err := p.ready(ctx)
		if err != nil {
			p.fail(a, err)
			return
		}
		p.failures, p.answered = 0, true
		if a.Offered != "" && !p.client.Extensions().Has(a.Offered) {
			a.said = []string{a.Offered + " is not offered"}
			break
		}
		a.Outcome, a.err = p.transact(ctx, a)
		if a.err == nil || fresh && inClear == !p.overTLS {
			break
		}
	}
	if alone {
		p.leave(ctx)
	}
}

// fail notes a connection that could not be made. A port that never answered is not
// tried again.
func (p *player) fail(a *Attempt, err error) {
	p.failures++
	a.Outcome, a.err = Broken, err
	if !p.answered {
		p.failures, a.Outcome = maxFailures, Untried
	}
}

// transact says everything up to the end of the message, if it is let.
func (p *player) transact(ctx context.Context, a *Attempt) (Outcome, error) {
	for i, command := range a.First {
		obeyed, err := p.prepare(ctx, a, command)
		if err != nil {
			return Broken, err
		}
		a.obeyed = a.obeyed || i == 0 && obeyed
	}
	steps := append([]string{"MAIL FROM:" + a.From}, a.Then...)
	for _, command := range append(steps, "RCPT TO:"+a.To) {
		reply, err := p.ask(ctx, a, command)
		if wantsTLS(reply) && !p.overTLS && p.client != nil && p.client.Extensions().Has("STARTTLS") {
			p.overTLS = true // for the rest of the battery, as nothing is taken in the clear
			p.hangUp()
			return Broken, errShown
		}
		if err != nil || !reply.IsPositive() {
			return outcomeOf(reply, err), err
		}
	}
	if p.Deaf != nil {
		return Taken, nil
	}
	return p.send(ctx, a)
}

// prepare says one command before MAIL; what is answered matters to nobody, but
// the connection must live.
func (p *player) prepare(ctx context.Context, a *Attempt, command string) (obeyed bool, err error) {
	if command == "STARTTLS" {
		a.said = append(a.said, command)
		return true, p.startTLS(ctx)
	}
	reply, err := p.ask(ctx, a, command)
	return reply.IsPositive(), err
}

func (p *player) ask(ctx context.Context, a *Attempt, command string) (mail.Reply, error) {
	reply, err := p.say(ctx, command)
	a.said = append(a.said, command+": "+yesOr(reply, err))
	return reply, err
}

// yesOr is a reply in full where it is no, and its code where it is yes.
func yesOr(reply mail.Reply, err error) string {
	if err == nil && reply.IsPositive() {
		return fmt.Sprint(reply.Code)
	}
	return heard(reply, err)
}

// send sends the message with its token. Until the wait it counts as lost.
func (p *player) send(ctx context.Context, a *Attempt) (Outcome, error) {
	text := p.subject.letter(p.names["{s}"], p.victim.String(), "relay test "+a.ID, p.token.Header(),
		"This message tests whether the server relays mail for strangers. If it reached anybody but its sender, it does.")
	var reply mail.Reply
	var err error
	if a.BDAT {
		reply, err = p.client.Bdat(ctx, []byte(text), true)
	} else {
		reply, err = p.client.Data(ctx, strings.NewReader(text))
	}
	if err != nil {
		p.hangUp()
		return Taken, err
	}
	a.said = append(a.said, "the message: "+yesOr(reply, nil))
	if !reply.IsPositive() {
		return outcomeOf(reply, nil), nil
	}
	a.token = p.token
	p.draw()
	return Dropped, nil
}

// outcomeOf reads the answer of a server that did not say yes. Postfix answers 454
// to whom it does not relay, and 450 4.1.x to senders it does not believe: that is
// a no, said politely, and no promise for another time. Hanging up is a no as well.
func outcomeOf(r mail.Reply, err error) Outcome {
	polite := r.Code == 454 || r.Enhanced.Class == 4 && r.Enhanced.Subject == 1 || strings.Contains(strings.ToLower(r.Text()), "relay")
	switch {
	case r.IsZero() && !errors.Is(err, smtp.ErrClosed):
		return Broken
	case r.IsTransient() && !polite && err == nil:
		return Deferred
	}
	return Refused
}

// await waits for what was sent, all of it together no longer than the patience.
func (p *player) await(ctx context.Context) {
	s := p.subject
	began := time.Now() // elapsed
	until := s.World.Now().Add(s.patience(ctx, p.to.Addr()))
	for i := range p.attempts {
		a := &p.attempts[i]
		if a.token == (probe.Token{}) {
			continue
		}
		for _, e := range p.listener.Wait(ctx, a.token, until, probe.Delivered) {
			if e.Kind == probe.Delivered {
				a.Outcome, a.arrival = Arrived, e
			}
		}
		p.listener.Revoke(a.token)
	}
	p.Waited = time.Since(began) // elapsed
	if p.listener != nil {
		p.Heard = append(p.Heard, p.listener.Events(p.sender)...)
		p.listener.Revoke(p.token)
		p.listener.Revoke(p.sender)
	}
}

// letter is a small message that says what it is.
func (s *Subject) letter(from, to, subject, fields, text string) string {
	now := s.World.Now()
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: Allgreen probe: " + subject + "\r\n" +
		"Date: " + now.Format(time.RFC1123Z) + "\r\nMessage-ID: <" + nobody(outsider.Domain).Local + "." + fmt.Sprint(now.Unix()) + "@" + s.messageHost() + ">\r\n" +
		fields + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + text + "\r\n" +
		"It was sent by an audit of this server: https://github.com/allgreen-mail/allgreen\r\n"
}

// messageHost is the right-hand side of our Message-IDs.
func (s *Subject) messageHost() string {
	if d, _, err := s.probeSite(); err == nil {
		return d.String()
	}
	return outsider.Domain.String()
}
