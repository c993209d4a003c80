package spf

// Result is the outcome of an evaluation (RFC 7208 section 2.6). The zero value
// means that nothing was evaluated.
type Result string

// The seven results.
const (
	None      Result = "none"      // no domain to judge, or it publishes no record
	Neutral   Result = "neutral"   // the domain says nothing about this address
	Pass      Result = "pass"      // the address may send for the domain
	Fail      Result = "fail"      // it may not
	SoftFail  Result = "softfail"  // it probably may not
	TempError Result = "temperror" // DNS could not say; try later
	PermError Result = "permerror" // the published records cannot be interpreted
)

// Qualifier is the sign before a mechanism: '+', '-', '~' or '?'. The zero value
// belongs to modifiers, which carry none.
type Qualifier byte

// Result is what a match of a mechanism with this qualifier means (RFC 7208
// section 4.6.2).
func (q Qualifier) Result() Result {
	switch q {
	case '+':
		return Pass
	case '-':
		return Fail
	case '~':
		return SoftFail
	case '?':
		return Neutral
	}
	return ""
}

func isQualifier(c byte) bool { return c == '+' || c == '-' || c == '~' || c == '?' }
