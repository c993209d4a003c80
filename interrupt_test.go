package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
)

// A run that is interrupted before it was begun says neither green nor nothing.
func TestInterruptedRunIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, complaints bytes.Buffer
	code := run(ctx, []string{"check", "a.example", "b.example"}, streams{strings.NewReader(""), &out, &complaints})
	if want := finding.Unknown.ExitCode(); code != want {
		t.Errorf("exit code %d, want %d: %s", code, want, complaints.String())
	}
}
