package dmarc

import (
	"slices"
	"strings"
)

// Policy is a Domain Owner Assessment Policy (RFC 9989 section 4.7, tag "p").
// The zero value is no policy: absent, or not understood.
type Policy string

// The policies, in rising order.
const (
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Strength orders the policies: 0 for none and for no policy, 2 for reject.
func (p Policy) Strength() int {
	return max(0, slices.Index([]Policy{None, Quarantine, Reject}, p))
}

// Lowered is the policy one level down: what a record in test mode asks to be
// applied (RFC 9989 section 4.7, tag "t").
func (p Policy) Lowered() Policy {
	switch p {
	case Reject:
		return Quarantine
	case Quarantine:
		return None
	}
	return p
}

// Alignment is how near an authenticated domain must be to the author's. The zero
// value is Relaxed, the default of the protocol.
type Alignment int

// The two modes (RFC 9989 section 4.4).
const (
	Relaxed Alignment = iota // the same organizational domain
	Strict                   // the same domain
)

// String is the word of the RFC.
func (a Alignment) String() string {
	if a == Strict {
		return "strict"
	}
	return "relaxed"
}

// PSD is what a record says of its domain being a public suffix. The zero value is
// PSDUnknown, the default of the protocol.
type PSD byte

// The values of the psd tag (RFC 9989 section 4.7).
const (
	PSDUnknown PSD = 0   // u: ask the tree walk
	PSDYes     PSD = 'y' // a registry: organizations begin one label below
	PSDNo      PSD = 'n' // an organizational domain, whatever stands above it
)

// Tag is one name=value of a record, where it stands in the text. Offsets are in
// octets from the beginning of Record.Text.
type Tag struct {
	Name     string // lower case
	Value    string // without the white space around it
	NameAt   int
	ValueAt  int
	Registry Registry
}

// Registry is what the IANA registry of DMARC tags says of a tag. The zero value
// is Unregistered: such tags are ignored (RFC 9989 section 4.8).
type Registry int

// The three states of a tag (RFC 9989 section 9.3).
const (
	Unregistered Registry = iota
	Active
	Historic // pct, rf, ri: only readers of RFC 7489 still obey them
)

// registry holds the DMARC tags.
var registry = map[string]Registry{
	"v": Active, "p": Active, "sp": Active, "np": Active, "psd": Active, "t": Active,
	"adkim": Active, "aspf": Active, "fo": Active, "rua": Active, "ruf": Active,
	"pct": Historic, "rf": Historic, "ri": Historic,
}

// Record is a DMARC policy record as published: values that could not be
// understood are absent here and named among the problems. Effective says what a
// receiver makes of it.
type Record struct {
	Text string
	Tags []Tag // all of them, in their order, unknown and repeated ones too

	P, SP, NP   Policy
	ADKIM, ASPF Alignment
	PSD         PSD
	Testing     bool     // t=y
	FO          []string // failure reporting options, {"0"} when not given; void without RUF
	RUA, RUF    []URI

	// Percent is the obsolete pct, for what older receivers do; 100 when not given.
	Percent int

	badPolicy bool // p, sp or np is there and not valid
	repeated  bool // a tag stands there twice
}

// IsValid reports whether the tag list is one: a repeated tag makes the whole list
// invalid (RFC 6376 section 3.2), and discovery then passes the record over.
func (r *Record) IsValid() bool { return r != nil && !r.repeated }

// Effective is the record as a receiver must act on it (RFC 9989 section 4.10.1):
// without a valid p, or with an sp or np that is not valid, it stands for p=none
// when it asks for aggregate reports, and for nothing at all (ok is false) when it
// does not.
func (r *Record) Effective() (p, sp, np Policy, ok bool) {
	if r.P != "" && !r.badPolicy {
		return r.P, r.SP, r.NP, true
	}
	if slices.ContainsFunc(r.RUA, URI.IsValid) {
		return None, "", "", true
	}
	return "", "", "", false
}

// Tag is the first tag of that name.
func (r *Record) Tag(name string) (Tag, bool) {
	for _, t := range r.Tags {
		if t.Name == name {
			return t, true
		}
	}
	return Tag{}, false
}

// Mailboxes are the addresses of the mailto URIs of a list.
func Mailboxes(uris []URI) []string {
	var to []string
	for _, u := range uris {
		if !u.Mailbox.IsZero() {
			to = append(to, u.Mailbox.String())
		}
	}
	return to
}

// LooksLikeRecord reports whether a text identifies itself as a DMARC record: its
// first tag is v=DMARC1, in that case, with white space around "=" allowed
// (RFC 9989 section 4.8). All others are not DMARC's and are passed over.
func LooksLikeRecord(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, ok := strings.Cut(first, "=")
	return ok && strings.EqualFold(trimWSP(name), "v") && !strings.HasPrefix(name, " ") &&
		!strings.HasPrefix(name, "\t") && trimWSP(value) == "DMARC1"
}

func trimWSP(s string) string { return strings.Trim(s, " \t") }
