package provider

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Scope says what a reply is about: what to slow down, hold or mend.
type Scope string

// The scopes. The first six are ours; Receiver is the other side as a whole.
const (
	Address   Scope = "address"   // the sending IP address
	Network   Scope = "network"   // that the address belongs to
	Domain    Scope = "domain"    // of the sender
	DKIMKey   Scope = "dkim-key"  // the domain that signed
	Recipient Scope = "recipient" // this one only
	Message   Scope = "message"   // this one only
	Receiver  Scope = "receiver"  // everything to it
)

// Permanence says whether the same may succeed later. The zero value means that
// nothing failed.
type Permanence string

// The permanences.
const (
	Permanent Permanence = "permanent"
	Transient Permanence = "transient"
)

// Class is what a kind of reply means, for whoever answered it.
type Class struct {
	Name   string   `json:"class"` // family.member, as "auth.dmarc", or one word
	Means  string   `json:"means"`
	Advice string   `json:"advice"`
	Checks []string `json:"checks,omitempty"` // ids of checks that look at it
}

// rule is what one known reply looks like, and what it means.
type rule struct {
	ID         string     `json:"id"`
	Provider   string     `json:"provider"` // "": any
	Here       bool       `json:"here"`     // believed only when the provider is known otherwise
	Codes      []string   `json:"codes"`    // with which it is seen
	Pattern    pattern    `json:"pattern"`
	Class      string     `json:"class"`
	Scope      Scope      `json:"scope"`
	Permanence Permanence `json:"permanence"` // "": as the code says
	Hold       hold       `json:"hold"`
	Advice     string     `json:"advice"` // "": that of the class
	Checks     []string   `json:"checks"` // none: those of the class
	Link       string     `json:"link"`
	Example    string     `json:"example"`
}

// permanence is the rule's word where the code is one that it is seen with, and
// the code's elsewhere: a 4yz reply never fails for good only because its words
// are those of a 5yz one.
func (r *rule) permanence(code int) Permanence {
	sameKind := func(c string) bool { return len(c) == 3 && int(c[0]-'0') == code/100 }
	if r.Permanence != "" && (code == 0 || slices.ContainsFunc(r.Codes, sameKind)) {
		return r.Permanence
	}
	return byCode(code)
}

func byCode(code int) Permanence {
	switch code / 100 {
	case 5:
		return Permanent
	case 4, 0:
		return Transient
	}
	return ""
}

// pattern is a regular expression in JSON.
type pattern struct{ *regexp.Regexp }

// UnmarshalJSON compiles it.
func (p *pattern) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	var err error
	p.Regexp, err = regexp.Compile(s)
	return err
}

// hold is a duration in JSON; said tells "0s" from nothing.
type hold struct {
	time.Duration
	said bool
}

// UnmarshalJSON reads "10m" and the like.
func (h *hold) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	*h = hold{d, true}
	return nil
}
