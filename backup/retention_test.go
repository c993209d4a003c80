package backup

import (
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// TestRetention has a year of backups, two a day, thinned out every day as a server does.
func TestRetention(t *testing.T) {
	rule := Retention{Daily: 7, Weekly: 4, Monthly: 6}
	var all []repository.Snapshot
	now := at("2026-01-01 03:15")
	for range 365 * 2 {
		now = now.Add(12 * time.Hour)
		all = append(all, repository.Snapshot{Name: now.String(), Time: now})
		gone := map[string]bool{}
		for _, s := range rule.expired(all, now) {
			gone[s.Name] = true
		}
		var left []repository.Snapshot
		for _, s := range all {
			if !gone[s.Name] {
				left = append(left, s)
			}
		}
		all = left
	}
	days, weeks, months := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range all {
		if age := now.Sub(s.Time); age < 7*24*time.Hour {
			days[s.Time.Format(time.DateOnly)] = true
		}
		if now.Sub(s.Time) < 28*24*time.Hour {
			_, w := s.Time.ISOWeek()
			weeks[string(rune(w))] = true
		}
		months[s.Time.Format("2006-01")] = true
	}
	if len(days) != 7 || len(weeks) < 4 || len(months) < 6 || len(all) > 7+4+6+2 {
		t.Errorf("%d snapshots are left: %d days, %d weeks, %d months", len(all), len(days), len(weeks), len(months))
	}
	if gone := (Retention{}).expired(all, now.Add(1000*time.Hour)); len(gone) != len(all)-1 {
		t.Errorf("with no rule %d of %d go: the newest must stay", len(gone), len(all))
	}
	if gone := rule.expired(nil, now); len(gone) != 0 {
		t.Errorf("of none %d go", len(gone))
	}
}

func TestSchedule(t *testing.T) {
	s, err := ParseSchedule([]string{"03:15", "18:00"})
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[string]string{
		"2026-11-22 03:14": "2026-11-21 18:00", "2026-11-22 03:15": "2026-11-22 03:15",
		"2026-11-22 17:59": "2026-11-22 03:15", "2026-11-22 23:59": "2026-11-22 18:00",
	} {
		if got := s.last(at(now)); !got.Equal(at(want)) {
			t.Errorf("at %s the last is %s, want %s", now, got, want)
		}
	}
	if got := (Schedule{}).last(at("2026-11-22 03:14")); !got.IsZero() {
		t.Errorf("without times one was due: %s", got)
	}
	for _, text := range []string{"", "3", "24:00", "03:15:00", "noon"} {
		if _, err := ParseSchedule([]string{text}); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
}
