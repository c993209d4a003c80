package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
)

// listing is how a check reads the lists: which ones concern it, and which codes
// count against the subject there.
type listing struct {
	concerns func(*reputation.List) bool
	counts   reputation.Says
	as       string // "as a source of spam": how a listing is told
	first    string // what to do before asking for removal
}

// listCodes are what checks that read lists can say. How much a listing matters is
// the weight of the list: to count lists says nothing.
func listCodes() []Code {
	return []Code{
		{"clean", finding.Green, "the lists that answered do not list it"},
		{"listed", finding.Red, "a list that large receivers refuse by names it"},
		{"listed-medium", finding.Yellow, "a list that some receivers heed names it"},
		{"listed-minor", finding.Skip, "only lists that hardly anybody refuses by name it"},
		{"could-not-say", finding.Unknown, "a list that matters did not answer, refused, or is out of order"},
		{"key-needed", finding.Skip, "a list answers only those who have a key, or are registered"},
	}
}

// judge sorts what the lists say: a finding for each listing that matters, one of
// each subject's clean lists, one for all lists that could not say.
func (l listing) judge(ctx context.Context, s *Subject, polls []poll) []finding.Finding {
	var found []finding.Finding
	var silent, keyless []reputation.Answer
	for _, p := range polls {
		t := l.count(p)
		for i := range t.listed {
			found = append(found, l.describe(p, &t.listed[i]))
		}
		found = append(found, t.summaries(p)...)
		silent = append(silent, t.silent...)
		keyless = append(keyless, t.keyless...)
	}
	if len(silent) > 0 {
		found = append(found, couldNotSay(ctx, s, silent))
	}
	if len(keyless) > 0 {
		found = append(found, keyNeeded(s, keyless))
	}
	return found
}

// tally is the answers about one subject by what follows from them.
type tally struct {
	listed  []reputation.Answer // on lists that matter
	minor   []reputation.Answer // on lists that hardly do
	clean   []reputation.Answer
	silent  []reputation.Answer // lists that matter and could not say
	quiet   []reputation.Answer // lists that hardly matter and could not say
	keyless []reputation.Answer
}

func (l listing) count(p poll) tally {
	var t tally
	for _, a := range p.answers {
		matters := a.List.Weight >= reputation.Medium
		switch {
		case !l.concerns(a.List) || a.Why == reputation.NoSuchQuery:
		case a.Why == reputation.NeedsKey, isForMembers(&a):
			t.keyless = append(t.keyless, a)
		case a.Result == reputation.Unknown && matters:
			t.silent = append(t.silent, a)
		case a.Result == reputation.Unknown:
			t.quiet = append(t.quiet, a)
		case !hasCode(&a, l.counts):
			t.clean = append(t.clean, a)
		case matters:
			t.listed = append(t.listed, a)
		default:
			t.minor = append(t.minor, a)
		}
	}
	return t
}

// isForMembers reports that a list is silent because this resolver is not
// registered there: as with a key, the list does not apply until it is.
func isForMembers(a *reputation.Answer) bool {
	closed := a.Why == reputation.Refused || a.Why == reputation.Dead
	return a.List.Access == reputation.Registration && a.Result == reputation.Unknown && closed
}

// hasCode reports whether one of the codes of an answer is of this kind.
func hasCode(a *reputation.Answer, what reputation.Says) bool {
	return slices.ContainsFunc(a.Codes, func(m reputation.Meaning) bool { return m.Says == what })
}

// describe tells of one listing that matters, and how it ends.
func (l listing) describe(p poll, a *reputation.Answer) finding.Finding {
	f := finding.Finding{Code: "listed", Subject: p.subject, Evidence: evidence(p.role)}
	if a.List.Weight == reputation.Medium {
		f.Code = "listed-medium"
	}
	means := meanings(a, l.counts)
	f.Summary = fmt.Sprintf("%s is on %s %s: %s", p.subject, a.List.Name, l.as, strings.Join(means, "; "))
	f.Evidence = append(f.Evidence, a.Raw...)
	for _, text := range a.Text {
		f.Evidence = append(f.Evidence, fmt.Sprintf("TXT: %q", text))
	}
	f.Fix = l.removal(a)
	return f
}

func meanings(a *reputation.Answer, what reputation.Says) []string {
	var means []string
	for _, m := range a.Codes {
		if m.Says == what && !slices.Contains(means, m.Means) {
			means = append(means, m.Means)
		}
	}
	return means
}

