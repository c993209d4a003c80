package standing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

var letters = map[rune]finding.Status{'g': finding.Green, 'y': finding.Yellow, 'r': finding.Red, 'u': finding.Unknown, 's': finding.Skip}

// clock is one hour later for each run.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// record makes one run with one finding for each letter, about subjects a, b, c; "-"
// leaves one out.
func record(t *testing.T, st *store.Store, c *clock, run string) []standing.Change {
	t.Helper()
	var all []finding.Finding
	for i, letter := range run {
		if letter == '-' {
			continue
		}
		all = append(all, finding.Finding{Check: "rdns.exists", Group: "rdns", Subject: string(rune('a' + i)), Status: letters[letter],
			Code: string(letter), Summary: "it is " + letters[letter].String()})
	}
	var changes []standing.Change
	c.now = c.now.Add(time.Hour)
	if err := st.Write(t.Context(), func(tx *store.Tx) (err error) {
		changes, err = standing.Record(tx, standing.Run{Target: "example.com", Findings: all, Confirm: 3})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return changes
}

// words are the changes in short: "a:unknown>red".
func words(changes []standing.Change) string {
	var all []string
	for _, c := range changes {
		w := fmt.Sprintf("%s:%s>%s", c.Subject, c.From, c.To)
		if c.Kind != standing.Turned {
			w = fmt.Sprintf("%s:%s", c.Subject, c.Kind)
		}
		all = append(all, w)
	}
	return strings.Join(all, " ")
}

func rows(t *testing.T, st *store.Store) []standing.Row {
	t.Helper()
	var all []standing.Row
	if err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = standing.Rows(tx, standing.Query{Target: "example.com"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRecord(t *testing.T) {
	long := strings.Repeat("u", 26)
	for _, tt := range []struct {
		name   string
		runs   string // one subject, a run for each letter
		told   string // after which run what was told
		status finding.Status
	}{
		{"green from the start is no news", "gggg", "", finding.Green},
		{"red from the start is news when it is confirmed", "rrrr", "3 a:unknown>red", finding.Red},
		{"a blink is none", "gggrgggrrg", "", finding.Green},
		{"three in a row are", "gggrrr", "6 a:green>red", finding.Red},
		{"and its end", "gggrrrrgggg", "6 a:green>red, 10 a:red>green", finding.Green},
		{"unknown is never red, and keeps what was", "ggguuuuu", "", finding.Green},
		{"unknown does not stop counting", "gggrururu", "8 a:green>red", finding.Red},
		{"a first red that was a blink", "rggg", "", finding.Green},
		{"two colours by turns confirm neither", "gggryryry", "", finding.Green},
		{"what does not apply any more", "rrrsss", "3 a:unknown>red, 6 a:red>skip", finding.Skip},
		{"blind for a day", "ggg" + long, "28 a:blind", finding.Green},
		{"and it sees again", "ggg" + long + "ug", "28 a:blind, 31 a:sees", finding.Green},
		{"never seen", "uuu", "", finding.Unknown},
		{"gone", "rrr---", "3 a:unknown>red, 6 a:red>skip", -1},
		{"gone for a moment", "rrr--r", "3 a:unknown>red", finding.Red},
		{"gone without news", "ggg---", "", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{begin}
			st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Clock: c.Now, Schemas: []store.Schema{standing.Schema}})
			var told []string
			for i, letter := range tt.runs {
				if w := words(record(t, st, c, string(letter))); w != "" {
					told = append(told, fmt.Sprintf("%d %s", i+1, w))
				}
			}
			if got := strings.Join(told, ", "); got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
			all := rows(t, st)
			switch {
			case tt.status == -1 && len(all) > 0:
				t.Errorf("the row is still there: %+v", all)
			case tt.status != -1 && (len(all) != 1 || all[0].Status != tt.status):
				t.Errorf("rows %+v, want one that is %s", all, tt.status)
			}
		})
	}
}

func TestRowsTellSinceWhen(t *testing.T) {
	storetest.Each(t, []store.Schema{standing.Schema}, func(t *testing.T, st *store.Store) {
		c := &clock{} // the store has its own
		for _, run := range []string{"gg", "gr", "gr", "ur"} {
			record(t, st, c, run)
		}
		all := rows(t, st)
		if len(all) != 2 || all[0].Subject != "a" || all[0].Status != finding.Green || all[0].Blind.IsZero() || all[0].Unseen != "it is unknown" || all[0].Finding.Code != "g" {
			t.Fatalf("rows %+v", all)
		}
		b := all[1]
		if b.Status != finding.Red || !b.Confirmed(3) || b.Confirmed(4) || b.Finding.Code != "r" || b.Since.IsZero() || b.Since.After(b.Seen) {
			t.Errorf("row b: %+v", b)
		}
		if err := st.Read(t.Context(), func(tx *store.Tx) error {
			reds, err := standing.Reds(tx, 3, []string{"rdns.exists"})
			if len(reds) != 1 || reds[0].Subject != "b" {
				t.Errorf("reds %+v", reds)
			}
			others, _ := standing.Reds(tx, 3, []string{"spf.exists"})
			early, _ := standing.Reds(tx, 4, []string{"rdns.exists"})
			if len(others)+len(early) > 0 {
				t.Errorf("reds of other checks %+v, not confirmed %+v", others, early)
			}
			history, _ := standing.History(tx, "example.com", "", 10)
			if words(history) != "b:unknown>red" { // one green is not confirmed
				t.Errorf("history %q", words(history))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// What was not told is told later; what was told is not told again, and can be pruned.
func TestUntold(t *testing.T) {
	storetest.Each(t, []store.Schema{standing.Schema}, func(t *testing.T, st *store.Store) {
		for range 3 {
			record(t, st, &clock{}, "ry")
		}
		write := func(f func(*store.Tx) error) {
			t.Helper()
			if err := st.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		var first []standing.Change
		write(func(tx *store.Tx) (err error) {
			first, err = standing.Untold(tx, 10)
			return err
		})
		if words(first) != "a:unknown>red b:unknown>yellow" {
			t.Fatalf("untold %q", words(first))
		}
		write(func(tx *store.Tx) error { return standing.Told(tx, first[:1]) })
		write(func(tx *store.Tx) error { return standing.Prune(tx, time.Now().Add(24*time.Hour)) })
		write(func(tx *store.Tx) error {
			rest, err := standing.Untold(tx, 10)
			if diff := cmp.Diff(first[1:], rest); diff != "" {
				t.Errorf("untold (-want +got):\n%s", diff)
			}
			history, _ := standing.History(tx, "example.com", "rdns.exists", 10)
			if words(history) != "b:unknown>yellow" {
				t.Errorf("history after pruning %q", words(history))
			}
			return err
		})
		write(func(tx *store.Tx) error { return standing.Forget(tx, "example.com") })
		write(func(tx *store.Tx) error {
			targets, err := standing.Targets(tx)
			if len(targets) > 0 {
				t.Errorf("targets %v after Forget", targets)
			}
			return err
		})
	})
}

// A run of some checks says nothing about the others.
func TestPartOfTheChecks(t *testing.T) {
	c := &clock{begin}
	st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Clock: c.Now, Schemas: []store.Schema{standing.Schema}})
	record(t, st, c, "rr")
	for range 5 {
		if err := st.Write(t.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: "example.com", Confirm: 3, Only: []string{"spf.exists"},
				Findings: []finding.Finding{{Check: "spf.exists", Subject: "example.com", Status: finding.Green}}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if all := rows(t, st); len(all) != 3 {
		t.Errorf("rows %+v, want three", all)
	}
}

// Two findings about one thing are as bad as the worse of them.
func TestWorstCounts(t *testing.T) {
	c := &clock{begin}
	st := storetest.OpenWith(t, store.Options{Dir: t.TempDir(), Clock: c.Now, Schemas: []store.Schema{standing.Schema}})
	f := func(s finding.Status) finding.Finding { return finding.Finding{Check: "x.y", Subject: "z", Status: s} }
	if err := st.Write(t.Context(), func(tx *store.Tx) error {
		_, err := standing.Record(tx, standing.Run{Target: "example.com", Findings: []finding.Finding{f(finding.Green), f(finding.Red), f(finding.Yellow)}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if all := rows(t, st); len(all) != 1 || all[0].Status != finding.Red {
		t.Errorf("rows %+v", all)
	}
}
