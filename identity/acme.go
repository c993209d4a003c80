package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// ACME is the authority to ask (RFC 8555). Whoever names one accepts its terms.
type ACME struct {
	Directory string        // the address of its directory
	Email     mail.Address  // where it writes to; zero: nowhere
	DNS       zone.Provider // proves by DNS-01 instead of HTTP-01 and TLS-ALPN-01; may be nil
}

const (
	obtainTime = 5 * time.Minute // for one certificate; below leaseTime
	firstRetry = 15 * time.Minute
	lastRetry  = 24 * time.Hour
	userAgent  = "allgreen"
)

// renewCertificates fetches what is missing or due, one name after the other. One
// process does it for all; what fails for one name stops no other.
func (i *Identity) renewCertificates(ctx context.Context) error {
	said := i.said.Load()
	if said.certificates.ACME == nil {
		return nil
	}
	due, err := i.due(ctx, said)
	if err != nil || len(due) == 0 {
		return err
	}
	l, err := i.take(ctx, "acme")
	if err != nil || l == nil {
		return err
	}
	defer func() { i.complain(i.give(ctx, l)) }()
	until := i.world.Now().Add(leaseTime - obtainTime)
	a, err := i.register(ctx, said.certificates.ACME)
	for _, name := range due {
		if i.world.Now().After(until) || ctx.Err() != nil {
			break // the next look goes on, under a fresh lease
		}
		failed := err
		if failed == nil {
			failed = i.renew(ctx, a, name)
		}
		if failed != nil {
			i.log.Log(ctx, failureLevel(said, name), "no certificate from the authority", "name", name.String(), "error", failed)
			if err := i.keepFailure(ctx, name, failed); err != nil {
				return err
			}
		}
	}
	return nil
}

// failureLevel is how loud it is that a name has no certificate yet: those for convenience
// may never be published, and are tried again every ten minutes.
func failureLevel(said *said, name mail.Domain) slog.Level {
	if said.isConvenience(name) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// due are the names that want a certificate now.
func (i *Identity) due(ctx context.Context, said *said) (due []mail.Domain, err error) {
	now, files := i.world.Now(), i.readFiles(said.certificates.Files)
	for _, name := range said.certificateNames() {
		if files.find(name, now) != nil {
			continue
		}
		c, err := i.storedCertificate(ctx, name)
		if err != nil {
			return nil, err
		}
		_, unfit := c.certificate(now)
		if (unfit != nil || !now.Before(c.renew)) && !now.Before(c.retry) {
			due = append(due, name)
		}
	}
	return due, nil
}

// authority is an ACME client with its account.
type authority struct {
	*acmez.Client
	account acme.Account
	renews  bool // gives renewal information (RFC 9773)
}

// register finds or makes our account.
func (i *Identity) register(ctx context.Context, from *ACME) (*authority, error) {
	a := &authority{Client: &acmez.Client{
		Client: &acme.Client{
			Directory:   from.Directory,
			HTTPClient:  i.world.HTTPClient(30 * time.Second),
			UserAgent:   userAgent,
			PollTimeout: obtainTime,
			Logger:      i.log,
		},
		ChallengeSolvers: i.solvers(from),
	}}
	directory, err := a.GetDirectory(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", from.Directory, err)
	}
	a.renews = directory.RenewalInfo != ""
	if directory.Meta != nil {
		if err := i.keepFact(ctx, issuersFact(from.Directory), strings.Join(directory.Meta.CAAIdentities, " ")); err != nil {
			return nil, err
		}
	}
	a.account, err = i.account(ctx, a.Client, from)
	return a, err
}

func (i *Identity) solvers(from *ACME) map[string]acmez.Solver {
	if from.DNS != nil {
		return map[string]acmez.Solver{acme.ChallengeTypeDNS01: &dnsSolver{i, from.DNS}}
	}
	return map[string]acmez.Solver{acme.ChallengeTypeHTTP01: solver{i}, acme.ChallengeTypeTLSALPN01: solver{i}}
}

// account asks for the account of our key; the authority makes it where there is none
// and names the old one otherwise (RFC 8555 section 7.3.1), so only the key is kept.
func (i *Identity) account(ctx context.Context, client *acmez.Client, from *ACME) (acme.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return acme.Account{}, err
	}
	kept, err := i.keepSecret(ctx, "acme-account "+from.Directory, plain)
	if err != nil {
		return acme.Account{}, err
	}
	account := acme.Account{TermsOfServiceAgreed: true}
	if account.PrivateKey, err = parsePrivate(kept); err != nil {
		return acme.Account{}, err
	}
	if !from.Email.IsZero() {
		account.Contact = []string{"mailto:" + from.Email.String()}
	}
	account, err = client.NewAccount(ctx, account)
	if err != nil {
		return acme.Account{}, fmt.Errorf("open an account at %s: %w", from.Directory, err)
	}
	return account, nil
}

