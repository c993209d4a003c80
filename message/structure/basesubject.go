package structure

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/allgreen-mail/allgreen/message"
)

// BaseSubject is what is left of a subject without what answering and forwarding put
// around it (RFC 5256 section 2.1), and whether there was any of that. The subject is
// as it stands in the header.
func BaseSubject(subject string) (base string, isReply bool) {
	s := message.DecodeWords(subject)
	s = strings.Join(strings.FieldsFunc(s, isBlank), " ") // step 1
	for {
		s, isReply = cutTrailers(s, isReply) // step 2
		for {                                // steps 3 to 5
			if rest, ok := cutLeader(s); ok {
				s, isReply = rest, true
				continue
			}
			if rest, ok := cutBlob(s); ok && rest != "" {
				s = rest
				continue
			}
			break
		}
		inner, ok := cutForward(s) // step 6
		if !ok {
			return s, isReply
		}
		s, isReply = inner, true
	}
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// cutTrailers takes off "(fwd)" and white space at the end.
func cutTrailers(s string, isReply bool) (string, bool) {
	for {
		s = strings.TrimRight(s, " ")
		rest, ok := cutSuffixFold(s, "(fwd)")
		if !ok {
			return s, isReply
		}
		s, isReply = rest, true
	}
}

// cutLeader takes off "re:", "fw:" or "fwd:", with [blobs] in front of it and before
// the colon.
func cutLeader(s string) (rest string, ok bool) {
	s = strings.TrimLeft(s, " ")
	for {
		rest, ok := cutBlob(s)
		if !ok {
			break
		}
		s = rest
	}
	switch {
	case hasPrefixFold(s, "re"):
		s = s[2:]
	case hasPrefixFold(s, "fwd"):
		s = s[3:]
	case hasPrefixFold(s, "fw"):
		s = s[2:]
	default:
		return "", false
	}
	s = strings.TrimLeft(s, " ")
	if rest, ok := cutBlob(s); ok {
		s = rest
	}
	rest, ok = strings.CutPrefix(s, ":")
	return strings.TrimLeft(rest, " "), ok
}

// cutBlob takes off "[anything]" and white space behind it.
func cutBlob(s string) (rest string, ok bool) {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok {
		return s, false
	}
	i := strings.IndexAny(inner, "[]")
	if i < 0 || inner[i] == '[' {
		return s, false
	}
	return strings.TrimLeft(inner[i+1:], " "), true
}

// cutForward takes off "[fwd: ... ]" around the whole.
func cutForward(s string) (inner string, ok bool) {
	if !hasPrefixFold(s, "[fwd:") || !strings.HasSuffix(s, "]") {
		return s, false
	}
	return strings.Trim(s[len("[fwd:"):len(s)-1], " "), true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}

// Casemap is a text as the comparator i;unicode-casemap compares it (RFC 5051 section
// 2): equal texts have equal octets, and their order is that of the octets.
func Casemap(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return norm.NFKD.String(strings.Map(unicode.ToTitle, s))
		}
	}
	return strings.ToUpper(s)
}
