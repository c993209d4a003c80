package route

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Limits that keep a hostile zone from costing more than an honest one.
const (
	maxExchangers = 100 // MX records looked into; the rest is counted
	maxAddresses  = 64  // of one family of one host
	atOnce        = 8   // hosts resolved at the same time
)

// Kind is how a domain says where its mail goes. The zero value is Unknown.
type Kind int

// The five answers to "who takes mail for this domain?".
const (
	Unknown  Kind = iota // could not be asked: Err is temporary or bogus
	ByMX                 // MX records name the hosts
	Implicit             // no MX record, but the domain has addresses (RFC 5321 section 5.1)
	Null                 // the domain declares that it takes no mail (RFC 7505)
	Nowhere              // the domain does not exist, or has neither MX nor addresses
)

// String is the word for reports.
func (k Kind) String() string {
	return [...]string{"unknown", "mx", "implicit", "null", "nowhere"}[k]
}

// Exchangers is who takes mail for a domain. The zero value knows nothing.
type Exchangers struct {
	Domain   mail.Domain
	Kind     Kind
	Hosts    []Exchanger    // best first; empty unless Kind is ByMX or Implicit
	Dropped  int            // MX records beyond the hundredth, not looked into
	Aliases  []world.Name   // the CNAMEs followed from the domain to its MX records
	Security world.Security // of the MX answer, or of its denial
	Err      error          // of Unknown and Nowhere
	// Problems of the set: "null-among-others" and "null-preference" (RFC 7505
	// section 3), "duplicate".
	Problems []Problem
}

// Exchanger is one host that takes mail, as far as names and addresses tell.
type Exchanger struct {
	Preference uint16
	Name       world.Name     // the target as published
	Host       mail.Domain    // the same as a host name; zero when it is none
	V4, V6     []netip.Addr   // sorted
	Dropped    int            // addresses beyond the limit of a family
	Aliases    []world.Name   // the CNAMEs followed; a target should have none
	Security   world.Security // the weaker of both address answers
	Err4, Err6 error          // why a family has no addresses
	// Problems of the target: "alias" (RFC 2181 section 10.3), "address" (an IP
	// address where a name belongs), "not-a-host" (no valid host name).
	Problems []Problem
}

// ErrNoHost is the error of a target that is no host name: nobody looks it up.
var ErrNoHost = errors.New("the target is no host name")

// Addresses is all addresses, IPv4 first.
func (e *Exchanger) Addresses() []netip.Addr {
	return append(append([]netip.Addr(nil), e.V4...), e.V6...)
}

// Err is why the host has no address at all: temporary or bogus before absence,
// nil when it has one.
func (e *Exchanger) Err() error {
	switch {
	case len(e.V4)+len(e.V6) > 0:
		return nil
	case e.Err4 != nil && !errors.Is(e.Err4, world.ErrNotFound):
		return e.Err4
	case e.Err6 != nil && !errors.Is(e.Err6, world.ErrNotFound):
		return e.Err6
	}
	return e.Err4
}

// Has reports whether the problem with this code was seen.
func (e *Exchanger) Has(code string) bool {
	for _, p := range e.Problems {
		if p.Code == code {
			return true
		}
	}
	return false
}

// LookupExchangers asks who takes mail for a domain and resolves every host.
func LookupExchangers(ctx context.Context, r world.Resolver, domain mail.Domain) Exchangers {
	x := Exchangers{Domain: domain}
	mxs, answer, err := world.LookupMX(ctx, r, world.NameOf(domain))
	switch {
	case err == nil && len(mxs) > 0:
		x.Security, x.Aliases = answer.Security, answer.Aliases
		x.takeMX(mxs)
	case err == nil || errors.Is(err, world.ErrNoData):
		x.takeDenial(err)
		x.Kind = Implicit
		x.Hosts = []Exchanger{{Name: world.NameOf(domain), Host: domain}}
	case errors.Is(err, world.ErrNotFound):
		x.takeDenial(err)
		x.Kind, x.Err = Nowhere, err
	default:
		x.Err = err
	}
	resolveAll(ctx, r, x.Hosts)
	if x.Kind == Implicit {
		x.settleImplicit()
	}
	return x
}

// LookupExchanger resolves one host that is known to take mail, whatever its MX
// records say.
func LookupExchanger(ctx context.Context, r world.Resolver, host mail.Domain) Exchanger {
	e := Exchanger{Name: world.NameOf(host), Host: host}
	e.resolve(ctx, r)
	return e
}

func (x *Exchangers) takeDenial(err error) {
	if le, ok := errors.AsType[*world.LookupError](err); ok {
		x.Security, x.Aliases = le.Security, le.Aliases
	}
}

