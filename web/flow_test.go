package web

import (
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/store"
)

func TestVolumes(t *testing.T) {
	o := newOffice(t)
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	err := o.store.Write(t.Context(), func(tx *store.Tx) error {
		for _, hours := range []int{1, 1, 5, 25} {
			if err := journal.Add(tx, journal.Event{Time: day.Add(time.Duration(hours) * time.Hour), Kind: journal.Received}); err != nil {
				return err
			}
		}
		return journal.Add(tx, journal.Event{Time: day.Add(5 * time.Hour), Kind: journal.Refused})
	})
	if err != nil {
		t.Fatal(err)
	}
	q := VolumeQuery{Since: day, Until: day.Add(48 * time.Hour)}
	hours := do(t, o, LogVolumes, q)
	if len(hours) != 3 || hours[0].Events["received"] != 2 || hours[1].Events["refused"] != 1 || !hours[2].Time.Equal(day.Add(25*time.Hour)) {
		t.Errorf("by hour: %v", hours)
	}
	q.Days = true
	if days := do(t, o, LogVolumes, q); len(days) != 2 || days[0].Events["received"] != 3 || !days[1].Time.Equal(day.Add(24*time.Hour)) {
		t.Errorf("by day: %v", days)
	}
	fails(t, o, LogVolumes, VolumeQuery{Since: day, Until: day}, Invalid)
	fails(t, o, LogVolumes, VolumeQuery{Until: day}, Invalid)
	if all := do(t, o, QueueDestinations, DestinationQuery{}); len(all) != 0 {
		t.Errorf("waiting: %v", all)
	}
}
