package monitor

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// How long a process that says nothing keeps the watch, and how often it says something.
const (
	leaseTime  = 5 * time.Minute
	leaseRenew = time.Minute
)

// lease says which of several processes on one database watches. SQLite has one.
type lease struct {
	store  *store.Store
	holder string
	shared bool
	held   *atomic.Bool
}

func newLease(st *store.Store) lease {
	l := lease{store: st, holder: rand.Text(), shared: st.Engine() != store.SQLite, held: new(atomic.Bool)}
	l.held.Store(!l.shared)
	return l
}

// isOurs reports whether this process looks and tells.
func (l lease) isOurs() bool { return l.held.Load() }

// keep takes the lease whenever it is free, and gives it back when the context ends.
func (l lease) keep(ctx context.Context, log *slog.Logger) {
	if !l.shared {
		return
	}
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	defer l.giveBack(ctx)
	for {
		ours, err := l.renew(ctx)
		if err != nil && ctx.Err() == nil {
			log.Warn("whether this process watches could not be found out", "error", err)
		}
		l.held.Store(ours)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (l lease) renew(ctx context.Context) (ours bool, err error) {
	err = l.store.Write(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		n, err := tx.Exec(`INSERT INTO monitor_lease (name, holder, expires) VALUES ('watch', $1, $2)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
			WHERE monitor_lease.holder = excluded.holder OR monitor_lease.expires < $3`, l.holder, now.Add(leaseTime), now)
		ours = n > 0
		return err
	})
	return ours && err == nil, err
}

// giveBack lets another process begin at once; or the lease expires.
func (l lease) giveBack(ctx context.Context) {
	l.held.Store(false)
	_ = l.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM monitor_lease WHERE holder = $1`, l.holder)
		return err
	})
}