// removal is how an entry of a list goes away, cause first: who is taken off and
// goes on is back the same day, and then for longer.
func (l listing) removal(a *reputation.Answer) string {
	fix := l.first
	if page := a.List.LookupURL(a.Subject); page != "" {
		fix += " The entry and its reason: " + page + "."
	}
	if a.List.Delist != "" {
		fix += " Removal: " + a.List.Delist
		if a.List.Removal != "" {
			fix += " (" + a.List.Removal + ")"
		}
		fix += "."
	}
	return fix
}

// summaries are the lines about what does not matter much, and about what is clean.
func (t tally) summaries(p poll) []finding.Finding {
	var found []finding.Finding
	if len(t.minor) > 0 {
		f := finding.Finding{Code: "listed-minor", Subject: p.subject,
			Summary: fmt.Sprintf("%s is on %s, which hardly anybody refuses by", p.subject, listNames(t.minor))}
		for _, a := range t.minor {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s): %s", a.List.Name, a.List.Weight, codesText(&a)))
			f.Evidence = append(f.Evidence, a.Raw...)
		}
		found = append(found, f)
	}
	if len(t.clean) > 0 {
		n := len(t.clean)
		asked := n + len(t.listed) + len(t.minor) + len(t.silent) + len(t.quiet)
		f := finding.Finding{Code: "clean", Subject: p.subject,
			Summary:  fmt.Sprintf("%s is clean on %d of the %d %s asked", p.subject, n, asked, plural(asked, "list")),
			Evidence: evidence(p.role, "clean: "+listNames(t.clean))}
		for _, a := range t.quiet {
			f.Evidence = append(f.Evidence, fmt.Sprintf("could not say: %s (%s): %s", a.List.Name, a.List.Weight, a.Detail))
		}
		found = append(found, f)
	}
	return found
}

func codesText(a *reputation.Answer) string {
	var words []string
	for _, m := range a.Codes {
		words = append(words, fmt.Sprintf("%s %s", m.Code, m.Means))
	}
	return strings.Join(words, "; ")
}

// listNames are the names of the lists that answered, each once.
func listNames(answers []reputation.Answer) string {
	var names []string
	for _, a := range answers {
		if !slices.Contains(names, a.List.Name) {
			names = append(names, a.List.Name)
		}
	}
	return strings.Join(names, ", ")
}

// perList keeps the first answer of each list: what keeps a list from answering is
// seldom about the subject.
func perList(answers []reputation.Answer) []reputation.Answer {
	var kept []reputation.Answer
	for _, a := range answers {
		if !slices.ContainsFunc(kept, func(k reputation.Answer) bool { return k.List == a.List }) {
			kept = append(kept, a)
		}
	}
	return kept
}

// couldNotSay gathers the lists that matter and from which nothing was learned.
func couldNotSay(ctx context.Context, s *Subject, silent []reputation.Answer) finding.Finding {
	if ctx.Err() != nil {
		return unseen(s.String(), ctx.Err())
	}
	silent = perList(silent)
	f := finding.Finding{Code: "could-not-say", Subject: s.String(),
		Summary: fmt.Sprintf("%d %s could not say: %s", len(silent), plural(len(silent), "list"), listNames(silent))}
	cures := map[string][]string{}
	var order []string
	for _, a := range silent {
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s, %s): %s", a.List.Name, a.List.Weight, a.Why, a.Detail))
		f.Evidence = append(f.Evidence, a.Raw...)
		if cures[a.Cure] == nil {
			order = append(order, a.Cure)
		}
		cures[a.Cure] = append(cures[a.Cure], a.List.Name)
	}
	var fixes []string
	for _, cure := range order {
		fixes = append(fixes, strings.Join(cures[cure], ", ")+": "+cure)
	}
	f.Fix = strings.Join(fixes, " ")
	return f
}

// keyNeeded gathers the lists that were not asked for want of a key.
func keyNeeded(s *Subject, keyless []reputation.Answer) finding.Finding {
	keyless = perList(keyless)
	f := finding.Finding{Code: "key-needed", Subject: s.String(),
		Summary: fmt.Sprintf("only for those with a key or a registration: %s", listNames(keyless))}
	for _, a := range keyless {
		if isForMembers(&a) {
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s (%s): %s", a.List.Name, a.List.Weight, a.Cure))
			continue
		}
		line := fmt.Sprintf("%s (%s): get a key from %s and give it with --list-key %s=KEY", a.List.Name, a.List.Weight, a.List.Operator, a.List.KeyName)
		f.Evidence = append(f.Evidence, line)
	}
	return f
}
