package spf

import (
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// maxExplanation bounds what macros can blow an explanation up to; a reply line
// has 512 octets (RFC 5321 section 4.5.3.1.5), and nobody reads ten.
const maxExplanation = 5000

// explain finds the text a domain gives for a fail (RFC 7208 section 6.2). Every
// trouble on the way means: no explanation. It costs no lookup of the ten.
func (c *check) explain(v verdict) string {
	t := v.record.First(Exp)
	if t == nil {
		return ""
	}
	text, why := c.explanation(t, v.at)
	if why != "" {
		c.note(Step{Depth: v.at.depth, Domain: v.at.text, Term: t.Text, Outcome: StepExplain, Detail: "not used: " + why})
		return ""
	}
	c.note(Step{Depth: v.at.depth, Domain: v.at.text, Term: t.Text, Outcome: StepExplain, Detail: text})
	return text
}

func (c *check) explanation(t *Term, at place) (text, why string) {
	if c.sender.NeedsSMTPUTF8() && t.Target.Uses("sl") {
		return "", localPart
	}
	target := fitName(c.expandText(t.Target, at))
	name, err := nameOf(target)
	if err != nil {
		return "", "its name is not one that DNS can carry"
	}
	texts, _, err := world.LookupTXT(c.ctx, c.resolver, name)
	switch {
	case err != nil:
		return "", err.Error()
	case len(texts) != 1:
		return "", "there is not exactly one TXT record at " + target
	}
	m, flaws := parseMacroString(texts[0].Text, explainLetters)
	if len(flaws) > 0 {
		return "", flaws[0].text
	}
	if len(m.pieces)*256+len(m.Text) > 64<<10 {
		return "", "it has too many macros"
	}
	text = c.expandText(m, at)
	if len(text) > maxExplanation {
		return "", "it is too long"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", "it is not plain ASCII" // section 6.2
	}
	return text, ""
}
