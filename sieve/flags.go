package sieve

import (
	"slices"
	"strings"
)

// systemFlags are those that a script may set (RFC 9051 section 2.3.2).
var systemFlags = []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`}

// flagsIn reads flags: each string may hold several, divided by blanks (RFC 5232
// section 2). What is no flag is left out, as section 2 asks.
func flagsIn(texts []string) (flags []string) {
	for _, s := range texts {
		for word := range strings.FieldsSeq(s) {
			if known := slices.IndexFunc(systemFlags, func(f string) bool { return strings.EqualFold(f, word) }); known >= 0 {
				word = systemFlags[known]
			} else if !isAtom(word) {
				continue
			}
			flags = union(flags, []string{word})
		}
	}
	return flags
}

// isAtom is what a keyword is made of (RFC 9051 section 9, flag-keyword).
func isAtom(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`(){%*"\]`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// union adds what is not there yet; flags have no case.
func union(a, b []string) []string {
	for _, f := range b {
		if !hasFlag(a, f) {
			a = append(a[:len(a):len(a)], f)
		}
	}
	return a
}

func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

// flagsOf gives what ":flags" says, and without it the internal variable (section 5).
func (c *compiler) flagsOf(t taken) (func(*run) ([]string, error), error) {
	if !t.has("flags") {
		return func(r *run) ([]string, error) { return r.flags, nil }, nil
	}
	texts, err := c.texts(t.tags["flags"])
	return func(r *run) ([]string, error) {
		said, err := r.sayAll(texts)
		return flagsIn(said), err
	}, err
}

// flagVariable is the variable that a command or test names, "" for the internal one.
// A name needs the extension variables (section 2).
func (c *compiler) flagVariable(t taken) (names []string, err error) {
	if len(t.arguments) < 2 {
		return []string{""}, nil
	}
	a := t.arguments[0]
	if err := c.needs(a.at, "the name of a variable", "variables"); err != nil {
		return nil, err
	}
	for _, s := range a.strings {
		if !isIdentifier(s.text) {
			return nil, c.fail(s.at, `"%s" is no name for a variable`, s.text)
		}
		names = append(names, strings.ToLower(s.text))
	}
	return names, nil
}

// changeFlags are setflag, addflag and removeflag (section 3).
func (c *compiler) changeFlags(n *node) (command, error) {
	t, err := c.take(n, signature{needs: []string{"imap4flags"}, arguments: []form{oneString, stringList}, optional: true})
	if err != nil {
		return nil, err
	}
	names, err := c.flagVariable(t)
	if err != nil {
		return nil, err
	}
	texts, err := c.texts(t.arguments[len(t.arguments)-1])
	return func(r *run) error {
		said, err := r.sayAll(texts)
		if err != nil {
			return err
		}
		flags, have := flagsIn(said), r.flagsIn(names[0])
		switch n.name {
		case "addflag":
			flags = union(have, flags)
		case "removeflag":
			flags = slices.DeleteFunc(slices.Clone(have), func(f string) bool { return hasFlag(flags, f) })
		}
		return r.setFlags(names[0], flags, n.at)
	}, err
}

// flagsIn are the flags in a variable.
func (r *run) flagsIn(variable string) []string {
	if variable == "" {
		return r.flags
	}
	return flagsIn([]string{r.variables[variable]})
}

// maxFlags bounds the flags of a message.
const maxFlags = 100

func (r *run) setFlags(variable string, flags []string, at int) error {
	if len(flags) > maxFlags {
		return r.fail(at, "%w: over %d flags", ErrTooMuch, maxFlags)
	}
	if variable == "" {
		r.flags = flags
		return r.spend(len(flags))
	}
	return r.setVariable(variable, strings.Join(flags, " "), at)
}

// hasFlag is the test of section 4: it compares every flag in the variables.
func (c *compiler) hasFlag(n *node) (test, error) {
	t, err := c.take(n, signature{needs: []string{"imap4flags"}, tags: matchTags, arguments: []form{stringList, stringList}, optional: true})
	if err != nil {
		return nil, err
	}
	names, err := c.flagVariable(t)
	if err != nil {
		return nil, err
	}
	m, err := c.matcher(t)
	return func(r *run) (bool, error) {
		var flags []string
		for _, name := range names {
			flags = append(flags, r.flagsIn(name)...)
		}
		return m.forFlags().any(r, flags)
	}, err
}

// forFlags takes keys apart that hold several flags; a pattern stays whole, and so
// does a number.
func (m *matcher) forFlags() *matcher {
	if m.how != "is" && m.how != "contains" {
		return m
	}
	apart := *m
	apart.keys = nil
	for _, k := range m.keys {
		s, ok := k.constant()
		if !ok {
			apart.keys = append(apart.keys, k)
			continue
		}
		for word := range strings.FieldsSeq(s) {
			apart.keys = append(apart.keys, literal(word))
		}
	}
	return &apart
}
