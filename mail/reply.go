package mail

import (
	"errors"
	"fmt"
	"strings"
)

// EnhancedCode is a class.subject.detail status of RFC 3463. The zero value is
// no code.
type EnhancedCode struct{ Class, Subject, Detail int }

// IsZero reports whether the reply carried no enhanced code.
func (c EnhancedCode) IsZero() bool { return c == EnhancedCode{} }

// String is "5.7.1", or "" for the zero value.
func (c EnhancedCode) String() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", c.Class, c.Subject, c.Detail)
}

// Reply is what a server answers to one command (RFC 5321 section 4.2): the
// only error that ever crosses to the remote side. The zero value is no reply.
type Reply struct {
	Code     int          // 200 to 599
	Enhanced EnhancedCode // taken off the lines
	Lines    []string     // the text, a line each, without codes
}

// ErrReply is wrapped by every error of ParseReply.
var ErrReply = errors.New("not an SMTP reply")

// NewReply makes a reply of one line.
func NewReply(code int, enhanced EnhancedCode, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, Lines: []string{text}}
}

// ParseReply reads the lines of one reply, without their CRLF. Every line must
// carry the same code, all but the last a hyphen behind it. The enhanced code is
// believed when the first line begins with one of the same class.
func ParseReply(lines []string) (Reply, error) {
	if len(lines) == 0 {
		return Reply{}, fmt.Errorf("%w: there is no line", ErrReply)
	}
	r := Reply{Lines: make([]string, 0, len(lines))}
	for i, line := range lines {
		code, more, text, err := CutReplyLine(line)
		if err != nil {
			return Reply{}, err
		}
		if i > 0 && code != r.Code {
			return Reply{}, fmt.Errorf("%w: the code changes from %d to %d", ErrReply, r.Code, code)
		}
		if more != (i < len(lines)-1) {
			return Reply{}, fmt.Errorf("%w: the hyphens do not fit the lines", ErrReply)
		}
		r.Code = code
		r.Lines = append(r.Lines, text)
	}
	r.takeEnhanced()
	return r, nil
}

// CutReplyLine splits one line into its code, whether more lines follow, and the
// text.
func CutReplyLine(line string) (code int, more bool, text string, err error) {
	if len(line) < 3 || !isNumeric(line[:3]) || line[0] < '2' || line[0] > '5' {
		return 0, false, "", fmt.Errorf("%w: %.60q", ErrReply, line)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, "", nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, "", fmt.Errorf("%w: %.60q", ErrReply, line)
	}
	return code, line[3] == '-', line[4:], nil
}

// takeEnhanced moves the enhanced code from the lines into its field; a server
// may repeat it on each line (RFC 2034 section 4).
func (r *Reply) takeEnhanced() {
	code, _, ok := cutEnhanced(r.Lines[0])
	if !ok || code.Class != r.Code/100 {
		return
	}
	r.Enhanced = code
	for i, line := range r.Lines {
		if c, rest, ok := cutEnhanced(line); ok && c == code {
			r.Lines[i] = rest
		}
	}
}

func cutEnhanced(s string) (c EnhancedCode, rest string, ok bool) {
	word, rest, _ := strings.Cut(s, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return EnhancedCode{}, s, false
	}
	var n [3]int
	for i, p := range parts {
		if !isNumeric(p) || len(p) > 3 {
			return EnhancedCode{}, s, false
		}
		for _, digit := range p {
			n[i] = n[i]*10 + int(digit-'0')
		}
	}
	return EnhancedCode{n[0], n[1], n[2]}, rest, true
}

// IsZero reports whether there is no reply.
func (r Reply) IsZero() bool { return r.Code == 0 }

// IsPositive reports a 2yz reply.
func (r Reply) IsPositive() bool { return r.Code/100 == 2 }

// IsIntermediate reports a 3yz reply: go on with the data.
func (r Reply) IsIntermediate() bool { return r.Code/100 == 3 }

// IsTransient reports a 4yz reply: the same may succeed later.
func (r Reply) IsTransient() bool { return r.Code/100 == 4 }

// IsPermanent reports a 5yz reply: the same will fail again.
func (r Reply) IsPermanent() bool { return r.Code/100 == 5 }

// Text is all lines as one, for people and logs.
func (r Reply) Text() string { return strings.Join(r.Lines, " ") }

// String is the reply on one line, as people paste it: "550 5.1.1 no such user".
func (r Reply) String() string {
	if r.IsZero() {
		return ""
	}
	s := fmt.Sprintf("%03d", r.Code)
	if !r.Enhanced.IsZero() {
		s += " " + r.Enhanced.String()
	}
	if t := r.Text(); t != "" {
		s += " " + t
	}
	return s
}

// Wire is the reply as it is sent: one CRLF-ended line each, the enhanced code
// on every one of them. Control characters become spaces: a text that quotes a
// stranger must not end the line.
func (r Reply) Wire() string {
	lines := r.Lines
	if len(lines) == 0 {
		lines = []string{""}
	}
	var b strings.Builder
	for i, line := range lines {
		sep := byte('-')
		if i == len(lines)-1 {
			sep = ' '
		}
		fmt.Fprintf(&b, "%03d%c", r.Code, sep)
		if !r.Enhanced.IsZero() {
			b.WriteString(r.Enhanced.String() + " ")
		}
		b.WriteString(strings.Map(withoutControls, line) + "\r\n")
	}
	return b.String()
}

func withoutControls(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return ' '
	}
	return r
}

// Error makes a negative reply usable as an error.
func (r Reply) Error() string { return r.String() }
