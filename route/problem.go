package route

import "fmt"

// Problem is one thing wrong with a published record or policy.
type Problem struct {
	Code   string // a stable word; the parsers name theirs
	Detail string // one line for people
	Fatal  bool   // senders must act as if the whole were not there
}

// String is the line for people.
func (p Problem) String() string { return p.Detail }

// HasFatal reports whether one of the problems makes the whole count as absent.
func HasFatal(problems []Problem) bool {
	for _, p := range problems {
		if p.Fatal {
			return true
		}
	}
	return false
}

// maxProblems bounds what a hostile policy can make us remember.
const maxProblems = 32

// problems collects; the first fatal one is never lost.
type problems []Problem

func (p *problems) warn(code, format string, args ...any) {
	if len(*p) < maxProblems {
		*p = append(*p, Problem{Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

func (p *problems) fatal(code, format string, args ...any) {
	if len(*p) < maxProblems || !HasFatal(*p) {
		*p = append(*p, Problem{Code: code, Detail: fmt.Sprintf(format, args...), Fatal: true})
	}
}
