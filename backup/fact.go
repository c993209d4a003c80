package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Facts about a store.
const (
	factStore      = "store"      // its name for ever
	factRepository = "repository" // the repository it writes into
	factRestoring  = "restoring"  // the snapshot that is being put into it
)

// fact gives what is known; empty when nothing is.
func fact(tx *store.Tx, name string) (value string, err error) {
	err = tx.Row(`SELECT value FROM backup_fact WHERE name = $1`, name).Scan(&value)
	if errors.Is(err, store.ErrNoRow) {
		return "", nil
	}
	return value, err
}

func setFact(tx *store.Tx, name, value string) error {
	if value == "" {
		_, err := tx.Exec(`DELETE FROM backup_fact WHERE name = $1`, name)
		return err
	}
	_, err := tx.Exec(`INSERT INTO backup_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// storeName is the name of a store, given when it is first asked for. One that was
// restored is another: its folders have other numbers.
func storeName(ctx context.Context, st *store.Store) (name string, err error) {
	fresh := strings.ToLower(rand.Text())
	err = st.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO backup_fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, factStore, fresh); err != nil {
			return err
		}
		name, err = fact(tx, factStore)
		return err
	})
	return name, err
}

// ErrBusy: another process does the same at this moment.
var ErrBusy = errors.New("another backup is under way")

const (
	leaseTime  = 5 * time.Minute
	leaseRenew = time.Minute
)

// workLease is the lease of whoever writes into the repository.
const workLease = "work"

// lease holds a name until release is called: the context it gives ends when the lease
// is lost. ErrBusy when another process has it.
func lease(ctx context.Context, st *store.Store, name string) (held context.Context, release func(), err error) {
	holder := rand.Text()
	if err := renew(ctx, st, name, holder); err != nil {
		return nil, nil, err
	}
	held, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(leaseRenew)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := renew(held, st, name, holder); err != nil && !store.Temporary(err) {
				cancel(fmt.Errorf("the lease was lost: %w", err))
				return
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-ended
		_ = st.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error { // or it expires
			_, err := tx.Exec(`DELETE FROM backup_lease WHERE name = $1 AND holder = $2`, name, holder)
			return err
		})
	}, nil
}

// renew takes or keeps a lease.
func renew(ctx context.Context, st *store.Store, name, holder string) error {
	return st.Write(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		n, err := tx.Exec(`INSERT INTO backup_lease (name, holder, expires) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
			WHERE backup_lease.holder = excluded.holder OR backup_lease.expires < $4`, name, holder, now.Add(leaseTime), now)
		if err == nil && n == 0 {
			err = ErrBusy
		}
		return err
	})
}

// UnderWay reports whether any process makes a backup now: until it ends, no body may be
// swept, for it may not have been read yet.
func UnderWay(ctx context.Context, st *store.Store) (bool, error) {
	var n int
	err := st.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT count(*) FROM backup_lease WHERE name = $1 AND expires > $2`, workLease, tx.Now()).Scan(&n)
	})
	return n > 0, err
}

func beginRun(ctx context.Context, st *store.Store) (id int64, err error) {
	err = st.Write(ctx, func(tx *store.Tx) error {
		id, err = tx.Insert(`INSERT INTO backup_run (started, ended, snapshot, error) VALUES ($1, 0, '', '')`, tx.Now())
		return err
	})
	return id, err
}

// keepRuns is how many lines are kept.
const keepRuns = 500

func endRun(ctx context.Context, st *store.Store, id int64, snapshot string, failure error) error {
	text := ""
	if failure != nil {
		text = failure.Error()
	}
	return st.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE backup_run SET ended = $2, snapshot = $3, error = $4 WHERE id = $1`, id, tx.Now(), snapshot, text); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM backup_run WHERE id <= $1`, id-keepRuns)
		return err
	})
}

// history gives when a backup was last begun, and when one last succeeded.
func history(ctx context.Context, st *store.Store) (begun, succeeded time.Time, err error) {
	err = st.Read(ctx, func(tx *store.Tx) error {
		var b, s int64
		err := tx.Row(`SELECT COALESCE(MAX(started), 0), COALESCE(MAX(CASE WHEN snapshot <> '' THEN ended END), 0) FROM backup_run`).Scan(&b, &s)
		begun, succeeded = store.FromMicros(b), store.FromMicros(s)
		return err
	})
	return begun, succeeded, err
}
