package dkim

import (
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Result is a word of RFC 8601 section 2.7.1. The zero value is None.
type Result string

// The results. Doc.go says what we mean by each.
const (
	None      Result = ""
	Pass      Result = "pass"
	Fail      Result = "fail"
	Neutral   Result = "neutral"
	Policy    Result = "policy"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// String is the word, "none" for the zero value.
func (r Result) String() string {
	if r == None {
		return "none"
	}
	return string(r)
}

// Verification is the judgement on one signature.
type Verification struct {
	Result           Result
	Reason           string // for people; "" for a pass without remarks
	Domain           mail.Domain
	Selector         string
	AUID             string // i=
	Algorithm        Algorithm
	Bits             int // of the key; 0 when there was none
	Canonicalization string
	Signed           []string       // h=
	BodyLimited      bool           // l= is there
	Unsigned         int64          // octets of the canonical body behind l=
	Testing          bool           // the key says t=y: treat the message as if unsigned
	Security         world.Security // of the key's DNS answer
	Signature        *Signature
	Key              *Key   // the one that was used; nil when none was found
	Field            string // the DKIM-Signature field as it came
}
