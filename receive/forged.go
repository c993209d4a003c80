package receive

import (
	"io"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/authres"
	"github.com/allgreen-mail/allgreen/message"
)

// verdictField is our own field for people and filters.
const verdictField = "Allgreen-Verdict"

// writeHeader writes a header without the fields that only we may write. All others
// stay as they are, octet for octet.
func writeHeader(w io.Writer, h message.Header, us mail.Domain, front bool) error {
	octets := 0
	for _, f := range h.Fields {
		octets += len(f.Raw())
		if isForged(f, us, front) {
			continue
		}
		if _, err := io.WriteString(w, f.Raw()); err != nil {
			return err
		}
	}
	if h.Size == octets { // it ended without an empty line, and so without a body
		return nil
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}

// isForged reports whether a field claims to be ours: Return-Path belongs to who
// delivers (RFC 5321 section 4.4), results in our name to us (RFC 8601 section 5). A
// front of ours may speak in our name.
func isForged(f message.Field, us mail.Domain, front bool) bool {
	switch {
	case f.Is("Return-Path"):
		return true
	case front:
		return false
	case f.Is(verdictField):
		return true
	case !f.Is(authres.Name):
		return false
	}
	results, err := authres.Parse(f.Value())
	if err != nil { // others may read our name in it all the same
		return strings.Contains(strings.ToLower(f.Body()), us.String())
	}
	return results.IsFrom(us.String()) || strings.EqualFold(strings.TrimSuffix(results.ID, "."), us.String())
}
