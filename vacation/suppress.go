package vacation

import (
	_ "embed"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

//go:embed suppress.json
var suppressJSON []byte

// suppression is suppress.json.
type suppression struct {
	Fields     []fieldRule `json:"fields"`
	LocalParts []string    `json:"local_parts"`
}

// fieldRule is a field whose presence, or whose value, means that nobody is to answer.
type fieldRule struct {
	Name   string   `json:"name"`
	Unless []string `json:"unless"` // but for these values
	When   []string `json:"when"`   // only these values
	Holds  []string `json:"holds"`  // only when the value is a list with one of these
	Why    string   `json:"why"`
}

// rules are read once; the test holds that they can be.
var rules = sync.OnceValue(func() (s suppression) {
	if err := json.Unmarshal(suppressJSON, &s); err != nil {
		panic("suppress.json: " + err.Error())
	}
	return s
})

// applies reports whether a field of this value keeps everybody from answering.
func (r *fieldRule) applies(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	word, _, _ := strings.Cut(value, ";") // Auto-Submitted may have parameters (RFC 3834 section 5)
	word = strings.TrimSpace(word)
	switch {
	case r.When != nil:
		return slices.Contains(r.When, word)
	case r.Holds != nil:
		for part := range strings.SplitSeq(value, ",") {
			if slices.Contains(r.Holds, strings.TrimSpace(part)) {
				return true
			}
		}
		return false
	}
	return !slices.Contains(r.Unless, word)
}

// recipientFields are those in which the user must be named (RFC 5230 section 4.5).
var recipientFields = []string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"}

// Unanswerable says why a message must not be answered, in a few words for the journal;
// "" when it may be. From is the reverse-path; isOwn tells the user's own addresses.
func Unanswerable(h message.Header, from mail.Address, isOwn func(mail.Address) bool) string {
	switch {
	case from.IsZero():
		return "it has the null reverse-path" // RFC 3834 section 2
	case isOwn(from):
		return "the user sent it"
	case isRobot(from.Local):
		return "its sender is a robot"
	}
	s := rules()
	for i := range s.Fields {
		for f := range h.All(s.Fields[i].Name) {
			if s.Fields[i].applies(f.Value()) {
				return s.Fields[i].Why
			}
		}
	}
	for _, name := range recipientFields {
		boxes, _ := h.Addresses(name) // whoever could be read
		for _, b := range boxes {
			if isOwn(b.Address) {
				return ""
			}
		}
	}
	return "it does not name the user"
}

func isRobot(local string) bool {
	local = strings.ToLower(local)
	return slices.ContainsFunc(rules().LocalParts, func(pattern string) bool {
		is, _ := path.Match(pattern, strings.ReplaceAll(local, "/", "_")) // the test holds that no pattern is bad
		return is
	})
}

// Suppressions are the names of fields and the patterns of local parts that keep
// machines from answering, for people who want to look.
func Suppressions() (fields, localParts []string) {
	s := rules()
	for i := range s.Fields {
		fields = append(fields, s.Fields[i].Name)
	}
	return fields, slices.Clone(s.LocalParts)
}
