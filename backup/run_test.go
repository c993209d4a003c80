package backup_test

import (
	"os"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/store"
)

// Backups are made once at each time of the schedule, failures are told, and so is their
// absence.
func TestSchedule(t *testing.T) {
	h := open(t, store.Options{})
	h.put(h.folder(h.person("anna"), "INBOX"), "Subject: one\r\n\r\n", 0)
	settings := h.settings()
	at, err := backup.ParseSchedule([]string{"03:00"})
	must(t, err)
	settings.At = at
	h.keeper.Configure(settings)
	tend := func(after time.Duration) {
		h.clock.now = h.clock.now.Add(after)
		h.keeper.Tend(t.Context())
	}
	made := func() int {
		list, err := h.keeper.List(t.Context(), "", false)
		must(t, err)
		return len(list)
	}
	tend(0) // the first is due at once
	tend(time.Minute)
	if n := made(); n != 1 || len(h.alerts) > 0 {
		t.Fatalf("%d are made, told %v", n, h.alerts)
	}
	tend(15*time.Hour + 10*time.Minute)
	tend(time.Minute)
	if n := made(); n != 2 {
		t.Errorf("%d are made, want 2", n)
	}
	if s := h.keeper.Stats(); s.Failed || s.Succeeded.IsZero() || s.Last.Messages != 1 {
		t.Errorf("figures %+v", s)
	}
	must(t, os.Rename(h.place, h.place+".unplugged"))
	tend(24 * time.Hour)
	tend(time.Minute)
	if len(h.alerts) != 1 || !h.keeper.Stats().Failed {
		t.Errorf("it failed once, told %v", h.alerts)
	}
	tend(24 * time.Hour)
	tend(time.Hour)
	tend(time.Hour)
	if len(h.alerts) != 3 { // another failure, and two days without
		t.Errorf("told %v", h.alerts)
	}
	must(t, os.Rename(h.place+".unplugged", h.place))
	tend(24 * time.Hour)
	if n := made(); n != 3 || h.keeper.Stats().Failed {
		t.Errorf("%d are made after the disk came back, want 3", n)
	}
}

// Two processes on one database: one backs up at a time, and no body is swept meanwhile.
func TestOneAtATime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.put(h.folder(h.person("anna"), "INBOX"), "Subject: one\r\n\r\n", 0)
		other := &house{t: t, clock: h.clock, place: h.place, key: h.key}
		other.moveIn(h.Store)
		asked := false
		_, err := h.keeper.Now(t.Context(), func(int64, int64) {
			asked = true
			if _, err := other.keeper.Now(t.Context(), func(int64, int64) {}); err != backup.ErrBusy {
				t.Errorf("a second at the same time: %v", err)
			}
			if under, err := backup.UnderWay(t.Context(), h.Store); err != nil || !under {
				t.Errorf("under way: %v, %v", under, err)
			}
		})
		must(t, err)
		if under, err := backup.UnderWay(t.Context(), h.Store); err != nil || under || !asked {
			t.Errorf("ended, and under way: %v, %v", under, err)
		}
	})
}

// What the rule lets go frees its room, a day later.
func TestOldOnesGo(t *testing.T) {
	h := open(t, store.Options{})
	h.put(h.folder(h.person("anna"), "INBOX"), h.randomText(100_000), 0)
	settings := h.settings()
	settings.Keep = backup.Retention{Daily: 2}
	h.keeper.Configure(settings)
	for range 6 {
		h.clock.now = h.clock.now.Add(24 * time.Hour)
		h.put(h.folder(1, "INBOX"), h.randomText(1000), 0)
		h.backup()
	}
	done, err := h.keeper.Prune(t.Context())
	must(t, err)
	list, err := h.keeper.List(t.Context(), "anna@example.com", false)
	must(t, err)
	report, err := h.keeper.Verify(t.Context(), func(int64, int64) {})
	must(t, err)
	if len(list) != 2 || !report.Sound() || list[0].Users[0].Messages != 7 {
		t.Errorf("left %+v, pruned %+v, %+v", list, done, report)
	}
	if got := h.restore(backup.Request{Address: "anna@example.com", Name: list[1].Name}); got.Brought != 6 || len(got.Missing) > 0 {
		t.Errorf("restored %+v", got)
	}
}
