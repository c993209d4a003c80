package dmarc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits of the tree walk (RFC 9989 section 4.10): a name of eight or more labels is
// cut to seven after the first question, so that there are never more than eight.
const (
	maxQueries = 8
	cutLabels  = 7
)

// Step is one question of a tree walk and what came of it.
type Step struct {
	Domain mail.Domain
	Name   world.Name    // _dmarc.<domain>
	Answer *world.Answer // nil when there was none
	Err    error         // not nil when the question failed: temporary or bogus. An absence is no failure
	Denied error         // the absence, when there was one: NXDOMAIN or no data

	Texts      []string  // all TXT records there, other people's too
	Candidates []string  // of them, those that begin with v=DMARC1; more than one are all discarded
	Record     *Record   // the one record, nil when there is none, several, or an invalid one
	Problems   []Problem // of the one candidate, whether it became the record or not
}

// stops reports whether the walk ends here (RFC 9989 section 4.10, steps 2 and 6).
func (s *Step) stops() bool { return s.Err != nil || s.Record != nil && s.Record.PSD != PSDUnknown }

// Walk is a tree walk from one domain up (RFC 9989 section 4.10).
type Walk struct {
	Start mail.Domain
	Steps []*Step // from the longest name to the shortest
	Err   error   // the failure that ended it: what stands above is not known
}

// lookup asks for the record at one domain.
type lookup func(ctx context.Context, d mail.Domain) *Step

// stepsOf remembers steps, so that the walks for one message ask for each name
// once. Not safe for concurrent use.
func stepsOf(r world.Resolver, known []*Step) lookup {
	memory := make(map[mail.Domain]*Step, maxQueries)
	for _, s := range known {
		memory[s.Domain] = s
	}
	return func(ctx context.Context, d mail.Domain) *Step {
		s, ok := memory[d]
		if !ok {
			s = askRecord(ctx, r, d)
			memory[d] = s
		}
		return s
	}
}

// askRecord asks for the policy record published at one domain.
func askRecord(ctx context.Context, r world.Resolver, d mail.Domain) *Step {
	s := &Step{Domain: d, Name: world.NameOf(d).Under("_dmarc")}
	if _, err := world.ParseName(string(s.Name)); err != nil {
		s.Denied = err // such a name cannot exist
		return s
	}
	texts, answer, err := world.LookupTXT(ctx, r, s.Name)
	switch {
	case errors.Is(err, world.ErrNotFound):
		s.Denied = err
	case err != nil:
		s.Err = err
	default:
		s.Answer = answer
		s.read(texts)
	}
	return s
}

func (s *Step) read(texts []world.TXT) {
	for _, t := range texts {
		s.Texts = append(s.Texts, t.Text)
		if LooksLikeRecord(t.Text) {
			s.Candidates = append(s.Candidates, t.Text)
		}
	}
	if len(s.Candidates) != 1 {
		return
	}
	record, problems := Parse(s.Candidates[0])
	s.Problems = problems
	if record.IsValid() {
		s.Record = record
	}
}

// walk goes up from a domain until a psd tag, a failure, or the last label.
func walk(ctx context.Context, ask lookup, start mail.Domain) Walk {
	w := Walk{Start: start, Steps: make([]*Step, 0, 4)}
	for d := start; !d.IsZero() && len(w.Steps) < maxQueries; d = above(d) {
		s := ask(ctx, d)
		w.Steps = append(w.Steps, s)
		if s.stops() {
			w.Err = s.Err
			break
		}
	}
	return w
}

// above is the next name of a walk.
func above(d mail.Domain) mail.Domain {
	for d = d.Parent(); d.Labels() > cutLabels; {
		d = d.Parent()
	}
	return d
}

// Boundary says which rule of RFC 9989 section 4.10.2 found the organizational
// domain. The zero value is BoundaryUnknown.
type Boundary int

// The rules.
const (
	BoundaryUnknown  Boundary = iota // the walk failed
	BoundaryDeclared                 // a record with psd=n
	BoundaryRegistry                 // one label below a record with psd=y
	BoundaryShortest                 // the record with the fewest labels
	BoundaryItself                   // no record anywhere: the domain itself
)

// String says the rule in words.
func (b Boundary) String() string {
	return [...]string{"unknown", "declared by psd=n", "one label below psd=y", "the shortest name with a record", "no record, so the domain itself"}[b]
}

// OrgDomain selects the organizational domain of a finished walk. It is zero and
// BoundaryUnknown when the walk failed: a record further up could have decided.
func (w Walk) OrgDomain() (mail.Domain, Boundary) {
	if w.Err != nil {
		return mail.Domain{}, BoundaryUnknown
	}
	org, rule := w.Start, BoundaryItself
	for _, s := range w.Steps {
		switch {
		case s.Record == nil:
		case s.Record.PSD == PSDNo:
			return s.Domain, BoundaryDeclared
		case s.Record.PSD == PSDYes && s.Domain != w.Start:
			return childOf(s.Domain, w.Start), BoundaryRegistry
		default:
			org, rule = s.Domain, BoundaryShortest
		}
	}
	return org, rule
}

// childOf is the domain one label below up, on the way down to d.
func childOf(up, d mail.Domain) mail.Domain {
	for d.Parent() != up {
		d = d.Parent()
	}
	return d
}

// OrgDomain walks the tree for the organizational domain of a domain. The error is
// that of the lookup that failed.
func OrgDomain(ctx context.Context, r world.Resolver, d mail.Domain) (mail.Domain, Boundary, error) {
	w := walk(ctx, stepsOf(r, nil), d)
	org, rule := w.OrgDomain()
	if w.Err != nil {
		return org, rule, fmt.Errorf("walk the tree from %s: %w", d, w.Err)
	}
	return org, rule, nil
}

// record is the step of a walk at one domain, if it has a record.
func (w Walk) record(d mail.Domain) *Step {
	for _, s := range w.Steps {
		if s.Domain == d && s.Record != nil {
			return s
		}
	}
	return nil
}

// Trace is the walk as lines of evidence.
func (w Walk) Trace() []string {
	lines := make([]string, len(w.Steps))
	for i, s := range w.Steps {
		lines[i] = s.evidence()
	}
	return lines
}

func (s *Step) evidence() string {
	var failed *world.LookupError
	switch {
	case errors.As(s.Err, &failed), errors.As(s.Denied, &failed):
		return failed.Evidence()
	case s.Err != nil:
		return fmt.Sprintf("%s TXT: %s", s.Name, s.Err)
	case s.Denied != nil:
		return fmt.Sprintf("%s: %s", s.Name, s.Denied)
	case len(s.Candidates) > 1:
		return fmt.Sprintf("%s TXT: %d DMARC records, all discarded", s.Name, len(s.Candidates))
	case len(s.Candidates) == 0:
		return fmt.Sprintf("%s TXT: no DMARC record", s.Name)
	case s.Record == nil:
		return fmt.Sprintf("%s TXT %q (invalid)", s.Name, strings.ToValidUTF8(s.Candidates[0], "?"))
	}
	return fmt.Sprintf("%s TXT %q", s.Name, s.Record.Text)
}
