package account

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// scramIterations is the least RFC 7677 section 4 allows: the secrets are random, so
// nothing is to be gained by guessing them slowly.
const scramIterations = 4096

// secretAlphabet has no 0, 1, l or o.
const secretAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// ScramKeys are what SCRAM-SHA-256 needs to verify a client (RFC 5802 section 3). All
// app passwords of an account have one salt, for the salt goes out before the client
// has shown which of them it knows.
type ScramKeys struct {
	Salt                 []byte
	Iterations           int
	StoredKey, ServerKey []byte      // of the newest app password
	Others               [][2][]byte // StoredKey and ServerKey of the older ones, each as good
}

// scramKey is the verifier of one app password.
type scramKey struct{ stored, server []byte }

func scramKeys(salt []byte, keys []scramKey) ScramKeys {
	k := ScramKeys{Salt: salt, Iterations: scramIterations, StoredKey: keys[0].stored, ServerKey: keys[0].server}
	for _, other := range keys[1:] {
		k.Others = append(k.Others, [2][]byte{other.stored, other.server})
	}
	return k
}

// newSecret is 100 random bits in groups of four: "k3fw-...".
func newSecret() string {
	var b [13]byte
	rand.Read(b[:])
	text := base32.NewEncoding(secretAlphabet).WithPadding(base32.NoPadding).EncodeToString(b[:])[:20]
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:]
}

// looksLikeAppPassword tells by its form alone what a password is.
func looksLikeAppPassword(s string) bool {
	if len(s) != 24 {
		return false
	}
	for i := range len(s) {
		if i%5 == 4 {
			if s[i] != '-' {
				return false
			}
		} else if strings.IndexByte(secretAlphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// newScramKey is the verifier of a secret: RFC 5802 section 3. The secrets are ASCII, so
// SASLprep changes nothing.
func newScramKey(secret string, salt []byte) scramKey {
	salted, err := pbkdf2.Key(sha256.New, secret, salt, scramIterations, sha256.Size)
	if err != nil {
		panic(err) // only for lengths and counts that are none
	}
	client := keyed(salted, "Client Key")
	stored := sha256.Sum256(client)
	return scramKey{stored: stored[:], server: keyed(salted, "Server Key")}
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// verifySecret compares a presented app password with all of an account, in the same
// time for none.
func verifySecret(secret string, salt []byte, keys []scramKey) bool {
	if len(salt) == 0 {
		salt = make([]byte, saltSize)
	}
	have := newScramKey(secret, salt)
	found := 0
	for _, k := range keys {
		found |= subtle.ConstantTimeCompare(k.stored, have.stored)
	}
	return found == 1
}

// maxSecrets is how many app passwords an account has at most.
const maxSecrets = 100

// AppPassword makes an app password for one of a person's programs and returns it; it
// cannot be shown again. A label that is there already gets a new one.
func (d *Directory) AppPassword(ctx context.Context, id ID, label string) (secret string, err error) {
	secret = newSecret()
	err = d.change(ctx, "make an app password", func(tx *store.Tx) error {
		var salt []byte
		if err := tx.Row(`SELECT salt FROM account_account WHERE id = $1`, int64(id)).Scan(&salt); err != nil {
			return noRow(err, ErrNoAccount)
		}
		var n int
		if err := tx.Row(`SELECT COUNT(*) FROM account_secret WHERE account = $1`, int64(id)).Scan(&n); err != nil {
			return err
		}
		if n >= maxSecrets {
			return fmt.Errorf("the account has %d app passwords: remove some", n)
		}
		k := newScramKey(secret, salt)
		_, err := tx.Exec(`INSERT INTO account_secret (account, label, stored_key, server_key, created) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, label) DO UPDATE SET stored_key = excluded.stored_key, server_key = excluded.server_key, created = excluded.created`,
			int64(id), label, k.stored, k.server, d.now())
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// RemoveAppPassword ends the use of an app password.
func (d *Directory) RemoveAppPassword(ctx context.Context, id ID, label string) error {
	return d.change(ctx, "remove an app password", func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM account_secret WHERE account = $1 AND label = $2`, int64(id), label)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// AppPasswordInfo is what may be shown of an app password.
type AppPasswordInfo struct {
	Label   string
	Created time.Time
}

// AppPasswords lists the app passwords of an account by label.
func (d *Directory) AppPasswords(ctx context.Context, id ID) (all []AppPasswordInfo, err error) {
	err = d.store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(`SELECT label, created FROM account_secret WHERE account = $1 ORDER BY label`, int64(id))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var i AppPasswordInfo
			if err := rows.Scan(&i.Label, &i.Created); err != nil {
				return err
			}
			all = append(all, i)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list app passwords: %w", err)
	}
	return all, nil
}
