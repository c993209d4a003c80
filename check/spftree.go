package check

import (
	"context"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// ofTree judges the record with everything it includes. Where a part of the tree
// was not seen, its counts are the least that can be: enough for red, not for green.
func ofTree(judge func(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding) func(context.Context, *Subject) []finding.Finding {
	return func(ctx context.Context, s *Subject) []finding.Finding {
		if s.SPFOf(ctx, s.Domain()).Record == nil {
			return nil
		}
		return one(judge(s, s.SPFTree(ctx, s.Domain()), finding.Finding{Subject: s.String()}))
	}
}

// treeEvidence is the records of a tree, the costliest reading for people.
func treeEvidence(t *spf.Tree) []string {
	var lines []string
	for _, n := range t.Nodes {
		if n.Record != nil {
			lines = append(lines, nodeEvidence(n))
		}
	}
	return lines
}

func nodeEvidence(n *spf.Node) string { return fmt.Sprintf("%s. TXT: %q", n.Domain, n.Record.Text) }

func emptyTerms(t *spf.Tree) []string {
	var lines []string
	for _, n := range t.Nodes {
		for _, r := range n.Terms {
			if r.VoidIPv4 || r.VoidIPv6 || r.Child != nil && r.Child.Err != nil && isAbsence(r.Child.Err) {
				lines = append(lines, fmt.Sprintf("%s of %s finds nothing", r.Term.Text, n.Domain))
			}
		}
	}
	return lines
}

// judgeIncludes names the worst that is known: a fault that was seen counts whatever
// else was not.
func judgeIncludes(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding {
	describe := func(code, text string, l spf.Link) finding.Finding {
		f.Code, f.Summary = code, fmt.Sprintf(text, l.Term, l.From)
		f.Evidence = []string{fmt.Sprintf("%s: %s -> %s", l.From, l.Term, l.To)}
		return f
	}
	wrong := slices.IndexFunc(t.Nodes, func(n *spf.Node) bool { return n != t.Root && len(n.Problems) > 0 })
	switch unread := t.Unread(); {
	case len(t.Missing) > 0:
		return describe("missing", "%s of %s leads to a domain without an SPF record", t.Missing[0])
	case len(t.Loops) > 0:
		return describe("loop", "%s of %s leads in a circle", t.Loops[0])
	case wrong >= 0:
		n := t.Nodes[wrong]
		f.Code, f.Summary = "broken", fmt.Sprintf("the included record of %s is wrong: %s", n.Domain, n.Problems[0])
		f.Evidence, f.Who = []string{nodeEvidence(n)}, finding.OtherSide
	case unread != nil:
		return unseen(s.String(), unread)
	case len(t.Duplicates) > 0:
		return describe("duplicate", "%s of %s includes what was included before", t.Duplicates[0])
	default:
		f.Code, f.Summary = "right", fmt.Sprintf("SPF of %s consists of %d %s, all in order", s, len(t.Nodes), plural(len(t.Nodes), "record"))
	}
	return f
}

// judgeLastWord judges what the record says about everybody it does not name.
func judgeLastWord(ctx context.Context, s *Subject) []finding.Finding {
	f := finding.Finding{Subject: s.String()}
	f.Code, f.Summary = "open", "the SPF record of "+s.String()+" does not say what others may do"
	f.Evidence = []string{nodeEvidence(s.SPFTree(ctx, s.Domain()).Root)}
	all, where, err := lastWord(s.SPFTree(ctx, s.Domain()))
	if err != nil {
		return one(unseen(s.String(), err))
	}
	if all != nil {
		f.Evidence = []string{nodeEvidence(where)}
		f.Code = string(all.Qualifier.Result())
		f.Summary = fmt.Sprintf("SPF of %s ends in %s", s, all.Text)
	}
	if f.Code == "softfail" {
		enforced, err := s.isEnforced(ctx)
		if err != nil {
			return one(unseen(s.String(), err))
		}
		if !enforced {
			f.Code = "softfail-alone"
		}
	}
	return one(f)
}

// isEnforced reports whether DMARC asks for quarantine or reject, or why nobody
// knows.
func (s *Subject) isEnforced(ctx context.Context) (bool, error) {
	d := s.DMARCOf(ctx, s.Domain())
	if d.Err != nil && !isAbsence(d.Err) {
		return false, d.Err
	}
	return d.Policy.Strength() > 0 && !d.Record.Testing, nil
}

// speakers are the record of the domain and those that it redirects to, which stand
// in its place (RFC 7208 section 6.1). The error says why the last of them is not
// known; what is missing or wrong there is judged by spf.includes.
func speakers(t *spf.Tree) ([]*spf.Node, error) {
	var found []*spf.Node
	for n := t.Root; n != nil && n.Record != nil && !slices.Contains(found, n); {
		found = append(found, n)
		i := slices.IndexFunc(n.Terms, func(r spf.Resolved) bool { return r.Term.Kind == spf.Redirect })
		if i < 0 {
			break
		}
		r := n.Terms[i]
		if n = r.Child; n == nil {
			return found, r.Err // nil when the name hangs on the mail
		}
		if n.Err != nil && !isAbsence(n.Err) {
			return found, n.Err
		}
	}
	return found, nil
}

// lastWord finds the all that decides about everybody else, through redirects; nil
// when there is none.
func lastWord(t *spf.Tree) (*spf.Term, *spf.Node, error) {
	nodes, err := speakers(t)
	last := nodes[len(nodes)-1]
	if all := last.Record.First(spf.All); all != nil {
		return all, last, nil
	}
	return nil, nil, err
}

// judgeSPFHosts judges the a and mx terms of the domain's own record. A term with
// one address leads somewhere, whatever its other names would have answered.
func judgeSPFHosts(s *Subject, t *spf.Tree, f finding.Finding) finding.Finding {
	nodes, lost := speakers(t)
	f.Code, f.Summary = "resolve", "the a and mx terms lead to addresses"
	for _, n := range nodes {
		for _, r := range n.Terms {
			if r.Term.Kind != spf.A && r.Term.Kind != spf.MX {
				continue
			}
			switch {
			case len(r.Exchangers) > maxLookups:
				f.Code, f.Summary = "too-many", fmt.Sprintf("%s has %d names; receivers stop at %d", r.Term.Text, len(r.Exchangers), maxLookups)
				f.Evidence = []string{nodeEvidence(n)}
				return f
			case len(r.Addresses) > 0 || r.Open != "":
			case r.Err != nil && !isAbsence(r.Err):
				lost = r.Err
			case f.Code == "resolve":
				f.Code, f.Summary, f.Evidence = "empty", r.Term.Text+" leads to no address", []string{nodeEvidence(n)}
			}
		}
	}
	if lost != nil && f.Code == "resolve" {
		return unseen(s.String(), lost)
	}
	return f
}