// renew gets a certificate for a name, with the key that the name has.
func (i *Identity) renew(ctx context.Context, a *authority, name mail.Domain) error {
	ctx, cancel := context.WithTimeout(ctx, obtainTime)
	defer cancel()
	if err := i.reachable(ctx, name); err != nil {
		return err
	}
	c, err := i.storedCertificate(ctx, name)
	if err != nil {
		return err
	}
	csr, err := acmez.NewCSR(c.key, []string{name.String()})
	if err != nil {
		return err
	}
	order, err := acmez.OrderParametersFromCSR(a.account, csr)
	if err != nil {
		return err
	}
	if old, err := c.certificate(i.world.Now()); err == nil && a.renews {
		order.Replaces = old.Leaf
	}
	chains, err := a.ObtainCertificate(ctx, order)
	if err != nil {
		return err
	}
	return i.keepChain(ctx, a, c, chains)
}

// errUnpublished is why no authority was asked.
var errUnpublished = errors.New("it has no address record yet; publish it")

// reachable asks the DNS before the authority does: every failed proof counts against
// us there.
func (i *Identity) reachable(ctx context.Context, name mail.Domain) error {
	if c := i.said.Load().certificates.ACME; c != nil && c.DNS != nil {
		return nil
	}
	_, err := world.LookupHost(ctx, i.world, name)
	if errors.Is(err, world.ErrNotFound) {
		return fmt.Errorf("%s: %w", name, errUnpublished)
	}
	return nil
}

// keepChain stores the first chain that holds; the preferred one comes first (RFC 8555
// section 7.4.2).
func (i *Identity) keepChain(ctx context.Context, a *authority, c *storedCertificate, chains []acme.Certificate) error {
	err := errors.New("the authority sent no certificate")
	for _, chain := range chains {
		c.chain = string(chain.ChainPEM)
		cert, unfit := c.certificate(i.world.Now())
		if unfit != nil {
			err = fmt.Errorf("the authority sent a certificate that does not fit: %w", unfit)
			continue
		}
		renew := i.renewalTime(ctx, a, cert.Leaf)
		return i.store.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE identity_certificate SET chain = $2, source = $3, renew = $4, retry = 0, failures = 0, error = '', changed = $5
				WHERE name = $1`, c.name.String(), c.chain, string(FromACME), store.Micros(renew), store.Micros(i.world.Now()))
			tx.Wake(topic)
			return err
		})
	}
	return err
}

// renewalTime is when the authority would have us renew (RFC 9773), else when two
// thirds of the lifetime are over.
func (i *Identity) renewalTime(ctx context.Context, a *authority, leaf *x509.Certificate) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	usual := leaf.NotBefore.Add(life * 2 / 3)
	if !a.renews {
		return usual
	}
	info, err := a.GetRenewalInfo(ctx, leaf)
	if err != nil || info.SelectedTime.Before(leaf.NotBefore) || info.SelectedTime.After(leaf.NotAfter.Add(-life/10)) {
		return usual
	}
	return info.SelectedTime
}

// keepFailure notes why there is none, and when to try again: each time later, for
// authorities count failures. A name that is not published yet is looked at every time.
func (i *Identity) keepFailure(ctx context.Context, name mail.Domain, failed error) error {
	now := i.world.Now()
	text := strings.ToValidUTF8(failed.Error(), "?")
	text = text[:min(len(text), 2000)]
	return i.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		var failures int
		if err := tx.Row(`SELECT failures FROM identity_certificate WHERE name = $1`, name.String()).Scan(&failures); err != nil {
			return err
		}
		wait := min(firstRetry<<min(failures, 10), lastRetry)
		if failures++; errors.Is(failed, errUnpublished) {
			failures, wait = 0, 0
		}
		_, err := tx.Exec(`UPDATE identity_certificate SET retry = $2, failures = $3, error = $4, changed = $5 WHERE name = $1`,
			name.String(), store.Micros(now.Add(wait)), failures, text, store.Micros(now))
		return err
	})
}
