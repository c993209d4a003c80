package provider

import (
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// guesses is how a reply is understood that no rule knows.
type guesses struct {
	Codes []codeGuess `json:"codes"`
	Words []wordGuess `json:"words"`
}

// codeGuess is what a code stands for by its standard.
type codeGuess struct {
	Code     int    `json:"code"`     // of RFC 5321, where there is no enhanced one
	Enhanced string `json:"enhanced"` // "4.1.1"; "x.1.1" of either class; "x.6." is all of them
	outcome
}

// wordGuess is what words are mostly about.
type wordGuess struct {
	Pattern pattern `json:"pattern"`
	outcome
}

type outcome struct {
	Class string `json:"class"`
	Scope Scope  `json:"scope"`
	Hold  hold   `json:"hold"`
}

// guess takes the enhanced code first, which is the most exact, then words, then
// the code of three digits, then its first digit.
func (g *guesses) guess(reply mail.Reply, text string) Meaning {
	permanence := byCode(reply.Code)
	if reply.Code == 0 && reply.Enhanced.Class == 5 {
		permanence = Permanent
	}
	o, ok := g.byEnhanced(reply.Enhanced)
	if !ok {
		o, ok = g.byWords(text)
	}
	if !ok {
		o, ok = g.byBasic(reply.Code)
	}
	switch {
	case ok:
	case reply.IsZero() && reply.Enhanced.IsZero():
		return Meaning{Class: "unknown", Scope: Message, Guessed: true}
	case permanence == Permanent:
		o = outcome{Class: "unknown.permanent", Scope: Message}
	default:
		o = outcome{Class: "sys.temp", Scope: Receiver}
	}
	return Meaning{Class: o.Class, Scope: o.Scope, Permanence: permanence, Hold: o.Hold.Duration, Guessed: true}
}

func (g *guesses) byEnhanced(code mail.EnhancedCode) (outcome, bool) {
	if code.IsZero() {
		return outcome{}, false
	}
	said := "x" + code.String()[1:]
	for _, c := range g.Codes {
		if c.Enhanced == said || c.Enhanced == code.String() || strings.HasSuffix(c.Enhanced, ".") && strings.HasPrefix(said, c.Enhanced) {
			return c.outcome, true
		}
	}
	return outcome{}, false
}

// byWords looks behind the code, so that digits are not taken for words.
func (g *guesses) byWords(text string) (outcome, bool) {
	if len(text) > 3 {
		if _, err := strconv.Atoi(text[:3]); err == nil {
			text = text[3:]
		}
	}
	for _, w := range g.Words {
		if w.Pattern.MatchString(text) {
			return w.outcome, true
		}
	}
	return outcome{}, false
}

func (g *guesses) byBasic(code int) (outcome, bool) {
	for _, c := range g.Codes {
		if c.Code != 0 && c.Code == code {
			return c.outcome, true
		}
	}
	return outcome{}, false
}
