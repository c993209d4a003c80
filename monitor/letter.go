package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/standing"
)

// column is where the text of a letter ends, so that it can be quoted and printed.
const column = 78

// Bounds of a letter: more is not read, and stands in the standing anyway.
const (
	maxTold    = 20 // in full, of each kind
	maxTargets = 4
)

// news is one change for people: the same thing seen at several targets is one.
type news struct {
	standing.Change
	targets []string
}

// kinds are the parts of a letter, in their order.
var kinds = []struct {
	what  string // in the subject, after a number
	title string
	is    func(standing.Change) bool
}{
	{"red", "RED x: receivers may refuse your mail for it", turned(finding.Red)},
	{"yellow", "YELLOW !: it works, and is not as it should be", turned(finding.Yellow)},
	{"blind", "UNKNOWN ?: not seen for a day, so nobody knows", func(c standing.Change) bool { return c.Kind == standing.Blind }},
	{"ended", "OVER ok: what this server warned of has ended", func(c standing.Change) bool {
		return c.Kind == standing.Turned && c.To != finding.Red && c.To != finding.Yellow
	}},
	{"seen again", "SEEN AGAIN", func(c standing.Change) bool { return c.Kind == standing.Sees }},
}

func turned(to finding.Status) func(standing.Change) bool {
	return func(c standing.Change) bool { return c.Kind == standing.Turned && c.To == to }
}

// compose writes what changed for people. There may be nothing left to say, when it all
// became again what it was.
func compose(changes []standing.Change, host string) (l Letter, isNews bool) {
	all := gather(latest(changes))
	var b strings.Builder
	var counts []string
	fmt.Fprintf(&b, "The watch of %s has seen a change.\n", host)
	for _, k := range kinds {
		var part []news
		for _, n := range all {
			if k.is(n.Change) {
				part = append(part, n)
			}
		}
		if len(part) == 0 {
			continue
		}
		counts = append(counts, fmt.Sprintf("%d %s", len(part), k.what))
		fmt.Fprintf(&b, "\n%s\n%s\n", k.title, strings.Repeat("-", len(k.title)))
		for _, n := range part[:min(len(part), maxTold)] {
			n.write(&b)
		}
		if more := len(part) - maxTold; more > 0 {
			fmt.Fprintf(&b, "\n  and %d more\n", more)
		}
	}
	fmt.Fprintf(&b, "\nHow everything stands now:   allgreen watch\n")
	return Letter{Subject: subject(all, counts), Text: b.String(), Changes: changes}, len(all) > 0
}

// subject says the thing itself where there is one, and counts where there are more.
func subject(all []news, counts []string) string {
	if len(all) != 1 {
		return strings.Join(counts, ", ")
	}
	n := all[0]
	switch {
	case n.Kind == standing.Blind:
		return "blind: " + n.Check + " of " + n.Subject + " was not seen for a day"
	case n.Kind == standing.Sees:
		return "seen again: " + n.Check + " of " + n.Subject
	case n.To == finding.Red || n.To == finding.Yellow:
		return n.To.String() + ": " + show.Clean(n.Finding.Summary)
	}
	return "over: " + n.Check + " of " + n.Subject + " is " + word(n.To)
}

func word(s finding.Status) string {
	if s == finding.Skip {
		return "gone"
	}
	return s.String()
}

// latest leaves of each row what it became last, when a channel was owed for so long that
// it has changed again; what is as it was is no news any more.
func latest(changes []standing.Change) []standing.Change {
	type row struct{ target, check, subject, kind string }
	key := func(c standing.Change) row {
		kind := "colour"
		if c.Kind != standing.Turned {
			kind = "sight"
		}
		return row{c.Target, c.Check, c.Subject, kind}
	}
	first, last := map[row]standing.Change{}, map[row]int{}
	for i, c := range changes {
		if _, ok := first[key(c)]; !ok {
			first[key(c)] = c
		}
		last[key(c)] = i
	}
	var left []standing.Change
	for i, c := range changes {
		c.From = first[key(c)].From
		if last[key(c)] == i && (c.Kind != standing.Turned || c.From != c.To) {
			left = append(left, c)
		}
	}
	return left
}

// gather makes one of what is the same at several targets, the worst first.
func gather(changes []standing.Change) []news {
	type same struct {
		check, subject, code string
		kind                 standing.Kind
		to                   finding.Status
	}
	at := map[same]int{}
	var all []news
	for _, c := range changes {
		k := same{c.Check, c.Subject, c.Finding.Code, c.Kind, c.To}
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, news{Change: c})
		}
		if !slices.Contains(all[i].targets, c.Target) {
			all[i].targets = append(all[i].targets, c.Target)
		}
	}
	return all
}

// write puts one piece of news on paper: what, since when, who minds, what to do. A record
// to publish stands at the margin, to be pasted.
func (n news) write(b *strings.Builder) {
	f := n.Finding
	fmt.Fprintf(b, "\n%s\n", show.Paragraph(n.headline(), 2, column))
	fmt.Fprintf(b, "%s\n", show.Paragraph(fmt.Sprintf("%s, since %s; of %s", n.Check, minute(n.Since), shorten(n.targets)), 4, column))
	if n.To != finding.Red && n.To != finding.Yellow {
		return
	}
	n.line(b, "Who minds", strings.Join(f.Affects, ", "))
	n.line(b, "Why", f.Why)
	n.line(b, "What to do", f.Fix)
	n.line(b, "Who can", hands[f.Who])
	for _, r := range f.Records {
		fmt.Fprintf(b, "\n%s %s %s\n", show.Clean(r.Name), show.Clean(r.Type), show.Clean(r.Value))
	}
	n.line(b, "More", "allgreen explain "+n.Check)
}

func (n news) headline() string {
	f := n.Finding
	switch {
	case n.Kind == standing.Turned && (n.To == finding.Red || n.To == finding.Yellow):
		return f.Summary
	case n.Kind == standing.Turned:
		return fmt.Sprintf("%s was %s and is %s: %s", n.Subject, n.From, word(n.To), f.Summary)
	}
	return n.Subject + ": " + f.Summary
}

func (n news) line(b *strings.Builder, name, text string) {
	if text != "" {
		fmt.Fprintf(b, "%s\n", show.Paragraph(name+": "+text, 4, column))
	}
}

// hands are who can mend it.
var hands = map[finding.Who]string{
	finding.DNSOwner:   "whoever edits the zone of the domain",
	finding.IPOwner:    "the hoster or provider of the address",
	finding.ThisServer: "whoever runs this server",
	finding.OtherSide:  "somebody else: a list, a receiver",
}

// shorten names some targets, and counts the others.
func shorten(names []string) string {
	if len(names) > maxTargets {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxTargets], ", "), len(names)-maxTargets)
	}
	return strings.Join(names, ", ")
}

// minute is a time for people.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
