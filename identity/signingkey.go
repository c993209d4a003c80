package identity

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/store"
)

// ErrNotOurs is the error for a domain that has no mail here.
var ErrNotOurs = errors.New("no domain of ours")

// State is where a DKIM key stands in its life.
type State string

// The states of a DKIM key, in their order.
const (
	Planned State = "planned" // published, not signing yet
	Active  State = "active"  // signs
	Retired State = "retired" // published still, for mail under way
	Revoked State = "revoked" // published with an empty p=
)

// Key is a DKIM key as others may know it.
type Key struct {
	Domain    mail.Domain
	Selector  string
	Algorithm dkim.Algorithm
	State     State
	Public    crypto.PublicKey
	Created   time.Time
	Changed   time.Time // when it got its state
}

// rsaBits is what everybody takes: longer keys do not fit into one UDP answer, shorter
// ones are no longer believed (RFC 8301 section 3.2).
const rsaBits = 2048

// algorithms are those that every domain signs with. RSA is what all verify, Ed25519
// is the spare that needs no long record (RFC 8463).
func algorithms() []dkim.Algorithm { return []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} }

// guarded signs and shows its public half, and nothing else: the bytes of a private
// key leave the package by Export alone.
type guarded struct{ key crypto.Signer }

// Public is the public key.
func (g guarded) Public() crypto.PublicKey { return g.key.Public() }

// Sign signs a digest.
func (g guarded) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return g.key.Sign(random, digest, o)
}

// Signers are the active keys of a domain, RSA first. They are shared: do not change
// them. ErrNotOurs for a domain that is not stated.
func (i *Identity) Signers(d mail.Domain) ([]*dkim.Signer, error) {
	signers := (*i.signers.Load())[d]
	if len(signers) == 0 {
		return nil, fmt.Errorf("sign for %s: %w", d, ErrNotOurs)
	}
	return signers, nil
}

// Keys are all DKIM keys of a domain, whatever their state.
func (i *Identity) Keys(d mail.Domain) []Key { return (*i.keys.Load())[d] }

// makeSigningKeys makes the first keys of a domain where there are none.
func (i *Identity) makeSigningKeys(ctx context.Context, d mail.Domain) error {
	for _, a := range algorithms() {
		var n int
		err := i.store.Read(ctx, func(tx *store.Tx) error {
			return tx.Row(`SELECT count(*) FROM identity_dkim WHERE domain = $1 AND algorithm = $2 AND state = 'active'`, d.String(), string(a)).Scan(&n)
		})
		if err == nil && n == 0 {
			err = i.makeSigningKey(ctx, d, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *Identity) makeSigningKey(ctx context.Context, d mail.Domain, a dkim.Algorithm) error {
	now := i.world.Now()
	key, err := newSigningKey(a)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	made := false
	err = i.store.Write(ctx, func(tx *store.Tx) error {
		selector, err := freeSelector(tx, d, a)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO identity_dkim (domain, selector, algorithm, state, sealed, created, changed)
			VALUES ($1, $2, $3, 'active', $4, $5, $5) ON CONFLICT DO NOTHING`,
			d.String(), selector, string(a), i.seal.seal(signingLabel(d, selector), plain), store.Micros(now))
		made = n == 1
		tx.Wake(topic)
		return err
	})
	if err == nil && made {
		i.log.Info("made a DKIM key", "domain", d.String(), "algorithm", string(a))
	}
	return err
}

func newSigningKey(a dkim.Algorithm) (crypto.Signer, error) {
	if a == dkim.Ed25519SHA256 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, rsaBits)
}

func signingLabel(d mail.Domain, selector string) string {
	return "dkim " + d.String() + " " + selector
}

// freeSelector is the algorithm's letter and a number, "ag-r1", "ag-e1", then
// "ag-r2" and so on. Audits guess selectors, and these can be guessed.
func freeSelector(tx *store.Tx, d mail.Domain, a dkim.Algorithm) (string, error) {
	for next := 1; ; next++ {
		selector := fmt.Sprintf("ag-%c%d", a[0], next)
		var n int
		if err := tx.Row(`SELECT count(*) FROM identity_dkim WHERE domain = $1 AND selector = $2`, d.String(), selector).Scan(&n); err != nil || n == 0 {
			return selector, err
		}
	}
}

// storedKey is a row of identity_dkim, opened.
type storedKey struct {
	Key
	private crypto.Signer
}

// loadSigningKeys reads the keys of all domains for the hot path.
func (i *Identity) loadSigningKeys(ctx context.Context) error {
	all, err := i.storedKeys(ctx)
	if err != nil {
		return err
	}
	signers, keys := map[mail.Domain][]*dkim.Signer{}, map[mail.Domain][]Key{}
	s := i.said.Load()
	for _, k := range all {
		keys[k.Domain] = append(keys[k.Domain], k.Key)
		if k.State == Active && s.serves(k.Domain) {
			signers[k.Domain] = append(signers[k.Domain], &dkim.Signer{Domain: k.Domain, Selector: k.Selector, Key: guarded{k.private}})
		}
	}
	i.signers.Store(&signers)
	i.keys.Store(&keys)
	return nil
}

// storedKeys are all keys, RSA before Ed25519.
func (i *Identity) storedKeys(ctx context.Context) (all []storedKey, err error) {
	err = i.store.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(`SELECT domain, selector, algorithm, state, sealed, created, changed FROM identity_dkim
			ORDER BY domain, algorithm DESC, created, selector`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var domain string
			var k storedKey
			var sealed []byte
			var created, changed int64
			if err := rows.Scan(&domain, &k.Selector, (*string)(&k.Algorithm), (*string)(&k.State), &sealed, &created, &changed); err != nil {
				return err
			}
			k.Created, k.Changed = store.FromMicros(created), store.FromMicros(changed)
			if err := k.open(i.seal, domain, sealed); err != nil {
				return err
			}
			all = append(all, k)
		}
		return rows.Err()
	})
	return all, err
}

func (k *storedKey) open(s *sealer, domain string, sealed []byte) (err error) {
	if k.Domain, err = mail.ParseDomain(domain); err != nil {
		return err
	}
	plain, err := s.open(signingLabel(k.Domain, k.Selector), sealed)
	if err != nil {
		return err
	}
	if k.private, err = parsePrivate(plain); err != nil {
		return fmt.Errorf("key %s of %s: %w", k.Selector, domain, err)
	}
	k.Public = k.private.Public()
	return nil
}

// parsePrivate reads what x509.MarshalPKCS8PrivateKey wrote.
func parsePrivate(plain []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T does not sign", key)
	}
	return signer, nil
}
