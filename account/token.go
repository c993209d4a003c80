package account

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// TokenInfo is an API token without its secret.
type TokenInfo struct {
	Name      string // "crm"; the principal is "token:crm"
	Owner     ID     // gets its failures
	Senders   []Sender
	Limits    Limits
	LocalOnly bool
	Bulk      bool // its mail goes to many: each message has a link to leave the stream
	Created   time.Time
}

// tokenPrefix lets people and scanners see what a leaked secret is.
const tokenPrefix = "allgreen-"

// AddToken makes an API token and returns its secret, which cannot be shown again.
func (d *Directory) AddToken(ctx context.Context, t TokenInfo) (secret string, err error) {
	if err := checkName(t.Name); err != nil {
		return "", fmt.Errorf("add token: %w", err)
	}
	secret = tokenPrefix + newSecret() + "-" + newSecret()
	hash := sha256.Sum256([]byte(secret))
	err = d.change(ctx, "add token "+t.Name, func(tx *store.Tx) error {
		if _, err := addressOf(tx, t.Owner); err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO account_token (name, hash, owner, senders, per_hour, per_day, local_only, bulk, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
			t.Name, hash[:], int64(t.Owner), joinSenders(t.Senders), t.Limits.PerHour, t.Limits.PerDay, t.LocalOnly, t.Bulk, d.now())
		if err == nil && n == 0 {
			err = ErrExists
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveToken ends the use of a token.
func (d *Directory) RemoveToken(ctx context.Context, name string) error {
	return d.remove(ctx, "remove token "+name, `DELETE FROM account_token WHERE name = $1`, name)
}

func (d *Directory) remove(ctx context.Context, what, query, name string) error {
	return d.change(ctx, what, func(tx *store.Tx) error {
		n, err := tx.Exec(query, name)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

const selectTokens = `SELECT name, owner, senders, per_hour, per_day, local_only, bulk, created FROM account_token `

func scanToken(scan func(...any) error) (t TokenInfo, err error) {
	var senders string
	if err = scan(&t.Name, (*int64)(&t.Owner), &senders, &t.Limits.PerHour, &t.Limits.PerDay, &t.LocalOnly, &t.Bulk, &t.Created); err != nil {
		return t, err
	}
	t.Senders, err = splitSenders(senders)
	return t, err
}

// Tokens lists the API tokens by name.
func (d *Directory) Tokens(ctx context.Context) (all []TokenInfo, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(selectTokens + `ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t, err := scanToken(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, t)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return all, nil
}

// Token is who holds an API token. ErrCredentials when nobody does. It is not throttled:
// a secret has 200 random bits.
func (d *Directory) Token(ctx context.Context, secret string) (p Principal, err error) {
	hash := sha256.Sum256([]byte(secret))
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		t, err := scanToken(tx.Row(selectTokens+`WHERE hash = $1`, hash[:]).Scan)
		if err != nil {
			return noRow(err, ErrCredentials)
		}
		p = Principal{Kind: APIToken, Name: "token:" + t.Name, Owner: t.Owner, Senders: t.Senders, Limits: t.Limits, LocalOnly: t.LocalOnly, Bulk: t.Bulk}
		p.Held, err = isHeld(tx, p.Name)
		return err
	})
	if err != nil {
		return Principal{}, fmt.Errorf("token: %w", err)
	}
	return p, nil
}
