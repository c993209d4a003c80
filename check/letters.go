package check

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/probe"
)

// Correspondence is what a host did with a few small letters from the probe domain:
// one to nobody, the others to a mailbox that it has.
type Correspondence struct {
	WhyNot  error // it was not begun: no proof, not asked for, or no probe domain
	Unseen  error // it could not be held: nobody could listen, the host is too slow
	Waited  time.Duration
	Letters []Letter
}

// Letter is one of them. Each has a sender of its own, so that whatever comes back
// is known to be because of it.
type Letter struct {
	Purpose Purpose
	To      mail.Address // zero: there was nobody to write to
	Outcome Outcome      // Dropped: it was taken
	Events  []probe.Event
	said    []string
	err     error
	sender  probe.Token
}

// Purpose is what a letter is to show.
type Purpose string

// The purposes.
const (
	ToNobody  Purpose = "a letter to nobody"
	Personal  Purpose = "a letter as a person writes it"
	Automatic Purpose = "a letter that says a machine wrote it"
	Spam      Purpose = "a letter that every spam filter knows"
)

// gtube is the test text of spam filters: harmless, and spam to all of them.
const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// letterTexts are fields and text of each letter.
var letterTexts = []struct {
	purpose      Purpose
	fields, text string
}{
	{ToNobody, "", "This letter is for a mailbox that nobody has. It should have been refused."},
	{Personal, "", "This letter tests whether something writes back by itself. Nobody needs to."},
	{Automatic, "Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n", "A machine wrote this letter and says so. Nothing may write back."},
	{Spam, "", "The next line makes spam filters act, to see that they do not write back.\r\n" + gtube},
}

// isTaken reports whether the host took the responsibility.
func (l Letter) isTaken() bool { return l.Outcome == Dropped }

// Evidence is the letter with each answer, and what it brought.
func (l Letter) Evidence() []string {
	lines := []string{string(l.Purpose) + ": " + strings.Join(l.said, "; ")}
	for _, e := range l.Events {
		lines = append(lines, e.Evidence())
	}
	return lines
}

// Correspondence writes to port 25 of a host, once per run and domain, and waits for
// what comes back.
func (s *Subject) Correspondence(ctx context.Context, v Server) *Correspondence {
	key := portKey{netip.AddrPortFrom(v.IP, 25), s.mailDomain()}
	return s.hosts.letters.get(ctx, s.forRun(), key, func(ctx context.Context) *Correspondence {
		visit := s.Visit(ctx, v.IP)
		c := &Correspondence{WhyNot: s.mayProbe(ctx, v.IP)}
		if c.WhyNot != nil {
			return c
		}
		l, err := s.listener(ctx)
		switch {
		case errors.Is(err, errNoProbe):
			c.WhyNot = err
		case err != nil:
			c.Unseen = err
		case visit.Connecting+visit.Greeting > slowDialogue:
			c.Unseen = errTooSlow
		default:
			w := &writer{c, prober{subject: s, to: key.to}, l}
			w.write(ctx, visit)
		}
		return c
	})
}

// writer writes the letters to one host.
type writer struct {
	*Correspondence
	prober
	listener *probe.Listener
}

func (w *writer) write(ctx context.Context, visit *Visit) {
	mailbox, _ := mail.ParseAddress(w.subject.mailbox(ctx, visit)) // zero: none is known
	for _, text := range letterTexts {
		l := Letter{Purpose: text.purpose, To: mailbox}
		if text.purpose == ToNobody && !visit.For.IsZero() {
			l.To = nobody(visit.For)
		}
		if l.sender = w.listener.Issue(); !l.To.IsZero() && l.sender != (probe.Token{}) {
			l.Outcome, l.err = w.deliver(ctx, &l, text.fields, text.text)
		}
		w.Letters = append(w.Letters, l)
	}
	w.leave(ctx)
	w.await(ctx)
}

// deliver sends one letter, a second time on a new connection when the server had
// enough of the old one.
func (w *writer) deliver(ctx context.Context, l *Letter, fields, text string) (Outcome, error) {
	for {
		l.said = nil
		fresh, err := w.ready(ctx)
		if err != nil {
			return Broken, err
		}
		outcome, err := w.transact(ctx, l, fields, text)
		if err == nil || fresh {
			return outcome, err
		}
	}
}

func (w *writer) transact(ctx context.Context, l *Letter, fields, text string) (Outcome, error) {
	from := l.sender.Address()
	for _, command := range []string{"MAIL FROM:" + from.Path(), "RCPT TO:" + l.To.Path()} {
		reply, err := w.say(ctx, command)
		if wantsTLS(reply) && !w.overTLS {
			w.overTLS = true
			w.hangUp()
			return w.deliver(ctx, l, fields, text)
		}
		l.said = append(l.said, command+": "+heard(reply, err))
		if err != nil || !reply.IsPositive() {
			return outcomeOf(reply, err), err
		}
	}
	content := w.subject.letter(from.String(), l.To.String(), string(l.Purpose), l.sender.Header()+fields, text)
	reply, err := w.client.Data(ctx, strings.NewReader(content))
	l.said = append(l.said, "the letter: "+heard(reply, err))
	switch {
	case err != nil:
		w.hangUp()
		return Broken, err
	case !reply.IsPositive():
		return outcomeOf(reply, nil), nil
	}
	return Dropped, nil
}

// heard is a reply, or why there was none.
func heard(reply mail.Reply, err error) string {
	if reply.IsZero() && err != nil {
		return err.Error()
	}
	return reply.String()
}

// await waits until every letter that was taken brought something, or for as long as
// patience allows.
func (w *writer) await(ctx context.Context) {
	began := time.Now() // elapsed
	until := w.subject.World.Now().Add(w.subject.patience(ctx, w.to.Addr()))
	for _, l := range w.Letters {
		if l.isTaken() {
			w.listener.Wait(ctx, l.sender, until, probe.Bounced, probe.Answered)
		}
	}
	w.Waited = time.Since(began) // elapsed
	for i := range w.Letters {
		l := &w.Letters[i]
		l.Events = w.listener.Events(l.sender)
		w.listener.Revoke(l.sender)
	}
}

// find is the first event of any letter that fits, with its letter.
func (c *Correspondence) find(fits func(probe.Event) bool) (Letter, probe.Event, bool) {
	for _, l := range c.Letters {
		if i := slices.IndexFunc(l.Events, fits); i >= 0 {
			return l, l.Events[i], true
		}
	}
	return Letter{}, probe.Event{}, false
}

// letter is the one with a purpose.
func (c *Correspondence) letter(p Purpose) Letter {
	i := slices.IndexFunc(c.Letters, func(l Letter) bool { return l.Purpose == p })
	if i < 0 {
		return Letter{Purpose: p}
	}
	return c.Letters[i]
}
