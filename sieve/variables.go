package sieve

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// setTags are the modifiers of RFC 5229 section 4.1. Those of one precedence exclude
// each other.
var setTags = []tagForm{
	{name: "lower", group: "40"}, {name: "upper", group: "40"},
	{name: "lowerfirst", group: "30"}, {name: "upperfirst", group: "30"},
	{name: "quotewildcard", group: "20"},
	{name: "length", group: "10"},
}

// precedences are in the order in which modifiers are applied.
var precedences = []string{"40", "30", "20", "10"}

// set is the command of RFC 5229 section 4.
func (c *compiler) set(n *node) (command, error) {
	t, err := c.take(n, signature{needs: []string{"variables"}, tags: setTags, arguments: []form{oneString, oneString}})
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(t.arguments[0].strings[0].text)
	if !isIdentifier(name) {
		return nil, c.fail(t.arguments[0].at, `"%s" is no name for a variable`, name)
	}
	value, err := c.oneText(t.arguments[1])
	return func(r *run) error {
		s, err := r.say(value)
		if err != nil {
			return err
		}
		for _, p := range precedences {
			s = modify(s, t.groups[p].tag)
		}
		return r.setVariable(name, s, n.at)
	}, err
}

// modify applies one modifier.
func modify(s, how string) string {
	switch how {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "lowerfirst":
		return first(s, unicode.ToLower)
	case "upperfirst":
		return first(s, unicode.ToUpper)
	case "quotewildcard":
		return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `\`, `\\`).Replace(s)
	case "length":
		return strconv.Itoa(utf8.RuneCountInString(s))
	}
	return s
}

func first(s string, change func(rune) rune) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(change(r)) + s[n:]
}

func (r *run) setVariable(name, value string, at int) error {
	if r.variables == nil {
		r.variables = make(map[string]string)
	}
	r.variables[name] = clip(value, r.script.limits.Value)
	if len(r.variables) > r.script.limits.Variables {
		return r.fail(at, "%w: over %d variables", ErrTooMuch, r.script.limits.Variables)
	}
	return r.spend(len(value))
}

// stringTest is the test of RFC 5229 section 5. Counted, empty strings are none.
func (c *compiler) stringTest(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"variables"}, tags: matchTags, arguments: []form{stringList, stringList}})
	if err != nil {
		return nil, err
	}
	sources, err := c.texts(t.arguments[0])
	if err != nil {
		return nil, err
	}
	m, err := c.matcher(t)
	return func(r *run) (bool, error) {
		values, err := r.sayAll(sources)
		if err != nil {
			return false, err
		}
		if m.how == "count" {
			values = withoutEmpty(values)
		}
		return m.any(r, values)
	}, err
}

func withoutEmpty(values []string) (some []string) {
	for _, v := range values {
		if v != "" {
			some = append(some, v)
		}
	}
	return some
}
