package smtp

import (
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// The refusals of parameters.
const (
	unknownParameter = "555 5.5.4 parameter not known here" // RFC 5321 section 4.1.1.11
	badParameter     = "501 5.5.4 bad parameter"
)

// mailOptions reads the parameters of MAIL. What is bad is the refusal.
func (c *conversation) mailOptions(params string) (o MailOptions, bad string) {
	bad = c.eachParameter(params, func(keyword, value string, valued bool) string {
		return c.mailParameter(&o, keyword, value, valued)
	})
	return o, bad
}

func (c *conversation) mailParameter(o *MailOptions, keyword, value string, valued bool) string {
	so, ok := &c.server.options, false
	switch {
	case keyword == "SIZE": // RFC 1870 section 6: up to 20 digits
		o.Size, ok = parseSize(value)
	case keyword == "BODY": // BINARYMIME is not announced
		o.Body = Body(strings.ToUpper(value))
		ok = o.Body == Body7Bit || o.Body == Body8BitMIME
	case keyword == "SMTPUTF8":
		o.SMTPUTF8, ok = true, !valued
	case keyword == "RET" && so.DSN:
		o.Return = strings.ToUpper(value)
		ok = o.Return == "FULL" || o.Return == "HDRS"
	case keyword == "ENVID" && so.DSN: // RFC 3461 section 4.4
		o.EnvelopeID, ok = fromXtext(value)
		ok = ok && value != "" && len(value) <= 100
	case keyword == "REQUIRETLS" && so.RequireTLSExt && c.peer.TLS != nil:
		o.RequireTLS, ok = true, !valued
	case keyword == "AUTH" && so.Submission && c.peer.TLS != nil:
		_, ok = fromXtext(value) // said and not believed (RFC 4954 section 5)
		ok = ok && value != ""
	default:
		return unknownParameter
	}
	if !ok {
		return badParameter
	}
	return ""
}

// rcptOptions reads the parameters of RCPT.
func (c *conversation) rcptOptions(params string) (o RcptOptions, bad string) {
	bad = c.eachParameter(params, func(keyword, value string, _ bool) string {
		ok := false
		switch {
		case keyword == "NOTIFY" && c.server.options.DSN:
			o.Notify, ok = parseNotify(value)
		case keyword == "ORCPT" && c.server.options.DSN:
			o.Original = value
			o.OriginalRecipient, ok = parseOriginal(value)
		default:
			return unknownParameter
		}
		if !ok {
			return badParameter
		}
		return ""
	})
	return o, bad
}

// eachParameter calls back for each parameter, its keyword in upper case. None may
// come twice, and none at all after HELO.
func (c *conversation) eachParameter(params string, each func(keyword, value string, valued bool) string) (bad string) {
	if params == "" {
		return ""
	}
	if !c.peer.EHLO {
		return unknownParameter
	}
	var seen [8]string
	n := 0
	for param := range strings.FieldsSeq(params) {
		keyword, value, valued := strings.Cut(param, "=")
		keyword = strings.ToUpper(keyword)
		for _, before := range seen[:n] {
			if before == keyword {
				return badParameter
			}
		}
		if n == len(seen) { // more than there are
			return unknownParameter
		}
		seen[n] = keyword
		n++
		if bad := each(keyword, value, valued); bad != "" {
			return bad
		}
	}
	return ""
}

// parseSize reads digits. What no int64 holds is as big as that can say.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(s, 10, 64) // saturates
	return n, true
}

// parseNotify reads NEVER, or a list of the others (RFC 3461 section 4.1).
func parseNotify(value string) ([]string, bool) {
	words := strings.Split(strings.ToUpper(value), ",")
	if len(words) > 3 {
		return nil, false
	}
	for i, word := range words {
		switch word {
		case "NEVER":
			if len(words) > 1 {
				return nil, false
			}
		case "SUCCESS", "FAILURE", "DELAY":
			for _, before := range words[:i] {
				if before == word {
					return nil, false
				}
			}
		default:
			return nil, false
		}
	}
	return words, true
}

// parseOriginal reads ORCPT (RFC 3461 section 4.2, RFC 6533 section 3). An address of
// another kind than ours is right and zero.
func parseOriginal(value string) (mail.Address, bool) {
	kind, text, ok := strings.Cut(value, ";")
	if !ok || kind == "" || text == "" || len(value) > 500 {
		return mail.Address{}, false
	}
	decoded, ok := fromXtext(text)
	if strings.EqualFold(kind, "utf-8") {
		decoded, ok = fromUTF8Xtext(text)
	}
	if !ok {
		return mail.Address{}, false
	}
	if !strings.EqualFold(kind, "rfc822") && !strings.EqualFold(kind, "utf-8") {
		return mail.Address{}, true
	}
	a, err := mail.ParseAddress(decoded)
	if err != nil {
		return mail.Address{}, true // it is the sender's word, handed on as it is
	}
	return a, true
}

// fromXtext undoes xtext (RFC 3461 section 4).
func fromXtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b.WriteByte(byte(n))
			i += 2
		case c < '!' || c > '~' || c == '=':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// isHex is a hexchar of RFC 3461: digits and upper case letters.
func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

// fromUTF8Xtext undoes the \x{...} of RFC 6533 section 3. The characters may also
// stand as they are, after SMTPUTF8.
func fromUTF8Xtext(s string) (string, bool) {
	var b strings.Builder
	for s != "" {
		before, rest, escaped := strings.Cut(s, `\x{`)
		if strings.ContainsAny(before, `\+=`) {
			return "", false
		}
		b.WriteString(before)
		if !escaped {
			break
		}
		hex, after, closed := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !closed || err != nil || len(hex) < 2 || len(hex) > 6 || n > 0x10FFFF {
			return "", false
		}
		b.WriteRune(rune(n))
		s = after
	}
	return b.String(), true
}
