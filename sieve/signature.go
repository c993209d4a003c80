package sieve

import "strings"

// form is what an argument must look like.
type form int

const (
	noValue    form = iota // of a tag that takes nothing
	oneNumber              // 100K
	oneString              // "a"
	stringList             // "a" or ["a", "b"]
)

func (f form) String() string {
	return [...]string{"nothing", "a number", "a string", "a string or a list of strings"}[f]
}

func (f form) fits(a argument) bool {
	switch f {
	case oneNumber:
		return a.kind == number
	case oneString:
		return a.kind == quoted && !a.isList
	}
	return a.kind == quoted
}

// many stands for one test or more in parentheses.
const many = -1

// signature is what may stand behind the name of a command or test.
type signature struct {
	needs     []string // extensions, of which one is enough
	tags      []tagForm
	arguments []form
	optional  bool // the first argument may be left out
	tests     int  // 0, 1 or many
	block     bool
}

// tagForm is a tag and what stands behind it.
type tagForm struct {
	name  string
	value form
	needs string // extension; "": none
	group string // of these tags only one may stand; "": beside all
}

// taken are the arguments of one node that fits its signature.
type taken struct {
	node      *node
	tags      map[string]argument // the value of a tag, or the tag itself when it takes none
	groups    map[string]argument // the tag of a group
	arguments []argument          // the others; the optional one is missing where it was left out
}

func (t taken) has(tag string) bool {
	_, ok := t.tags[tag]
	return ok
}

// take fits the arguments of a node into its signature.
func (c *compiler) take(n *node, s signature) (taken, error) {
	t := taken{node: n, tags: map[string]argument{}, groups: map[string]argument{}}
	if err := c.needs(n.at, `"`+n.name+`"`, s.needs...); err != nil {
		return t, err
	}
	rest := n.arguments
	for len(rest) > 0 && rest[0].kind == tag {
		var err error
		if rest, err = c.takeTag(&t, s, rest); err != nil {
			return t, err
		}
	}
	if err := c.takeArguments(&t, s, rest); err != nil {
		return t, err
	}
	return t, c.checkRest(n, s)
}

// takeTag takes one tag with its value.
func (c *compiler) takeTag(t *taken, s signature, rest []argument) ([]argument, error) {
	a := rest[0]
	rest = rest[1:]
	var f *tagForm
	for i := range s.tags {
		if s.tags[i].name == a.tag {
			f = &s.tags[i]
		}
	}
	if f == nil {
		return nil, c.fail(a.at, `"%s" has no tag ":%s"`, t.node.name, a.tag)
	}
	if f.needs != "" {
		if err := c.needs(a.at, `":`+a.tag+`"`, f.needs); err != nil {
			return nil, err
		}
	}
	if t.has(a.tag) {
		return nil, c.fail(a.at, `":%s" stands twice`, a.tag)
	}
	if f.group != "" {
		if other, twice := t.groups[f.group]; twice {
			return nil, c.fail(a.at, `":%s" and ":%s" exclude each other`, other.tag, a.tag)
		}
		t.groups[f.group] = a
	}
	if f.value == noValue {
		t.tags[a.tag] = a
		return rest, nil
	}
	if len(rest) == 0 || !f.value.fits(rest[0]) {
		return nil, c.fail(a.at, `behind ":%s" must stand %s`, a.tag, f.value)
	}
	t.tags[a.tag] = rest[0]
	return rest[1:], nil
}

func (c *compiler) takeArguments(t *taken, s signature, rest []argument) error {
	want := s.arguments
	if s.optional && len(rest) == len(want)-1 {
		want = want[1:]
	}
	for i, a := range rest {
		switch {
		case a.kind == tag:
			return c.fail(a.at, `":%s" must stand before the arguments without a tag`, a.tag)
		case i >= len(want):
			return c.fail(a.at, `%s is too much here: "%s" takes %s`, a.describe(), t.node.name, words(s.arguments))
		case !want[i].fits(a):
			return c.fail(a.at, "%s should stand here, not %s", want[i], a.describe())
		}
	}
	if len(rest) < len(want) {
		return c.fail(t.node.at, `something is missing: "%s" takes %s`, t.node.name, words(s.arguments))
	}
	t.arguments = rest
	return nil
}

func words(forms []form) string {
	if len(forms) == 0 {
		return "no arguments"
	}
	var all []string
	for _, f := range forms {
		all = append(all, f.String())
	}
	return strings.Join(all, ", then ")
}

// checkRest judges tests and block.
func (c *compiler) checkRest(n *node, s signature) error {
	switch {
	case s.tests == 0 && len(n.tests) > 0:
		return c.fail(n.testsAt, `"%s" takes no test`, n.name)
	case s.tests == 1 && len(n.tests) != 1:
		return c.fail(n.at, `"%s" takes one test`, n.name)
	case s.tests == many && len(n.tests) == 0:
		return c.fail(n.at, `"%s" takes tests in parentheses`, n.name)
	case s.block && !n.hasBlock:
		return c.fail(n.at, `"%s" needs a block: { ... }`, n.name)
	case !s.block && n.hasBlock:
		return c.fail(n.at, `"%s" takes no block`, n.name)
	}
	return nil
}
