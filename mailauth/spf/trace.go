package spf

import (
	"fmt"
	"strings"
)

// maxTrace bounds the story of one evaluation; a record can have thousands of
// terms.
const maxTrace = 1000

// note adds a step and returns its number, -1 when the trace is full.
func (c *check) note(s Step) int {
	switch n := len(c.out.Trace); {
	case n < maxTrace:
		c.out.Trace = append(c.out.Trace, s)
		return n
	case n == maxTrace:
		c.out.Trace = append(c.out.Trace, Step{Outcome: StepCut})
	}
	return -1
}

// settle completes a step whose outcome is known later: those of an include stand
// before the steps below it.
func (c *check) settle(line int, outcome, detail string) {
	if line >= 0 {
		c.out.Trace[line].Outcome = outcome
		c.out.Trace[line].Detail = detail
	}
}

// textWidth is how wide people's text may be.
const textWidth = 80

// Text is the evaluation for people: the result, then every record and term that
// was looked at, indented by depth, at most 80 columns wide.
func (e Evaluation) Text() string {
	var b strings.Builder
	b.WriteString(e.headline())
	if e.Reason != "" {
		wrap(&b, "  ", "  ", e.Reason)
	}
	if e.Explanation != "" {
		wrap(&b, "  ", "  ", "the domain says: "+e.Explanation)
	}
	if len(e.Trace) > 0 {
		b.WriteByte('\n')
	}
	for _, s := range e.Trace {
		s.write(&b)
	}
	fmt.Fprintf(&b, "\n%d of %d lookups, %d of %d void\n", e.Lookups, maxLookups, e.Voids, maxVoids)
	return b.String()
}

func (e Evaluation) headline() string {
	s := "spf " + string(e.Result)
	if e.Result == "" {
		s = "spf not evaluated"
	}
	if !e.Domain.IsZero() {
		s += " for " + e.Domain.Unicode()
	}
	var b strings.Builder
	switch {
	case len(e.Path) > 0:
		s += " by " + strings.Join(e.Path, " > ")
	case e.Mechanism != "":
		s += " by " + e.Mechanism
	}
	wrap(&b, "", "  ", s)
	return b.String()
}

// signs stand before a term, so that the eye finds what decided.
var signs = map[string]string{StepMatch: "=", StepNoMatch: " ", StepFollow: ">", StepError: "x", StepExplain: "\""}

func (s Step) write(b *strings.Builder) {
	indent := strings.Repeat("    ", min(s.Depth, maxLookups))
	switch {
	case s.Outcome == StepCut:
		fmt.Fprintf(b, "... the trace is cut after %d steps\n", maxTrace)
	case s.Term == "":
		text := s.Domain + ": " + s.Record
		if s.Record == "" {
			text = s.Domain + ": " + s.Detail
		}
		wrap(b, indent, indent+"  ", text)
		if s.Record != "" && s.Detail != "" {
			wrap(b, indent+"  x ", indent+"    ", s.Detail)
		}
	default:
		text := s.Term + "  " + s.Outcome
		if s.Detail != "" {
			text += " (" + s.Detail + ")"
		}
		wrap(b, indent+"  "+signs[s.Outcome]+" ", indent+"      ", text)
	}
}

// wrap writes text in lines of at most 80 columns, broken at spaces where there
// are any; what a terminal could take for a command is shown as "?".
func wrap(b *strings.Builder, first, rest, text string) {
	line := first
	width := func() int { return textWidth - len([]rune(line)) }
	empty := true
	for word := range strings.SplitSeq(printable(text), " ") {
		if !empty && width() < len([]rune(word))+1 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		runes := []rune(word)
		for len(runes) > width() { // too long for any line
			n := max(width(), 1)
			b.WriteString(line + string(runes[:n]) + "\n")
			runes, line = runes[n:], rest
		}
		line += string(runes)
		empty = false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
