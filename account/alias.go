package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Alias is an address that leads to others.
type Alias struct {
	From  mail.Address   // ours; of an account as well: then its mail goes on to To instead
	To    []mail.Address // here or elsewhere; From itself keeps a copy in its mailbox
	Owner ID             // gets the failures; zero: the account of From, or the domain's admin
}

// AddAlias makes an alias, or gives the one there is new targets.
func (d *Directory) AddAlias(ctx context.Context, a Alias) error {
	what := fmt.Sprintf("alias %s", a.From)
	if !d.IsLocal(a.From.Domain) {
		return fmt.Errorf("%s: %w", what, ErrNotLocal)
	}
	return d.setTargets(ctx, what, key(a.From), a.To, a.Owner)
}

// RemoveAlias removes an alias, or what an account's mail was forwarded to.
func (d *Directory) RemoveAlias(ctx context.Context, from mail.Address) error {
	return d.removeTargets(ctx, fmt.Sprintf("remove alias %s", from), key(from))
}

// SetCatchAll has the mail for every address of a domain that nobody has go to one
// account, the owner. It invites all the spam that is sent to made-up names.
func (d *Directory) SetCatchAll(ctx context.Context, domain mail.Domain, to []mail.Address, owner ID) error {
	what := fmt.Sprintf("catch-all of %s", domain)
	if !d.IsLocal(domain) {
		return fmt.Errorf("%s: %w", what, ErrNotLocal)
	}
	return d.setTargets(ctx, what, catchAllKey(domain), to, owner)
}

// RemoveCatchAll makes unknown addresses of a domain refused again.
func (d *Directory) RemoveCatchAll(ctx context.Context, domain mail.Domain) error {
	return d.removeTargets(ctx, fmt.Sprintf("remove the catch-all of %s", domain), catchAllKey(domain))
}

func (d *Directory) setTargets(ctx context.Context, what, from string, to []mail.Address, owner ID) error {
	targets, err := d.targetKeys(to)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var own any
	if owner != 0 {
		own = int64(owner)
	}
	return d.change(ctx, what, func(tx *store.Tx) error {
		if owner != 0 {
			if _, err := addressOf(tx, owner); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO account_address (address, account, owner) VALUES ($1, NULL, $2)
			ON CONFLICT (address) DO UPDATE SET owner = excluded.owner`, from, own); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM account_target WHERE address = $1`, from); err != nil {
			return err
		}
		for i, target := range targets {
			if _, err := tx.Exec(`INSERT INTO account_target (address, position, target) VALUES ($1, $2, $3)`, from, i, target); err != nil {
				return err
			}
		}
		return nil
	})
}

// targetKeys checks targets; ours are kept in normal form, others as they are.
func (d *Directory) targetKeys(to []mail.Address) ([]string, error) {
	if len(to) == 0 || len(to) > maxTargets {
		return nil, fmt.Errorf("an alias has 1 to %d targets, not %d", maxTargets, len(to))
	}
	var targets []string
	for _, a := range to {
		if a.IsZero() || a.Domain.IsZero() && !a.Literal.IsValid() {
			return nil, fmt.Errorf("%w: target %q", mail.ErrAddress, a.String())
		}
		target := a.String()
		if d.IsLocal(a.Domain) {
			target = key(a)
		}
		if !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	return targets, nil
}

func (d *Directory) removeTargets(ctx context.Context, what, from string) error {
	return d.change(ctx, what, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM account_target WHERE address = $1`, from)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		_, err = tx.Exec(`DELETE FROM account_address WHERE address = $1 AND account IS NULL`, from)
		return err
	})
}

// Aliases gives all aliases in the order of their addresses. A catch-all has a From
// without a local part.
func (d *Directory) Aliases(ctx context.Context) (all []Alias, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(`SELECT a.address, COALESCE(a.owner, 0), t.target FROM account_address a
			JOIN account_target t ON t.address = a.address ORDER BY a.address, t.position`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if all, err = appendAlias(all, rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list aliases: %w", err)
	}
	return all, nil
}

func appendAlias(all []Alias, rows *store.Rows) ([]Alias, error) {
	var address, target string
	var a Alias
	if err := rows.Scan(&address, (*int64)(&a.Owner), &target); err != nil {
		return nil, err
	}
	var err error
	if domain, ok := strings.CutPrefix(address, "@"); ok {
		a.From.Domain, err = mail.ParseDomain(domain)
	} else {
		a.From, err = mail.ParseAddress(address)
	}
	if err != nil {
		return nil, err
	}
	to, err := mail.ParseAddress(target)
	if err != nil {
		return nil, err
	}
	if n := len(all); n > 0 && all[n-1].From == a.From {
		all[n-1].To = append(all[n-1].To, to)
		return all, nil
	}
	a.To = []mail.Address{to}
	return append(all, a), nil
}
