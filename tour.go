package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/world"
)

// tour shows what a mail server is for: mail goes out and is believed, good mail
// comes in, a forgery does not, what waits says why, and the audit of all that is
// green.
type tour struct {
	command *labCommand
	out     io.Writer
	home    *home
	world   *world.World
	taken   func(ctx context.Context, to string) (letterTaken, error)
	steps   []step
}

// letterTaken is a message that a host of the lab took from us.
type letterTaken struct {
	by, from string
	tls      bool
	data     []byte
}

// step is one step of the tour: mail that was carried, or an audit.
type step struct {
	Step    string          `json:"step"`
	Target  string          `json:"target"`
	About   string          `json:"about"`
	Seen    []string        `json:"seen,omitempty"`   // what happened to the mail
	Verdict finding.Status  `json:"verdict,omitzero"` // of an audit
	Wanted  finding.Status  `json:"wanted,omitzero"`  //
	Report  *finding.Report `json:"report,omitempty"` //
	Holds   bool            `json:"holds"`
}

// patience of the tour with one step; each takes a second or two.
const stepPatience = 30 * time.Second

func (t *tour) run(ctx context.Context) error {
	stops := []func(context.Context) step{
		t.sendOut, t.receiveGood, t.refuseForged, t.explainWaiting,
		t.audit("allgreen.example", "our own server, audited from outside", finding.Green),
		t.audit("evergreen.example", "the second domain on it", finding.Green),
		t.audit("no-ptr.example", "what one common mistake looks like", finding.Red),
	}
	t.say("%s\n\n%s", show.Paragraph(fmt.Sprintf("An Internet on loopback is up, and our server is in it: %s for %s, with five lines of configuration:",
		t.home.settings.Hostname, words(t.home.settings.Domains)), 0, width(t.out)), indented(homeConfig))
	for i, stop := range stops {
		within, cancel := context.WithTimeout(ctx, stepPatience)
		s := stop(within)
		cancel()
		s.Step = fmt.Sprintf("%d of %d", i+1, len(stops))
		t.steps = append(t.steps, s)
		if err := t.tell(s); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if t.command.JSON {
		return printJSON(t.out, map[string]any{"steps": t.steps, "holds": t.holds()})
	}
	t.say("\n%s\n", show.Paragraph("The difference: "+difference(t.steps), 0, width(t.out)))
	return nil
}

func (t *tour) holds() bool {
	for _, s := range t.steps {
		if !s.Holds {
			return false
		}
	}
	return true
}

// say writes for people.
func (t *tour) say(format string, args ...any) {
	if !t.command.JSON {
		fmt.Fprintf(t.out, format, args...)
	}
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// tell shows a step to people.
func (t *tour) tell(s step) error {
	if t.command.JSON {
		return nil
	}
	if s.Report == nil {
		t.say("\n%s  %s\n", s.Step, strings.TrimLeft(show.Paragraph(s.About, 8, width(t.out)), " "))
		for _, line := range s.Seen {
			t.say("%s\n", show.Paragraph(line, 8, width(t.out)))
		}
		t.say("%s\n", show.Paragraph(map[bool]string{true: "green ok", false: "red x"}[s.Holds], 8, width(t.out)))
		return nil
	}
	t.say("\n%s  %s check --lab --battery %s\n        %s\n\n", s.Step, calledAs(), s.Target, s.About)
	return show.Text(t.out, []*finding.Report{s.Report}, show.Options{Width: width(t.out), Color: wantsColor(t.out)})
}

// failed notes what went wrong with a step.
func (s *step) failed(err error) step {
	s.Seen = append(s.Seen, "it did not work: "+err.Error())
	s.Holds = false
	return *s
}

// see notes what happened.
func (s *step) see(format string, args ...any) { s.Seen = append(s.Seen, fmt.Sprintf(format, args...)) }

// anna is how the administrator of our server hands mail in.
func (t *tour) anna(to, subject string) letter {
	anna := t.home.settings.Admin.String()
	return letter{at: t.home.address(465), helo: "laptop.allgreen.example", user: anna, pass: t.home.password, sender: anna, author: anna, to: to, subject: subject}
}

// sendOut sends a message and asks the other side what it can prove of it.
func (t *tour) sendOut(ctx context.Context) step {
	const to = "alice@green.example"
	s := step{Target: to, About: "mail goes out: anna@allgreen.example writes to " + to}
	reply, err := t.anna(to, "Out").post(ctx, t.world)
	if err != nil || !reply.IsPositive() {
		return s.failed(fmt.Errorf("submission: %s %w", reply, err))
	}
	s.see("port 465: %s", reply)
	got, err := t.taken(ctx, to)
	if err != nil {
		return s.failed(err)
	}
	s.see("%s took it from %s%s", got.by, got.from, map[bool]string{true: ", under TLS"}[got.tls])
	signatures, ok, err := verified(ctx, t.world, got.data, t.home.settings.Admin.Domain)
	if err != nil {
		return s.failed(err)
	}
	s.Seen = append(s.Seen, signatures...)
	s.see("(verified by this program's own mailauth on what the other side holds; the tests ask go-msgauth)")
	s.Holds = ok && got.tls
	return s
}

// receiveGood has an honest host write to us.
func (t *tour) receiveGood(ctx context.Context) step {
	s := step{Target: t.home.settings.Admin.String(), About: "good mail comes in: alice@green.example writes from her own server"}
	l := letter{
		at: t.home.address(25), from: netip.MustParseAddr("127.10.1.10"), helo: "mx.green.example",
		sender: "alice@green.example", author: "alice@green.example", to: s.Target, subject: "In",
	}
	reply, err := l.post(ctx, t.world)
	if err != nil || !reply.IsPositive() {
		return s.failed(fmt.Errorf("port 25: %s %w", reply, err))
	}
	s.see("port 25: %s", reply)
	header, err := t.home.arrived(ctx, t.home.settings.Admin, mailbox.Inbox, "In")
	if err != nil {
		return s.failed(err)
	}
	s.see("in the INBOX: Authentication-Results: %s", strings.Join(strings.Fields(header.Value("Authentication-Results")), " "))
	s.Holds = true
	return s
}

// refuseForged has somebody else write in her name.
func (t *tour) refuseForged(ctx context.Context) step {
	s := step{Target: t.home.settings.Admin.String(), About: "a forgery does not: the same sender, from an address that has no name and is not hers"}
	l := letter{
		at: t.home.address(25), from: netip.MustParseAddr("127.10.4.10"), helo: "mx.no-ptr.example",
		sender: "alice@green.example", author: "alice@green.example", to: s.Target, subject: "Forged",
	}
	reply, err := l.post(ctx, t.world)
	if err != nil {
		return s.failed(err)
	}
	s.see("port 25: %s", reply)
	s.Holds = reply.IsPermanent()
	if s.Holds {
		s.see("refused while the sender was there: no bounce goes to anybody")
	}
	return s
}

// explainWaiting sends to a host that says "later", and asks why the message waits.
func (t *tour) explainWaiting(ctx context.Context) step {
	const to = "alice@greylist.example"
	s := step{Target: to, About: fmt.Sprintf("what waits says why: %s queue why --lab --to greylist.example", calledAs())}
	if reply, err := t.anna(to, "Waiting").post(ctx, t.world); err != nil || !reply.IsPositive() {
		return s.failed(fmt.Errorf("submission: %s %w", reply, err))
	}
	why, err := t.home.waits(ctx, to)
	if err != nil {
		return s.failed(err)
	}
	s.see("%s", why.Sentence)
	for line := range strings.Lines(why.Transcript) {
		s.see("%s", strings.TrimSpace(line))
	}
	s.Holds = why.Transcript != "" && !why.Next.IsZero()
	return s
}

// audit judges one domain with every probe: the hosts of the lab are ours.
func (t *tour) audit(name, about string, wanted finding.Status) func(context.Context) step {
	return func(ctx context.Context) step {
		s := step{Target: name, About: about, Wanted: wanted}
		target, err := check.ParseTarget(name, check.Domain)
		if err != nil {
			return s.failed(err)
		}
		s.Report = check.NewAudit(t.world, check.Options{Battery: true}).Run(ctx, target, nil)
		s.Verdict = s.Report.Verdict
		s.Holds = s.Verdict == wanted
		return s
	}
}

// difference names what the last stop shows and our server does not.
func difference(steps []step) string {
	var bad []string
	for _, f := range steps[len(steps)-1].Report.WorstFirst() {
		if f.Status == finding.Red {
			bad = append(bad, f.Summary)
		}
	}
	if len(bad) == 0 {
		return "none was found"
	}
	return strings.Join(bad, "; ")
}
