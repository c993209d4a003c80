package dmarc

import "fmt"

// Harm is how much a problem costs. The zero value is Note.
type Harm int

// The grades of harm.
const (
	Note    Harm = iota // allowed, but obsolete, without effect, or read differently by older receivers
	Ignored             // this part of the record is passed over by every receiver
	Fatal               // the whole record is passed over, or turned into p=none
)

// String is "note", "ignored" or "fatal".
func (h Harm) String() string { return [...]string{"note", "ignored", "fatal"}[h] }

// Code names a kind of problem; checks and their texts hang on it.
type Code string

// What can be wrong with a record.
const (
	NotDMARC       Code = "not-dmarc"       // the text does not begin with v=DMARC1
	RepeatedTag    Code = "repeated-tag"    // RFC 6376 section 3.2: the list is invalid
	MissingPolicy  Code = "missing-policy"  // no p
	InvalidPolicy  Code = "invalid-policy"  // p, sp or np is no policy
	InvalidValue   Code = "invalid-value"   // another tag has a value outside its syntax: the default holds
	NotATag        Code = "not-a-tag"       // text between semicolons without name=value
	EmptyTag       Code = "empty-tag"       // two semicolons in a row
	EmptyValue     Code = "empty-value"     // name= and nothing
	UnknownTag     Code = "unknown-tag"     // not in the registry
	ObsoleteTag    Code = "obsolete-tag"    // pct, rf, ri
	TagCase        Code = "tag-case"        // P=reject: strict readers of RFC 6376 do not know it
	PolicyNotNext  Code = "policy-not-next" // p is not the second tag: RFC 7489 wanted it there
	StrayCharacter Code = "stray-character" // outside printable ASCII
	InvalidURI     Code = "invalid-uri"     // no URI, or a mailto without a mailbox
	UnusedScheme   Code = "unused-scheme"   // a URI that nobody reports to: only mailto must be supported
	ObsoleteSize   Code = "obsolete-size"   // !10m behind a URI
	FOWithoutRUF   Code = "fo-without-ruf"  // fo means nothing without ruf
)

// Problem is one thing wrong with a record, and where.
type Problem struct {
	Code Code
	Harm Harm
	At   int    // offset in the text, in octets
	Tag  string // the tag it is about; "" for the record as a whole
	Text string // one sentence
}

// String is the sentence with its place.
func (p Problem) String() string { return fmt.Sprintf("%s (at %d)", p.Text, p.At) }
