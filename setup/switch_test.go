package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// moving is a domain on its way to us.
type moving struct {
	*setup.Switch
	*zoneWorld
	t      *testing.T
	refuse error // of the test message
	tests  int
}

func newMoving(t *testing.T, publishes bool, records ...string) *moving {
	m := &moving{zoneWorld: newZoneWorld(records...), t: t}
	m.Switch = &setup.Switch{
		World: m.world(), Name: "memory", Domain: domain, MX: []string{"10 mx.example.com."}, Data: t.TempDir(),
		Test: func(context.Context) error { m.tests++; return m.refuse },
	}
	if publishes {
		m.Provider = m.zoneWorld
	}
	return m
}

// goes takes the switch on, as another process that knows only the file.
func (m *moving) goes(after time.Duration, want setup.SwitchPhase, waits string) setup.SwitchState {
	m.t.Helper()
	m.turn(after)
	st, err := m.Go(m.t.Context())
	if st.Phase != want || (waits == "") != (err == nil) || waits != "" && (!errors.Is(err, setup.ErrSwitchWaits) || !strings.Contains(st.Waits, waits)) {
		m.t.Fatalf("%+v, %v; want %s, %q", st, err, want, waits)
	}
	if kept, err := setup.ReadSwitch(m.Data, domain); err != nil || kept.Phase != st.Phase || kept.Waits != st.Waits {
		m.t.Errorf("kept is %+v, %v", kept, err)
	}
	return st
}

func (m *moving) mx(want string, ttl int) {
	m.t.Helper()
	if s := m.get("example.com.", "MX"); len(s.Values) != 1 || s.Values[0] != want || s.TTL != ttl {
		m.t.Errorf("MX is %+v, want %s with %d", s, want, ttl)
	}
}

const theirs = "10 mx.other.example."

func TestSwitch(t *testing.T) {
	m := newMoving(t, true, "example.com. 86400 MX "+theirs)
	m.goes(0, setup.Waiting, "86400 seconds")
	m.mx(theirs, 300)
	m.goes(86399*time.Second, setup.Waiting, "runs out")
	m.refuse = errors.New("451 not yet")
	m.goes(time.Second, setup.Testing, "451 not yet")
	m.mx(theirs, 300)
	m.refuse = nil
	st := m.goes(time.Hour, setup.Settling, "leave the old server on")
	m.mx("10 mx.example.com.", 300)
	if m.tests != 2 || !slices.Equal(st.OldHosts(), []string{"mx.other.example"}) || st.Before.TTL != 86400 {
		t.Errorf("%d tests; %+v", m.tests, st)
	}
	text, err := os.ReadFile(st.Undo)
	var undo setup.UndoDocument
	if err != nil || json.Unmarshal(text, &undo) != nil || undo.Provider != "memory" || undo.Changes[0].Before.Values[0] != theirs {
		t.Errorf("%s, %v", text, err)
	}
	m.goes(2*day, setup.Settling, "leave the old server on")
}

func TestSwitchSettles(t *testing.T) {
	m := newMoving(t, true, "example.com. 600 MX "+theirs)
	m.goes(0, setup.Waiting, "600 seconds")
	m.goes(600*time.Second, setup.Settling, "leave the old server on")
	m.goes(3*day, setup.Switched, "")
	m.mx("10 mx.example.com.", 600)
	m.goes(0, setup.Switched, "") // and once more
	if m.tests != 1 {
		t.Errorf("%d tests", m.tests)
	}
}

