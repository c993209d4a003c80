package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Digest names an object: the SHA-256 of its octets.
type Digest [sha256.Size]byte

// Sum is the digest of some octets.
func Sum(data []byte) Digest { return sha256.Sum256(data) }

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether this is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText is the digest in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads hexadecimal.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return errors.New("not a SHA-256 digest")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// The errors that callers tell apart.
var (
	// ErrMissing: the place has no such file, or the repository no such object.
	ErrMissing = errors.New("missing in the backup")
	// ErrDamaged: what was read is not what was written.
	ErrDamaged = errors.New("damaged in the backup")
	// ErrNone: there is no repository in this place.
	ErrNone = errors.New("no backup here")
	// ErrKey: the repository was written with another key, or the key is none.
	ErrKey = errors.New("not the key of this backup")
	// ErrPlace: the place does not answer, or refuses.
	ErrPlace = errors.New("the place of the backups cannot be used")
)

// Damage is one file that is not as it was written, or is gone. Objects are those in
// it that cannot be read; none means that it holds none, or that they stand elsewhere too.
type Damage struct {
	File    string
	Objects []Digest
	Err     error
}

// Error names the file.
func (d *Damage) Error() string { return fmt.Sprintf("%s: %v", d.File, d.Err) }

// Unwrap gives the cause.
func (d *Damage) Unwrap() error { return d.Err }

// IsDamage reports whether an error says that something in the repository is gone or
// damaged for good, so that reading on makes sense.
func IsDamage(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, ErrMissing) }
