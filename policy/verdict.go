package policy

import "github.com/allgreen-mail/allgreen/mail"

// Action is what a stage wants done.
type Action int

// The actions. Continue, the zero value, leaves it to the stages that follow.
const (
	Continue Action = iota
	Accept          // no later stage of this moment is asked
	Defer           // a temporary refusal
	Reject          // a permanent one
	Junk            // taken, and filed where the owner looks with suspicion
)

// String is the word for the log.
func (a Action) String() string {
	return [...]string{"continue", "accept", "defer", "reject", "junk"}[a]
}

// Verdict is what a stage, or the whole chain, decides.
type Verdict struct {
	Action Action
	Reply  mail.Reply // of Defer and Reject; the chain adds where help is
	Reason string     // a stable code, "relay.percent"; "" for Continue
	Detail string     // what was seen, for the log; never sent
	Score  int        // of the evidence, where the last stage decided
	Stays  bool       // suspected: taken by mailboxes here, and not passed on to anybody elsewhere
	Stage  string     // whose verdict it is; the chain fills it in
}

// IsRefusal reports whether the client gets a no.
func (v Verdict) IsRefusal() bool { return v.Action == Defer || v.Action == Reject }

// Evidence is one thing that speaks against a message, or for it. How much is in
// weights.json.
type Evidence struct {
	Code   string // "no-ptr"
	Detail string // what was seen
}

func reject(code int, enhanced mail.EnhancedCode, reason, text string) Verdict {
	return Verdict{Action: Reject, Reply: mail.NewReply(code, enhanced, text), Reason: reason}
}

func postpone(code int, enhanced mail.EnhancedCode, reason, text string) Verdict {
	return Verdict{Action: Defer, Reply: mail.NewReply(code, enhanced, text), Reason: reason}
}

// with says what was seen.
func (v Verdict) with(detail string) Verdict {
	v.Detail = detail
	return v
}

// Enhanced codes of RFC 3463 and RFC 7372 that several stages use.
var (
	unknownMailbox = mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}
	refusedPolicy  = mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}
	laterPolicy    = mail.EnhancedCode{Class: 4, Subject: 7, Detail: 1}
	laterSystem    = mail.EnhancedCode{Class: 4, Subject: 3, Detail: 0}
	laterNames     = mail.EnhancedCode{Class: 4, Subject: 4, Detail: 3}
	tooLarge       = mail.EnhancedCode{Class: 5, Subject: 3, Detail: 4}
	mailboxFull    = mail.EnhancedCode{Class: 4, Subject: 2, Detail: 2}
	badContent     = mail.EnhancedCode{Class: 5, Subject: 6, Detail: 0}
	routingLoop    = mail.EnhancedCode{Class: 5, Subject: 4, Detail: 6}
)
