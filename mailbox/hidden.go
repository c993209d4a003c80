package mailbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// A hidden folder belongs to nobody yet: it stands under the negative number of an
// account. Whoever fills many folders, for minutes, shows them at once and whole, or
// not at all; no program sees anything before, and no quota counts it.

// NewHidden makes a hidden folder of an account, for AppendAll. The name is for whoever
// made it, and unlike those of all hidden folders of the account.
func NewHidden(tx *store.Tx, account int64, name string) (FolderID, error) {
	id, err := tx.Insert(`INSERT INTO mailbox_folder (account, name, role, subscribed, uidvalidity, uidnext, modseq,
			messages, unseen, bytes, uncounted, sealed, created, expires)
		VALUES ($1, $2, NULL, 0, 0, 1, 1, 0, 0, 0, 1, 0, $3, 0)`, -account, name, tx.Now())
	if err != nil {
		return 0, fmt.Errorf("make a hidden folder of account %d: %w", account, err)
	}
	return FolderID(id), nil
}

// Show makes a hidden folder one of its account's as f describes it: Account, Name,
// Role, Subscribed, Uncounted, Sealed, Created, Expires. Its UIDVALIDITY is a new one.
// ErrFolderExists when the name or the role is taken.
func Show(tx *store.Tx, id FolderID, f Folder) error {
	if err := show(tx, id, f); err != nil {
		return fmt.Errorf("show folder %q: %w", f.Name, err)
	}
	tx.Wake(Topic(f.Account))
	tx.Wake(arrivals)
	return nil
}

func show(tx *store.Tx, id FolderID, f Folder) error {
	if _, err := FolderNamed(tx, f.Account, f.Name); !errors.Is(err, ErrNoFolder) {
		if err == nil {
			err = ErrFolderExists
		}
		return err
	}
	validity, err := nextUIDValidity(tx, f.Account, tx.Now())
	if err != nil {
		return err
	}
	var role *string
	if f.Role != "" {
		role = (*string)(&f.Role)
	}
	n, err := tx.Exec(`UPDATE mailbox_folder SET account = $2, name = $3, role = $4, subscribed = $5, uidvalidity = $6,
			uncounted = $7, sealed = $8, created = $9, expires = $10 WHERE id = $1 AND account = $11`,
		int64(id), f.Account, f.Name, role, f.Subscribed, int64(validity), f.Uncounted, f.Sealed, f.Created, f.Expires, -f.Account)
	if err == nil && n == 0 {
		err = ErrNoFolder
	}
	return err
}

// Discard gives a hidden folder up; Sweep removes what is in it. One that is shown, or
// gone, stays as it is.
func Discard(tx *store.Tx, id FolderID) error {
	if _, err := tx.Exec(`UPDATE mailbox_folder SET account = NULL WHERE id = $1 AND account < 0`, int64(id)); err != nil {
		return fmt.Errorf("discard hidden folder %d: %w", id, err)
	}
	return nil
}

// ExpireAt sets when a folder and those below it go that are to go some day; what was
// renamed out of them stays. It says how many.
func ExpireAt(tx *store.Tx, account int64, name string, at time.Time) (int, error) {
	all, err := tree(tx, account, canonical(name))
	if err != nil {
		return 0, fmt.Errorf("expire %q: %w", name, err)
	}
	n := 0
	for _, f := range all {
		if f.Expires.IsZero() {
			continue
		}
		// One that is renamed out of the tree at this moment stays.
		changed, err := tx.Exec(`UPDATE mailbox_folder SET expires = $2 WHERE id = $1 AND expires > 0`, int64(f.ID), at)
		if err != nil {
			return n, fmt.Errorf("expire %q: %w", name, err)
		}
		n += int(changed)
	}
	return n, nil
}
