package web

import (
	"context"
	"net/http"

	"github.com/allgreen-mail/allgreen/setup"
)

// The calls about the way of each domain to p=reject.
var (
	DMARCSteps = Call[None, []setup.DMARCStep]{"dmarc.steps"}
	DMARCStep  = Call[DMARCWish, setup.DMARCStep]{"dmarc.step"}
)

// DMARCWish is a step that a person wants now; an empty policy is the next one.
type DMARCWish struct {
	Domain string `json:"domain"`
	Policy string `json:"policy,omitempty"` // none, quarantine, reject
}

// Ladder is what the calls work on.
type Ladder interface {
	Steps(context.Context) ([]setup.DMARCStep, error)
	Step(context.Context, DMARCWish) (setup.DMARCStep, error)
}

func addLadder(mux *http.ServeMux, l Ladder) {
	answer(mux, DMARCSteps, func(ctx context.Context, _ None) ([]setup.DMARCStep, error) { return l.Steps(ctx) })
	answer(mux, DMARCStep, l.Step)
}
