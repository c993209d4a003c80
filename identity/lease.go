package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// leaseTime is longer than anything done under a lease may take.
const leaseTime = 15 * time.Minute

// lease is the right of one process to do something.
type lease struct{ name, holder string }

// take gets a lease; nil when another process has it. A process that died gives its
// lease back by time.
func (i *Identity) take(ctx context.Context, name string) (*lease, error) {
	l, now := &lease{name, rand.Text()}, i.world.Now()
	err := i.store.Write(ctx, func(tx *store.Tx) error {
		var got string
		return tx.Row(`INSERT INTO identity_lease (name, holder, expires) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
			WHERE identity_lease.expires < $4 RETURNING holder`,
			name, l.holder, store.Micros(now.Add(leaseTime)), store.Micros(now)).Scan(&got)
	})
	if errors.Is(err, store.ErrNoRow) {
		return nil, nil
	}
	return l, err
}

// give gives a lease back, also when the work was cancelled.
func (i *Identity) give(ctx context.Context, l *lease) error {
	return i.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM identity_lease WHERE name = $1 AND holder = $2`, l.name, l.holder)
		return err
	})
}
