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
// returned.
func Expunge(tx *store.Tx, folder FolderID, uids []UID) ([]UID, error) {
	var account, modseq int64
	err := tx.Row(`UPDATE mailbox_folder SET modseq = modseq + 1 WHERE id = $1 AND account IS NOT NULL RETURNING account, modseq`,
		int64(folder)).Scan(&account, &modseq)
	if errors.Is(err, store.ErrNoRow) {
		return nil, fmt.Errorf("expunge: %w: %d", ErrNoFolder, folder)
	}
	if err != nil {
		return nil, fmt.Errorf("expunge: %w", err)
	}
	var gone removed
	for bite := range slices.Chunk(uids, expungeRows) {
		if err := gone.remove(tx, int64(folder), bite); err != nil {
			return nil, fmt.Errorf("expunge: %w", err)
		}
	}
	if err := gone.count(tx, int64(folder), modseq); err != nil {
		return nil, fmt.Errorf("expunge: %w", err)
	}
	tx.Wake(Topic(account))
	return gone.uids, nil
}

// removed is what a removal took out of a folder.
type removed struct {
	uids          []UID
	bodies        []store.BodyID
	bytes, unseen int64
}

// remove deletes messages and their structures, and releases their bodies.
func (r *removed) remove(tx *store.Tx, folder int64, uids []UID) error {
	uidList, keyList, args := []string{}, []string{}, []any{folder}
	keys := []any{}
	for _, uid := range uids {
		args = append(args, int64(uid))
		uidList = append(uidList, fmt.Sprintf("$%d", len(args)))
		keys = append(keys, structureKey(folder, int64(uid)))
		keyList = append(keyList, fmt.Sprintf("$%d", len(keys)))
	}
	from := len(r.bodies)
	if err := r.collect(tx, `DELETE FROM mailbox_message WHERE folder = $1 AND uid IN (`+strings.Join(uidList, ",")+`)
		RETURNING uid, body, size, flags`, args); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM mailbox_structure WHERE message IN (`+strings.Join(keyList, ",")+`)`, keys...); err != nil {
		return err
	}
	for _, body := range r.bodies[from:] {
		if err := tx.ReleaseBody(body); err != nil {
			return err
		}
	}
	return nil
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
		if Flags(flags)&Seen == 0 {
			r.unseen++
		}
	}
	return rows.Err()
}

// count takes the removed out of the folder's counters and buries them.
func (r *removed) count(tx *store.Tx, folder, modseq int64) error {
	slices.Sort(r.uids)
	if _, err := tx.Exec(`UPDATE mailbox_folder SET messages = messages - $2, unseen = unseen - $3, bytes = bytes - $4 WHERE id = $1`,
		folder, len(r.uids), r.unseen, r.bytes); err != nil {
		return err
	}
	for bite := range slices.Chunk(r.uids, expungeRows) {
		args := []any{folder, modseq, store.Micros(tx.Now())}
		rows := []string{}
		for _, uid := range bite {
			args = append(args, int64(uid))
			rows = append(rows, fmt.Sprintf("($1, $2, $%d, $3)", len(args)))
		}
		if _, err := tx.Exec(`INSERT INTO mailbox_tombstone (folder, modseq, uid, time) VALUES `+strings.Join(rows, ", "), args...); err != nil {
			return err
		}
	}
	return nil
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
	old, err := tx.Exec(`DELETE FROM mailbox_tombstone WHERE (folder, modseq, uid) IN (
		SELECT folder, modseq, uid FROM mailbox_tombstone WHERE time < $1 ORDER BY time LIMIT $2)`,
		store.Micros(tx.Now().Add(-KeepTombstones)), expungeRows)
	if err != nil {
		return 0, false, err
	}
	var folder int64
	err = tx.Row(`SELECT id FROM mailbox_folder WHERE account IS NULL ORDER BY id LIMIT 1`).Scan(&folder)
	if errors.Is(err, store.ErrNoRow) {
		return 0, old > 0, nil
	}
	if err != nil {
		return 0, false, err
	}
	uids, err := someUIDs(tx, folder)
	if err != nil {
		return 0, false, err
	}
	if len(uids) == 0 {
		return 0, true, removeFolder(tx, folder)
	}
	var gone removed
	return len(uids), true, gone.remove(tx, folder, uids)
}

func someUIDs(tx *store.Tx, folder int64) (uids []UID, err error) {
	all, err := Messages(tx, FolderID(folder), 0, expungeRows)
	for _, m := range all {
		uids = append(uids, m.UID)
	}
	return uids, err
}

func removeFolder(tx *store.Tx, folder int64) error {
	if _, err := tx.Exec(`DELETE FROM mailbox_tombstone WHERE folder = $1`, folder); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM mailbox_folder WHERE id = $1`, folder)
	return err
}
