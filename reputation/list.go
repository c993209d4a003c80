package reputation

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Weight says how much a listing matters to those who receive mail. The zero
// value is Info.
type Weight int

// The weights. Critical and High lists have mail refused at large receivers;
// Low and Info lists are known, and nobody should lose sleep over them.
const (
	Info Weight = iota
	Low
	Medium
	High
	Critical
)

var weightNames = [...]string{"info", "low", "medium", "high", "critical"}

// points are what a listing adds to the score.
var points = [...]int{0, 1, 5, 20, 50}

// String is the word of the weight.
func (w Weight) String() string { return weightNames[w] }

// Points is what one listing of this weight adds to a score.
func (w Weight) Points() int { return points[w] }

// MarshalText writes the word.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads the word.
func (w *Weight) UnmarshalText(text []byte) error {
	i := slices.Index(weightNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no weight", text)
	}
	*w = Weight(i)
	return nil
}

// Subject is what a list is asked about.
type Subject string

// The three subjects.
const (
	OfIP     Subject = "ip"
	OfDomain Subject = "domain"
	OfEmail  Subject = "email-sha1" // the SHA-1 of the address in lower case
)

// Purpose is what being on a list means.
type Purpose string

// The three purposes.
const (
	Block Purpose = "block" // receivers refuse or mark mail for it
	Allow Purpose = "allow" // being listed is praise
	Note  Purpose = "info"  // worth knowing, no reason to refuse
)

// Says is what one code of a list means for its subject.
type Says string

// What codes say. The empty string means Bad on lists that block or note, and
// Good on lists that allow.
const (
	Bad    Says = "bad"
	Policy Says = "policy" // no mail server belongs at this address; nobody did wrong
	Remark Says = "note"   // neither good nor bad
	Good   Says = "good"
)

// Access is what it takes to ask a list.
type Access string

// The ways to a list.
const (
	Open         Access = "open"
	KeyOptional  Access = "key-optional" // better with a key
	KeyRequired  Access = "key"          // not without one
	Registration Access = "registration" // the resolver's address must be registered
	WebOnly      Access = "web-only"     // not by DNS: only its web page can be asked
)

// List is one blocklist, domain list or allow list: facts, no state.
type List struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Operator string     `json:"operator"`
	Zone     string     `json:"zone,omitempty"`     // empty: only with a key, or not at all
	Zone6    string     `json:"zone6,omitempty"`    // for IPv6, where it is another
	KeyZone  string     `json:"key_zone,omitempty"` // "{key}.zen.dq.example"
	KeyName  string     `json:"key_name,omitempty"` // lists of one operator share a key
	Subjects []Subject  `json:"subjects"`
	Purpose  Purpose    `json:"purpose"`
	Scope    string     `json:"scope,omitempty"` // "range" or "asn": it judges the provider
	Topic    string     `json:"topic,omitempty"` // "backscatter": for bounces to strangers, not for spam
	IPv6     bool       `json:"ipv6,omitempty"`  // Zone knows IPv6 too
	Access   Access     `json:"access"`
	State    string     `json:"state"` // "alive", "uncertain", "restricted"
	Weight   Weight     `json:"weight"`
	Codes    []Code     `json:"codes"`
	Bits     []Bit      `json:"bits,omitempty"` // the last octet is a set of bits
	Refusals []Refusal  `json:"refusals,omitempty"`
	Control  TestPoints `json:"control"`
	Lookup   string     `json:"lookup,omitempty"` // for people; {subject} stands for what was asked
	Delist   string     `json:"delist,omitempty"`
	Removal  string     `json:"removal,omitempty"` // how an entry goes away
	Note     string     `json:"note,omitempty"`
}

// Code is an answer of a list and what it means.
type Code struct {
	Code  Pattern `json:"code"`
	Means string  `json:"means"`
	Says  Says    `json:"says,omitempty"`
}

// Bit is one bit of the last octet and what it means.
type Bit struct {
	Bit   uint8  `json:"bit"`
	Means string `json:"means"`
	Says  Says   `json:"says,omitempty"`
}

// Refusal is an answer by which a list does not answer.
type Refusal struct {
	Code  Pattern `json:"code"`
	Means string  `json:"means"`
	Cause string  `json:"cause"` // a word of the cures in lists.json
}

// TestPoints are the control entries of a list (RFC 5782 section 5): addresses or
// domains that it must list, and that it must not.
type TestPoints struct {
	Listed []string `json:"listed"`
	Clean  []string `json:"clean"`
}

// DeadList is a list that must not be asked any more.
type DeadList struct {
	Zones     []string `json:"zones"` // "*.example" is everything below
	Since     string   `json:"since,omitempty"`
	Behaviour string   `json:"behaviour"` // "gone", "empty", "silent", "refusing", "lists-all"
	Note      string   `json:"note,omitempty"`
}

// Asks reports whether the list is about this kind of subject.
func (l *List) Asks(s Subject) bool { return slices.Contains(l.Subjects, s) }

// LookupURL is where a person sees the entry, "" when there is no page.
func (l *List) LookupURL(subject string) string {
	return strings.ReplaceAll(l.Lookup, "{subject}", subject)
}

// says is what a code means on this list, the default filled in.
func (l *List) says(s Says) Says {
	switch {
	case s != "":
		return s
	case l.Purpose == Allow:
		return Good
	}
	return Bad
}

// Covers reports whether the dead list held this zone.
func (d *DeadList) Covers(zone string) bool {
	zone = strings.ToLower(strings.TrimSuffix(zone, "."))
	for _, z := range d.Zones {
		up, below := strings.CutPrefix(z, "*.")
		if zone == up || below && strings.HasSuffix(zone, "."+up) {
			return true
		}
	}
	return false
}

// Pattern is a set of IPv4 addresses: one "127.0.0.2", a range
// "127.0.0.4-127.0.0.7", or with any octets "127.0.*.3".
type Pattern struct {
	text   string
	lo, hi [4]uint8 // octet by octet for stars, as a whole for ranges
	whole  bool
}

// String is the pattern as the data has it.
func (p Pattern) String() string { return p.text }

// Exact reports whether the pattern is a single address.
func (p Pattern) Exact() bool { return p.lo == p.hi }

// MarshalText writes the pattern.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a pattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	from, to, isRange := strings.Cut(string(text), "-")
	if !isRange {
		to = from
	}
	lo, err1 := netip.ParseAddr(strings.ReplaceAll(from, "*", "0"))
	hi, err2 := netip.ParseAddr(strings.ReplaceAll(to, "*", "255"))
	if err1 != nil || err2 != nil || !lo.Is4() || !hi.Is4() || hi.Less(lo) || isRange && strings.Contains(string(text), "*") {
		return fmt.Errorf("%q is no set of IPv4 addresses", text)
	}
	*p = Pattern{string(text), lo.As4(), hi.As4(), isRange}
	return nil
}

// Contains reports whether the address is in the set.
func (p Pattern) Contains(ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	if p.whole {
		return !ip.Less(netip.AddrFrom4(p.lo)) && !netip.AddrFrom4(p.hi).Less(ip)
	}
	for i, octet := range ip.As4() {
		if octet < p.lo[i] || octet > p.hi[i] {
			return false
		}
	}
	return p.text != ""
}
