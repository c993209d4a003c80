package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Kind is what sort of sender a principal is.
type Kind int

// The kinds of principals.
const (
	Nobody    Kind = iota // the zero value may do nothing
	Login                 // a person or program with a password
	Appliance             // a device known by its network
	APIToken              // a program with an API token
	System                // this server itself
)

// Principal is who hands a message in.
type Principal struct {
	Kind      Kind
	Name      string // "anna@example.com", "device:printer", "token:crm"; in logs and limits
	Account   ID     // of a Login; else zero
	Owner     ID     // gets its failures
	Senders   []Sender
	Limits    Limits
	LocalOnly bool // may write to our own domains only
	Bulk      bool // its mail is a stream that one can leave, named as the principal
	Held      bool // what it sends waits for an administrator
}

// MaySend reports whether the principal may write as this address.
func (p *Principal) MaySend(from mail.Address) bool {
	for _, s := range p.Senders {
		if s.Allows(from) {
			return true
		}
	}
	return false
}

// Sender is an address, or a whole domain, that may stand in From. The zero value
// allows nothing.
type Sender struct {
	Address mail.Address
	Domain  mail.Domain // every address in it
}

// Allows reports whether from is the address, with or without a detail, or lies in the
// domain.
func (s Sender) Allows(from mail.Address) bool {
	if from.IsZero() || from.Literal.IsValid() {
		return false
	}
	if !s.Domain.IsZero() && from.Domain == s.Domain {
		return true
	}
	from = Normal(from)
	return !s.Address.IsZero() && (from == s.Address || base(from) == s.Address)
}

// ParseSender reads "anna@example.com", "@example.com" or "example.com".
func ParseSender(text string) (Sender, error) {
	if at := strings.IndexByte(text, '@'); at > 0 {
		a, err := mail.ParseAddress(text)
		return Sender{Address: Normal(a)}, err
	}
	domain, err := mail.ParseDomain(strings.TrimPrefix(text, "@"))
	return Sender{Domain: domain}, err
}

// String is what ParseSender reads.
func (s Sender) String() string {
	if !s.Domain.IsZero() {
		return "@" + s.Domain.String()
	}
	return s.Address.String()
}

func joinSenders(senders []Sender) string {
	var lines []string
	for _, s := range senders {
		lines = append(lines, s.String())
	}
	return strings.Join(lines, "\n")
}

func splitSenders(text string) (senders []Sender, err error) {
	for line := range strings.Lines(text) {
		s, err := ParseSender(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		senders = append(senders, s)
	}
	return senders, nil
}

// Limits are how many recipients a principal may write to. Zero: the default.
type Limits struct {
	PerHour int
	PerDay  int
}

// Hold has everything a principal sends wait, until Free.
func (d *Directory) Hold(ctx context.Context, principal, why string) error {
	return d.change(ctx, "hold "+principal, func(tx *store.Tx) error {
		return d.HoldTx(tx, principal, why)
	})
}

// HoldTx is Hold within a transaction that has another purpose. The first reason stays.
func (d *Directory) HoldTx(tx *store.Tx, principal, why string) error {
	_, err := tx.Exec(`INSERT INTO account_hold (principal, why, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		principal, why, d.now())
	return err
}

// Free lets a principal send again. ErrNotFound when it was not held.
func (d *Directory) Free(ctx context.Context, principal string) error {
	return d.change(ctx, "free "+principal, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM account_hold WHERE principal = $1`, principal)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// HeldPrincipal is one whose mail waits, and why.
type HeldPrincipal struct {
	Name  string
	Why   string
	Since time.Time
}

// Holds gives the principals that are held, the newest first.
func (d *Directory) Holds(ctx context.Context) (all []HeldPrincipal, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(`SELECT principal, why, since FROM account_hold ORDER BY since DESC, principal`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var h HeldPrincipal
			if err := rows.Scan(&h.Name, &h.Why, &h.Since); err != nil {
				return err
			}
			all = append(all, h)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return all, nil
}

// IsHeld reports whether what a principal sends waits for an administrator, now: it
// may have changed since its login.
func (d *Directory) IsHeld(tx *store.Tx, principal string) (bool, error) {
	return isHeld(tx, principal)
}

func isHeld(tx *store.Tx, principal string) (bool, error) {
	var n int
	err := tx.Row(`SELECT 1 FROM account_hold WHERE principal = $1`, principal).Scan(&n)
	if errors.Is(err, store.ErrNoRow) {
		return false, nil
	}
	return n == 1, err
}
