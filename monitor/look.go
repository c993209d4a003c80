package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
)

// Errors of LookAgain.
var (
	ErrNoTarget = errors.New("no domain, host name or address of this server")
	ErrNoCheck  = errors.New("no check")
)

const (
	lookTime    = 90 * time.Second     // for one target: patient enough to call a silent host dead
	atOnce      = 4                    // targets
	keepHistory = 400 * 24 * time.Hour // a year, and what is to be compared with it
)

// watch looks whenever it is time, until the context ends.
func (m *Monitor) watch(ctx context.Context) {
	m.oweLeft(ctx)
	for ctx.Err() == nil {
		if err := m.adopt(ctx); err != nil && ctx.Err() == nil {
			m.Log.Warn("the watch cannot read what it knows", "error", err)
		}
		if m.wait(ctx) && m.lease.isOurs() {
			m.lookAtAllDue(ctx)
		}
	}
}

// oweLeft notes whom the last process did not come to. A person may look already.
func (m *Monitor) oweLeft(ctx context.Context) {
	leave, err := m.enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	if err := m.owe(ctx, m.settings.Load()); err != nil && ctx.Err() == nil {
		m.Log.Warn("whom the watch owes a letter could not be noted", "error", err)
	}
}

// idle is how long to wait when there is nothing to wait for.
const idle = time.Minute

// wait reports whether a look is due; otherwise something has changed.
func (m *Monitor) wait(ctx context.Context) bool {
	pause := idle
	next := m.schedule.next()
	if !next.IsZero() {
		pause = next.Sub(m.World.Now())
	}
	if !m.lease.isOurs() {
		pause = max(pause, idle)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-m.changed:
		return false
	case <-timer.C:
		return !next.IsZero()
	}
}

// adopt makes appointments with what is ours now, and forgets what is ours no more.
func (m *Monitor) adopt(ctx context.Context) error {
	s := m.settings.Load()
	ours := map[string]bool{}
	var fresh []string
	for _, t := range s.targets() {
		ours[t.name] = true
		if !m.schedule.has(t.name) {
			fresh = append(fresh, t.name)
		}
	}
	if len(ours) == 0 {
		return nil // not configured yet
	}
	now := m.World.Now()
	m.schedule.keep(ours)
	m.schedule.hasten(now.Add(s.every() * longest / 100))
	for _, name := range fresh {
		rows, err := m.rows(ctx, name)
		if err != nil {
			return err
		}
		m.schedule.add(name, lastSeen(rows), trialsOf(rows), now, s.every())
	}
	return m.forget(ctx, ours)
}

// rows are how a target stands.
func (m *Monitor) rows(ctx context.Context, name string) (rows []standing.Row, err error) {
	err = m.Store.Read(ctx, func(tx *store.Tx) error {
		rows, err = standing.Rows(tx, standing.Query{Target: name})
		return err
	})
	return rows, err
}

// lastSeen is when these were looked at last.
func lastSeen(rows []standing.Row) (seen time.Time) {
	for _, r := range rows {
		if r.Seen.After(seen) {
			seen = r.Seen
		}
	}
	return seen
}

