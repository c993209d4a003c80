package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// expungeRows is how many messages one statement takes.
const expungeRows = 200

// KeepTombstones is for how long a program that was away learns from MODSEQ alone
// what is gone (RFC 7162 section 5.3).
const KeepTombstones = 90 * 24 * time.Hour

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

// Sweep removes, in small bites, the messages of folders that were deleted and of
// accounts that were removed, and tombstones older than KeepTombstones. It says how many
// messages went.
func Sweep(ctx context.Context, st *store.Store) (int, error) {
	total := 0
	for {
		n, more := 0, false
		if err := st.Write(ctx, func(tx *store.Tx) (err error) {
			n, more, err = sweepBite(tx)
			return err
		}); err != nil {
			return total, fmt.Errorf("sweep mailboxes: %w", err)
		}
		total += n
		if !more {
			return total, nil
		}
	}
}

func sweepBite(tx *store.Tx) (n int, more bool, err error) {
	old, err := forget(tx)
	if err != nil {
		return 0, false, err
	}
	var folder FolderID
	err = tx.Row(`SELECT id FROM mailbox_folder WHERE account IS NULL ORDER BY id LIMIT 1`).Scan(&folder)
	if errors.Is(err, store.ErrNoRow) {
		return 0, old > 0, nil
	}
	if err != nil {
		return 0, false, err
	}
	gone := removed{release: true}
	uids, err := someUIDs(tx, folder)
	if err != nil {
		return 0, false, err
	}
	if len(uids) == 0 {
		return 0, true, dropFolder(tx, folder)
	}
	return len(uids), true, gone.remove(tx, folder, part{whole: UIDRange{uids[0], uids[len(uids)-1]}})
}

// forget removes some old tombstones, and notes in their folders that it did.
func forget(tx *store.Tx) (n int64, err error) {
	before := store.Micros(tx.Now().Add(-KeepTombstones))
	const old = `SELECT folder, modseq, uid FROM mailbox_tombstone WHERE time < $1 ORDER BY time, folder, modseq, uid LIMIT $2`
	if n, err = tx.Exec(`UPDATE mailbox_folder SET forgotten = o.modseq
		FROM (SELECT folder, MAX(modseq) AS modseq FROM (`+old+`) AS t GROUP BY folder) AS o
		WHERE id = o.folder AND forgotten < o.modseq`, before, expungeRows); err != nil {
		return 0, err
	}
	return tx.Exec(`DELETE FROM mailbox_tombstone WHERE (folder, modseq, uid) IN (`+old+`)`, before, expungeRows)
}

func someUIDs(tx *store.Tx, folder FolderID) (uids []UID, err error) {
	all, err := Messages(tx, folder, 0, expungeRows)
	for _, m := range all {
		uids = append(uids, m.UID)
	}
	return uids, err
}

// dropFolder removes the last traces of a deleted folder.
func dropFolder(tx *store.Tx, folder FolderID) error {
	for _, table := range []string{`mailbox_tombstone WHERE folder`, `mailbox_gap WHERE folder`, `mailbox_folder WHERE id`} {
		if _, err := tx.Exec(`DELETE FROM `+table+` = $1`, int64(folder)); err != nil {
			return err
		}
	}
	return nil
}
