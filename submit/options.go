package submit

import (
	"slices"
	"strings"
)

// maxEnvelopeID is the longest ENVID (RFC 3461 section 4.4).
const maxEnvelopeID = 100

// checkReports wants of the parameters of RFC 3461 what the grammar allows. Those of a
// session were read by it; those of programs come as they wrote them, and go out as words
// of MAIL and RCPT.
func (l *letter) checkReports() error {
	if l.Return != "" && l.Return != "FULL" && l.Return != "HDRS" {
		return refusal(badOption, "RET is FULL or HDRS")
	}
	if len(l.EnvelopeID) > maxEnvelopeID || strings.ContainsFunc(l.EnvelopeID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return refusal(badOption, "ENVID is up to %d characters of ASCII", maxEnvelopeID)
	}
	for _, r := range l.To {
		if !isNotify(r.Notify) {
			return refusal(badOption, "NOTIFY is NEVER, or any of SUCCESS, FAILURE and DELAY")
		}
	}
	return nil
}

func isNotify(words []string) bool {
	if slices.Contains(words, "NEVER") {
		return len(words) == 1
	}
	for i, w := range words {
		if w != "SUCCESS" && w != "FAILURE" && w != "DELAY" || slices.Contains(words[:i], w) {
			return false
		}
	}
	return true
}