// forget removes the standing of what is ours no more.
func (m *Monitor) forget(ctx context.Context, ours map[string]bool) error {
	var gone []string
	err := m.Store.Read(ctx, func(tx *store.Tx) error {
		known, err := standing.Targets(tx)
		gone = slices.DeleteFunc(known, func(name string) bool { return ours[name] })
		return err
	})
	if err != nil || len(gone) == 0 || !m.lease.isOurs() {
		return err
	}
	m.Log.Info("the watch forgets what is ours no more", "targets", strings.Join(gone, ", "))
	return m.Store.Write(ctx, func(tx *store.Tx) error {
		for _, name := range gone {
			if err := standing.Forget(tx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// lookAtAllDue is one round: full looks, looks at what is on trial, and what is to be said
// of them.
func (m *Monitor) lookAtAllDue(ctx context.Context) {
	leave, err := m.enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	s := m.settings.Load()
	full, trials := m.schedule.due(m.World.Now(), s.every())
	var errs []error
	var whole []target
	for _, t := range s.targets() {
		if only := trials[t.name]; len(only) > 0 {
			errs = append(errs, m.look(ctx, s, []target{t}, only, nil))
		}
		if full[t.name] {
			whole = append(whole, t)
		}
	}
	if len(whole) > 0 {
		errs = append(errs, m.look(ctx, s, whole, nil, nil))
	}
	err = errors.Join(append(errs, m.owe(ctx, s), m.prune(ctx))...)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		m.Log.Warn("the watch could not note what it saw, and will look again", "error", err)
	}
	m.state.note(m.World.Now(), len(whole) > 0, err)
	if len(whole) > 0 && err == nil {
		m.beats.Go(func() { m.beat(ctx, s.Heartbeat) })
	}
}

// enter waits until nobody else looks.
func (m *Monitor) enter(ctx context.Context) (leave func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// LookAgain looks at a target now, "" being all of them, with one check or group, or with
// all checks where that is "". ErrNoTarget, ErrNoCheck.
func (m *Monitor) LookAgain(ctx context.Context, name, id string, progress func(done, of int64)) error {
	s := m.settings.Load()
	chosen := s.targets()
	if name != "" {
		chosen = slices.DeleteFunc(chosen, func(t target) bool { return !strings.EqualFold(t.name, name) })
	}
	if len(chosen) == 0 {
		return fmt.Errorf("%q is %w", name, ErrNoTarget)
	}
	only, err := m.named(id)
	if err != nil {
		return err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := m.look(ctx, s, chosen, only, progress); err != nil {
		return err
	}
	poke(m.changed)
	return m.owe(ctx, s)
}

// named are the ids of a check or a group; nil for all.
func (m *Monitor) named(id string) (only []string, err error) {
	if id == "" {
		return nil, nil
	}
	for _, c := range m.checks() {
		if about := c.About(); about.ID == id || about.Group() == id {
			only = append(only, about.ID)
		}
	}
	if len(only) == 0 {
		return nil, fmt.Errorf("%q is %w", id, ErrNoCheck)
	}
	return only, nil
}

func (m *Monitor) checks() []check.Check {
	if m.Checks != nil {
		return m.Checks
	}
	return check.All()
}

// audit is the audit of one look, in a world that remembers no look before.
func (m *Monitor) audit(ctx context.Context, s *Settings, only []string) *check.Audit {
	o := check.Options{Ours: []netip.Addr{}, Lists: s.Lists, Only: only, Timeout: lookTime, Parallel: atOnce}
	if m.Ours != nil {
		o.Ours = append(o.Ours, m.Ours(ctx)...)
	}
	if len(s.Addresses) > 0 {
		o.HELO = strings.TrimPrefix(mail.Address{Local: "x", Literal: s.Addresses[0]}.String(), "x@")
	}
	a := check.NewAudit(m.World.Fresh(), o)
	a.Checks = m.checks()
	return a
}

// look looks at targets and notes what was seen. What a context cut short is not noted.
func (m *Monitor) look(ctx context.Context, s *Settings, targets []target, only []string, progress func(done, of int64)) error {
	defer m.looks.Add(1)
	var all []check.Target
	for _, t := range targets {
		all = append(all, t.as...)
	}
	found := map[string][]finding.Finding{}
	done := 0
	err := m.audit(ctx, s, only).RunAll(ctx, all, func(r *finding.Report) {
		found[r.Target] = append(found[r.Target], r.Findings...)
		if done++; progress != nil {
			progress(int64(done), int64(len(all)))
		}
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		errs = append(errs, m.note(ctx, s, name, found[name], only))
	}
	return errors.Join(errs...)
}

// note keeps what was found at one target, and makes the next appointment.
func (m *Monitor) note(ctx context.Context, s *Settings, name string, found []finding.Finding, only []string) error {
	found, silent := spoken(found)
	for i := range found {
		if m.Annotate != nil {
			m.Annotate(&found[i])
		}
	}
	var onTrial []string
	err := m.Store.Write(ctx, func(tx *store.Tx) error {
		if _, err := standing.Record(tx, standing.Run{Target: name, Findings: found, Confirm: Confirm, Only: only, Silent: silent}); err != nil {
			return err
		}
		rows, err := standing.Rows(tx, standing.Query{Target: name})
		onTrial = trialsOf(rows)
		return err
	})
	now := m.World.Now()
	if err != nil {
		m.schedule.failed(name, now, s.every())
		return err
	}
	m.schedule.looked(name, only == nil, onTrial, now, s.every())
	return nil
}

// spoken are the findings that say something: what hides behind the unseen is not absent,
// and what another target was told of the same host is no news of this one. The checks
// that left somebody out for that are silent.
func spoken(found []finding.Finding) (said []finding.Finding, silent []string) {
	for _, f := range found {
		switch f.Code {
		case "asked-already":
			silent = append(silent, f.Check)
			continue
		case "needs-unseen":
			f.Status = finding.Unknown
		}
		said = append(said, f)
	}
	return said, silent
}

// trialsOf are the checks that should be asked again soon.
func trialsOf(rows []standing.Row) []string {
	var ids []string
	for _, r := range rows {
		if r.OnTrial(Confirm) && !slices.Contains(ids, r.Check) {
			ids = append(ids, r.Check)
		}
	}
	return ids
}

// prune removes history that nobody compares with any more.
func (m *Monitor) prune(ctx context.Context) error {
	return m.Store.Write(ctx, func(tx *store.Tx) error { return standing.Prune(tx, tx.Now().Add(-keepHistory)) })
}
