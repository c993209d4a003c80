package suppression

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Kind says what stops mail.
type Kind string

// The kinds of entries. Several may stand for one address beside each other.
const (
	Unsubscribed Kind = "unsubscribed" // by the person who has the address
	Complained   Kind = "complained"   // the person called it spam
	Bounced      Kind = "bounced"      // the receiver says that nobody has the address
	Added        Kind = "added"        // by the operator
)

// Bounds of an entry, in octets.
const (
	maxStream = 100
	maxWhy    = 500
)

// ErrInvalid is an entry without a stream, an address or a kind, or with one that cannot be.
var ErrInvalid = errors.New("not an entry that can be kept")

// Entry is one reason why a stream does not go to an address.
type Entry struct {
	Stream  string
	Address mail.Address // in normal form when it was read
	Kind    Kind
	Why     string // for people; "": the kind says it
	Since   time.Time
}

// Normal is the form in which addresses are compared: the local part in lower case and
// composed. Elsewhere case may matter (RFC 5321 section 2.4); here a no counts for every
// way to write the address, for nobody lets two people have the two.
func Normal(a mail.Address) mail.Address {
	a.Local = norm.NFC.String(strings.ToLower(norm.NFC.String(a.Local)))
	return a
}

// IsStream reports whether a stream may have this name: up to 100 octets of UTF-8 on one line.
func IsStream(name string) bool {
	return name != "" && len(name) <= maxStream && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (e Entry) check() error {
	switch e.Kind {
	case Unsubscribed, Complained, Bounced, Added:
	default:
		return fmt.Errorf("%w: the kind is %.20q", ErrInvalid, e.Kind)
	}
	switch {
	case !IsStream(e.Stream):
		return fmt.Errorf("%w: the stream is %.60q", ErrInvalid, e.Stream)
	case e.Address.IsZero() || e.Address.Check() != nil:
		return fmt.Errorf("%w: no server could be told the address", ErrInvalid)
	case len(e.Why) > maxWhy || !utf8.ValidString(e.Why):
		return fmt.Errorf("%w: the reason has more than %d octets, or is not UTF-8", ErrInvalid, maxWhy)
	}
	return nil
}

// Add stops a stream to an address. It reports false when it was stopped already for a
// reason of this kind, which stays as it was. The error is ErrInvalid or the store's.
func Add(tx *store.Tx, e Entry) (added bool, err error) {
	if err := e.check(); err != nil {
		return false, err
	}
	n, err := tx.Exec(`INSERT INTO suppression_entry (address, stream, kind, why, since) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		Normal(e.Address).String(), e.Stream, string(e.Kind), e.Why, store.Micros(e.Since))
	return n > 0, err
}

// Remove lets a stream go to an address again, and tells how many reasons there were
// against it: all of them.
func Remove(tx *store.Tx, stream string, address mail.Address) (removed int, err error) {
	n, err := tx.Exec(`DELETE FROM suppression_entry WHERE address = $1 AND stream = $2`, Normal(address).String(), stream)
	return int(n), err
}

// Resubscribe takes back what the person who has the address did, and no other reason.
func Resubscribe(tx *store.Tx, stream string, address mail.Address) (removed bool, err error) {
	n, err := tx.Exec(`DELETE FROM suppression_entry WHERE address = $1 AND stream = $2 AND kind = $3`,
		Normal(address).String(), stream, string(Unsubscribed))
	return n > 0, err
}

// Has reports whether a stream must not go to an address.
func Has(tx *store.Tx, stream string, address mail.Address) (bool, error) {
	_, err := Reason(tx, stream, address)
	if errors.Is(err, store.ErrNoRow) {
		return false, nil
	}
	return err == nil, err
}

// Reason is the oldest entry against a stream to an address; store.ErrNoRow: there is none.
func Reason(tx *store.Tx, stream string, address mail.Address) (Entry, error) {
	return scan(tx.Row(selectEntries+`WHERE address = $1 AND stream = $2 ORDER BY since, kind LIMIT 1`, Normal(address).String(), stream).Scan)
}

const selectEntries = `SELECT address, stream, kind, why, since FROM suppression_entry `

func scan(row func(...any) error) (e Entry, err error) {
	var address string
	var since int64
	if err := row(&address, &e.Stream, (*string)(&e.Kind), &e.Why, &since); err != nil {
		return e, err
	}
	e.Since = store.FromMicros(since).UTC()
	if e.Address, err = mail.ParseAddress(address); err != nil {
		return e, fmt.Errorf("read the entry of %.300q: %w", address, err)
	}
	return e, nil
}
