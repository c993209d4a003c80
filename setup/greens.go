package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// betweenRounds is how long to wait before the checks are asked again, where nobody says
// when: resolvers remember for a while what was not there.
const betweenRounds = 20 * time.Second

func (s *Setup) fresh() (*world.World, error) {
	if s.Fresh == nil {
		return s.World, nil
	}
	return s.Fresh()
}

// checkAll is the last stage: all checks of the domain, again and again until nothing is
// left that is not green.
func (s *Setup) checkAll(ctx context.Context) (Outcome, error) {
	if err := s.House.Serve(ctx); err != nil {
		return green(), err
	}
	for round := 1; ; round++ {
		report, err := s.audit(ctx)
		if err != nil {
			return green(), err
		}
		out := judged(report)
		if out.Status == finding.Green || ctx.Err() != nil {
			return out, ctx.Err()
		}
		for _, n := range out.Notes {
			s.Desk.Tell(n)
		}
		again, err := s.again(ctx, round)
		if err != nil {
			return out, err
		}
		if !again {
			out.told = true
			return out, nil
		}
		if err := s.publishNews(ctx, &out); err != nil {
			return out, err
		}
	}
}

// audit is one round.
func (s *Setup) audit(ctx context.Context) (*finding.Report, error) {
	w, err := s.fresh()
	if err != nil {
		return nil, err
	}
	target := check.Target{Text: s.Domain.String(), Kind: check.Domain, Domain: s.Domain}
	return check.NewAudit(w, s.Audit).Run(ctx, target, func(done, all int) {
		s.Desk.Wait(fmt.Sprintf("%d of %d checks", done, all))
	}), nil
}

// judged makes notes of what is not green.
func judged(report *finding.Report) Outcome {
	out := green()
	var bad, unseen int
	for _, f := range report.WorstFirst() {
		switch f.Status {
		case finding.Red, finding.Yellow:
			bad++
		case finding.Unknown:
			unseen++
		default:
			continue
		}
		n := Note{f.Status, fmt.Sprintf("%s (%s)", f.Summary, f.Check), f.Fix, pasted(f)}
		if !slices.ContainsFunc(out.Notes, func(o Note) bool { return o.Text == n.Text }) {
			out.note(n.Status, n.Text, n.Fix, n.Copy...)
		}
	}
	out.Line = "all green"
	if bad+unseen > 0 {
		out.Line = fmt.Sprintf("%d not green, %d could not be seen", bad, unseen)
	} else {
		out.note(finding.Green, fmt.Sprintf("all green: %d answers", len(report.Findings)), "")
	}
	return out
}

// pasted are the records of a finding, as they are typed.
func pasted(f finding.Finding) (all []string) {
	for _, r := range f.Records {
		all = append(all, r.Name+" "+r.Type+" "+r.Value)
	}
	return all
}

// again reports whether there is to be another round: a person says so, and without one
// there are some.
func (s *Setup) again(ctx context.Context, round int) (bool, error) {
	text, err := s.Desk.Ask("Enter looks again, q leaves it at that", "")
	if err == nil {
		return text != "q", nil
	}
	if !errors.Is(err, ErrNobody) {
		return false, err
	}
	if round >= cmp.Or(s.Rounds, 3) {
		return false, nil
	}
	s.Desk.Wait("waiting before looking again")
	timer := time.NewTimer(betweenRounds)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// publishNews publishes what the server has come to want since: it finds out while it
// runs that a zone is signed.
func (s *Setup) publishNews(ctx context.Context, out *Outcome) error {
	one, by, err := s.compare(ctx)
	if err != nil || len(one.Changes()) == 0 || by.Provider == nil || s.Answers.ByHand {
		return err
	}
	return s.byProvider(ctx, by, one, out)
}
