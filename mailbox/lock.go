package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/store"
)

// locked is a folder that nobody else changes until the transaction ends, and what it
// was at that moment.
type locked struct {
	folder    FolderID
	account   int64
	role      Role
	validity  uint32
	uidnext   UID
	modseq    int64
	uncounted bool
	sealed    bool
}

// lock locks a folder.
func lock(tx *store.Tx, folder FolderID) (at locked, err error) {
	var id, validity, next int64
	var role string
	err = tx.Row(`UPDATE mailbox_folder SET modseq = modseq WHERE id = $1 AND account IS NOT NULL
		RETURNING id, account, COALESCE(role, ''), uidvalidity, uidnext, modseq, uncounted, sealed`, int64(folder)).
		Scan(&id, &at.account, &role, &validity, &next, &at.modseq, &at.uncounted, &at.sealed)
	if errors.Is(err, store.ErrNoRow) {
		return at, fmt.Errorf("%w: %d", ErrNoFolder, folder)
	}
	at.folder, at.role, at.validity, at.uidnext = FolderID(id), Role(role), uint32(validity), UID(next)
	return at, err
}

// lockTwo locks two folders, which may be one, in the order that all keep.
func lockTwo(tx *store.Tx, a, b FolderID) (la, lb locked, err error) {
	order := []FolderID{a, b}
	slices.SortFunc(order, cmp.Compare)
	first, err := lock(tx, order[0])
	second := first
	if err == nil && order[0] != order[1] {
		second, err = lock(tx, order[1])
	}
	if first.folder == a {
		return first, second, err
	}
	return second, first, err
}

// grown is by how much the counters of a folder rise, and its new MODSEQ.
type grown struct {
	modseq                         int64
	uids, messages, unseen, octets int64
}

// count changes the counters of a locked folder, and wakes those who watch it.
func (at *locked) count(tx *store.Tx, g grown) error {
	_, err := tx.Exec(`UPDATE mailbox_folder SET modseq = $2, uidnext = uidnext + $3, messages = messages + $4,
		unseen = unseen + $5, bytes = bytes + $6 WHERE id = $1`,
		int64(at.folder), g.modseq, g.uids, g.messages, g.unseen, g.octets)
	tx.Wake(Topic(at.account))
	return err
}

// Hold has a folder stay as it is, for all others, until the transaction ends: what is
// read from here on is still so when it is changed. Where several processes write, only
// this makes "expunge what has this flag" one thing.
func Hold(tx *store.Tx, folder FolderID) error {
	_, err := lock(tx, folder)
	return err
}
