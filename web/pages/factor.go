package pages

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
)

// The kinds of factors.
const (
	passkeyKind = "passkey"
	codeKind    = "code"
)

// factor is one thing that the administrator has.
type factor struct {
	ID            int64
	Kind, Label   string
	Created, Used time.Time
	value         []byte
	step          int64
}

// factors are those of an account, the oldest first; all kinds when kind is "".
func (s *Site) factors(ctx context.Context, of account.ID, kind string) (all []factor, err error) {
	err = s.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = factorsOf(tx, of, kind)
		return err
	})
	return all, err
}

func factorsOf(tx *store.Tx, of account.ID, kind string) (all []factor, err error) {
	rows, err := tx.Rows(`SELECT id, kind, label, value, step, created, used FROM web_factor
		WHERE account = $1 AND ($2 = '' OR kind = $2) ORDER BY id`, int64(of), kind)
	if err != nil {
		return nil, fmt.Errorf("read the factors: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var f factor
		if err := rows.Scan(&f.ID, &f.Kind, &f.Label, &f.value, &f.step, &f.Created, &f.Used); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// addFactor keeps a factor, and makes the session whole in which it was enrolled.
func (s *Site) addFactor(ctx context.Context, by session, kind, label string, value []byte, step int64) error {
	return s.o.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO web_factor (account, kind, label, value, step, created, used) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
			int64(by.account), kind, cut(label, 60), value, step, tx.Now())
		if err == nil {
			_, err = tx.Exec(`UPDATE web_session SET whole = 1 WHERE hash = $1`, by.hash[:])
		}
		return err
	})
}

// removeFactor forgets a factor. The last one stays: without it nobody could come back.
func (s *Site) removeFactor(ctx context.Context, of account.ID, id int64) (removed bool, err error) {
	err = s.o.Store.Write(ctx, func(tx *store.Tx) error {
		all, err := factorsOf(tx, of, "")
		if removed = len(all) > 1; err != nil || !removed {
			return err
		}
		n, err := tx.Exec(`DELETE FROM web_factor WHERE account = $1 AND id = $2`, int64(of), id)
		removed = n == 1
		return err
	})
	return removed, err
}

// Forget removes what belongs to an account that is no more.
func Forget(tx *store.Tx, id account.ID) error {
	for _, table := range []string{"web_session", "web_factor"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE account = $1`, int64(id)); err != nil {
			return fmt.Errorf("forget the logins of an account: %w", err)
		}
	}
	return nil
}

// takeCode uses up a code of the account's apps: each counts once (RFC 6238 section 5.2).
func (s *Site) takeCode(ctx context.Context, of account.ID, code string) (ok bool, err error) {
	err = s.o.Store.Write(ctx, func(tx *store.Tx) error {
		ok = false
		all, err := factorsOf(tx, of, codeKind)
		if err != nil {
			return err
		}
		for _, f := range all {
			secret, err := s.unseal(f.value)
			if err != nil {
				return fmt.Errorf("open a second factor: %w", err)
			}
			step := stepOf(secret, code, tx.Now())
			if step <= f.step {
				continue
			}
			n, err := tx.Exec(`UPDATE web_factor SET step = $2, used = $3 WHERE id = $1 AND step < $2`, f.ID, step, tx.Now())
			if err != nil {
				return err
			}
			ok = ok || n == 1
		}
		return nil
	})
	return ok, err
}

// cipher seals what the database keeps, or a form carries, of secrets.
func (s *Site) cipher() cipher.AEAD {
	key := sha256.Sum256(s.secret("web second factors")) // whatever its length
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of another size: our own bug
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // as above
	}
	return sealer
}

func (s *Site) seal(secret []byte) []byte { return s.cipher().Seal(nil, nil, secret, nil) }

var errSealed = errors.New("it was sealed by another server")

func (s *Site) unseal(sealed []byte) ([]byte, error) {
	secret, err := s.cipher().Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errSealed
	}
	return secret, nil
}

// label is what a person calls a factor.
func label(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// ceremony names a random thing.
func ceremonyID() string { return rand.Text() }
