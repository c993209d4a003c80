package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// KeepTombstones is for how long a program that was away learns from MODSEQ alone
// what is gone (RFC 7162 section 5.3).
const KeepTombstones = 90 * 24 * time.Hour

// Sweep deletes folders that have expired, and removes, in small bites, the messages of
// folders that were deleted and of accounts that were removed, tombstones older than
// KeepTombstones, and junk moves older than KeepJunkMoves. It says how many messages went.
func Sweep(ctx context.Context, st *store.Store) (int, error) {
	total := 0
	for _, bite := range []func(*store.Tx) (int, bool, error){expire, sweepDeleted, forget, sweepJunkMoves} {
		n, err := sweepAll(ctx, st, bite)
		total += n
		if err != nil {
			return total, fmt.Errorf("sweep mailboxes: %w", err)
		}
	}
	return total, nil
}

// sweepAll bites until there is no more.
func sweepAll(ctx context.Context, st *store.Store, bite func(*store.Tx) (int, bool, error)) (total int, err error) {
	for more := true; more; {
		n := 0
		if err := st.Write(ctx, func(tx *store.Tx) (err error) {
			n, more, err = bite(tx)
			return err
		}); err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// expire deletes the folders whose time is over. Nothing of them stays, no
// subscription either: they were not to last.
func expire(tx *store.Tx) (int, bool, error) {
	now := tx.Now()
	over, err := Expiring(tx, now)
	for _, f := range over {
		if err != nil {
			break
		}
		// What is renamed out of its tree at this moment stays.
		err = deleteFolder(tx, f, `expires > 0 AND expires <= $2`, store.Micros(now))
		if errors.Is(err, ErrNoFolder) {
			err = nil
		}
	}
	return 0, false, err
}

// Expiring gives the folders of all accounts that expire at a time or before, by account
// and name.
func Expiring(tx *store.Tx, at time.Time) (all []Folder, err error) {
	return foldersWhere(tx, `expires > 0 AND expires <= $1 AND account IS NOT NULL ORDER BY account, name`, store.Micros(at))
}

// sweepDeleted takes a bite of a folder that was deleted.
func sweepDeleted(tx *store.Tx) (n int, more bool, err error) {
	var folder FolderID
	err = tx.Row(`SELECT id FROM mailbox_folder WHERE account IS NULL ORDER BY id LIMIT 1`).Scan(&folder)
	if errors.Is(err, store.ErrNoRow) {
		return 0, false, nil
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
func forget(tx *store.Tx) (int, bool, error) {
	before := store.Micros(tx.Now().Add(-KeepTombstones))
	rows, err := tx.Rows(`DELETE FROM mailbox_tombstone WHERE (folder, modseq, uid) IN (
		SELECT folder, modseq, uid FROM mailbox_tombstone WHERE time < $1 ORDER BY time, folder, modseq, uid LIMIT $2) RETURNING folder, modseq`,
		before, expungeRows)
	if err != nil {
		return 0, false, err
	}
	last, err := lastForgotten(rows)
	for _, folder := range slices.Sorted(maps.Keys(last)) {
		if _, err := tx.Exec(`UPDATE mailbox_folder SET forgotten = $2 WHERE id = $1 AND forgotten < $2`, int64(folder), last[folder]); err != nil {
			return 0, false, err
		}
	}
	return 0, len(last) > 0, err
}

// lastForgotten gives the highest MODSEQ of each folder among tombstones that are gone:
// of exactly these, whatever another process removes at the same time.
func lastForgotten(rows *store.Rows) (map[FolderID]int64, error) {
	defer rows.Close()
	last := map[FolderID]int64{}
	for rows.Next() {
		var folder FolderID
		var modseq int64
		if err := rows.Scan(&folder, &modseq); err != nil {
			return nil, err
		}
		last[folder] = max(last[folder], modseq)
	}
	return last, rows.Err()
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
