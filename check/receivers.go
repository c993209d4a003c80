package check

import (
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
)

// Receiver is what one big receiver is likely to say, by what it is known to act on.
type Receiver struct {
	ID      string // of the provider, "google"
	Verdict finding.Status
	Minds   []string // ids of the checks that are red or yellow
}

// Receivers are all receivers that the checks of a kind of target name, in the order in
// which they do, with what a report holds in store for each. What could not be seen makes
// a receiver's answer unknown unless something speaks against the message anyhow.
func Receivers(kind Scope, r *finding.Report) []Receiver {
	var all []Receiver
	acts := map[string][]string{}
	for _, c := range All() {
		about := c.About()
		if about.Scope&kind == 0 {
			continue
		}
		acts[about.ID] = about.Affects
		for _, id := range about.Affects {
			if !slices.ContainsFunc(all, func(x Receiver) bool { return x.ID == id }) {
				all = append(all, Receiver{ID: id, Verdict: finding.Green})
			}
		}
	}
	for _, f := range r.Findings {
		for i := range all {
			if slices.Contains(f.Affects, all[i].ID) || slices.Contains(acts[f.Check], all[i].ID) {
				all[i].mind(f)
			}
		}
	}
	return all
}

// mind counts a finding.
func (x *Receiver) mind(f finding.Finding) {
	if f.Status == finding.Skip {
		return
	}
	x.Verdict = finding.Worse(x.Verdict, f.Status)
	if bad := f.Status == finding.Red || f.Status == finding.Yellow; bad && !slices.Contains(x.Minds, f.Check) {
		x.Minds = append(x.Minds, f.Check)
	}
}
