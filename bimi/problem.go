package bimi

import "fmt"

// Problem is one thing wrong with a record, a logo or a certificate.
type Problem struct {
	Code   string // a stable word; the judging functions name theirs
	Detail string // one line for people
	Fatal  bool   // the logo will not be shown for it
}

// String is the line for people.
func (p Problem) String() string { return p.Detail }

// HasFatal reports whether one of the problems keeps the logo from being shown.
func HasFatal(problems []Problem) bool {
	for _, p := range problems {
		if p.Fatal {
			return true
		}
	}
	return false
}

// maxProblems bounds what a hostile file can make us remember.
const maxProblems = 32

// problems collects, each code with the same detail once; the first fatal one is
// never lost.
type problems []Problem

func (p *problems) warn(code, format string, args ...any) {
	p.add(Problem{Code: code, Detail: fmt.Sprintf(format, args...)})
}

func (p *problems) fatal(code, format string, args ...any) {
	p.add(Problem{Code: code, Detail: fmt.Sprintf(format, args...), Fatal: true})
}

func (p *problems) add(one Problem) {
	for _, known := range *p {
		if known == one {
			return
		}
	}
	if len(*p) < maxProblems || one.Fatal && !HasFatal(*p) {
		*p = append(*p, one)
	}
}
