package setup

import (
	"context"
	"errors"
	"fmt"
)

// New is a Setup that goes on where the state file says that it was. The error is one of
// reading that file.
func New(o Options) (*Setup, error) {
	state, err := ReadState(o.Data, o.Domain)
	if err != nil {
		return nil, err
	}
	return &Setup{Options: o, State: state}, nil
}

// Stages are all stages in their order.
func Stages() []Stage {
	return []Stage{
		{"machine", "This machine", (*Setup).lookAtMachine},
		{"names", "Names, keys and the first account", (*Setup).nameAll},
		{"records", "Records in the DNS", (*Setup).publish},
		{"first", "The first message", (*Setup).sendFirst},
		{"move", "Mail that goes elsewhere", (*Setup).moveMail},
		{"check", "The checks", (*Setup).checkAll},
	}
}

// Step is how one stage has ended, for those who read JSON.
type Step struct {
	Stage string `json:"stage"`
	Outcome
}

// ErrStopped is wrapped by the error of a run that a stage has stopped: somebody must do
// what its notes say, and run it again.
var ErrStopped = errors.New("setup stops here")

// Run goes through the stages until one stops the way. The steps tell how far it came.
func (s *Setup) Run(ctx context.Context) (steps []Step, err error) {
	stages := Stages()
	for i, stage := range stages {
		s.Desk.Begin(i+1, len(stages), stage.Title)
		if ctx.Err() != nil {
			return steps, ctx.Err()
		}
		out, err := s.do(ctx, stage)
		s.Desk.Wait("")
		steps = append(steps, Step{stage.Name, out})
		if err != nil {
			return steps, err
		}
		for _, n := range out.Notes {
			if !out.told {
				s.Desk.Tell(n)
			}
		}
		if out.Stop {
			return steps, fmt.Errorf("%w: %s", ErrStopped, out.Line)
		}
	}
	return steps, nil
}

// do runs one stage and keeps what came of it. What a stage did before an error is in
// the state too, as far as it was saved.
func (s *Setup) do(ctx context.Context, stage Stage) (Outcome, error) {
	out, err := stage.Run(s, ctx)
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", stage.Name, err)
	}
	s.remember(stage.Name, out)
	return out, s.State.Save()
}

// remember notes how a stage has ended. One that found what it found before, and did
// nothing, leaves no trace.
func (s *Setup) remember(name string, out Outcome) {
	before, known := s.State.Stages[name]
	if known && !out.Changed && before.Status == out.Status && before.Line == out.Line {
		return
	}
	if s.State.Stages == nil {
		s.State.Stages = map[string]Done{}
	}
	if s.State.Begun.IsZero() {
		s.State.Begun = s.World.Now().UTC()
	}
	s.State.Stages[name] = Done{s.World.Now().UTC(), out.Status, out.Line}
}
