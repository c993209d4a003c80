package reputation

import "slices"

// Fitness is whether the resolver in use can ask lists. The zero value knows
// nothing.
type Fitness struct {
	Verdict  Verdict
	Refusing []string // ids of the lists that refuse it
	Silent   []string // ids of the lists that do not answer at all
	Answered int      // lists that gave an answer to believe
	Evidence []string // what the refusing lists answered
	Cure     string
}

// Verdict is a word about a resolver.
type Verdict string

// The verdicts.
const (
	NotSeen   Verdict = ""          // too little was asked
	Fit       Verdict = "fit"       // lists answer it
	Partly    Verdict = "partly"    // some lists refuse it
	Unfit     Verdict = "refused"   // the lists that refuse strangers refuse it: public, forwarding or nameless
	Mangled   Verdict = "rewritten" // it changes answers
	Helpless  Verdict = "silent"    // it gets no answer from any list
	manyLists         = 3
)

// causesOfResolver are the refusals for which the resolver is to blame.
var causesOfResolver = []string{"resolver", "intercepted", "volume"}

// JudgeResolver sees from the answers of many lists whether the resolver is fit:
// whether lists take it for a public or forwarding one, whether it rewrites.
func JudgeResolver(answers []Answer) Fitness {
	var f Fitness
	rewritten := 0
	for _, a := range answers {
		switch {
		case a.Why == "":
			f.Answered++
		case a.Why == NoAnswer || a.Why == NoControl:
			f.Silent = append(f.Silent, a.List.ID)
		case a.Why == Rewritten:
			rewritten++
			f.blame(a)
		case a.Why == Refused && slices.Contains(causesOfResolver, a.Cause):
			f.blame(a)
		}
	}
	f.Verdict = f.verdict(rewritten)
	return f
}

func (f *Fitness) blame(a Answer) {
	f.Refusing = append(f.Refusing, a.List.ID)
	f.Evidence = append(f.Evidence, a.Raw...)
	if f.Cure == "" {
		f.Cure = a.Cure
	}
}

func (f *Fitness) verdict(rewritten int) Verdict {
	switch {
	case rewritten >= manyLists && rewritten > f.Answered:
		return Mangled
	case len(f.Refusing) > f.Answered || len(f.Refusing) >= manyLists:
		return Unfit
	case len(f.Refusing) > 0:
		return Partly
	case f.Answered > 0:
		return Fit
	case len(f.Silent) > 0:
		return Helpless
	}
	return NotSeen
}
