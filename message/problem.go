package message

// Code is a stable word for one thing that can be wrong with a message.
type Code string

// What can be wrong. The codes of octets are found by Form, those of the header
// by ReadHeader and Header.Check, those of the structure by Walk.
const (
	NotAField      Code = "not-a-field"        // a header line without a name and colon
	MboxLine       Code = "mbox-line"          // a "From " separator at the top
	LeadingFold    Code = "leading-fold"       // the first line is a continuation
	SpaceInName    Code = "space-before-colon" // obsolete syntax, RFC 5322 section 4.5.8
	BlankFold      Code = "blank-fold"         // a continuation of white space only
	TooManyFields  Code = "too-many-fields"    // the rest was not kept
	HeaderTooLarge Code = "header-too-large"   // the rest was not read
	Missing        Code = "missing-field"      // a field that must be there
	Duplicate      Code = "duplicate-field"    // more than one where one may be
	Unreadable     Code = "unreadable-field"   // its syntax is broken
	EightBitHeader Code = "8bit-header"        // octets above 127 that are not UTF-8

	BareCR   Code = "bare-cr"   // CR without LF
	BareLF   Code = "bare-lf"   // LF without CR
	NUL      Code = "nul"       // an octet zero
	LongLine Code = "long-line" // over 998 octets, RFC 5322 section 2.1.1

	NoBoundary      Code = "no-boundary"      // a multipart that cannot be taken apart
	Unclosed        Code = "unclosed"         // the last boundary is missing
	TooDeep         Code = "too-deep"         // parts below were not taken apart
	TooManyParts    Code = "too-many-parts"   // the rest was not visited
	UnknownEncoding Code = "unknown-encoding" // a Content-Transfer-Encoding nobody defined
	BadEncoding     Code = "bad-encoding"     // the content breaks its own encoding
	UnknownCharset  Code = "unknown-charset"  // text in a charset we have no table for
)

// Problem is one thing wrong with a message.
type Problem struct {
	Code   Code
	Field  string // the field's name, where it is about one
	Part   string // the part's number, where it is about one
	Detail string // for people
}

// String is the problem on one line.
func (p Problem) String() string {
	s := string(p.Code)
	if p.Field != "" {
		s += " " + p.Field
	}
	if p.Part != "" {
		s += " in part " + p.Part
	}
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}
