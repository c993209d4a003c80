package zone

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// Status is what a plan means to do with one set.
type Status string

// The statuses.
const (
	Fine      Status = "fine"      // there already, or something there does as well
	Add       Status = "add"       // nothing is there
	Merge     Status = "merge"     // ours goes beside what is there
	Replace   Status = "replace"   // ours takes the place of what is there, as was asked for
	Keep      Status = "keep"      // something else is there, and stays
	Elsewhere Status = "elsewhere" // in the zone of somebody else, as the PTR records
)

// Step is what a plan means to do with one set, and why.
type Step struct {
	Status  Status     `json:"status"`
	Name    world.Name `json:"name"`
	Type    string     `json:"type"`
	Present []string   `json:"present"` // values there; of a CNAME in the way too
	Wanted  []string   `json:"wanted"`
	Result  []string   `json:"result"` // values afterwards
	Note    string     `json:"note,omitempty"`

	ttl int // of the set that is there
}

// Differs reports whether the zone is not as it is wanted.
func (s Step) Differs() bool { return s.Status != Fine && s.Status != Elsewhere }

// Plan is what to do so that a zone has the records wanted. MX records come last: they
// move the mail.
type Plan struct {
	Zone  world.Name `json:"zone"`
	Steps []Step     `json:"steps"`
}

// Differs reports whether anything in the zone is not as it is wanted.
func (p *Plan) Differs() bool { return slices.ContainsFunc(p.Steps, Step.Differs) }

// Changes are the steps that write.
func (p *Plan) Changes() []Change {
	var all []Change
	for _, s := range p.Steps {
		if s.Status == Add || s.Status == Merge || s.Status == Replace {
			before := Set{Name: s.Name, Type: s.Type, TTL: s.ttl, Values: s.Present}
			after := before
			after.Values = s.Result
			all = fold(all, Change{before, after})
		}
	}
	return all
}

// fold adds a change. Two of one set, as for two texts at one name, become one.
func fold(all []Change, c Change) []Change {
	i := slices.IndexFunc(all, func(o Change) bool { return o.After.Name == c.After.Name && o.After.Type == c.After.Type })
	if i < 0 {
		return append(all, c)
	}
	both := slices.DeleteFunc(union(all[i].After.Values, c.After.Values), func(v string) bool {
		return slices.Contains(c.Before.Values, v) && !(slices.Contains(c.After.Values, v) && slices.Contains(all[i].After.Values, v))
	})
	all[i].After.Values = both
	return all
}

// Undo turns changes round, the last first.
func Undo(changes []Change) []Change {
	var all []Change
	for _, c := range slices.Backward(changes) {
		all = append(all, Change{Before: c.After, After: c.Before})
	}
	return all
}

// Left are the changes of which something is left to undo: those of sets that are not as
// they were before.
func Left(changes []Change, present []Set) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool {
		return sameValues(find(present, c.Before.Name, c.Before.Type), c.Before)
	})
}

// NewPlan compares the records wanted with what is present. replace says of a set that is
// there, and that the plan would keep, that ours is to take its place; nil never does.
func NewPlan(zone world.Name, wanted []finding.Record, present []Set, replace func(name world.Name, kind string) bool) *Plan {
	if replace == nil {
		replace = func(world.Name, string) bool { return false }
	}
	p := &Plan{Zone: zone}
	for _, want := range wantedSets(wanted) {
		p.Steps = append(p.Steps, plan(zone, want, present, replace))
	}
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return rank(a) - rank(b) })
	return p
}

// rank puts what moves mail behind what makes it good.
func rank(s Step) int {
	switch {
	case s.Status == Elsewhere:
		return 2
	case s.Type == "MX":
		return 1
	}
	return 0
}

