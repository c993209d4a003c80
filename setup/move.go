package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// moveMail is the fifth stage: a domain whose mail goes to another server keeps it there
// until a person says that everybody has a mailbox here.
func (s *Setup) moveMail(ctx context.Context) (Outcome, error) {
	out := green()
	if err := s.House.Serve(ctx); err != nil {
		return out, err
	}
	records, err := s.House.Records(ctx, s.Domain)
	if err != nil {
		return out, err
	}
	life, err := LookAtLife(ctx, s.World, s.Domain, records)
	if err != nil {
		return out, err
	}
	_, err = ReadSwitch(s.Data, s.Domain)
	if begun := err == nil; !life.Elsewhere && !begun {
		out.Line = "the mail of " + s.Domain.String() + " comes here"
		out.note(finding.Green, out.Line, "")
		return out, nil
	}
	if life.Elsewhere && !s.Answers.Move {
		text, err := s.Desk.Ask(fmt.Sprintf("The mail of %s goes to %s today.\nDoes everybody have a mailbox here, and shall it come here? Type move", s.Domain, servers(life)), "")
		if err != nil && !errors.Is(err, ErrNobody) {
			return out, err
		}
		if text != "move" {
			out.Line = fmt.Sprintf("the mail of %s stays at %s", s.Domain, servers(life))
			out.note(finding.Yellow, out.Line, "make the mailboxes, bring the mail over (allgreen import imap), then:", "allgreen dns switch "+s.Domain.String())
			return out, nil
		}
	}
	return s.switchMail(ctx, records, out)
}

func servers(l Life) string {
	hosts := exchangers(l.MX.Values)
	for i := range hosts {
		hosts[i] = strings.TrimSuffix(hosts[i], ".")
	}
	return strings.Join(hosts, " and ")
}

// switchMail goes as far as it can go now.
func (s *Setup) switchMail(ctx context.Context, records []finding.Record, out Outcome) (Outcome, error) {
	by, err := s.House.Publisher()
	if err != nil {
		return out, err
	}
	move := &Switch{World: s.World, Provider: by.Provider, Name: by.Name, Domain: s.Domain, Data: s.Data}
	if s.Answers.ByHand {
		move.Provider = nil
	}
	for _, r := range records {
		if r.Type == "MX" && r.Name == world.NameOf(s.Domain).String() {
			move.MX = append(move.MX, r.Value)
		}
	}
	move.Test = func(ctx context.Context) error {
		settings, err := s.House.Settings()
		if err != nil {
			return err
		}
		return Knock(ctx, s.World, settings.Hostname, mail.Address{Local: "postmaster", Domain: s.Domain})
	}
	before, _ := ReadSwitch(s.Data, s.Domain) // none is the zero one
	st, err := move.Go(ctx)
	if err != nil && !errors.Is(err, ErrSwitchWaits) {
		return out, err
	}
	out.Changed = st.Phase != before.Phase
	if !st.Moved.IsZero() || st.Phase == Switched {
		if err := s.publishWaiting(ctx, &out); err != nil || out.Stop {
			return out, err
		}
	}
	switch {
	case st.Phase == Switched:
		out.Line = "the mail of " + s.Domain.String() + " comes here"
		out.note(finding.Green, out.Line, "")
	case !st.Moved.IsZero():
		out.Line = "the mail of " + s.Domain.String() + " comes here now"
		out.note(finding.Green, out.Line, st.Waits, "allgreen dns undo "+st.Undo+"    # to go back")
	default:
		out.Line = "the mail of " + s.Domain.String() + " is on its way here"
		out.note(finding.Yellow, out.Line+": "+st.Waits, "then run it again; it goes on from here")
	}
	return out, nil
}

// publishWaiting publishes what had to wait for the mail to be here.
func (s *Setup) publishWaiting(ctx context.Context, out *Outcome) error {
	one, by, err := s.compare(ctx)
	if err != nil {
		return err
	}
	if err := s.complete(ctx, by, one, out); err != nil || out.Stop {
		return err
	}
	if n := len(one.Later); n > 0 {
		out.info(fmt.Sprintf("%d records wait until the mail of %s is here for good, as %s %s", n, s.Domain, strings.TrimSuffix(one.Later[0].Name, "."), one.Later[0].Type),
			"run setup again then")
	}
	return nil
}
