package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/allgreen-mail/allgreen/store"
)

// ErrCrowded is one session more than an account may have.
var ErrCrowded = errors.New("too many sessions of the account")

// Logins are the sessions of one server that are logged in. They are counted, and end
// with what let them in: see Guard.
type Logins struct {
	directory *Directory
	most      int

	mu     sync.Mutex
	guests map[*guest]bool
	count  map[ID]int
}

// guest is a session that is logged in.
type guest struct {
	account ID
	locks   locks
	cut     func()
}

// NewLogins counts sessions, of each account so many at the most.
func (d *Directory) NewLogins(most int) *Logins {
	return &Logins{directory: d, most: most, guests: make(map[*guest]bool), count: make(map[ID]int)}
}

// Admit counts a session that has logged in to an account, until leave is called. Guard
// may call cut, from another goroutine and with the count locked: it must not wait. The
// error is ErrCrowded, or temporary.
func (l *Logins) Admit(ctx context.Context, id ID, cut func()) (leave func(), err error) {
	now, err := l.directory.locksOf(ctx, []ID{id})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[id] >= l.most {
		return nil, ErrCrowded
	}
	g := &guest{account: id, locks: now[id], cut: cut}
	l.guests[g] = true
	l.count[id]++
	return func() { l.leave(g) }, nil
}

func (l *Logins) leave(g *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.guests, g)
	if l.count[g.account]--; l.count[g.account] <= 0 {
		delete(l.count, g.account)
	}
}

// Guard cuts the sessions of accounts that are disabled or removed, or whose password was
// changed or an app password revoked, until the context ends: programs stay connected
// for days, and who has a stolen password would too.
func (l *Logins) Guard(ctx context.Context) error {
	watch := l.directory.store.Watch(Topic)
	defer watch.Close()
	for {
		if err := l.expel(ctx); err != nil && ctx.Err() == nil {
			l.directory.log.Warn("who may stay could not be found out; the next change asks again", "error", err)
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// expel cuts whoever may not stay.
func (l *Logins) expel(ctx context.Context) error {
	now, err := l.directory.locksOf(ctx, l.accounts())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range l.guests {
		if have, asked := now[g.account]; asked && !have.fit(g.locks) {
			l.directory.log.Info("a session ends with what let it in", "account", int64(g.account))
			g.cut()
		}
	}
	return nil
}

// accounts are those that have a session.
func (l *Logins) accounts() []ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []ID
	for id := range l.count {
		all = append(all, id)
	}
	return all
}

// locks are what one had to know at some moment to get into an account. The zero value
// is those of an account that nobody gets into.
type locks struct {
	open     bool // neither disabled nor gone
	password [8]byte
	apps     [][8]byte
}

// fit reports whether who got in by the locks of before may stay: the password is the
// same, and no app password of then was revoked.
func (k locks) fit(before locks) bool {
	for _, app := range before.apps {
		if !slices.Contains(k.apps, app) {
			return false
		}
	}
	return k.open && k.password == before.password
}

// locksOf are the locks of some accounts; each asked for is in the map.
func (d *Directory) locksOf(ctx context.Context, accounts []ID) (all map[ID]locks, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all = make(map[ID]locks, len(accounts))
		for _, id := range accounts {
			if all[id], err = readLocks(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask who may stay: %w", err)
	}
	return all, nil
}

func readLocks(tx *store.Tx, id ID) (locks, error) {
	var password string
	err := tx.Row(`SELECT password FROM account_account WHERE id = $1 AND disabled = 0`, int64(id)).Scan(&password)
	if errors.Is(err, store.ErrNoRow) {
		return locks{}, nil
	}
	if err != nil {
		return locks{}, err
	}
	keys, err := readKeys(tx, id)
	if err != nil {
		return locks{}, err
	}
	k := locks{open: true, password: brief([]byte(password))}
	for _, key := range keys {
		k.apps = append(k.apps, brief(key.stored))
	}
	return k, nil
}

// brief is enough of a digest to see a change, and tells nothing.
func brief(secret []byte) [8]byte {
	sum := sha256.Sum256(secret)
	return [8]byte(sum[:8])
}
