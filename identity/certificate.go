package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Certificates say where certificates come from. A file counts before an authority,
// and the zero value signs by itself.
type Certificates struct {
	Files []CertificateFile
	ACME  *ACME
	// Given issues by an authority that is at hand, as the lab's: with its own key, good
	// for the name alone.
	Given func(name mail.Domain) (*tls.Certificate, error)
}

// Source is where a certificate came from.
type Source string

// The sources, from the best.
const (
	FromFile  Source = "file"
	FromACME  Source = "acme"
	FromGiven Source = "given"
	FromSelf  Source = "self-signed" // nobody believes it; it keeps port 25 open
)

// Health is how the certificate of one name stands.
type Health struct {
	Name     mail.Domain
	Services []Service
	Source   Source
	Fallback bool      // self-signed for want of the one that should be there
	Expires  time.Time // of the certificate in use
	// Convenience: only mail programs that set themselves up ask under this name.
	Convenience bool
	Problem     string // why it is not what it should be; "" when all is well
}

// table is every certificate in use; it is replaced as a whole.
type table struct {
	by     map[string]*tls.Certificate // by name, lower case
	health []Health
}

// storedCertificate is a row of identity_certificate, opened.
type storedCertificate struct {
	name     mail.Domain
	key      crypto.Signer
	chain    string // PEM; "" while there is none
	source   Source
	renew    time.Time
	retry    time.Time
	failures int
	problem  string
}

func certificateLabel(name mail.Domain) string { return "certificate " + name.String() }

// makeCertificateKey makes the key of a name where there is none: ECDSA on P-256,
// which every peer of TLS 1.2 knows.
func (i *Identity) makeCertificateKey(ctx context.Context, name mail.Domain) error {
	if _, err := i.storedCertificate(ctx, name); !errors.Is(err, store.ErrNoRow) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	sealed := i.seal.seal(certificateLabel(name), plain)
	return i.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO identity_certificate (name, sealed, chain, source, renew, retry, failures, error, changed)
			VALUES ($1, $2, '', '', 0, 0, 0, '', $3) ON CONFLICT (name) DO NOTHING`, name.String(), sealed, store.Micros(i.world.Now()))
		return err
	})
}

func (i *Identity) storedCertificate(ctx context.Context, name mail.Domain) (*storedCertificate, error) {
	c := &storedCertificate{name: name}
	var sealed []byte
	var renew, retry int64
	err := i.store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT sealed, chain, source, renew, retry, failures, error FROM identity_certificate WHERE name = $1`, name.String()).
			Scan(&sealed, &c.chain, (*string)(&c.source), &renew, &retry, &c.failures, &c.problem)
	})
	if err != nil {
		return nil, err
	}
	c.renew, c.retry = store.FromMicros(renew), store.FromMicros(retry)
	plain, err := i.seal.open(certificateLabel(name), sealed)
	if err != nil {
		return nil, err
	}
	c.key, err = parsePrivate(plain)
	return c, err
}

// certificate is the chain with its key, or an error when there is none that holds now.
func (c *storedCertificate) certificate(now time.Time) (*tls.Certificate, error) {
	if c.chain == "" {
		return nil, errors.New("none was issued yet")
	}
	cert, err := readChain([]byte(c.chain), c.key)
	if err != nil {
		return nil, err
	}
	return cert, judgeLeaf(cert.Leaf, c.name, now)
}

// readChain makes a certificate of a PEM chain and the key that must fit it.
func readChain(chain []byte, key crypto.Signer) (*tls.Certificate, error) {
	cert := &tls.Certificate{PrivateKey: guarded{key}}
	for block := range blocks(chain) {
		if block.Type == "CERTIFICATE" {
			cert.Certificate = append(cert.Certificate, block.Bytes)
		}
	}
	if len(cert.Certificate) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	cert.Leaf = leaf
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate and the key do not belong together; the first certificate must be the server's own")
	}
	return cert, nil
}

// judgeLeaf says what a client would not forgive.
func judgeLeaf(leaf *x509.Certificate, name mail.Domain, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it expired on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if err := leaf.VerifyHostname(name.String()); err != nil {
		return fmt.Errorf("it is not for %s", name)
	}
	return nil
}

