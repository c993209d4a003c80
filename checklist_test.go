package main

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/setup"
)

// TestChecklist ticks things off at the server in the lab, whose PTR record can be seen.
func TestChecklist(t *testing.T) {
	settle(t, "", lab.Options{})
	run := func(want int, args ...string) string {
		t.Helper()
		got := allgreen(t, "", append(append([]string{"checklist"}, args...), "--lab")...)
		if got.code != want {
			t.Fatalf("%q: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
		return got.out
	}
	items := func(text string) map[string]setup.Item {
		t.Helper()
		all := map[string]setup.Item{}
		for _, i := range decode[struct{ Items []setup.Item }](t, text)[0].Items {
			all[i.ID+" "+i.Subject] = i
		}
		return all
	}
	all := items(run(0, "--json"))
	if i := all["ptr 127.11.0.10"]; i.State != setup.Seen || i.Status != finding.Green {
		t.Errorf("%+v of %d", i, len(all))
	}
	if i := all["microsoft-snds 127.11.0.10"]; i.State != setup.Open || i.Status != finding.Yellow {
		t.Errorf("%+v", i)
	}
	if got := items(run(0, "done", "microsoft-snds", "--note", "login of anna", "--json"))["microsoft-snds 127.11.0.10"]; got.State != setup.Ticked || got.Note != "login of anna" || got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
	if out := run(0); strings.Contains(out, "microsoft-snds") || !strings.Contains(out, "[open] microsoft-jmrp") {
		t.Errorf("of what is open:\n%s", out)
	}
	if out := run(0, "undone", "microsoft-snds", "--for", "127.11.0.10"); !strings.HasPrefix(out, "[open]") {
		t.Error(out)
	}
	for line := range strings.Lines(run(0, "--all")) {
		if len(line) > 81 && !strings.Contains(line, "https://") {
			t.Errorf("wider than a terminal: %q", line)
		}
	}
	run(exitUsage, "done", "microsoft-snds", "--for", "127.11.0.99")
	run(exitUsage, "done", "nothing")
}
