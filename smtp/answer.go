package smtp

import (
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Lines of replies wrap before the 512 octets of RFC 5321 section 4.5.3.1.5, and end
// at a bound.
const (
	wrapReply   = 480
	maxAnswered = 20
)

// appendReply appends a reply as it goes over the wire: the enhanced code on each
// line, long ones wrapped, nothing in them but printable ASCII, so that a text which
// quotes a stranger can neither end a line nor harm a terminal.
func appendReply(dst []byte, r mail.Reply) []byte {
	lines := wrapped(r.Lines)
	for i, line := range lines {
		dst = strconv.AppendInt(dst, int64(r.Code), 10)
		if i < len(lines)-1 {
			dst = append(dst, '-')
		} else {
			dst = append(dst, ' ')
		}
		if !r.Enhanced.IsZero() {
			dst = appendEnhanced(dst, r.Enhanced)
		}
		for _, c := range []byte(line) {
			switch {
			case c >= 0x80:
				c = '?'
			case c < ' ' || c == 0x7f:
				c = ' '
			}
			dst = append(dst, c)
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func appendEnhanced(dst []byte, c mail.EnhancedCode) []byte {
	dst = strconv.AppendInt(dst, int64(c.Class), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(c.Subject), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(c.Detail), 10)
	return append(dst, ' ')
}

// wrapped cuts lines that are too long, at a space where there is one.
func wrapped(lines []string) []string {
	if len(lines) == 0 {
		return []string{""}
	}
	fits := len(lines) <= maxAnswered
	for _, line := range lines {
		fits = fits && len(line) <= wrapReply
	}
	if fits {
		return lines
	}
	var all []string
	for _, line := range lines {
		for len(line) > wrapReply && len(all) < maxAnswered {
			cut := strings.LastIndexByte(line[:wrapReply], ' ')
			if cut <= 0 {
				cut = wrapReply
			}
			all = append(all, line[:cut])
			line = strings.TrimPrefix(line[cut:], " ")
		}
		all = append(all, line)
	}
	// The last is short enough too: the loop above only stops early past the bound.
	return all[:min(len(all), maxAnswered)]
}

// isAnswer reports whether a session may say this to a command: 2yz, 4yz or 5yz.
func isAnswer(r mail.Reply) bool {
	return r.Code >= 200 && r.Code < 300 || r.Code >= 400 && r.Code < 600
}
