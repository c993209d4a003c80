package mailbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// expungeRows is how many messages one statement takes.
const expungeRows = 200

// Expunge removes messages for good, releases their bodies, and leaves tombstones, all
// of one new MODSEQ. UIDs that are not there are passed over; the ones removed are
// returned, in their order.
func Expunge(tx *store.Tx, folder FolderID, uids []UID) ([]UID, error) {
	at, err := lock(tx, folder)
	if err != nil {
		return nil, fmt.Errorf("expunge: %w", err)
	}
	gone := removed{release: true}
	for part := range parts(Ranges(uids)) {
		if err := gone.remove(tx, folder, part); err != nil {
			return nil, fmt.Errorf("expunge: %w", err)
		}
	}
	if err := gone.bury(tx, at); err != nil {
		return nil, fmt.Errorf("expunge: %w", err)
	}
	return gone.uids, nil
}

// removed is what a removal took out of a folder.
type removed struct {
	release       bool // the bodies lose a reference
	uids          []UID
	bodies        []store.BodyID
	bytes, unseen int64
}

// remove deletes messages and their structures, and releases their bodies.
func (r *removed) remove(tx *store.Tx, folder FolderID, p part) error {
	from := len(r.bodies)
	where, args := p.where(1)
	if err := r.collect(tx, `DELETE FROM mailbox_message WHERE folder = $1 AND `+where+` RETURNING uid, body, size, flags`,
		append([]any{int64(folder)}, args...)); err != nil {
		return err
	}
	where, args = p.keys(folder)
	if _, err := tx.Exec(`DELETE FROM mailbox_structure WHERE `+where, args...); err != nil || !r.release {
		return err
	}
	for _, body := range r.bodies[from:] {
		if err := tx.ReleaseBody(body); err != nil {
			return err
		}
	}
	return nil
}

// keys is part.where for the column message of the structures.
func (p part) keys(folder FolderID) (string, []any) {
	where, args := p.where(0)
	for i := range args {
		args[i] = structureKey(int64(folder), args[i].(int64))
	}
	return `message` + strings.TrimPrefix(where, `uid`), args
}

func (r *removed) collect(tx *store.Tx, query string, args []any) error {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var uid, body, size, flags int64
		if err := rows.Scan(&uid, &body, &size, &flags); err != nil {
			return err
		}
		r.uids, r.bodies, r.bytes = append(r.uids, UID(uid)), append(r.bodies, store.BodyID(body)), r.bytes+size
		r.unseen += unseen(Flags(flags))
	}
	return rows.Err()
}

// bury takes the removed out of the counters of their folder and out of its UIDs, and
// leaves tombstones. Where nothing was removed nothing changes.
func (r *removed) bury(tx *store.Tx, at locked) error {
	if len(r.uids) == 0 {
		return nil
	}
	slices.Sort(r.uids)
	modseq := at.modseq + 1
	if err := at.count(tx, grown{modseq: modseq, messages: -int64(len(r.uids)), unseen: -r.unseen, octets: -r.bytes}); err != nil {
		return err
	}
	ranges, now := Ranges(r.uids), store.Micros(tx.Now())
	for _, u := range ranges {
		if _, err := tx.Exec(`INSERT INTO mailbox_tombstone (folder, modseq, uid, last, time) VALUES ($1, $2, $3, $4, $5)`,
			int64(at.folder), modseq, int64(u.First), int64(u.Last), now); err != nil {
			return err
		}
	}
	return addGaps(tx, at.folder, ranges)
}
