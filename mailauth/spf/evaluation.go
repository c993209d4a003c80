package spf

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// Request is what a receiver knows when it asks.
type Request struct {
	IP       netip.Addr   // of the client; an IPv4-mapped address counts as IPv4
	Sender   mail.Address // the reverse-path; the zero value is the null one
	HELO     string       // as the client said it
	Receiver mail.Domain  // this host, for %{r}; zero: "unknown"
	Now      time.Time    // for %{t}
}

// The two identities of RFC 7208 section 2.3 and 2.4, as Evaluation.Identity has
// them.
const (
	MailFrom = "mailfrom"
	HELO     = "helo"
)

// Evaluation is a result and everything that led to it. The zero value means
// that nothing was evaluated.
type Evaluation struct {
	Result      Result
	Identity    string      // what was judged: MailFrom or HELO
	Domain      mail.Domain // whose record was asked for; zero when the identity names none
	Mechanism   string      // that matched, as written; "default" when none did; "" for none and the errors
	Path        []string    // from the first record through redirects and includes to the term that matched
	Explanation string      // of a fail, from the domain itself: never trust it as our own words
	Lookups     int         // terms that looked something up, at most 10
	Voids       int         // of them, those that found nothing
	Reason      string      // why none, temperror or permerror, one line; "" for the rest
	Personal    bool        // the local part of the sender was looked at: holds for that sender only
	Trace       []Step      // every record and term looked at, in order
}

// What a step came to.
const (
	StepRecord  = "record"   // a record was read; its terms follow
	StepMatch   = "match"    // the term matched and ended the evaluation of its record
	StepNoMatch = "no match" // it did not
	StepFollow  = "follow"   // a redirect was taken
	StepError   = "error"    // it ended the whole evaluation
	StepExplain = "explain"  // exp was looked up after a fail
	StepCut     = "cut"      // the trace ends here; the evaluation went on
)

// Step is one line of the story of an evaluation.
type Step struct {
	Depth   int    `json:"depth"`            // how many includes and redirects deep
	Domain  string `json:"domain"`           // whose record this is
	Record  string `json:"record,omitempty"` // the record, at the step that reads it
	Term    string `json:"term"`             // as written; "" at the step that reads the record
	Outcome string `json:"outcome"`          // one of the Step constants
	Detail  string `json:"detail,omitempty"` // what was found: addresses, names, errors
}

// MarshalJSON writes the object that `allgreen spf` prints.
func (e Evaluation) MarshalJSON() ([]byte, error) {
	trace := e.Trace
	if trace == nil {
		trace = []Step{}
	}
	return json.Marshal(struct {
		Result      Result `json:"result"`
		Mechanism   string `json:"mechanism"`
		Domain      string `json:"domain"`
		Explanation string `json:"explanation"`
		Lookups     int    `json:"lookups"`
		Void        int    `json:"void"`
		Trace       []Step `json:"trace"`
		Identity    string `json:"identity,omitempty"`
		Reason      string `json:"reason,omitempty"`
	}{e.Result, e.Mechanism, e.Domain.String(), e.Explanation, e.Lookups, e.Voids, trace, e.Identity, e.Reason})
}
