package sieve

import (
	"slices"
	"unicode/utf8"
)

// Script is a script that was understood. It never changes and may be run by many at
// the same time.
type Script struct {
	source   string
	limits   Limits
	commands []command
	required []string
}

// command does something in a run; test asks something.
type (
	command func(*run) error
	test    func(*run) (bool, error)
)

// Parse understands a script, or says where it is wrong in an *Error. Everything that
// can be known before a message is there is judged here: names, tags, types,
// extensions, constant addresses and flags.
func Parse(source string, l Limits) (*Script, error) {
	l = l.orDefaults()
	switch {
	case len(source) > l.Size:
		return nil, errorAt(source, l.Size, "%w: it has over %d octets", ErrTooMuch, l.Size)
	case !utf8.ValidString(source):
		return nil, errorAt(source, invalidAt(source), "the script is not UTF-8")
	}
	p := &parser{lexer: lexer{source: source}, limits: l}
	if err := p.advance(); err != nil {
		return nil, err
	}
	nodes, err := p.commands()
	if err == nil && p.token.kind != endOfScript {
		err = p.fail(p.token.at, `this "}" ends no block`)
	}
	if err != nil {
		return nil, err
	}
	c := &compiler{script: &Script{source: source, limits: l}}
	c.script.commands, err = c.commands(nodes, true)
	if err != nil {
		return nil, err
	}
	return c.script, nil
}

// invalidAt is the offset of the first octet that is no UTF-8.
func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}

// Source is the text of the script.
func (s *Script) Source() string { return s.source }

// Requires reports whether the script requires an extension.
func (s *Script) Requires(extension string) bool { return slices.Contains(s.required, extension) }

// extensions are the capabilities that a script may require, in order.
var extensions = []string{
	"body", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric", "comparator-i;octet", "comparator-i;unicode-casemap",
	"copy", "date", "encoded-character", "envelope", "fileinto", "imap4flags", "index", "mailbox", "relational",
	"special-use", "subaddress", "vacation", "vacation-seconds", "variables",
}

// Extensions are the capabilities that a script may require, in the order of their
// names: what ManageSieve announces.
func Extensions() []string { return slices.Clone(extensions) }
