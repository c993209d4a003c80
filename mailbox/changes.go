package mailbox

import (
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/store"
)

// Changes are what happened in a folder behind a MODSEQ.
type Changes struct {
	ModSeq   int64      // of the folder: where the next question begins
	UIDNext  UID        // of the folder
	Changed  []Message  // arrived or altered, in the order of their UIDs, as they are now, with Facts
	Vanished []UIDRange // gone, rising
	// Complete says that Vanished is exactly what went. Otherwise the tombstones of that
	// time are forgotten, and it is every UID below UIDNext that is no message, as
	// RFC 7162 section 3.2.5.1 has it: nothing is missing either way.
	Complete bool
}

// ChangesSince gives what happened in a folder behind a MODSEQ. It costs as much as
// there are changes: nothing to read where there are none.
func ChangesSince(tx *store.Tx, folder FolderID, modseq int64) (c Changes, err error) {
	var next, forgotten int64
	err = tx.Row(`SELECT modseq, uidnext, forgotten FROM mailbox_folder WHERE id = $1 AND account IS NOT NULL`, int64(folder)).
		Scan(&c.ModSeq, &next, &forgotten)
	if errors.Is(err, store.ErrNoRow) {
		err = fmt.Errorf("%w: %d", ErrNoFolder, folder)
	}
	c.UIDNext, c.Complete = UID(next), modseq >= forgotten
	if err == nil && c.ModSeq > modseq {
		err = c.read(tx, folder, modseq)
	}
	if err != nil {
		return Changes{}, fmt.Errorf("changes: %w", err)
	}
	return c, nil
}

func (c *Changes) read(tx *store.Tx, folder FolderID, modseq int64) error {
	// What was altered has an index of its own.
	err := c.add(tx, folder, `WHERE m.folder = $1 AND m.altered > $2 AND m.altered > 0`, modseq)
	if err != nil {
		return err
	}
	// What arrived since then stands at the end: UIDs and the MODSEQ of arrivals rise
	// together.
	var last int64
	err = tx.Row(`SELECT COALESCE((SELECT uid FROM mailbox_message WHERE folder = $1 AND modseq <= $2 ORDER BY uid DESC LIMIT 1), 0)`,
		int64(folder), modseq).Scan(&last)
	if err != nil {
		return err
	}
	if err := c.add(tx, folder, `WHERE m.folder = $1 AND m.uid > $2 AND m.altered = 0`, last); err != nil {
		return err
	}
	slices.SortFunc(c.Changed, func(a, b Message) int { return int(int64(a.UID) - int64(b.UID)) })
	if !c.Complete {
		c.Vanished, err = rangesOf(tx.Rows(`SELECT first, last FROM mailbox_gap WHERE folder = $1 ORDER BY first`, int64(folder)))
		return err
	}
	gone, err := rangesOf(tx.Rows(`SELECT uid, last FROM mailbox_tombstone WHERE folder = $1 AND modseq > $2 ORDER BY uid`, int64(folder), modseq))
	c.Vanished = merge(gone)
	return err
}

func (c *Changes) add(tx *store.Tx, folder FolderID, where string, argument int64) error {
	rows, err := tx.Rows(selectMessages(Facts)+where+` ORDER BY m.uid`, int64(folder), argument)
	if err != nil {
		return err
	}
	return scanMessages(rows, folder, Facts, func(m *Message) error {
		c.Changed = append(c.Changed, *m)
		*m = Message{Folder: folder}
		return nil
	})
}
