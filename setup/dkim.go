package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// How long DKIM keys keep their states.
const (
	KeyLife    = 365 * 24 * time.Hour // that sign
	KeyRetired = 7 * 24 * time.Hour   // that signed mail which may be under way
	KeyRevoked = 90 * 24 * time.Hour  // whose empty record says that nothing is signed with them
)

// revokedFresh is how long it is looked whether the empty record is really there: writing
// it may have failed.
const revokedFresh = 24 * time.Hour

// NextRotation is when a key makes room for the next; zero for one that does not sign.
func NextRotation(k identity.Key) time.Time {
	if k.State != identity.Active {
		return time.Time{}
	}
	return k.Changed.Add(KeyLife)
}

// lookKeys takes each key of a domain one state further when its time has come: new keys
// are made a year after the last, sign when every name server shows them, are revoked a
// week after they signed last, and forgotten three months later. Without somebody who
// publishes the operator is told that a year is over.
func (u *Upkeep) lookKeys(ctx context.Context, d mail.Domain) error {
	now, keys := u.World.Now(), u.Identity.Keys(d)
	is := func(s identity.State, age time.Duration) func(identity.Key) bool {
		return func(k identity.Key) bool { return k.State == s && now.Sub(k.Changed) >= age }
	}
	old := slices.ContainsFunc(keys, is(identity.Active, KeyLife))
	if u.Provider == nil {
		if old {
			u.askForRotation(ctx, d)
		}
		return nil
	}
	var errs []error
	if slices.ContainsFunc(keys, is(identity.Revoked, KeyRevoked)) {
		errs = append(errs, u.forgetKeys(ctx, d, now.Add(-KeyRevoked)))
	}
	fresh := func(k identity.Key) bool { return k.State == identity.Revoked && now.Sub(k.Changed) < revokedFresh }
	if slices.ContainsFunc(keys, is(identity.Retired, KeyRetired)) || slices.ContainsFunc(keys, fresh) {
		errs = append(errs, u.revokeKeys(ctx, d, now.Add(-KeyRetired)))
	}
	if old || slices.ContainsFunc(keys, is(identity.Planned, 0)) {
		errs = append(errs, u.rotateKeys(ctx, d))
	}
	return errors.Join(errs...)
}

// askForRotation tells the operator, once for each key.
func (u *Upkeep) askForRotation(ctx context.Context, d mail.Domain) {
	key := u.Identity.Keys(d)[0]
	first, err := u.Identity.Once(ctx, "told rotation "+d.String()+" "+key.Selector)
	if err != nil || !first {
		return
	}
	u.Tell(ctx, "the DKIM keys of "+d.String()+" are a year old", fmt.Sprintf(`A key that somebody has copied signs in your name until it is changed, so it
is wise to change it once a year. Nobody publishes records here, so it takes
you:

    allgreen dkim rotate %[1]s     prints the new records; publish them
    allgreen dkim rotate %[1]s     again, when they are there: signs with them
    allgreen dkim revoke %[1]s     a week later
`, d))
}

// rotateKeys makes the next keys, publishes them, and signs with them as soon as every
// name server shows them; until then it is called again.
func (u *Upkeep) rotateKeys(ctx context.Context, d mail.Domain) error {
	next, err := u.Identity.PlanKeys(ctx, d)
	if err != nil {
		return err
	}
	missing, err := u.publishKeys(ctx, d, next, false)
	if err != nil || len(missing) > 0 {
		return err
	}
	if err := u.Identity.SwitchKeys(ctx, d); err != nil && !errors.Is(err, identity.ErrNoPlan) {
		return err // ErrNoPlan: another process was faster
	}
	return nil
}

// revokeKeys empties the records of keys that signed long ago.
func (u *Upkeep) revokeKeys(ctx context.Context, d mail.Domain, before time.Time) error {
	revoked, err := u.Identity.RevokeKeys(ctx, d, before)
	if err != nil {
		return err
	}
	_, err = u.publishKeys(ctx, d, revoked, true)
	return err
}

// forgetKeys takes the empty records away, then the keys.
func (u *Upkeep) forgetKeys(ctx context.Context, d mail.Domain, before time.Time) error {
	var names []world.Name
	for _, k := range u.Identity.Keys(d) {
		if k.State == identity.Revoked && !k.Changed.After(before) {
			names = append(names, keyName(k))
		}
	}
	at, present, err := u.present(ctx, d, names...)
	if err != nil {
		return err
	}
	var changes []zone.Change
	for _, s := range present {
		if s.Type == "TXT" && len(s.Values) == 1 && strings.HasSuffix(s.Values[0], `p="`) {
			changes = append(changes, zone.Change{Before: s, After: zone.Set{Name: s.Name, Type: s.Type}})
		}
	}
	if len(changes) > 0 {
		if err := u.write(ctx, at, changes); err != nil {
			return err
		}
	}
	return u.Identity.ForgetKeys(ctx, d, before)
}

func keyName(k identity.Key) world.Name {
	name, err := dkim.KeyName(k.Domain, k.Selector)
	if err != nil {
		return "" // no key of ours has such a selector
	}
	return name
}

// errSelector is the error for a name that holds something else.
var errSelector = errors.New("another record is at the name of a DKIM key")

// publishKeys has the records of keys there, and tells what name servers do not show yet.
// Only replace lets it change what is there.
func (u *Upkeep) publishKeys(ctx context.Context, d mail.Domain, keys []identity.Key, replace bool) ([]zone.Awaited, error) {
	var names []world.Name
	for _, k := range keys {
		names = append(names, keyName(k))
	}
	wanted := slices.DeleteFunc(u.Identity.Records(d), func(r finding.Record) bool { return !slices.Contains(names, world.Name(r.Name)) })
	at, present, err := u.present(ctx, d, names...)
	if err != nil {
		return nil, err
	}
	plan := zone.NewPlan(at, wanted, present, func(world.Name, string) bool { return replace })
	for _, s := range plan.Steps {
		if s.Status == zone.Keep {
			return nil, fmt.Errorf("%w: %s: %s", errSelector, s.Name, s.Note)
		}
	}
	if changes := plan.Changes(); len(changes) > 0 {
		if err := u.write(ctx, at, changes); err != nil {
			return nil, err
		}
	}
	var all []zone.Change
	for _, s := range plan.Steps {
		all = append(all, zone.Change{After: zone.Set{Name: s.Name, Type: s.Type, Values: s.Result}})
	}
	return zone.Missing(ctx, u.World, at, all)
}
