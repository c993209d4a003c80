package dkim

import (
	"fmt"
	"strings"
)

// Tag is one name=value of a tag list, white space at both ends of both removed.
type Tag struct{ Name, Value string }

// Tags is a tag list (RFC 6376 section 3.2) in the order it was written.
type Tags []Tag

// Get is the value of a tag and whether it is there; an empty value is there.
func (t Tags) Get(name string) (string, bool) {
	for _, tag := range t {
		if tag.Name == name {
			return tag.Value, true
		}
	}
	return "", false
}

// Problem is one thing wrong with a signature or a key record.
type Problem struct {
	Tag    string // where, "" for the whole
	Detail string // what, for people
	Fatal  bool   // it cannot be used
}

// String is the problem on one line.
func (p Problem) String() string {
	if p.Tag == "" {
		return p.Detail
	}
	return p.Tag + "= " + p.Detail
}

// fatal is the first problem that makes its owner unusable.
func fatal(problems []Problem) (Problem, bool) {
	for _, p := range problems {
		if p.Fatal {
			return p, true
		}
	}
	return Problem{}, false
}

// maxTags bounds a list; the standards define fifteen.
const maxTags = 100

const fws = " \t\r\n"

// ParseTags reads a tag list, folded or not. Tags that can be read are returned
// whatever is wrong with others.
func ParseTags(s string) (Tags, []Problem) {
	tags := make(Tags, 0, 12)
	var problems []Problem
	bad := func(tag, format string, args ...any) {
		problems = append(problems, Problem{tag, fmt.Sprintf(format, args...), true})
	}
	s = strings.TrimRight(s, fws)
	s = strings.TrimSuffix(s, ";") // the last one may end the list
	for spec := range strings.SplitSeq(s, ";") {
		if len(tags) == maxTags {
			bad("", "more than %d tags", maxTags)
			break
		}
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.Trim(name, fws), strings.Trim(value, fws)
		switch {
		case !ok:
			bad("", "%.40q is no tag", spec)
			continue
		case !isTagName(name):
			bad("", "%.40q is no tag name", name)
			continue
		case !isTagValue(value):
			bad(name, "has a control character")
		}
		if _, twice := tags.Get(name); twice {
			// RFC 6376 section 3.2: the whole list is invalid then.
			bad(name, "stands twice")
			continue
		}
		tags = append(tags, Tag{name, value})
	}
	return tags, problems
}

// isTagName is ALPHA *ALNUMPUNC.
func isTagName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || s[i] != '_' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}

// isTagValue is tval, with UTF-8 as RFC 8616 adds it.
func isTagValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && !isSpace(c) || c == 0x7F {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// dropSpace takes all folding white space out, as base64 and lists allow it.
func dropSpace(s string) string {
	if !strings.ContainsAny(s, fws) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !isSpace(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// colonList reads names between colons.
func colonList(s string) []string {
	list := strings.Split(s, ":")
	for i := range list {
		list[i] = strings.Trim(list[i], fws)
	}
	return list
}

// cutValueOf is a tag list with the value of one tag taken out, every other octet
// kept: what a signature signs of its own field (RFC 6376 section 3.5, b=).
func cutValueOf(list, name string) string {
	for at := 0; at < len(list); {
		end := strings.IndexByte(list[at:], ';')
		if end < 0 {
			end = len(list)
		} else {
			end += at
		}
		eq := strings.IndexByte(list[at:end], '=')
		if eq >= 0 && strings.Trim(list[at:at+eq], fws) == name {
			return list[:at+eq+1] + list[end:]
		}
		at = end + 1
	}
	return list
}
