package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/zone"
)

// patience is how long records, and messages, are waited for.
func (s *Setup) patience() time.Duration { return cmp.Or(s.Wait, 10*time.Minute) }

// publish is the third stage: what the domain wants stands in the DNS, or a person is
// told what to put there.
func (s *Setup) publish(ctx context.Context) (Outcome, error) {
	out := green()
	if err := s.House.Serve(ctx); err != nil {
		return out, err
	}
	one, by, err := s.compare(ctx)
	if err != nil {
		return out, err
	}
	if err := s.complete(ctx, by, one, &out); err != nil || out.Stop {
		return out, err
	}
	s.tellKept(one, &out)
	out.note(finding.Green, "every name server of "+one.Zone.String()+" shows what the domain wants", "")
	out.Line = fmt.Sprintf("the records of %s are published", s.Domain)
	return out, nil
}

// complete has the changes made, by the provider or by a person.
func (s *Setup) complete(ctx context.Context, by *Publisher, one *Comparison, out *Outcome) error {
	switch {
	case len(one.Changes()) == 0:
		return nil
	case by.Provider == nil || s.Answers.ByHand:
		return s.byHand(ctx, one, out)
	}
	var b strings.Builder
	one.WriteDiff(&b, false)
	s.Desk.Say(b.String())
	return s.byProvider(ctx, by, one, out)
}

// compare asks the server what it wants, and the zone what it has.
func (s *Setup) compare(ctx context.Context) (*Comparison, *Publisher, error) {
	by, err := s.House.Publisher()
	if err != nil {
		return nil, nil, err
	}
	s.Provider, by.Wait = by.Provider, s.patience()
	by.Waiting = func(left []zone.Awaited) {
		s.Desk.Wait(fmt.Sprintf("waiting for %d sets of records, as %s", len(left), left[0]))
	}
	records, err := s.House.Records(ctx, s.Domain)
	if err != nil {
		return nil, nil, err
	}
	s.Desk.Wait("reading the zone")
	one, err := by.Compare(ctx, s.Domain, records)
	return one, by, err
}

// byProvider writes the changes, once somebody said yes.
func (s *Setup) byProvider(ctx context.Context, by *Publisher, one *Comparison, out *Outcome) error {
	yes, err := s.Desk.Confirm(fmt.Sprintf("Write %d sets of records into %s?", len(one.Changes()), one.Zone))
	if err != nil || !yes {
		out.stop("nothing was published", "say yes, or --yes where nobody can be asked; --print shows the records to publish by hand")
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done, err := by.Publish(ctx, one)
	if done.Undo != "" && done.Written > 0 {
		out.Changed = true
		s.State.Undo = append(s.State.Undo, UndoFile{s.World.Now().UTC(), done.Undo, fmt.Sprintf("%d sets of %s", done.Written, one.Zone)})
		err = errors.Join(err, s.State.Save())
	}
	if err != nil {
		return err
	}
	if !done.Seen {
		out.stop("not every name server of "+one.Zone.String()+" shows the records yet, as "+done.Missing[0], "run it again later; it goes on from here")
		return nil
	}
	out.note(finding.Green, fmt.Sprintf("%d sets of records are written into %s", done.Written, one.Zone), "to take them back:", "allgreen dns undo "+done.Undo)
	return nil
}

// byHand shows what to publish, and waits for the person at the desk to have done it.
func (s *Setup) byHand(ctx context.Context, one *Comparison, out *Outcome) error {
	var records []finding.Record
	for _, c := range one.Changes() {
		for _, v := range c.After.Values {
			records = append(records, finding.Record{Name: c.After.Name.String(), Type: c.After.Type, Value: v})
		}
	}
	if text := one.replaced(); text != "" {
		s.Desk.Say("Some records are there already. - is what to take away, + what to put\nin its place; what has = or ! stays as it is.\n\n" + text)
	}
	s.Desk.Say("Put these records into the zone, as a piece of its zone file:\n\n" + identity.Fragment(s.Domain, records))
	question := "Enter looks whether they are there, t shows them one by one, for a form"
	for {
		text, err := s.Desk.Ask(question, "")
		nobody := errors.Is(err, ErrNobody)
		if err != nil && !nobody {
			return err
		}
		if nobody || text == "t" {
			s.Desk.Say("Or copy them from here, one by one:\n\n" + table(records))
		}
		missing, err := zone.Missing(ctx, s.World, one.Zone, one.Changes())
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return nil
		}
		if nobody {
			out.stop(fmt.Sprintf("%d sets of records are to be published", len(one.Changes())), "publish them, then run it again; it goes on from here")
			return nil
		}
		question = fmt.Sprintf("Not to be seen yet: %s, and %d more.\nEnter looks again, t shows them one by one", strings.TrimSuffix(missing[0].String(), "."), len(missing)-1)
	}
}

// replaced shows what is there and changes, or stays in the way.
func (c *Comparison) replaced() string {
	var b strings.Builder
	for _, step := range c.Steps {
		switch step.Status {
		case zone.Merge, zone.Replace, zone.Keep:
			writeStep(&b, step)
		}
	}
	return b.String()
}

// table is for forms: nothing is cut, and every part stands in its own line.
func table(records []finding.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "    name   %s\n    type   %s\n    value  %s\n\n", strings.TrimSuffix(r.Name, "."), r.Type, r.Value)
	}
	return b.String()
}

// tellKept says what is there and was left alone, because it is somebody's.
func (s *Setup) tellKept(one *Comparison, out *Outcome) {
	if n := len(one.Later); n > 0 {
		out.info(fmt.Sprintf("%d records wait until the mail of %s is here for good, as %s %s", n, s.Domain, strings.TrimSuffix(one.Later[0].Name, "."), one.Later[0].Type), "")
	}
	for _, step := range one.Steps {
		switch step.Status {
		case zone.Keep:
			out.note(finding.Yellow, fmt.Sprintf("%s %s stays as it is: %s", strings.TrimSuffix(step.Name.String(), "."), step.Type, step.Note),
				"when ours may take its place:", s.insteadOf(step))
		case zone.Elsewhere:
			out.info(fmt.Sprintf("%s %s belongs into a zone of somebody else", strings.TrimSuffix(step.Name.String(), "."), step.Type), "it is to say:", step.Wanted...)
		}
	}
}

// insteadOf is the command by which ours takes the place of what is there. Mail that goes
// elsewhere is moved in steps.
func (s *Setup) insteadOf(step zone.Step) string {
	if step.Type == "MX" {
		return "allgreen dns switch " + s.Domain.String()
	}
	return fmt.Sprintf("allgreen dns publish %s --replace %s/%s", s.Domain, strings.TrimSuffix(step.Name.String(), "."), step.Type)
}
