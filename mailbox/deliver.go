package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Delivery is one message for one account.
type Delivery struct {
	Account   int64
	Folder    Role   // zero: Inbox
	Detail    string // prefer this ordinary folder to the INBOX, if there is one: user+detail
	Name      string // the owner's own choice, before Folder and Detail: any folder that is not sealed, if there is one of this name
	Body      store.BodyID
	Size      int64     // bytes of the body
	Received  time.Time // IMAP's internal date
	Flags     Flags
	Keywords  []string
	Trace     mail.TraceID
	Structure []byte // as the mail program's server wants it later; nil: none yet
}

// Deliver puts a message into a folder: at most three statements. An account without
// the role asked for gets it into its INBOX; ErrNoFolder means that the account is
// gone.
func Deliver(tx *store.Tx, d Delivery) (UID, error) {
	at, err := d.takeUID(tx)
	if err != nil {
		return 0, fmt.Errorf("deliver to account %d: %w", d.Account, err)
	}
	if _, err := tx.Exec(`INSERT INTO mailbox_message (folder, uid, modseq, body, size, received, flags, keywords, trace)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		at.folder, at.uid, at.modseq, int64(d.Body), d.Size, store.Micros(d.Received), int64(d.Flags),
		strings.Join(d.Keywords, " "), string(d.Trace)); err != nil {
		return 0, fmt.Errorf("deliver to account %d: %w", d.Account, err)
	}
	if d.Structure != nil {
		if _, err := tx.Exec(`INSERT INTO mailbox_structure (message, structure) VALUES ($1, $2)`,
			structureKey(at.folder, at.uid), d.Structure); err != nil {
			return 0, fmt.Errorf("deliver to account %d: %w", d.Account, err)
		}
	}
	tx.Wake(Topic(d.Account))
	tx.Wake(arrivals)
	return UID(at.uid), nil
}

// structureKey is one number for folder and UID, so that the table is clustered by it.
func structureKey(folder, uid int64) int64 { return folder<<32 | uid }

// spot is where the next message of a folder goes.
type spot struct{ folder, uid, modseq int64 }

// way is how a folder is found and the message counted in: in one statement, which
// locks it, or, where there is one writer anyway, in two, for SQLite makes a table for
// what RETURNING gives.
type way struct{ take, find string }

const (
	count = `UPDATE mailbox_folder SET uidnext = uidnext + 1, modseq = modseq + 1, messages = messages + 1,
		unseen = unseen + $3, bytes = bytes + $4 WHERE account = $1 AND `
	counted = ` RETURNING id, uidnext - 1, modseq`
	find    = `SELECT id, uidnext, modseq + 1 FROM mailbox_folder WHERE account = $1 AND `

	byRole   = `role = $2`
	byName   = `name = $2 AND sealed = 0`
	byDetail = `id = (SELECT MIN(id) FROM mailbox_folder WHERE account = $1 AND LOWER(name) = $2 AND role IS NULL AND sealed = 0)`
)

// take counts the message into the folder that a way finds.
func (d *Delivery) take(tx *store.Tx, w way, key string) (at spot, err error) {
	if tx.Engine() == store.PostgreSQL {
		err = tx.Row(w.take, d.Account, key, unseen(d.Flags), d.Size).Scan(&at.folder, &at.uid, &at.modseq)
		return at, err
	}
	if err = tx.Row(w.find, d.Account, key).Scan(&at.folder, &at.uid, &at.modseq); err == nil {
		_, err = tx.Exec(count+`id = $2`, d.Account, at.folder, unseen(d.Flags), d.Size)
	}
	return at, err
}

// takeUID locks the folder and counts the message in. Strangers choose the detail of
// an address, so it leads to ordinary folders only: nobody files into Sent or Trash.
func (d *Delivery) takeUID(tx *store.Tx) (at spot, err error) {
	role := cmp.Or(d.Folder, Inbox)
	if d.Name != "" {
		if at, err = d.take(tx, way{count + byName + counted, find + byName}, canonical(d.Name)); !errors.Is(err, store.ErrNoRow) {
			return at, err
		}
	}
	if role == Inbox && d.Detail != "" {
		at, err = d.take(tx, way{count + byDetail + counted, find + byDetail}, strings.ToLower(d.Detail))
		if !errors.Is(err, store.ErrNoRow) {
			return at, err
		}
	}
	known := way{count + byRole + counted, find + byRole}
	if at, err = d.take(tx, known, string(role)); errors.Is(err, store.ErrNoRow) && role != Inbox {
		at, err = d.take(tx, known, string(Inbox))
	}
	if errors.Is(err, store.ErrNoRow) {
		err = ErrNoFolder
	}
	return at, err
}

// DeliverAll delivers to many, each folder locked in one order, whoever else delivers
// to the same at the same time. The UIDs come in the order of the deliveries.
func DeliverAll(tx *store.Tx, all []Delivery) ([]UID, error) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(all[a].Account, all[b].Account), cmp.Compare(all[a].Folder, all[b].Folder),
			cmp.Compare(all[a].Detail, all[b].Detail),
			cmp.Compare(all[a].Name, all[b].Name))
	})
	uids := make([]UID, len(all))
	for _, i := range order {
		uid, err := Deliver(tx, all[i])
		if err != nil {
			return nil, err
		}
		uids[i] = uid
	}
	return uids, nil
}
