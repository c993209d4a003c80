package mailbox

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// Append puts a message into this very folder, as a person wants it, and gives its UID
// and the folder's UIDVALIDITY. ErrNoFolder, ErrSealed, or ErrQuota when the account's
// room does not suffice. Of d, Account, Folder, Detail and Name are not asked.
func Append(tx *store.Tx, folder FolderID, d Delivery) (UID, uint32, error) {
	uids, validity, err := AppendAll(tx, folder, []Delivery{d})
	return uids.First, validity, err
}

// AppendAll is Append for several, all or none. They have UIDs in a row and one MODSEQ.
func AppendAll(tx *store.Tx, folder FolderID, all []Delivery) (uids UIDRange, validity uint32, err error) {
	if len(all) == 0 {
		return UIDRange{1, 0}, 0, nil
	}
	at, err := enter(tx, folder, all)
	if err == nil {
		err = insertMessages(tx, at, all)
	}
	if err == nil {
		err = insertStructures(tx, at, all)
	}
	if err != nil {
		return UIDRange{1, 0}, 0, fmt.Errorf("append: %w", err)
	}
	tx.Wake(Topic(at.account))
	tx.Wake(arrivals)
	return UIDRange{at.uidnext - UID(len(all)), at.uidnext - 1}, at.validity, nil
}

// enter counts new messages into a folder, if they may come in.
func enter(tx *store.Tx, folder FolderID, all []Delivery) (at locked, err error) {
	var news, octets, validity, next int64
	for i := range all {
		news, octets = news+unseen(all[i].Flags), octets+all[i].Size
	}
	err = tx.Row(`UPDATE mailbox_folder SET uidnext = uidnext + $2, modseq = modseq + 1, messages = messages + $2,
			unseen = unseen + $3, bytes = bytes + $4
		WHERE id = $1 AND account IS NOT NULL AND sealed = 0 RETURNING account, uidvalidity, uidnext, modseq, uncounted`,
		int64(folder), len(all), news, octets).Scan(&at.account, &validity, &next, &at.modseq, &at.uncounted)
	if errors.Is(err, store.ErrNoRow) {
		if _, err := FolderByID(tx, folder); err != nil {
			return at, err
		}
		return at, ErrSealed
	}
	at.folder, at.validity, at.uidnext = folder, uint32(validity), UID(next)
	if err == nil && !at.uncounted {
		err = fits(tx, at.account)
	}
	return at, err
}

// fits says whether what an account has, with what this transaction brought, is within
// its quota.
func fits(tx *store.Tx, account int64) error {
	room, used, err := Usage(tx, account)
	if err == nil && (room.Bytes > 0 && used.Bytes > room.Bytes || room.Messages > 0 && used.Messages > room.Messages) {
		err = ErrQuota
	}
	return err
}

// rowsAtOnce is how many rows one INSERT has, when there are as many.
const rowsAtOnce = 32

// bites cuts a slice so that few statements of different lengths are needed.
func bites[E any](all []E, f func([]E) error) error {
	for len(all) > 0 {
		n := 1
		if len(all) >= rowsAtOnce {
			n = rowsAtOnce
		}
		if err := f(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// insertMessages writes the rows of messages that were counted in.
func insertMessages(tx *store.Tx, at locked, all []Delivery) error {
	uid := int64(at.uidnext) - int64(len(all))
	return bites(all, func(some []Delivery) error {
		args := []any{int64(at.folder), at.modseq}
		for i := range some {
			d := &some[i]
			args = append(args, uid, int64(d.Body), d.Size, store.Micros(d.Received), int64(d.Flags), strings.Join(d.Keywords, " "), string(d.Trace))
			uid++
		}
		_, err := tx.Exec(`INSERT INTO mailbox_message (folder, modseq, uid, body, size, received, flags, keywords, trace) VALUES `+
			values(len(some), 2, 7), args...)
		return err
	})
}

// values are so many rows of placeholders: the first few are the same in each row.
func values(rows, same, own int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		for c := range same + own {
			n := c + 1
			if c >= same {
				n += r * own
			}
			b.WriteString([]string{"(", ","}[min(c, 1)] + "$" + strconv.Itoa(n))
		}
		b.WriteByte(')')
	}
	return b.String()
}

func insertStructures(tx *store.Tx, at locked, all []Delivery) error {
	var args []any
	for i := range all {
		if all[i].Structure != nil {
			uid := int64(at.uidnext) - int64(len(all)-i)
			args = append(args, structureKey(int64(at.folder), uid), all[i].Structure)
		}
	}
	return bites(slices.Collect(slices.Chunk(args, 2)), func(some [][]any) error {
		_, err := tx.Exec(`INSERT INTO mailbox_structure (message, structure) VALUES `+values(len(some), 0, 2), slices.Concat(some...)...)
		return err
	})
}
