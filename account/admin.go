package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// SetAdmin makes an account the admin of one of our domains: it gets the mail of the
// role addresses and the failures that have no other owner.
func (d *Directory) SetAdmin(ctx context.Context, domain mail.Domain, id ID) error {
	if !d.IsLocal(domain) {
		return fmt.Errorf("set the admin of %s: %w", domain, ErrNotLocal)
	}
	return d.change(ctx, "set the admin of "+domain.String(), func(tx *store.Tx) error {
		if _, err := addressOf(tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO account_domain (domain, admin) VALUES ($1, $2)
			ON CONFLICT (domain) DO UPDATE SET admin = excluded.admin`, domain.String(), int64(id))
		return err
	})
}

// Admin gives the admin of a domain: its own, or the one of the configuration.
// ErrNoAdmin when that account does not exist, or is no account of ours.
func (d *Directory) Admin(tx *store.Tx, domain mail.Domain) (ID, error) {
	var id int64
	err := tx.Row(`SELECT admin FROM account_domain WHERE domain = $1`, domain.String()).Scan(&id)
	if errors.Is(err, store.ErrNoRow) {
		admin := d.settings.Load().admin
		err = tx.Row(`SELECT account FROM account_address WHERE address = $1 AND account IS NOT NULL`, key(admin)).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("admin of %s: %w", domain, noRow(err, ErrNoAdmin))
	}
	return ID(id), nil
}

// OwnerOf gives the account that gets the failures of a principal or address of ours:
// "anna@example.com", "sales@example.com", "device:printer", "token:crm". The admin of
// the first domain owns what has no other owner.
func (d *Directory) OwnerOf(tx *store.Tx, name string) (ID, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case strings.Contains(name, "@"):
		return d.ownerOfAddress(tx, name)
	case kind == "token":
		var id int64
		err := tx.Row(`SELECT owner FROM account_token WHERE name = $1`, rest).Scan(&id)
		if err == nil || !errors.Is(err, store.ErrNoRow) {
			return ID(id), err
		}
	case kind == "device":
		all, err := d.allDevices(tx)
		if err != nil {
			return 0, err
		}
		for _, dev := range all {
			if dev.Name == rest {
				return d.ownerOfDevice(tx, dev)
			}
		}
	}
	return d.adminOfFirst(tx)
}

func (d *Directory) adminOfFirst(tx *store.Tx) (ID, error) {
	var domain mail.Domain
	if s := d.settings.Load(); len(s.domains) > 0 {
		domain = s.domains[0]
	}
	return d.Admin(tx, domain)
}

// ownerOfAddress is the account of an address, or the owner of an alias, or the admin.
func (d *Directory) ownerOfAddress(tx *store.Tx, address string) (ID, error) {
	domain, err := mail.ParseDomain(address[strings.LastIndexByte(address, '@')+1:])
	if err != nil {
		return d.adminOfFirst(tx)
	}
	if a, err := mail.ParseAddress(address); err == nil {
		var account, owner int64
		err := tx.Row(`SELECT COALESCE(account, 0), COALESCE(owner, 0) FROM account_address WHERE address IN ($1, $2)
			ORDER BY LENGTH(address) DESC LIMIT 1`, key(a), key(base(a))).Scan(&account, &owner)
		if err != nil && !errors.Is(err, store.ErrNoRow) {
			return 0, err
		}
		if id := cmp.Or(account, owner); id != 0 {
			return ID(id), nil
		}
	}
	return d.Admin(tx, domain)
}

// Standing gives the mailbox of an account, or, when the account is gone or 0, that of
// the admin of the first domain: who gets what the owner of a message should know.
func (d *Directory) Standing(tx *store.Tx, owner ID) (Target, error) {
	address, err := addressOf(tx, owner)
	if errors.Is(err, ErrNoAccount) {
		if owner, err = d.adminOfFirst(tx); err == nil {
			address, err = addressOf(tx, owner)
		}
	}
	if err != nil {
		return Target{}, fmt.Errorf("mailbox of owner %d: %w", owner, err)
	}
	return Target{Account: owner, Address: address}, nil
}
