package syntax

import "strings"

// The system flags (RFC 9051 section 2.3.2), as Flags have them whatever case they came
// in.
const (
	Seen     = `\Seen`
	Answered = `\Answered`
	Flagged  = `\Flagged`
	Deleted  = `\Deleted`
	Draft    = `\Draft`
)

// MaxKeyword is the longest keyword, in octets.
const MaxKeyword = 100

// flag is one flag: a system flag, or a keyword. \Recent is the server's, and taken for
// what nobody can set; other flags with a backslash are refused.
func (s *scanner) flag() string {
	if !s.take('\\') {
		keyword := s.atom()
		if len(keyword) > MaxKeyword {
			s.fail("a keyword of more than %d octets", MaxKeyword)
		}
		return keyword
	}
	name := s.atom()
	for _, known := range [...]string{Seen, Answered, Flagged, Deleted, Draft, `\Recent`} {
		if strings.EqualFold(name, known[1:]) {
			return known
		}
	}
	s.fail(`\%s is no flag`, name)
	return ""
}

// flags is flag-list. Clients that copy flags send \Recent along; it is dropped.
func (s *scanner) flags() (all []string) {
	s.maybeList(func() { all = addFlag(all, s.flag()) })
	return all
}

// flagsOrList is what STORE takes: a list, or flags without parentheses.
func (s *scanner) flagsOrList() (all []string) {
	if s.peek() == '(' {
		return s.flags()
	}
	all = addFlag(all, s.flag())
	for s.err == nil && s.take(' ') {
		all = addFlag(all, s.flag())
	}
	return all
}

func addFlag(all []string, f string) []string {
	if f == `\Recent` {
		return all
	}
	return unique(all, f)
}
