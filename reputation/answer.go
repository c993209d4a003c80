package reputation

import (
	"fmt"
	"net/netip"
	"slices"
)

// Result is what a list says of a subject. The zero value is Unknown.
type Result int

// The three results.
const (
	Unknown Result = iota // the list did not answer, or its answer cannot be believed
	Clean                 // not listed, or listed with nothing but remarks
	Listed                // on a blocklist for something bad, on an allow list for something good
)

// String is the word of the result.
func (r Result) String() string { return [...]string{"unknown", "clean", "listed"}[r] }

// Reason is a stable word for why a result is Unknown.
type Reason string

// The reasons. The empty string belongs to Clean and Listed.
const (
	NotAsked     Reason = "not-asked"    // no answer yet
	NeedsKey     Reason = "needs-key"    // the list answers only those who have a key
	NoSuchQuery  Reason = "no-question"  // the list does not answer this kind of question
	Refused      Reason = "refused"      // the list answered that it will not answer
	Undocumented Reason = "undocumented" // a code that the list has not explained
	Rewritten    Reason = "rewritten"    // an answer outside 127.0.0.0/8
	NoAnswer     Reason = "no-answer"    // time-out, SERVFAIL, broken DNSSEC
	Dead         Reason = "dead"         // the control point that must be listed is not
	ListsAll     Reason = "lists-all"    // the control point that must be clean is listed
	NoControl    Reason = "no-control"   // the control points could not be asked
)

// Meaning is one documented code that a list gave.
type Meaning struct {
	Code  netip.Addr
	Means string
	Says  Says // never empty
}

// Answer is what one list says of one subject. The zero value is Unknown.
type Answer struct {
	List    *List
	Subject string // the address, domain or mail address as people write it
	Result  Result
	Codes   []Meaning
	Text    []string // the reason in the list's words; asked only when listed
	Raw     []string // question and answer, as evidence; keys are masked
	Why     Reason   // of Unknown
	Cause   string   // of Refused: a word of the cures
	Detail  string   // of Unknown: what was seen, for people
	Cure    string   // of Unknown: what would make the answer visible
	Keyed   bool     // asked with a key
}

// Weight is how much this answer matters: the weight of the list when it is
// Listed as something bad, Info otherwise.
func (a *Answer) Weight() Weight {
	if a.Result == Listed && a.List != nil && a.List.Purpose != Allow {
		return a.List.Weight
	}
	return Info
}

// IsPolicy reports whether all bad codes are policy: no mail server belongs at
// the address, but nobody accuses it.
func (a *Answer) IsPolicy() bool {
	policy := false
	for _, m := range a.Codes {
		switch m.Says {
		case Bad:
			return false
		case Policy:
			policy = true
		}
	}
	return policy
}

// Score adds up the answers by weight: 50 for a critical list, 20, 5, 1 and 0 for
// one of info. Unknown adds nothing. To count lists says nothing.
func Score(answers []Answer) int {
	sum := 0
	for i := range answers {
		if answers[i].Result == Listed {
			sum += answers[i].Weight().Points()
		}
	}
	return sum
}

// reading is what the addresses of one answer amount to, before the control
// points had their say.
type reading struct {
	result Result
	codes  []Meaning
	why    Reason
	cause  string
	detail string
}

var loopbackNet = netip.MustParsePrefix("127.0.0.0/8")

// read judges the addresses a list gave. One refusal spoils the whole answer, and
// so does one address outside 127.0.0.0/8: then it was not the list that spoke.
func (d *Directory) read(l *List, ips []netip.Addr) reading {
	var strange []netip.Addr
	r := reading{result: Clean}
	for _, ip := range ips {
		if !loopbackNet.Contains(ip) {
			return reading{why: Rewritten, cause: "intercepted", detail: fmt.Sprintf("answered %s, which is no code of a list", ip)}
		}
		if refusal, ok := d.refusal(l, ip); ok {
			return reading{why: Refused, cause: refusal.Cause, detail: fmt.Sprintf("answered %s: %s", ip, refusal.Means)}
		}
		meanings := l.meanings(ip)
		if len(meanings) == 0 {
			strange = append(strange, ip)
		}
		r.codes = append(r.codes, meanings...)
	}
	for _, m := range r.codes {
		if m.Says == Policy || m.Says == Bad && l.Purpose != Allow || m.Says == Good && l.Purpose == Allow {
			r.result = Listed
		}
	}
	if len(strange) > 0 && r.result != Listed {
		return reading{codes: r.codes, why: Undocumented, cause: "operator", detail: fmt.Sprintf("answered %v, which it has not explained", strange)}
	}
	return r
}

// refusal finds the refusal that an address stands for. A code that the list
// documents as exactly this address goes before the refusals of everybody:
// 127.0.0.1 is praise on one list.
func (d *Directory) refusal(l *List, ip netip.Addr) (Refusal, bool) {
	fits := func(r Refusal) bool { return r.Code.Contains(ip) }
	if i := slices.IndexFunc(l.Refusals, fits); i >= 0 {
		return l.Refusals[i], true
	}
	if slices.ContainsFunc(l.Codes, func(c Code) bool { return c.Code.Exact() && c.Code.Contains(ip) }) {
		return Refusal{}, false
	}
	if i := slices.IndexFunc(d.everywhere, fits); i >= 0 {
		return d.everywhere[i], true
	}
	return Refusal{}, false
}

// meanings is what the list has documented for a code: the first code that fits,
// or all bits of the last octet. A bit nobody explained spoils the octet.
func (l *List) meanings(ip netip.Addr) []Meaning {
	for _, c := range l.Codes {
		if c.Code.Contains(ip) {
			return []Meaning{{ip, c.Means, l.says(c.Says)}}
		}
	}
	octets := ip.As4()
	if octets[1] != 0 || octets[2] != 0 {
		return nil
	}
	rest := octets[3]
	var found []Meaning
	for _, b := range l.Bits {
		if rest&b.Bit != 0 {
			found = append(found, Meaning{ip, b.Means, l.says(b.Says)})
			rest &^= b.Bit
		}
	}
	if rest != 0 {
		return nil
	}
	return found
}
