package check

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/probe"
)

// challengeSigns are by what a challenge is known: words of its subject, fields of
// its header.
type challengeSigns struct {
	Subjects []string `json:"subjects"`
	Fields   []string `json:"fields"`
}

//go:embed challenge.json
var challengeJSON []byte

var signsOfChallenges = sync.OnceValue(func() challengeSigns {
	var signs challengeSigns
	if err := json.Unmarshal(challengeJSON, &signs); err != nil {
		panic("check: challenge.json: " + err.Error())
	}
	return signs
})

// answerKind is what a message that came back to a letter is.
type answerKind string

// The kinds of answers.
const (
	noAnswer        answerKind = "" // it is no message at all
	aReport         answerKind = "report"
	aChallenge      answerKind = "challenge"
	anAutomaticNote answerKind = "automatic note"
)

// kindOf reads the header of what came to our sender. What comes within seconds from
// no person's hand is a machine's, whether it says so or not; a reply from a real
// person to a probe would be one too late to be seen.
func kindOf(e probe.Event) answerKind {
	if e.Kind != probe.Bounced && e.Kind != probe.Answered {
		return noAnswer
	}
	h := message.ParseHeader(e.Header)
	signs := signsOfChallenges()
	subject := strings.ToLower(e.Subject)
	switch {
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.Value("Content-Type"))), "multipart/report"):
		return aReport
	case slices.ContainsFunc(signs.Fields, h.Has),
		slices.ContainsFunc(signs.Subjects, func(word string) bool { return strings.Contains(subject, word) }):
		return aChallenge
	case e.Reverse.IsZero() && strings.Contains(strings.ToLower(h.Value("From")), "mailer-daemon"):
		return aReport // qmail and others write theirs without MIME
	}
	return anAutomaticNote
}

// breaches are the rules of RFC 3834 that an automatic note breaks.
func breaches(e probe.Event) []string {
	var broken []string
	if !e.Reverse.IsZero() {
		broken = append(broken, "its envelope sender is "+e.Reverse.Path()+" and not <>, so answers may go in circles (RFC 3834 section 3.3)")
	}
	if !e.Automatic {
		broken = append(broken, "it does not say Auto-Submitted: auto-replied (RFC 3834 section 5)")
	}
	return broken
}
