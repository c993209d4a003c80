package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// graceTLS is for how long a message waits for TLS that was there before.
const graceTLS = 30 * time.Minute

// tlsMemory remembers which domains offer TLS.
type tlsMemory struct {
	store *store.Store
	now   func() time.Time
}

// seen notes that a domain offered TLS. It writes once a day.
func (m *tlsMemory) saw(ctx context.Context, domain string) error {
	seen, lost, err := m.read(ctx, domain)
	now := m.now()
	if err != nil || lost.IsZero() && now.Sub(seen) < 24*time.Hour && !seen.After(now) {
		return err
	}
	return m.write(ctx, domain, now, time.Time{})
}

// missed notes that a domain offered no TLS, and says since when it is missed there;
// zero when it never had any. first tells that this is news.
func (m *tlsMemory) missed(ctx context.Context, domain string) (since time.Time, first bool, err error) {
	seen, lost, err := m.read(ctx, domain)
	if err != nil || seen.IsZero() {
		return time.Time{}, false, err
	}
	now := m.now()
	if !lost.IsZero() && !lost.After(now) {
		return lost, false, nil
	}
	return now, true, m.write(ctx, domain, seen, now)
}

func (m *tlsMemory) read(ctx context.Context, domain string) (seen, lost time.Time, err error) {
	var s, l int64
	err = m.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT seen, lost FROM deliver_tls WHERE domain = $1`, domain).Scan(&s, &l)
	})
	if errors.Is(err, store.ErrNoRow) {
		return time.Time{}, time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("remember the TLS of %s: %w", domain, err)
	}
	return store.FromMicros(s), store.FromMicros(l), nil
}

func (m *tlsMemory) write(ctx context.Context, domain string, seen, lost time.Time) error {
	err := m.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO deliver_tls (domain, seen, lost) VALUES ($1, $2, $3)
			ON CONFLICT (domain) DO UPDATE SET seen = excluded.seen, lost = excluded.lost`,
			domain, store.Micros(seen), store.Micros(lost))
		return err
	})
	if err != nil {
		return fmt.Errorf("remember the TLS of %s: %w", domain, err)
	}
	return nil
}