// loadCertificates looks for the best certificate of every name. It fails only when
// the store does.
func (i *Identity) loadCertificates(ctx context.Context) error {
	said, t := i.said.Load(), &table{by: map[string]*tls.Certificate{}}
	files := i.readFiles(said.certificates.Files)
	for _, name := range said.certificateNames() {
		stored, err := i.storedCertificate(ctx, name)
		if err != nil {
			return fmt.Errorf("read the certificate of %s: %w", name, err)
		}
		cert, health, err := i.choose(name, stored, files, said.certificates)
		if err != nil {
			return err
		}
		health.Name, health.Services, health.Expires = name, said.servicesOf(name), cert.Leaf.NotAfter
		health.Convenience = said.isConvenience(name)
		t.by[name.String()] = cert
		t.health = append(t.health, health)
	}
	files.addOthers(t.by)
	i.announce(i.table.Swap(t), t)
	return nil
}

// choose takes the best certificate that there is for a name.
func (i *Identity) choose(name mail.Domain, stored *storedCertificate, files *files, from Certificates) (*tls.Certificate, Health, error) {
	now := i.world.Now()
	if cert := files.find(name, now); cert != nil {
		return cert, Health{Source: FromFile, Problem: files.problem(name)}, nil
	}
	h := Health{Source: FromSelf, Problem: files.problem(name)}
	if from.Given != nil {
		cert, err := given(from, name)
		if err == nil {
			return cert, Health{Source: FromGiven}, nil
		}
		h.Problem = err.Error()
	}
	if from.ACME != nil {
		cert, err := stored.certificate(now)
		if err == nil {
			return cert, Health{Source: FromACME, Problem: stored.problem}, nil
		}
		if h.Problem = stored.problem; h.Problem == "" {
			h.Problem = err.Error()
		}
	}
	h.Fallback = from.Given != nil || from.ACME != nil || len(from.Files) > 0
	if h.Fallback && h.Problem == "" {
		h.Problem = "no certificate file is for this name"
	}
	cert, err := selfSigned(name, stored.key, now)
	return cert, h, err
}

func given(from Certificates, name mail.Domain) (*tls.Certificate, error) {
	cert, err := from.Given(name)
	if err != nil {
		return nil, fmt.Errorf("the authority gave none: %w", err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("the authority gave what is none: %w", err)
		}
	}
	return cert, nil
}

// announce logs what changed for the worse or the better.
func (i *Identity) announce(before, now *table) {
	old := map[mail.Domain]Health{}
	if before != nil {
		for _, h := range before.health {
			old[h.Name] = h
		}
	}
	for _, h := range now.health {
		was, known := old[h.Name]
		switch {
		case h.Problem != "" && h.Convenience && (!known || was.Problem != h.Problem):
			i.log.Info("mail programs cannot set themselves up by this name", "name", h.Name.String(), "problem", h.Problem)
		case h.Problem != "" && (!known || was.Problem != h.Problem):
			i.log.Error("a certificate is missing or will be", "name", h.Name.String(), "services", fmt.Sprint(h.Services),
				"source", string(h.Source), "fallback", h.Fallback, "problem", h.Problem)
		case h.Problem == "" && (!known || was.Problem != "" || was.Source != h.Source || !was.Expires.Equal(h.Expires)):
			i.log.Info("certificate in use", "name", h.Name.String(), "source", string(h.Source), "expires", h.Expires)
		}
	}
}

// servicesOf are the services that show a name; none for the host of a policy, which
// HTTPS shows.
func (s *Statement) servicesOf(name mail.Domain) []Service {
	var all []Service
	for _, service := range []Service{SMTP, Submission, IMAP, POP3, HTTPS} {
		if s.nameOf(service) == name {
			all = append(all, service)
		}
	}
	if len(all) == 0 {
		return []Service{HTTPS}
	}
	return all
}

// Health is how every certificate stands, the host name's first.
func (i *Identity) Health() []Health { return slices.Clone(i.table.Load().health) }
