package identity

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
)

// rootName is the secret from which others are derived; whether it is there tells
// whether the store was ever sealed.
const rootName = "root"

const secretSize = 32

// unlock finds the node key and the root secret, or makes both.
func (i *Identity) unlock(ctx context.Context, keyFile string) error {
	sealed, err := i.sealedSecret(ctx, rootName)
	if err != nil {
		return err
	}
	key, err := findNodeKey(keyFile, sealed != nil)
	if err != nil {
		return err
	}
	i.seal = newSealer(key)
	fresh := make([]byte, secretSize)
	rand.Read(fresh)
	i.root, err = i.keepSecret(ctx, rootName, fresh)
	return err
}

// sealedSecret is nil when there is none.
func (i *Identity) sealedSecret(ctx context.Context, name string) (sealed []byte, err error) {
	err = i.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT sealed FROM identity_secret WHERE name = $1`, name).Scan(&sealed)
	})
	if errors.Is(err, store.ErrNoRow) {
		return nil, nil
	}
	return sealed, err
}

func secretLabel(name string) string { return "secret " + name }

// keepSecret stores a secret unless there is one of that name, and gives the one that
// counts.
func (i *Identity) keepSecret(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	sealed, err := i.sealedSecret(ctx, name)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		mine := i.seal.seal(secretLabel(name), fresh)
		err = i.store.Write(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(`INSERT INTO identity_secret (name, sealed, created) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`,
				name, mine, store.Micros(i.world.Now())); err != nil {
				return err
			}
			return tx.Row(`SELECT sealed FROM identity_secret WHERE name = $1`, name).Scan(&sealed)
		})
		if err != nil {
			return nil, fmt.Errorf("keep the secret %s: %w", name, err)
		}
	}
	return i.seal.open(secretLabel(name), sealed)
}

// Keep keeps a secret of another package, sealed and exported like our own: the one
// kept under this name before, and otherwise a fresh one.
func (i *Identity) Keep(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	return i.keepSecret(ctx, name, fresh)
}

// Secret is 32 octets for one purpose, the same on every node and after every restart:
// HKDF-SHA256 (RFC 5869) of a stored secret. Purposes tell nothing about each other.
func (i *Identity) Secret(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, i.root, nil, "allgreen "+purpose, secretSize)
	if err != nil {
		panic(fmt.Sprintf("identity: %v", err)) // only for more octets than HKDF gives
	}
	return key
}

// SRS is the key that signs rewritten reverse-paths.
func (i *Identity) SRS() srs.Key { return srs.Key(i.Secret("srs")) }

// FakeUser is the key from which logins that do not exist get a stable SCRAM salt, so
// that nobody can ask who has a mailbox (RFC 5802 section 9).
func (i *Identity) FakeUser() []byte { return i.Secret("scram fake user") }
