package route

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Level is what TLS a host must show. The zero value is Undetermined: nothing may
// be sent.
type Level int

// The levels, in no order of strength: each asks for something of its own.
const (
	Undetermined  Level = iota // could not be found out: wait, then ask again
	Forbidden                  // the domain's policy does not allow this host
	Opportunistic              // TLS when offered, any certificate (RFC 7435)
	Encrypted                  // TLS, any certificate: signed TLSA records, none usable (RFC 7672 section 2.2)
	WebPKI                     // TLS 1.2 or better and a certificate of a trusted CA for the name (RFC 8461 section 4.2)
	DANE                       // TLS, and a chain that a TLSA record vouches for
)

// String is the word for logs.
func (l Level) String() string {
	return [...]string{"undetermined", "forbidden", "opportunistic", "encrypted", "webpki", "dane"}[l]
}

// Plan is what delivery needs to know about a domain.
type Plan struct {
	Exchangers
	STS   STS
	Needs []Need // one for each of Hosts, in their order
}

// Need is what one host must show, and why.
type Need struct {
	Level Level
	Names []mail.Domain // the certificate must be for one of them, where the level asks for a name
	TLSA  TLSASet
	Err   error // of Undetermined and Forbidden
}

// Requirement finds the hosts of a domain and what TLS each must show, with
// nothing cached. DANE goes before MTA-STS, and neither excuses a failure of the
// other (RFC 8461 section 2).
func Requirement(ctx context.Context, w *world.World, domain mail.Domain) Plan {
	return RequirementUnder(ctx, w, domain, func(ctx context.Context) STS { return LookupSTS(ctx, w, domain) })
}

// RequirementUnder is Requirement with the MTA-STS policy from elsewhere: a sender
// keeps policies as long as they last (RFC 8461 section 3.3). policy is called
// beside the other lookups.
func RequirementUnder(ctx context.Context, w *world.World, domain mail.Domain, policy func(context.Context) STS) Plan {
	var p Plan
	var wg sync.WaitGroup
	wg.Go(func() { p.STS = policy(ctx) })
	x := LookupExchangers(ctx, w, domain)
	needs := make([]Need, len(x.Hosts))
	slots := make(chan struct{}, atOnce)
	for i := range x.Hosts {
		slots <- struct{}{}
		wg.Go(func() {
			needs[i] = daneNeed(ctx, w, &x, &x.Hosts[i])
			<-slots
		})
	}
	wg.Wait()
	for i := range needs {
		needs[i].heed(&p.STS, x.Hosts[i].Host)
	}
	p.Exchangers, p.Needs = x, needs
	return p
}

// daneNeed asks the TLSA records of one host. They are not even asked for when
// its address is unsigned (RFC 7672 section 2.2.2): broken name servers there
// would otherwise stop mail for nothing.
func daneNeed(ctx context.Context, r world.Resolver, x *Exchangers, host *Exchanger) Need {
	n := Need{Level: Opportunistic, Names: []mail.Domain{host.Host}}
	if err := host.Err(); err != nil {
		return Need{Err: err}
	}
	if x.Security != world.Secure || host.Security != world.Secure {
		return n
	}
	n.TLSA, n.Names = LookupHostTLSA(ctx, r, host)
	switch {
	case errors.Is(n.TLSA.Err, world.ErrNotFound):
	case n.TLSA.Err != nil:
		n.Level, n.Err = Undetermined, n.TLSA.Err
	case !n.TLSA.Binding():
	case len(n.TLSA.Usable()) == 0:
		n.Level = Encrypted
	default:
		n.Level = DANE
		n.Names = append(n.Names, x.Domain) // RFC 7672 section 3.2.2: the next-hop domain too
	}
	return n
}

// LookupHostTLSA asks for the TLSA records of a host that takes mail and tells for
// which names its certificate may be. Of an alias it tries the end before the
// beginning (RFC 7672 section 2.2.3). Whether the addresses are signed, without which
// the records bind nobody, is for the caller to see.
func LookupHostTLSA(ctx context.Context, r world.Resolver, host *Exchanger) (TLSASet, []mail.Domain) {
	names := []mail.Domain{host.Host}
	if len(host.Aliases) == 0 {
		return LookupTLSA(ctx, r, host.Name), names
	}
	end := host.Aliases[len(host.Aliases)-1]
	set := LookupTLSA(ctx, r, end)
	if !errors.Is(set.Err, world.ErrNotFound) {
		if d, err := end.Domain(); err == nil {
			names = []mail.Domain{d, host.Host}
		}
		return set, names
	}
	return LookupTLSA(ctx, r, host.Name), names
}

// heed adds what the MTA-STS policy asks for.
func (n *Need) heed(s *STS, host mail.Domain) {
	switch {
	case n.Level == Undetermined:
	case errors.Is(s.RecordErr, world.ErrBogus):
		n.Level, n.Err = Undetermined, s.RecordErr
	case !s.Usable() || s.Policy.Mode != STSEnforce:
	case !s.Policy.Allows(host):
		n.Level, n.Err = Forbidden, fmt.Errorf("the MTA-STS policy of %s does not allow %s", s.Domain, host)
	case n.Level != DANE:
		n.Level, n.Names = WebPKI, []mail.Domain{host}
	}
}

// Verify judges the chain a host presented in a TLS session against its need. It
// is nil for the levels that accept any certificate, and never nil for those
// under which nothing may be sent. A nil pool means the machine's trust store.
func (n *Need) Verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	switch n.Level {
	case Opportunistic, Encrypted:
		return nil
	case DANE:
		_, err := n.TLSA.Match(chain, n.Names, now)
		return err
	case WebPKI:
		return verifyWebPKI(chain, n.Names, roots, now)
	}
	if n.Err != nil {
		return n.Err
	}
	return errors.New("it is not known what TLS this host must show")
}

func verifyWebPKI(chain []*x509.Certificate, names []mail.Domain, roots *x509.CertPool, now time.Time) error {
	if len(chain) == 0 || len(names) == 0 {
		return ErrNoChain
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: names[0].String(), Roots: roots, Intermediates: between, CurrentTime: now,
	})
	return err
}