// TestSwitchBack has somebody undo it, then change the records to a third server: it
// begins again, and never thinks that the mail has moved.
func TestSwitchBack(t *testing.T) {
	m := newMoving(t, true, "example.com. 300 MX "+theirs)
	m.goes(0, setup.Settling, "leave the old server on")
	m.put(zone.Set{Name: apex, Type: "MX", TTL: 7200, Values: []string{theirs}})
	m.goes(time.Hour, setup.Waiting, "7200 seconds")
	m.put(zone.Set{Name: apex, Type: "MX", TTL: 900, Values: []string{"5 mx.third.example."}})
	st := m.goes(time.Hour, setup.Waiting, "900 seconds")
	if !slices.Equal(st.OldHosts(), []string{"mx.third.example"}) || !st.Moved.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestSwitchByHand has a person write the zone, step by step as they are told.
func TestSwitchByHand(t *testing.T) {
	m := newMoving(t, false, "example.com. 7200 MX "+theirs)
	m.goes(0, setup.Lowering, "set the TTL of the MX records of example.com to 300 seconds; it is 7200")
	m.goes(day, setup.Lowering, "it is 7200")
	m.put(zone.Set{Name: apex, Type: "MX", TTL: 600, Values: []string{theirs}})
	m.goes(0, setup.Waiting, "7200 seconds")
	m.goes(2*time.Hour, setup.Moving, "set the MX records of example.com to 10 mx.example.com.")
	m.put(zone.Set{Name: apex, Type: "MX", TTL: 300, Values: []string{"20 mx.example.com."}})
	m.goes(0, setup.Settling, "leave the old server on")
	m.goes(3*day, setup.Switched, "")
	if m.written != 0 {
		t.Error("it has written")
	}
}

func TestSwitchOfNothing(t *testing.T) {
	m := newMoving(t, true)
	m.goes(0, setup.Settling, "leave the old server on")
	m.mx("10 mx.example.com.", 300)
	ours := newMoving(t, true, "example.com. 3600 MX 10 mx.example.com.")
	ours.goes(0, setup.Switched, "")
	if ours.written != 0 || ours.tests != 0 {
		t.Error("a domain that is ours already was touched")
	}
}

// keeper is a provider that writes everything but TTLs.
type keeper struct{ *zoneWorld }

func (k keeper) Write(ctx context.Context, at world.Name, changes []zone.Change) error {
	for i, c := range changes {
		if len(c.Before.Values) > 0 {
			changes[i].After.TTL = c.Before.TTL
		}
	}
	return k.zoneWorld.Write(ctx, at, changes)
}

func TestSwitchOfAKeptTTL(t *testing.T) {
	m := newMoving(t, true, "example.com. 86400 MX "+theirs)
	m.Provider = keeper{m.zoneWorld}
	m.goes(0, setup.Lowering, "panel of the provider")
	m.put(zone.Set{Name: apex, Type: "MX", TTL: 300, Values: []string{theirs}})
	m.goes(0, setup.Waiting, "86400 seconds")
	hour := newMoving(t, true, "example.com. 3600 MX "+theirs)
	hour.Provider = keeper{hour.zoneWorld}
	hour.goes(0, setup.Waiting, "3600 seconds")
}

func TestSwitchFails(t *testing.T) {
	m := newMoving(t, true, "example.com. 7200 MX "+theirs)
	m.mute = true
	if st, err := m.Go(t.Context()); err == nil || st.Phase != setup.Lowering || m.written != 0 {
		t.Errorf("nobody answers: %+v, %v", st, err)
	}
	m.mute = false
	m.fails = zone.ErrRefused
	if _, err := m.Go(t.Context()); !errors.Is(err, zone.ErrRefused) {
		t.Error(err)
	}
	m.fails = nil
	m.goes(0, setup.Waiting, "7200 seconds")
	m.fails = zone.ErrRefused
	m.turn(2 * time.Hour)
	if st, err := m.Go(t.Context()); !errors.Is(err, zone.ErrRefused) || st.Phase != setup.Moving {
		t.Errorf("%+v, %v", st, err)
	}
	m.fails = nil
	m.goes(time.Second, setup.Settling, "leave the old server on")
}

// killer is a provider whose process is killed as soon as it has written.
type killer struct{ *zoneWorld }

func (k killer) Write(ctx context.Context, at world.Name, changes []zone.Change) error {
	if err := k.zoneWorld.Write(ctx, at, changes); err != nil {
		return err
	}
	panic("killed")
}

// TestSwitchKilled is killed after each write: the long TTL is waited for all the same, and
// the way back is known.
func TestSwitchKilled(t *testing.T) {
	m := newMoving(t, true, "example.com. 86400 MX "+theirs)
	m.Provider = killer{m.zoneWorld}
	killed := func() {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("nothing was written")
			}
		}()
		_, _ = m.Go(t.Context()) // it does not come back
	}
	killed()
	m.mx(theirs, 300)
	m.goes(0, setup.Waiting, "86400 seconds")
	m.turn(day)
	killed()
	m.mx("10 mx.example.com.", 300)
	if st := m.goes(0, setup.Settling, "leave the old server on"); st.Undo == "" || st.Before.TTL != 86400 {
		t.Errorf("%+v", st)
	}
}
