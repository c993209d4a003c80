package main

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/lab"
)

// TestQueueWhyOfNothing: an empty queue is said, not shown by silence; JSON stays JSON.
func TestQueueWhyOfNothing(t *testing.T) {
	settle(t, "", lab.Options{})
	for want, args := range map[string][]string{
		"nothing waits; ":           nil,
		"nothing waits that fits; ": {"--to", "nowhere.example"},
	} {
		got := allgreen(t, "", append([]string{"queue", "why", "--lab"}, args...)...)
		if got.code != 0 || !strings.HasPrefix(got.out, want) {
			t.Errorf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
	}
	if got := allgreen(t, "", "queue", "why", "--lab", "--json"); strings.Contains(got.out, "nothing") {
		t.Error(got.out)
	}
}
