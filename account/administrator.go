package account

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Administrator is who may administer the whole server: the account of the configuration's
// admin.
type Administrator struct {
	ID      ID // zero: the admin is no account of ours
	Address mail.Address
	// Mark changes when the password does, and when somebody else becomes the
	// administrator: whoever got in before is to log in again.
	Mark [sha256.Size]byte
}

// Administrator is the one of now. ErrNoAdmin when there is no such account yet,
// ErrDisabled when it is disabled.
func (d *Directory) Administrator(tx *store.Tx) (Administrator, error) {
	a := Administrator{Address: Normal(d.settings.Load().admin)}
	if !d.IsLocal(a.Address.Domain) {
		a.Mark = sha256.Sum256([]byte("outside\x00" + a.Address.String()))
		return a, nil
	}
	var password string
	var disabled bool
	err := tx.Row(`SELECT id, password, disabled FROM account_account WHERE address = $1`, a.Address.String()).Scan((*int64)(&a.ID), &password, &disabled)
	switch {
	case errors.Is(err, store.ErrNoRow):
		return a, fmt.Errorf("administrator %s: %w", a.Address, ErrNoAdmin)
	case err != nil:
		return a, fmt.Errorf("administrator: %w", err)
	case disabled:
		return a, fmt.Errorf("administrator %s: %w", a.Address, ErrDisabled)
	}
	a.Mark = sha256.Sum256(fmt.Appendf(nil, "account\x00%d\x00%s\x00%s", a.ID, a.Address, password))
	return a, nil
}
