package sieve

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// matchTags are the match types and comparators, which many tests take.
var matchTags = []tagForm{
	{name: "is", group: "match"},
	{name: "contains", group: "match"},
	{name: "matches", group: "match"},
	{name: "value", value: oneString, needs: "relational", group: "match"},
	{name: "count", value: oneString, needs: "relational", group: "match"},
	{name: "comparator", value: oneString},
}

// matcher is one kind of comparison (RFC 5228 section 2.7, RFC 5231).
type matcher struct {
	how        string // is, contains, matches, value, count
	relation   string // of value and count: gt, ge, lt, le, eq, ne
	comparator comparator
	notes      bool // matches sets the match variables
	keys       []text
}

// matcher takes what matchTags allow; the keys are the last argument.
func (c *compiler) matcher(t taken) (*matcher, error) {
	m := &matcher{how: "is", comparator: comparators[0], notes: c.script.Requires("variables")}
	if a, ok := t.groups["match"]; ok {
		m.how = a.tag
	}
	if m.how == "value" || m.how == "count" {
		a := t.tags[m.how]
		m.relation = strings.ToLower(a.strings[0].text)
		if !slices.Contains([]string{"gt", "ge", "lt", "le", "eq", "ne"}, m.relation) {
			return nil, c.fail(a.at, `"%s" is no relation; there are gt, ge, lt, le, eq and ne`, a.strings[0].text)
		}
	}
	if a, ok := t.tags["comparator"]; ok {
		if err := c.comparator(m, a); err != nil {
			return nil, err
		}
	}
	var err error
	m.keys, err = c.texts(t.arguments[len(t.arguments)-1])
	return m, err
}

func (c *compiler) comparator(m *matcher, a argument) error {
	name := a.strings[0].text
	i := slices.IndexFunc(comparators, func(known comparator) bool { return known.name == name })
	if i < 0 {
		return c.fail(a.at, `there is no comparator "%s"`, name)
	}
	m.comparator = comparators[i]
	// RFC 5228 section 2.7.3: these two need no require.
	if name != "i;octet" && name != "i;ascii-casemap" {
		if err := c.needs(a.at, `"`+name+`"`, "comparator-"+name); err != nil {
			return err
		}
	}
	if m.comparator.numbers && (m.how == "contains" || m.how == "matches") {
		return c.fail(a.at, `numbers can only be compared whole: "%s" has no ":%s"`, name, m.how)
	}
	return nil
}

// any reports whether one of the values matches one of the keys.
func (m *matcher) any(r *run, values []string) (bool, error) {
	keys, err := r.sayAll(m.keys)
	if err != nil {
		return false, err
	}
	if m.how == "count" { // RFC 5231 section 4.2
		values = []string{strconv.Itoa(len(values))}
	}
	folded := make([]string, len(keys))
	for i, k := range keys {
		folded[i] = m.comparator.fold(k)
	}
	for _, v := range values {
		form := m.comparator.fold(v)
		for _, k := range folded {
			if err := r.spend(len(form) + len(k) + 1); err != nil {
				return false, err
			}
			if holds, err := m.one(r, v, form, k); holds || err != nil {
				return holds, err
			}
		}
	}
	return false, nil
}

// one compares a value, as it is and folded, with a folded key.
func (m *matcher) one(r *run, value, form, key string) (bool, error) {
	switch m.how {
	case "contains":
		return strings.Contains(form, key), nil
	case "matches":
		return m.matches(r, value, form, key)
	case "is":
		return m.comparator.compare(form, key) == 0, nil
	}
	order := m.comparator.compare(form, key)
	switch m.relation {
	case "gt":
		return order > 0, nil
	case "ge":
		return order >= 0, nil
	case "lt":
		return order < 0, nil
	case "le":
		return order <= 0, nil
	case "ne":
		return order != 0, nil
	}
	return order == 0, nil
}

// matches sets the match variables when it holds (RFC 5229 section 3.2).
func (m *matcher) matches(r *run, value, form, pattern string) (bool, error) {
	g := glob{run: r, text: form, pattern: pattern, octets: m.comparator.octets}
	holds, err := g.match()
	if !holds || err != nil || !m.notes {
		return holds, err
	}
	if len(form) != len(value) {
		value = form // folding has moved the places; only i;unicode-casemap does
	}
	r.matched = append(r.matched[:0], value)
	for _, s := range g.spans {
		if len(r.matched) <= maxMatch {
			r.matched = append(r.matched, clip(value[s[0]:s[1]], r.script.limits.Value))
		}
	}
	return true, nil
}

// glob matches a text with a pattern of "*", "?" and backslashes. Each "*" takes as
// little as possible, from the left (RFC 5229 section 3.2), so that only the last one
// ever has to take more: the time is that of the text times the pattern.
type glob struct {
	run           *run
	text, pattern string
	octets        bool
	spans         [][2]int // of the text, one for each wildcard
}

func (g *glob) match() (bool, error) {
	t, p := 0, 0
	star, starSpans := -1, 0 // where the pattern goes on behind the last "*", and the spans up to it
	for t < len(g.text) || p < len(g.pattern) {
		if p < len(g.pattern) && g.pattern[p] == '*' {
			g.spans = append(g.spans, [2]int{t, t})
			star, starSpans = p+1, len(g.spans)
			p++
			continue
		}
		tn, pn, fits := g.step(t, p)
		if fits {
			t, p = tn, pn
			continue
		}
		if star < 0 {
			return false, nil
		}
		last := &g.spans[starSpans-1]
		if last[1] >= len(g.text) {
			return false, nil
		}
		last[1] += g.width(last[1])
		if err := g.run.spend(1); err != nil {
			return false, err
		}
		g.spans = g.spans[:starSpans]
		t, p = last[1], star
	}
	return true, nil
}

// step compares one character of the text with one of the pattern that is no "*".
func (g *glob) step(t, p int) (tn, pn int, fits bool) {
	if t == len(g.text) || p == len(g.pattern) {
		return t, p, false
	}
	if g.run.steps++; g.pattern[p] == '?' {
		tn = t + g.width(t)
		g.spans = append(g.spans, [2]int{t, tn})
		return tn, p + 1, true
	}
	if g.pattern[p] == '\\' && p+1 < len(g.pattern) {
		p++
	}
	return t + 1, p + 1, g.text[t] == g.pattern[p]
}

// width is how many octets the next character of the text has.
func (g *glob) width(at int) int {
	if g.octets {
		return 1
	}
	_, n := utf8.DecodeRuneInString(g.text[at:])
	return n
}
