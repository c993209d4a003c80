package check

import (
	"context"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
)

// Check is one question and the judgement on it.
type Check interface {
	// About is the manual page of the check: constant, and complete without a run.
	About() About
	// Run judges the subject. It returns no finding when there is nothing to judge;
	// it obeys ctx and is called once per subject. Group, status, why, who, refs
	// and affects are filled in from About where a finding leaves them empty.
	Run(ctx context.Context, s *Subject) []finding.Finding
}

// About is what a person reads about a check, and what the engine needs to run it.
type About struct {
	ID        string      // "rdns.exists": stable
	Question  string      // "Does every sending address have a PTR record?"
	Why       string      // who refuses mail for it, what goes wrong: a paragraph
	Fix       string      // how it is mended in general: a paragraph
	Refs      []string    // "RFC 1912 2.1"
	Rows      []string    // rows of the catalogue of checks: "RDNS-01"
	Practices []string    // rows of the practices: "D1"
	Affects   []string    // provider ids that act on it
	Who       finding.Who // who mends it, usually
	Scope     Scope       // the kinds of target it can judge
	Needs     []string    // ids that must hold for something, or this one is skipped
	Codes     []Code      // everything it can say
}

// Group is the part of the id before the dot.
func (a About) Group() string {
	group, _, _ := strings.Cut(a.ID, ".")
	return group
}

// Code is one thing a check can say.
type Code struct {
	Code    string // "no-ptr": stable
	Status  finding.Status
	Meaning string // one line
}

// status is the declared status of a code.
func (a About) status(code string) (finding.Status, bool) {
	for _, c := range a.Codes {
		if c.Code == code {
			return c.Status, true
		}
	}
	for _, c := range commonCodes {
		if c.Code == code {
			return c.Status, true
		}
	}
	return finding.Unknown, false
}

// commonCodes may be said by every check.
var commonCodes = []Code{
	{"no-answer", finding.Unknown, "a lookup or connection failed for now; nothing can be said"},
	{"bogus", finding.Unknown, "DNSSEC validation failed, so the answer cannot be used"},
	{"needs", finding.Skip, "another check must hold first"},
	{"needs-unseen", finding.Skip, "another check must hold first, and it could not be seen whether it does"},
	{"out-of-time", finding.Unknown, "the time limit ended before this could be seen"},
	{"needs-proof", finding.Skip, "asked only with proof of control, so that strangers are not probed"},
	{"asked-already", finding.Skip, "this run has already asked this host, on behalf of another target"},
}

// CommonCodes are the codes that every check may say, for the manual pages.
func CommonCodes() []Code { return append([]Code(nil), commonCodes...) }

// Scope is a set of kinds of target.
type Scope int

// The kinds of target.
const (
	Domain  Scope = 1 << iota // a mail domain: example.com
	Host                      // a server by name: mx.example.com
	Address                   // a server by address: 192.0.2.1
	Message                   // a message on standard input
	Egress                    // this machine as a client
)

// Servers are the kinds of target that have hosts to talk to.
const Servers = Domain | Host | Address

var scopeNames = map[Scope]string{
	Domain: "domain", Host: "host", Address: "address", Message: "message", Egress: "egress",
}

// String is the word of a single kind, or all words of a set.
func (s Scope) String() string {
	var words []string
	for k := Domain; k <= Egress; k <<= 1 {
		if s&k != 0 {
			words = append(words, scopeNames[k])
		}
	}
	return strings.Join(words, ", ")
}

// rule is how the checks of this package are written: the manual page and the
// judgement side by side.
type rule struct {
	about About
	judge func(ctx context.Context, s *Subject) []finding.Finding
}

func (r rule) About() About { return r.about }

func (r rule) Run(ctx context.Context, s *Subject) []finding.Finding { return r.judge(ctx, s) }
