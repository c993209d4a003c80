package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
)

// Retention says which snapshots stay: all of the last day, and the newest of each of so
// many days, weeks and months that have one. The newest of all always stays.
type Retention struct {
	Daily, Weekly, Monthly int
}

// expired gives the snapshots that a rule lets go, of those there are, the oldest first.
func (r Retention) expired(all []repository.Snapshot, now time.Time) (gone []repository.Snapshot) {
	periods := []struct {
		keep int
		of   func(time.Time) string
		seen map[string]bool
	}{
		{r.Daily, func(t time.Time) string { return t.UTC().Format(time.DateOnly) }, map[string]bool{}},
		{r.Weekly, func(t time.Time) string { y, w := t.UTC().ISOWeek(); return fmt.Sprint(y, w) }, map[string]bool{}},
		{r.Monthly, func(t time.Time) string { return t.UTC().Format("2006-01") }, map[string]bool{}},
	}
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		stays := i == len(all)-1 || now.Sub(s.Time) < 24*time.Hour
		for _, p := range periods {
			if name := p.of(s.Time); !p.seen[name] && len(p.seen) < p.keep {
				p.seen[name], stays = true, true
			}
		}
		if !stays {
			gone = append(gone, s)
		}
	}
	return gone
}

// Schedule is the times of a day, in UTC, at which backups are due.
type Schedule []time.Duration

// ErrTime: a text is no time of the day.
var ErrTime = errors.New("not a time of the day, as 03:15")

// ParseSchedule reads times such as "03:15".
func ParseSchedule(times []string) (s Schedule, err error) {
	for _, text := range times {
		at, err := time.Parse("15:04", text)
		if err != nil {
			return nil, fmt.Errorf("%w: %.20q", ErrTime, text)
		}
		s = append(s, time.Duration(at.Hour())*time.Hour+time.Duration(at.Minute())*time.Minute)
	}
	return s, nil
}

// last is the newest time at which a backup was due; zero when none ever is.
func (s Schedule) last(now time.Time) (due time.Time) {
	now = now.UTC()
	midnight := now.Truncate(24 * time.Hour)
	for _, at := range s {
		t := midnight.Add(at)
		if t.After(now) {
			t = t.Add(-24 * time.Hour)
		}
		if t.After(due) {
			due = t
		}
	}
	return due
}
