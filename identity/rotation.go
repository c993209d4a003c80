package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/store"
)

// A DKIM key is rotated without a gap in steps, each of which may wait as long as it
// must: PlanKeys makes the next keys, which Records publishes; when they are seen,
// SwitchKeys signs with them and retires the old ones, which stay published for the
// mail that is under way; RevokeKeys empties the old records, so that nobody can use a
// key that was stolen later; ForgetKeys drops them (M3AAWG, DKIM Key Rotation).

// Errors of rotations.
var (
	ErrNoPlan = errors.New("no next keys were made")
)

// PlanKeys makes the keys that are to sign next. Those that were made before and do not
// sign yet are given instead of others.
func (i *Identity) PlanKeys(ctx context.Context, d mail.Domain) ([]Key, error) {
	if !i.said.Load().serves(d) {
		return nil, fmt.Errorf("rotate the keys of %s: %w", d, ErrNotOurs)
	}
	for _, a := range algorithms() {
		if len(i.keysIn(d, Planned, a)) > 0 {
			continue
		}
		if err := i.planKey(ctx, d, a); err != nil {
			return nil, fmt.Errorf("make the next key of %s: %w", d, err)
		}
	}
	if err := i.loadSigningKeys(ctx); err != nil {
		return nil, err
	}
	return i.keysIn(d, Planned, ""), nil
}

// keysIn are the keys of a domain in one state, of one algorithm or all.
func (i *Identity) keysIn(d mail.Domain, s State, a dkim.Algorithm) (all []Key) {
	for _, k := range i.Keys(d) {
		if k.State == s && (a == "" || k.Algorithm == a) {
			all = append(all, k)
		}
	}
	return all
}

func (i *Identity) planKey(ctx context.Context, d mail.Domain, a dkim.Algorithm) error {
	key, err := newSigningKey(a)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return i.store.Write(ctx, func(tx *store.Tx) error {
		if err := lockKeys(tx, d); err != nil {
			return err
		}
		var n int
		if err := tx.Row(`SELECT count(*) FROM identity_dkim WHERE domain = $1 AND algorithm = $2 AND state = 'planned'`, d.String(), string(a)).Scan(&n); err != nil || n > 0 {
			return err // another process was faster
		}
		selector, err := freeSelector(tx, d, a)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO identity_dkim (domain, selector, algorithm, state, sealed, created, changed)
			VALUES ($1, $2, $3, 'planned', $4, $5, $5)`,
			d.String(), selector, string(a), i.seal.seal(signingLabel(d, selector), plain), store.Micros(i.world.Now()))
		tx.Wake(topic)
		return err
	})
}

// lockKeys has one process at a time change the keys of a domain.
func lockKeys(tx *store.Tx, d mail.Domain) error { return tx.Lock("dkim " + d.String()) }

// SwitchKeys signs with the keys that were planned from now on, in all processes, and
// retires those that signed until now. Whoever calls it has seen the new records.
// ErrNoPlan where there is nothing to switch to.
func (i *Identity) SwitchKeys(ctx context.Context, d mail.Domain) error {
	now := store.Micros(i.world.Now())
	err := i.store.Write(ctx, func(tx *store.Tx) error {
		if err := lockKeys(tx, d); err != nil {
			return err
		}
		for n, a := range algorithms() {
			var selector string
			err := tx.Row(`SELECT selector FROM identity_dkim WHERE domain = $1 AND algorithm = $2 AND state = 'planned' ORDER BY created, selector LIMIT 1`,
				d.String(), string(a)).Scan(&selector)
			if errors.Is(err, store.ErrNoRow) && n == 0 {
				return ErrNoPlan
			}
			if err == nil {
				err = switchKey(tx, d, a, selector, now)
			}
			if err != nil && !errors.Is(err, store.ErrNoRow) {
				return err
			}
		}
		tx.Wake(topic)
		return nil
	})
	if err != nil {
		return fmt.Errorf("switch the keys of %s: %w", d, err)
	}
	i.log.Info("DKIM keys switched", "domain", d.String())
	return i.loadSigningKeys(ctx)
}

func switchKey(tx *store.Tx, d mail.Domain, a dkim.Algorithm, selector string, now int64) error {
	if _, err := tx.Exec(`UPDATE identity_dkim SET state = 'retired', changed = $3 WHERE domain = $1 AND algorithm = $2 AND state = 'active'`,
		d.String(), string(a), now); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE identity_dkim SET state = 'active', changed = $3 WHERE domain = $1 AND selector = $2`, d.String(), selector, now)
	return err
}

// RevokeKeys has Records publish the keys with an empty p= that were retired before a
// time (RFC 6376 section 3.6.1), and gives them.
func (i *Identity) RevokeKeys(ctx context.Context, d mail.Domain, before time.Time) ([]Key, error) {
	err := i.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_dkim SET state = 'revoked', changed = $3 WHERE domain = $1 AND state = 'retired' AND changed <= $2`,
			d.String(), store.Micros(before), store.Micros(i.world.Now()))
		tx.Wake(topic)
		return err
	})
	if err == nil {
		err = i.loadSigningKeys(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("revoke the keys of %s: %w", d, err)
	}
	return i.keysIn(d, Revoked, ""), nil
}

// ForgetKeys drops the keys for good that were revoked before a time. Their selectors may
// be taken again, so let that be long ago.
func (i *Identity) ForgetKeys(ctx context.Context, d mail.Domain, before time.Time) error {
	err := i.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM identity_dkim WHERE domain = $1 AND state = 'revoked' AND changed <= $2`, d.String(), store.Micros(before))
		tx.Wake(topic)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget the keys of %s: %w", d, err)
	}
	return i.loadSigningKeys(ctx)
}