// wantedSets gathers records into sets. Texts of different purpose at one name, as SPF
// beside something else, are planned apart.
func wantedSets(wanted []finding.Record) (all []Set) {
	for _, r := range wanted {
		value, err := Canonical(r.Type, r.Value)
		if err != nil {
			value = r.Value // it will be refused when it is written
		}
		i := slices.IndexFunc(all, func(s Set) bool {
			return string(s.Name) == r.Name && s.Type == r.Type && purpose(s.Type, s.Values[0]) == purpose(r.Type, value)
		})
		if i < 0 {
			all = append(all, Set{Name: world.Name(r.Name), Type: r.Type})
			i = len(all) - 1
		}
		all[i].Values = append(all[i].Values, value)
	}
	return all
}

// purpose is what a text is for: its version tag, as "v=spf1". Other types have one.
func purpose(kind, value string) string {
	if kind != "TXT" {
		return ""
	}
	text := strings.ToLower(strings.TrimSpace(plainText(value)))
	tag, _, _ := strings.Cut(text, ";")
	tag, _, _ = strings.Cut(tag, " ")
	if strings.HasPrefix(tag, "v=") {
		return tag
	}
	return text
}

// plan is the step for one set.
func plan(zone world.Name, want Set, present []Set, replace func(world.Name, string) bool) Step {
	s := Step{Name: want.Name, Type: want.Type, Wanted: want.Values}
	if !want.Name.IsWithin(zone) || want.Type == "PTR" {
		s.Status, s.Note = Elsewhere, "for whoever has that zone to publish"
		return s
	}
	there := find(present, want.Name, want.Type)
	s.Present, s.ttl = there.Values, there.TTL
	if inTheWay(&s, present) {
		return s
	}
	if len(there.Values) == 0 {
		s.Status, s.Result = Add, want.Values
		return s
	}
	judge(&s, replace(want.Name, want.Type))
	return s
}

// inTheWay keeps a CNAME from standing beside anything else (RFC 1034 section 3.6.2).
func inTheWay(s *Step, present []Set) bool {
	for _, other := range present {
		if other.Name != s.Name || other.Type == s.Type || len(other.Values) == 0 {
			continue
		}
		if other.Type == "CNAME" || s.Type == "CNAME" {
			s.Status, s.Present, s.Result = Keep, []string{other.Type + " " + other.Values[0]}, nil
			s.Note = "a CNAME stands alone at its name; take away what is there first, by hand"
			return true
		}
	}
	return false
}

// judge compares two sets that both have values.
func judge(s *Step, replace bool) {
	same := func(v string) bool { return slices.Contains(s.Present, v) }
	all := len(s.Wanted) == len(slices.DeleteFunc(slices.Clone(s.Wanted), func(v string) bool { return !same(v) }))
	switch {
	case s.Type == "TXT":
		judgeText(s, replace)
	case all && (len(s.Present) == len(s.Wanted) || beside(s.Type)):
		s.Status, s.Result = Fine, s.Present
	case s.Type == "MX" && sameExchangers(s.Present, s.Wanted):
		s.Status, s.Result, s.Note = Fine, s.Present, "with a preference of its own"
	case replace:
		s.Status, s.Result = Replace, s.Wanted
	case beside(s.Type):
		s.Status, s.Result = Merge, union(s.Present, s.Wanted)
	default:
		s.Status, s.Result, s.Note = Keep, s.Present, keepNote(s.Type)
	}
}

// beside reports whether ours harms nothing beside others: another key or authority is
// allowed more, never less.
func beside(kind string) bool { return kind == "TLSA" || kind == "CAA" }

func keepNote(kind string) string {
	switch kind {
	case "MX":
		return "mail goes to another server today; ask for it when everything else is right"
	case "CNAME":
		return "the name leads elsewhere today"
	}
	return "something else is there today"
}

// union is the one list and then what the other has more.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// sameExchangers reports whether mail goes to the same hosts.
func sameExchangers(a, b []string) bool {
	hosts := func(values []string) (all []string) {
		for _, v := range values {
			_, host, _ := strings.Cut(v, " ")
			all = append(all, dns.CanonicalName(host))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return slices.Equal(hosts(a), hosts(b))
}
