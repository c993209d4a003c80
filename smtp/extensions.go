package smtp

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// Extensions are what a server announced in its answer to EHLO: keyword in upper
// case -> parameters as they came. A nil map is a server that announced none.
type Extensions map[string]string

// ParseExtensions reads the answer to EHLO (RFC 5321 section 4.1.1.1). Its first
// line is the server's name and greeting. A line that is no keyword is left out; of
// a keyword said twice the first counts.
func ParseExtensions(hello mail.Reply) Extensions {
	e := make(Extensions)
	if !hello.IsPositive() {
		return e
	}
	for _, line := range hello.Lines[min(1, len(hello.Lines)):] {
		keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		keyword = strings.ToUpper(keyword)
		if _, again := e[keyword]; again || !isKeyword(keyword) {
			continue
		}
		e[keyword] = strings.TrimSpace(params)
	}
	return e
}

// isKeyword is ehlo-keyword, and "AUTH=LOGIN" as servers older than RFC 2554 say.
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '=') {
			return false
		}
	}
	return s != ""
}

// Has reports whether the keyword was announced, in any case.
func (e Extensions) Has(keyword string) bool {
	_, ok := e[strings.ToUpper(keyword)]
	return ok
}

// Keywords are all keywords, sorted.
func (e Extensions) Keywords() []string { return slices.Sorted(maps.Keys(e)) }

// Size is the largest message in octets that the server takes, and whether it said
// so: "SIZE" alone and "SIZE 0" name no limit (RFC 1870 section 4).
func (e Extensions) Size() (octets int64, ok bool) {
	n, err := strconv.ParseInt(e["SIZE"], 10, 64)
	if err != nil || n <= 0 {
		return 0, false
	}
	return n, true
}

// AuthMechanisms are the SASL mechanisms offered, upper case, sorted (RFC 4954
// section 3), those of the old "AUTH=" spelling among them.
func (e Extensions) AuthMechanisms() []string {
	found := strings.Fields(strings.ToUpper(e["AUTH"]))
	for keyword, params := range e {
		if first, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			found = append(found, strings.Fields(strings.ToUpper(first+" "+params))...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Limits are the LIMITS of RFC 9422: name in upper case -> value.
func (e Extensions) Limits() map[string]string {
	limits := make(map[string]string)
	for _, pair := range strings.Fields(e["LIMITS"]) {
		name, value, _ := strings.Cut(pair, "=")
		limits[strings.ToUpper(name)] = value
	}
	return limits
}

// NameIn is the name a server gives itself in its greeting or in its answer to
// EHLO: the first word, as it came, and "" when there is none.
func NameIn(r mail.Reply) string {
	if len(r.Lines) == 0 {
		return ""
	}
	word, _, _ := strings.Cut(r.Lines[0], " ")
	return word
}
