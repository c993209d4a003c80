package identity

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// CertificateFile names a certificate with its chain, and its private key, both PEM.
// They are read again whenever certificates are looked at, so that whatever renews
// them need not tell us.
type CertificateFile struct{ Certificate, Key string }

// maxPEM bounds a file of certificates or keys.
const maxPEM = 1 << 20

// soon is when a certificate that somebody else must renew is worth a word.
const soon = 14 * 24 * time.Hour

// files are the pairs that could be read, and why others could not.
type files struct {
	pairs    []*tls.Certificate
	problems []string
	now      time.Time
}

func (i *Identity) readFiles(names []CertificateFile) *files {
	all := &files{now: i.world.Now()}
	for _, name := range names {
		cert, err := readPair(name)
		if err != nil {
			all.problems = append(all.problems, err.Error())
			continue
		}
		all.pairs = append(all.pairs, cert)
	}
	return all
}

// readPair reads both halves and sees that they fit. While the one is written and the
// other is not, they do not; the next look finds both.
func readPair(name CertificateFile) (*tls.Certificate, error) {
	keyPEM, err := readPEM(name.Key)
	if err != nil {
		return nil, err
	}
	key, err := parseKeyFile(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name.Key, err)
	}
	chain, err := readPEM(name.Certificate)
	if err != nil {
		return nil, err
	}
	cert, err := readChain(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name.Certificate, err)
	}
	return cert, nil
}

func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPEM {
		return nil, fmt.Errorf("%s is no PEM file", path)
	}
	return os.ReadFile(path)
}

// parseKeyFile reads PKCS #8, PKCS #1 or SEC 1.
func parseKeyFile(file []byte) (crypto.Signer, error) {
	for block := range blocks(file) {
		switch block.Type {
		case "PRIVATE KEY":
			return parsePrivate(block.Bytes)
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key is encrypted; decrypt it first")
		}
	}
	return nil, errors.New("there is no private key in it")
}

// find is the file's certificate for a name that lasts longest; nil when none holds now.
func (f *files) find(name mail.Domain, now time.Time) (best *tls.Certificate) {
	for _, c := range f.pairs {
		if judgeLeaf(c.Leaf, name, now) == nil && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
			best = c
		}
	}
	return best
}

// problem is what there is to say about a name: a file that could not be read, one
// that has expired, or one that soon will.
func (f *files) problem(name mail.Domain) string {
	all := slices.Clip(f.problems)
	for _, c := range f.pairs {
		if c.Leaf.VerifyHostname(name.String()) != nil {
			continue
		}
		if err := judgeLeaf(c.Leaf, name, f.now); err != nil {
			all = append(all, err.Error())
		} else if left := c.Leaf.NotAfter.Sub(f.now); left < soon {
			all = append(all, fmt.Sprintf("it expires on %s, and nothing has renewed it", c.Leaf.NotAfter.UTC().Format(time.DateOnly)))
		}
	}
	return strings.Join(all, "; ")
}

// addOthers makes names usable that are in the files and not in the statement.
func (f *files) addOthers(by map[string]*tls.Certificate) {
	for _, c := range f.pairs {
		for _, name := range c.Leaf.DNSNames {
			if by[strings.ToLower(name)] == nil && f.now.Before(c.Leaf.NotAfter) {
				by[strings.ToLower(name)] = c
			}
		}
	}
}
