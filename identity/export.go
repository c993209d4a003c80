package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/allgreen-mail/allgreen/store"
)

// ErrExport is wrapped by errors about a file that cannot be imported.
var ErrExport = errors.New("no export of an identity")

// exportFormat begins an export, so that a program can tell what it has.
const exportFormat = "allgreen-identity-1"

// export is everything private, opened. It is JSON, so that it can be read without us.
type export struct {
	Format       string                `json:"format"`
	NodeKey      string                `json:"node_key"`
	Secrets      []exportedSecret      `json:"secrets"`
	DKIM         []exportedKey         `json:"dkim"`
	Certificates []exportedCertificate `json:"certificates"`
}

type exportedSecret struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

type exportedKey struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	State     string `json:"state"`
	PKCS8     []byte `json:"pkcs8"`
	Created   int64  `json:"created"` // microseconds
	Changed   int64  `json:"changed"`
}

type exportedCertificate struct {
	Name   string `json:"name"`
	PKCS8  []byte `json:"pkcs8"`
	Chain  string `json:"chain"`
	Source string `json:"source"`
	Renew  int64  `json:"renew"`
}

// Export is everything private in one piece: the node key, the secrets, all keys and
// certificates. With a passphrase it is sealed by it (Argon2id, XChaCha20-Poly1305).
// Without one it lies open, for a caller that seals it otherwise, as by age: it must
// not be written anywhere before.
func (i *Identity) Export(ctx context.Context, passphrase []byte) ([]byte, error) {
	e := &export{Format: exportFormat, NodeKey: i.seal.key.text()}
	err := i.store.Read(ctx, func(tx *store.Tx) error {
		e.Secrets, e.DKIM, e.Certificates = nil, nil, nil
		return errors.Join(i.exportSecrets(tx, e), i.exportKeys(tx, e), i.exportCertificates(tx, e))
	})
	if err != nil {
		return nil, fmt.Errorf("export the identity: %w", err)
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("export the identity: %w", err)
	}
	if len(passphrase) == 0 {
		return plain, nil
	}
	return sealExport(plain, passphrase), nil
}

func (i *Identity) exportSecrets(tx *store.Tx, e *export) error {
	rows, err := tx.Rows(`SELECT name, sealed FROM identity_secret ORDER BY name`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s exportedSecret
		var sealed []byte
		if err := rows.Scan(&s.Name, &sealed); err != nil {
			return err
		}
		if s.Value, err = i.seal.open(secretLabel(s.Name), sealed); err != nil {
			return err
		}
		e.Secrets = append(e.Secrets, s)
	}
	return rows.Err()
}

func (i *Identity) exportKeys(tx *store.Tx, e *export) error {
	rows, err := tx.Rows(`SELECT domain, selector, algorithm, state, sealed, created, changed FROM identity_dkim ORDER BY domain, selector`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k exportedKey
		var sealed []byte
		if err := rows.Scan(&k.Domain, &k.Selector, &k.Algorithm, &k.State, &sealed, &k.Created, &k.Changed); err != nil {
			return err
		}
		if k.PKCS8, err = i.seal.open("dkim "+k.Domain+" "+k.Selector, sealed); err != nil {
			return err
		}
		e.DKIM = append(e.DKIM, k)
	}
	return rows.Err()
}

func (i *Identity) exportCertificates(tx *store.Tx, e *export) error {
	rows, err := tx.Rows(`SELECT name, sealed, chain, source, renew FROM identity_certificate ORDER BY name`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c exportedCertificate
		var sealed []byte
		if err := rows.Scan(&c.Name, &sealed, &c.Chain, &c.Source, &c.Renew); err != nil {
			return err
		}
		if c.PKCS8, err = i.seal.open("certificate "+c.Name, sealed); err != nil {
			return err
		}
		e.Certificates = append(e.Certificates, c)
	}
	return rows.Err()
}

// Import puts an export into a store that has no identity yet, and writes the node key
// where there is no file. Open it afterwards as usual.
func Import(ctx context.Context, st *store.Store, nodeKeyFile string, file, passphrase []byte) error {
	e, key, err := readExport(file, passphrase)
	if err != nil {
		return err
	}
	if err := checkExport(e); err != nil {
		return err
	}
	if err := key.write(nodeKeyFile); err != nil {
		if there, readErr := readNodeKey(nodeKeyFile); readErr != nil || there != key {
			return fmt.Errorf("import the identity: %w", err)
		}
	}
	s := newSealer(key)
	err = st.Write(ctx, func(tx *store.Tx) error { return e.insert(tx, s) })
	if err != nil {
		return fmt.Errorf("import the identity: %w", err)
	}
	return nil
}