// takeMX makes hosts of the records. Null MX among others is no declaration any
// more: the others count (RFC 7505 section 3 forbids the mixture).
func (x *Exchangers) takeMX(mxs []world.MX) {
	var found problems
	x.Kind = ByMX
	if n := len(mxs) - maxExchangers; n > 0 {
		mxs, x.Dropped = mxs[:maxExchangers], n
	}
	seen := make(map[world.Name]bool)
	for _, mx := range mxs {
		switch {
		case mx.Host == world.Root:
			x.takeNull(mx, len(mxs) == 1, &found)
		case seen[mx.Host]:
			found.warn("duplicate", "%s is named more than once", mx.Host.Text())
		default:
			x.Hosts = append(x.Hosts, newExchanger(mx))
		}
		seen[mx.Host] = true
	}
	if len(x.Hosts) == 0 {
		x.Kind = Null
	}
	x.Problems = found
}

func (x *Exchangers) takeNull(mx world.MX, alone bool, found *problems) {
	if !alone {
		found.warn("null-among-others", `a null MX ("%d .") stands beside other MX records`, mx.Preference)
	}
	if mx.Preference != 0 {
		found.warn("null-preference", "the null MX has preference %d, not 0", mx.Preference)
	}
}

func newExchanger(mx world.MX) Exchanger {
	e := Exchanger{Preference: mx.Preference, Name: mx.Host}
	var found problems
	host, err := mx.Host.Domain()
	if _, isIP := netip.ParseAddr(mx.Host.Text()); isIP == nil {
		found.warn("address", "%s is an IP address; an MX record needs a name", mx.Host.Text())
	} else if err != nil {
		found.warn("not-a-host", "%s is no valid host name", mx.Host.Text())
	}
	e.Host, e.Problems = host, found
	return e
}

// resolveAll resolves the hosts, a few at a time, and returns when all are done.
func resolveAll(ctx context.Context, r world.Resolver, hosts []Exchanger) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range hosts {
		slots <- struct{}{}
		wg.Go(func() {
			hosts[i].resolve(ctx, r)
			<-slots
		})
	}
	wg.Wait()
}

func (e *Exchanger) resolve(ctx context.Context, r world.Resolver) {
	if e.Host.IsZero() {
		e.Err4, e.Err6 = ErrNoHost, ErrNoHost
		return
	}
	v4, a4, err4 := world.LookupA(ctx, r, e.Name)
	v6, a6, err6 := world.LookupAAAA(ctx, r, e.Name)
	e.Err4, e.Err6 = absentWhenEmpty(v4, err4, e.Name, dns.TypeA), absentWhenEmpty(v6, err6, e.Name, dns.TypeAAAA)
	e.V4, e.V6 = e.clip(v4), e.clip(v6)
	e.Security = min(securityOf(a4, err4), securityOf(a6, err6))
	for _, a := range []*world.Answer{a4, a6} {
		if a != nil && len(e.Aliases) == 0 {
			e.Aliases = a.Aliases
		}
	}
	if len(e.Aliases) > 0 {
		e.noteAlias()
	}
}

func (e *Exchanger) noteAlias() {
	p := problems(e.Problems)
	p.warn("alias", "%s is an alias of %s; an MX record must name the host itself",
		e.Name.Text(), e.Aliases[len(e.Aliases)-1].Text())
	e.Problems = p
}

func (e *Exchanger) clip(ips []netip.Addr) []netip.Addr {
	if n := len(ips) - maxAddresses; n > 0 {
		e.Dropped += n
		return ips[:maxAddresses]
	}
	return ips
}

func absentWhenEmpty(ips []netip.Addr, err error, name world.Name, qtype uint16) error {
	if err == nil && len(ips) == 0 {
		return &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoData}
	}
	return err
}

// securityOf is what validation said of an answer or of a denial.
func securityOf(a *world.Answer, err error) world.Security {
	if a != nil {
		return a.Security
	}
	if le, ok := errors.AsType[*world.LookupError](err); ok {
		return le.Security
	}
	return world.Indeterminate
}

// settleImplicit decides what a domain without MX records is, now that its own
// addresses are known.
func (x *Exchangers) settleImplicit() {
	host := &x.Hosts[0]
	host.Problems = nil // an alias is no mistake here: nobody wrote an MX record
	err := host.Err()
	switch {
	case err == nil:
		return
	case errors.Is(err, world.ErrNotFound):
		x.Kind = Nowhere
	default:
		x.Kind = Unknown
	}
	x.Err, x.Hosts = err, nil
}
