package world

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Security is what DNSSEC says of an answer (RFC 4035 section 4.3). Bogus is no
// value here: it is an error. The zero value is Indeterminate.
type Security int

// The three that an answer or a denial can have.
const (
	Indeterminate Security = iota // not validated: no trust anchor, or a plain resolver
	Insecure                      // proven to be unsigned
	Secure                        // signed, and the signatures lead to a trust anchor
)

// String is the word of RFC 4035, lower case.
func (s Security) String() string {
	return [...]string{"indeterminate", "insecure", "secure"}[s]
}

// Answer holds the records of the type asked for, at the end of any CNAMEs. It is
// shared by all who ask the same: do not change it.
type Answer struct {
	Name     Name   // as asked
	Type     uint16 // as asked
	Records  []dns.RR
	Aliases  []Name         // the CNAME targets followed, in order; empty without an alias
	TTL      time.Duration  // the smallest of all records used
	Security Security       // what validation found
	Note     string         // why it is not Secure, in words; may be empty
	Expires  time.Time      // of a Secure answer: when its first signature ends
	Server   netip.AddrPort // the resolver that answered
}

// Owner is the name at which the records really stand.
func (a *Answer) Owner() Name {
	if len(a.Aliases) == 0 {
		return a.Name
	}
	return a.Aliases[len(a.Aliases)-1]
}

// What can go wrong with a lookup. ErrNoName and ErrNoData are both ErrNotFound.
var (
	ErrNotFound  = errors.New("not found")
	ErrNoName    = fmt.Errorf("%w: the name does not exist", ErrNotFound)
	ErrNoData    = fmt.Errorf("%w: no record of this type", ErrNotFound)
	ErrTemporary = errors.New("no answer")
	ErrBogus     = errors.New("DNSSEC validation failed")
	ErrNoWorld   = errors.New("this world reaches nothing")
	ErrOutside   = errors.New("the address lies outside of this made world")
)

// LookupError is the error of every lookup and exchange.
type LookupError struct {
	Name     Name
	Type     uint16
	Kind     error          // ErrNoName, ErrNoData, ErrTemporary, ErrBogus or ErrNoWorld
	Detail   string         // "SERVFAIL", "time-out after 5s", "signature expired 2026-01-01"
	Server   netip.AddrPort // who said so; not valid when nobody answered
	Security Security       // of a denial: Secure when the absence is proven
	Note     string         // of a denial: why it is not Secure
	TTL      time.Duration  // of a denial: how long it may be believed
	Aliases  []Name         // the CNAME targets followed before the absence
	Cause    error          // the context's error, when it ended the lookup; of an exchange whatever ended it
}

// Error says which question failed, how, and by whose word.
func (e *LookupError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Name.Text(), TypeName(e.Type), e.Kind)
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	return b.String()
}

// Unwrap gives the kind, for errors.Is.
func (e *LookupError) Unwrap() error { return e.Kind }

// Is finds the cause too: errors.Is(err, context.Canceled).
func (e *LookupError) Is(target error) bool { return e.Cause != nil && errors.Is(e.Cause, target) }

// Evidence is the question and its failure as a line of proof for a finding:
// "example.com. MX: NXDOMAIN from 192.0.2.53".
func (e *LookupError) Evidence() string {
	what := e.Detail
	switch {
	case errors.Is(e.Kind, ErrNoName):
		what = "NXDOMAIN"
	case errors.Is(e.Kind, ErrNoData):
		what = "no data"
	case errors.Is(e.Kind, ErrBogus):
		what = "bogus, " + e.Detail
	case what == "":
		what = e.Kind.Error()
	}
	s := e.Name.String() + " " + TypeName(e.Type) + ": " + what
	if e.Server.IsValid() {
		s += " from " + e.Server.Addr().String()
	}
	return s
}

// TypeName is the mnemonic of a record type.
func TypeName(t uint16) string {
	if s, ok := dns.TypeToString[t]; ok {
		return s
	}
	return fmt.Sprintf("TYPE%d", t)
}

// Query is one question to one server.
type Query struct {
	Server    netip.Addr // port 53 of this world
	Name      Name
	Type      uint16
	Recursion bool   // RD
	TCP       bool   // straight over TCP
	UDP       bool   // never over TCP: a truncated answer comes back as it is
	Plain     bool   // without EDNS
	DNSSEC    bool   // with signatures: the DO bit
	Buffer    uint16 // the EDNS buffer announced; zero: 1232
}
