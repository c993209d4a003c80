package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Account is somebody with a mailbox.
type Account struct {
	ID       ID
	Address  mail.Address // also the login
	Disabled bool         // takes no mail and no login
	Limits   Limits
	Created  time.Time
}

// New describes an account to be made.
type New struct {
	Address  mail.Address
	Password string // empty: only app passwords, until one is set
	Limits   Limits
}

// Create makes an account, and with Options.Created its mailbox, at once. ErrExists when
// the address is taken.
func (d *Directory) Create(ctx context.Context, n New) (ID, error) {
	address := Normal(n.Address)
	if !d.IsLocal(address.Domain) {
		return 0, fmt.Errorf("create %s: %w", address, ErrNotLocal)
	}
	password, err := d.hashNew(ctx, n.Password)
	if err != nil {
		return 0, fmt.Errorf("create %s: %w", address, err)
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	var id ID
	err = d.change(ctx, "create "+address.String(), func(tx *store.Tx) error {
		id = 0
		if err := tx.Row(`INSERT INTO account_account (address, password, salt, disabled, per_hour, per_day, created)
			VALUES ($1, $2, $3, 0, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id`,
			address.String(), password, salt, n.Limits.PerHour, n.Limits.PerDay, d.now()).Scan((*int64)(&id)); err != nil {
			return noRow(err, ErrExists)
		}
		if err := d.claimAddress(tx, address, id); err != nil {
			return err
		}
		if d.o.Created != nil {
			return d.o.Created(tx, id)
		}
		return nil
	})
	return id, err
}

func (d *Directory) claimAddress(tx *store.Tx, address mail.Address, id ID) error {
	n, err := tx.Exec(`INSERT INTO account_address (address, account, owner) VALUES ($1, $2, NULL) ON CONFLICT DO NOTHING`, address.String(), int64(id))
	if err == nil && n == 0 {
		err = ErrExists
	}
	return err
}

// hashNew is the stored form of a password somebody chose; empty for none.
func (d *Directory) hashNew(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	return d.hasher.hash(ctx, password)
}

const selectAccounts = `SELECT id, address, disabled, per_hour, per_day, created FROM account_account `

func scanAccount(scan func(...any) error) (a Account, err error) {
	var address string
	if err = scan((*int64)(&a.ID), &address, &a.Disabled, &a.Limits.PerHour, &a.Limits.PerDay, &a.Created); err != nil {
		return a, err
	}
	a.Address, err = mail.ParseAddress(address)
	return a, err
}

// Get gives the account of an address: its own, not those of its aliases.
func (d *Directory) Get(ctx context.Context, address mail.Address) (a Account, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		a, err = scanAccount(tx.Row(selectAccounts+`WHERE address = $1`, key(address)).Scan)
		return noRow(err, ErrNoAccount)
	})
	if err != nil {
		return a, fmt.Errorf("account %s: %w", address, err)
	}
	return a, nil
}

// List gives all accounts in the order of their addresses.
func (d *Directory) List(ctx context.Context) (all []Account, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all, err = Accounts(tx)
		return err
	})
	return all, err
}

// Accounts gives all accounts in the order of their addresses.
func Accounts(tx *store.Tx) (all []Account, err error) {
	rows, err := tx.Rows(selectAccounts + `ORDER BY address`)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		a, err := scanAccount(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// SetPassword changes the password of a person.
func (d *Directory) SetPassword(ctx context.Context, id ID, password string) error {
	if password == "" {
		return fmt.Errorf("set the password: %w: it is empty", ErrWeakPassword)
	}
	hash, err := d.hashNew(ctx, password)
	if err != nil {
		return fmt.Errorf("set the password: %w", err)
	}
	return d.updateAccount(ctx, "set the password", `password = $2`, id, hash)
}

// SetDisabled stops or restores an account: its mail and its logins.
func (d *Directory) SetDisabled(ctx context.Context, id ID, disabled bool) error {
	return d.updateAccount(ctx, "disable or enable", `disabled = $2`, id, disabled)
}

// SetLimits changes how much an account may send.
func (d *Directory) SetLimits(ctx context.Context, id ID, l Limits) error {
	return d.updateAccount(ctx, "set the limits", `per_hour = $2, per_day = $3`, id, l.PerHour, l.PerDay)
}

func (d *Directory) updateAccount(ctx context.Context, what, set string, id ID, values ...any) error {
	return d.change(ctx, what, func(tx *store.Tx) error {
		n, err := tx.Exec(`UPDATE account_account SET `+set+` WHERE id = $1`, append([]any{int64(id)}, values...)...)
		if err == nil && n == 0 {
			err = ErrNoAccount
		}
		return err
	})
}

// Delete removes an account with its secrets, its place in aliases, and what it alone
// was the target of; with Options.Deleted its mailbox. What it owned goes to the admins.
func (d *Directory) Delete(ctx context.Context, id ID) error {
	return d.change(ctx, fmt.Sprintf("delete account %d", id), func(tx *store.Tx) error {
		address, err := addressOf(tx, id)
		if err != nil {
			return err
		}
		for _, s := range []struct {
			query string
			arg   any
		}{
			{`DELETE FROM account_target WHERE target = $1`, address.String()},
			{`DELETE FROM account_target WHERE address = $1`, address.String()},
			{`DELETE FROM account_address WHERE account = $1`, int64(id)},
			{`UPDATE account_address SET owner = NULL WHERE owner = $1`, int64(id)},
			{`DELETE FROM account_secret WHERE account = $1`, int64(id)},
			{`DELETE FROM account_familiar WHERE account = $1`, int64(id)},
			{`DELETE FROM account_domain WHERE admin = $1`, int64(id)},
			{`DELETE FROM account_token WHERE owner = $1`, int64(id)},
			{`DELETE FROM account_hold WHERE principal = $1`, address.String()},
			{`DELETE FROM account_account WHERE id = $1`, int64(id)},
		} {
			if _, err := tx.Exec(s.query, s.arg); err != nil {
				return err
			}
		}
		// No alias leads nowhere: it would refuse with a riddle.
		if _, err := tx.Exec(`DELETE FROM account_address WHERE account IS NULL
			AND NOT EXISTS (SELECT 1 FROM account_target t WHERE t.address = account_address.address)`); err != nil {
			return err
		}
		if d.o.Deleted != nil {
			return d.o.Deleted(tx, id)
		}
		return nil
	})
}

func addressOf(tx *store.Tx, id ID) (mail.Address, error) {
	var address string
	err := tx.Row(`SELECT address FROM account_account WHERE id = $1`, int64(id)).Scan(&address)
	if errors.Is(err, store.ErrNoRow) {
		return mail.Address{}, fmt.Errorf("%w: %d", ErrNoAccount, id)
	}
	if err != nil {
		return mail.Address{}, err
	}
	return mail.ParseAddress(address)
}
