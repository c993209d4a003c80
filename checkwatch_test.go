package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
)

// round is a report with a finding for each letter, about subjects a, b, c; "-" leaves one
// out.
func round(letters string) *finding.Report {
	status := map[rune]finding.Status{'g': finding.Green, 'y': finding.Yellow, 'r': finding.Red, 'u': finding.Unknown, 's': finding.Skip}
	var all []finding.Finding
	for i, letter := range letters {
		if letter != '-' {
			f := finding.Finding{Check: "rdns.exists", Group: "rdns", Code: "code", Subject: string(rune('a' + i)), Status: status[letter], Summary: "it is " + status[letter].String(), Fix: "mend it"}
			all = append(all, f)
		}
	}
	r := finding.NewReport("example.com", all)
	r.Started = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	return r
}

// After the first report only what changed is shown, once it was seen three times.
func TestRoundsShowWhatChanged(t *testing.T) {
	for _, tt := range []struct{ name, runs, want string }{
		{"nothing", "g g g g", ""},
		{"a blink", "g r g r r g", ""},
		{"red", "g r r r r", "3 a:green>red"},
		{"its end", "r g g g", "3 a:red>green"},
		{"unknown changes nothing", "r u u u u", ""},
		{"unknown does not stop counting", "g r u r u r", "5 a:green>red"},
		{"two colours by turns", "g r y r y r y", ""},
		{"a new one that is well", "g gg gg gg", ""},
		{"a new one that is not", "g gr gr gr", "3 b:unknown>red"},
		{"a red that is gone", "gr g- g- g-", "3 b:red>skip"},
		{"gone for a moment", "gr g- g- gr", ""},
		{"gone where nobody could see", "gr u- u- u- u-", ""},
		{"gone, and there again", "gr g- g- g- gr gr gr", "3 b:red>skip, 6 b:unknown>red"},
		{"never seen, then red", "u r r r", "3 a:unknown>red"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r rounds
			var told []string
			for i, letters := range strings.Fields(tt.runs) {
				turns, first := r.see(round(letters))
				if first != (i == 0) {
					t.Errorf("round %d is the first: %v", i, first)
				}
				for _, turn := range turns {
					told = append(told, fmt.Sprintf("%d %s:%s>%s", i, turn.Subject, turn.from, turn.Status))
				}
			}
			if got := strings.Join(told, ", "); got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRoundsOnPaper(t *testing.T) {
	c := checkCommand{Watch: time.Hour}
	var out bytes.Buffer
	for _, letters := range []string{"g", "r", "r", "r", "r"} {
		if err := c.printRound(&out, round(letters)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "2026-11-22 05:00:00 example.com  rdns.exists: red x (was green ok)\n  it is red\n  What to do: mend it\n"
	if got := out.String(); !strings.HasSuffix(got, "\n"+want) && !strings.HasSuffix(got, want) || strings.Count(got, "(was ") != 1 {
		t.Errorf("printed:\n%s", got)
	}
}

func TestWatchFlag(t *testing.T) {
	for _, args := range []string{"check --watch 10s a.example", "check --watch=-1h a.example"} {
		if got := allgreen(t, "", strings.Fields(args)...); got.code != exitUsage || !strings.Contains(got.err, "hint: --watch takes") {
			t.Errorf("%s: exit %d: %s", args, got.code, got.err)
		}
	}
}