func readExport(file, passphrase []byte) (*export, nodeKey, error) {
	plain := file
	if bytes.HasPrefix(file, []byte(sealedMark)) {
		var err error
		if plain, err = openExport(file, passphrase); err != nil {
			return nil, nodeKey{}, err
		}
	}
	e := &export{}
	if err := json.Unmarshal(plain, e); err != nil {
		return nil, nodeKey{}, fmt.Errorf("%w: it is no JSON", ErrExport)
	}
	if e.Format != exportFormat {
		return nil, nodeKey{}, fmt.Errorf("%w: it is a %.40q, not an %s", ErrExport, e.Format, exportFormat)
	}
	key, err := parseNodeKey(e.NodeKey)
	if err != nil {
		return nil, nodeKey{}, fmt.Errorf("%w: it %w", ErrExport, err)
	}
	return e, key, nil
}

// checkExport sees that all keys can be used before anything is written.
func checkExport(e *export) error {
	var errs []error
	for _, k := range e.DKIM {
		if _, err := x509.ParsePKCS8PrivateKey(k.PKCS8); err != nil {
			errs = append(errs, fmt.Errorf("%w: key %s of %s: %w", ErrExport, k.Selector, k.Domain, err))
		}
	}
	for _, c := range e.Certificates {
		if _, err := x509.ParsePKCS8PrivateKey(c.PKCS8); err != nil {
			errs = append(errs, fmt.Errorf("%w: key of %s: %w", ErrExport, c.Name, err))
		}
	}
	return errors.Join(errs...)
}

// insert seals everything anew. A store that has a root secret has an identity.
func (e *export) insert(tx *store.Tx, s *sealer) error {
	var n int
	if err := tx.Row(`SELECT count(*) FROM identity_secret`).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: the store has an identity already", ErrExport)
	}
	for _, x := range e.Secrets {
		if _, err := tx.Exec(`INSERT INTO identity_secret (name, sealed, created) VALUES ($1, $2, 0)`, x.Name, s.seal(secretLabel(x.Name), x.Value)); err != nil {
			return err
		}
	}
	for _, k := range e.DKIM {
		if _, err := tx.Exec(`INSERT INTO identity_dkim (domain, selector, algorithm, state, sealed, created, changed) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			k.Domain, k.Selector, k.Algorithm, k.State, s.seal("dkim "+k.Domain+" "+k.Selector, k.PKCS8), k.Created, k.Changed); err != nil {
			return err
		}
	}
	for _, c := range e.Certificates {
		if _, err := tx.Exec(`INSERT INTO identity_certificate (name, sealed, chain, source, renew, retry, failures, error, changed)
			VALUES ($1, $2, $3, $4, $5, 0, 0, '', 0)`, c.Name, s.seal("certificate "+c.Name, c.PKCS8), c.Chain, c.Source, c.Renew); err != nil {
			return err
		}
	}
	tx.Wake(topic)
	return nil
}

// sealedMark begins a sealed export; behind it come the salt, the nonce and the text.
const sealedMark = "allgreen-sealed-1\n"

const saltSize = 16

// passphraseKey costs a guesser 64 MiB and about a tenth of a second (RFC 9106 section
// 4, the second recommended choice).
func passphraseKey(passphrase, salt []byte) []byte {
	return argon2.IDKey(passphrase, salt, 3, 64<<10, 4, chacha20poly1305.KeySize)
}

func sealExport(plain, passphrase []byte) []byte {
	head := make([]byte, saltSize+chacha20poly1305.NonceSizeX)
	rand.Read(head)
	aead, err := chacha20poly1305.NewX(passphraseKey(passphrase, head[:saltSize]))
	if err != nil {
		panic(fmt.Sprintf("identity: %v", err)) // only for a key of another length
	}
	out := append([]byte(sealedMark), head...)
	return aead.Seal(out, head[saltSize:], plain, []byte(sealedMark))
}

func openExport(file, passphrase []byte) ([]byte, error) {
	rest := file[len(sealedMark):]
	if len(rest) < saltSize+chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: it is cut off", ErrExport)
	}
	aead, err := chacha20poly1305.NewX(passphraseKey(passphrase, rest[:saltSize]))
	if err != nil {
		panic(fmt.Sprintf("identity: %v", err))
	}
	rest = rest[saltSize:]
	plain, err := aead.Open(nil, rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:], []byte(sealedMark))
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase is another, or the file was changed", ErrExport)
	}
	return plain, nil
}
