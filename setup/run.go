package setup

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/finding"
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

// do runs one stage and keeps what came of it, also when it went wrong on the way.
func (s *Setup) do(ctx context.Context, stage Stage) (Outcome, error) {
	out, err := stage.Run(ctx, s)
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
	s.State.Stages[name] = Done{s.World.Now().UTC(), out.Status, out.Line}
}

// settled reports whether a stage let the way go on.
func settled(out Outcome) bool { return out.Status != finding.Red }
