package spf

import "fmt"

// Problem is one syntax error. Any of them makes the whole record a permerror
// (RFC 7208 section 4.6), wherever it stands.
type Problem struct {
	Code   string // stable: one of the Problem codes
	Term   string // the term it is in, "" when it is about the record
	Offset int    // where it begins in the record, in octets
	Text   string // what is wrong, one line
	Hint   string // what was probably meant, as it should be written; "" when nobody can tell
}

// What Problem.Code can be.
const (
	BadVersion   = "version"   // does not begin with v=spf1 and a space
	BadSize      = "size"      // longer than DNS can carry
	BadCharacter = "character" // not visible ASCII
	BadTerm      = "term"      // neither mechanism nor modifier
	BadMechanism = "mechanism" // a mechanism nobody knows
	BadArgument  = "argument"  // an argument where none may be, or none where one must be
	BadDomain    = "domain"    // not a domain-spec
	BadMacro     = "macro"     // a macro that does not exist or is not closed
	BadAddress   = "address"   // not an address of the right family
	BadPrefix    = "prefix"    // a prefix length out of range
	BadRepeat    = "repeat"    // redirect or exp more than once
)

// String is the problem as one line for people.
func (p Problem) String() string {
	s := p.Text
	if p.Term != "" {
		s = fmt.Sprintf("%.80q: %s", p.Term, p.Text)
	}
	if p.Hint != "" {
		s += fmt.Sprintf(" (meant %q?)", p.Hint)
	}
	return s
}
