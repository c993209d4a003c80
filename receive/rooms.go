package receive

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// rooms asks mailboxes for room, and not again for some seconds where there is more
// than enough of it: a quota is for people, who do not fill it in that time.
type rooms struct {
	store *store.Store
	now   func() time.Time

	mu    sync.Mutex
	known map[account.ID]ample
}

// ample is a mailbox with much room.
type ample struct {
	size  int64 // of a message that was let in; larger ones ask anew
	until time.Time
}

const (
	ampleFor  = 5 * time.Second
	ampleRoom = 64 // times the size of the message must be free
	maxRooms  = 1 << 14
)

func newRooms(st *store.Store, now func() time.Time) *rooms {
	return &rooms{store: st, now: now, known: map[account.ID]ample{}}
}

// fits says whether a mailbox can take so many octets: nil or mailbox.ErrQuota, or a
// failure.
func (r *rooms) fits(ctx context.Context, id account.ID, size int64) error {
	now := r.now()
	r.mu.Lock()
	a := r.known[id]
	r.mu.Unlock()
	if size <= a.size && now.Before(a.until) {
		return nil
	}
	var free int64
	err := r.store.Read(ctx, func(tx *store.Tx) (err error) {
		free, err = freeIn(tx, id)
		return err
	})
	switch {
	case err != nil:
		return err
	case size > free:
		return mailbox.ErrQuota
	case free/ampleRoom >= size:
		r.remember(id, ample{size, now.Add(ampleFor)})
	}
	return nil
}

// freeIn is how many octets a mailbox has left. Few messages left are as good as few
// octets.
func freeIn(tx *store.Tx, id account.ID) (int64, error) {
	room, used, err := mailbox.Usage(tx, int64(id))
	if err != nil {
		return 0, err
	}
	free := int64(math.MaxInt64)
	if room.Bytes > 0 {
		free = max(0, room.Bytes-used.Bytes)
	}
	if room.Messages > 0 && used.Messages >= room.Messages {
		free = 0
	}
	return free, nil
}

func (r *rooms) remember(id account.ID, a ample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRooms {
		clear(r.known)
	}
	r.known[id] = a
}
