package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
)

// Statement says who we are. Everything else follows from it.
type Statement struct {
	Hostname mail.Domain   // the name of this server: EHLO, MX, PTR
	Domains  []mail.Domain // those that have their mail here
	Egress   []Egress      // the addresses that mail leaves from
	Admin    mail.Address  // who gets the mail for the role addresses
	Names    Names         // of services that do not share the host name
	Offers   Offers        // beside SMTP, submission and IMAP
}

// Offers are services that not every server has; programs of users find them by SRV
// records, which are wanted where the service is there.
type Offers struct {
	POP3  bool // with STARTTLS
	POP3S bool
	Sieve bool // ManageSieve
}

// Egress is an address that other servers see, and the name it has there.
type Egress struct {
	IP   netip.Addr
	Name mail.Domain // zero: the host name
}

// Names are the names of services; zero is the host name.
type Names struct {
	Submission, IMAP, POP3, Web mail.Domain
}

// Service is a kind of listener. The zero value is SMTP.
type Service int

// The services that speak TLS.
const (
	SMTP Service = iota
	Submission
	IMAP
	POP3
	HTTPS
)

// String is the word for logs.
func (s Service) String() string {
	return [...]string{"smtp", "submission", "imap", "pop3", "https"}[s]
}

// ErrStatement is wrapped by errors about a statement that cannot hold.
var ErrStatement = errors.New("no statement of who we are")

// checked is the statement with its gaps filled.
func (s Statement) checked() (*Statement, error) {
	if s.Hostname.Labels() < 2 {
		return nil, fmt.Errorf("%w: the host name %q is not fully qualified", ErrStatement, s.Hostname)
	}
	s.Domains = slices.Clone(s.Domains)
	s.Egress = slices.Clone(s.Egress)
	for i := range s.Egress {
		e := &s.Egress[i]
		if !e.IP.IsValid() {
			return nil, fmt.Errorf("%w: egress %d has no address", ErrStatement, i+1)
		}
		e.IP = e.IP.Unmap()
		if e.Name.IsZero() {
			e.Name = s.Hostname
		}
	}
	return &s, nil
}

// serves reports whether the domain has its mail here.
func (s *Statement) serves(d mail.Domain) bool { return slices.Contains(s.Domains, d) }

// nameOf is the name under which a service is found.
func (s *Statement) nameOf(service Service) mail.Domain {
	name := [...]mail.Domain{Submission: s.Names.Submission, IMAP: s.Names.IMAP, POP3: s.Names.POP3, HTTPS: s.Names.Web}[service]
	if service == POP3 && name.IsZero() {
		name = s.Names.IMAP
	}
	if name.IsZero() {
		return s.Hostname
	}
	return name
}

// hosts are the names of this machine, the host name first.
func (s *Statement) hosts() []mail.Domain {
	all := []mail.Domain{s.Hostname}
	add := func(d mail.Domain) {
		if !d.IsZero() && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	for _, e := range s.Egress {
		add(e.Name)
	}
	for _, d := range []mail.Domain{s.Names.Submission, s.Names.IMAP, s.Names.POP3, s.Names.Web} {
		add(d)
	}
	return all
}

// addressesOf are the addresses of a name of this machine: those that leave under it,
// and all of the host name for a service's name.
func (s *Statement) addressesOf(name mail.Domain) []netip.Addr {
	var own, main, all []netip.Addr
	for _, e := range s.Egress {
		if e.Name == name {
			own = append(own, e.IP)
		}
		if e.Name == s.Hostname {
			main = append(main, e.IP)
		}
		all = append(all, e.IP)
	}
	switch {
	case len(own) > 0:
		return own
	case len(main) > 0:
		return main
	}
	return all
}

// certificateNames are the names that need a certificate: of the services, of the
// MTA-STS policies, and of what mail programs ask.
func (s *Statement) certificateNames() []mail.Domain {
	var all []mail.Domain
	for _, service := range []Service{SMTP, Submission, IMAP, POP3, HTTPS} {
		if name := s.nameOf(service); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, d := range s.Domains {
		if name, err := mail.ParseDomain(policyHost(d)); err == nil {
			all = append(all, name)
		}
	}
	for _, d := range s.Domains {
		for _, host := range programHosts(d) {
			if name, err := mail.ParseDomain(host); err == nil && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// isConvenience reports whether only mail programs ask under a name, to set themselves up:
// without it people type more, and no mail is late.
func (s *Statement) isConvenience(name mail.Domain) bool {
	if slices.Contains(s.hosts(), name) {
		return false
	}
	return slices.ContainsFunc(s.Domains, func(d mail.Domain) bool { return slices.Contains(programHosts(d), name.String()) })
}

// programHosts are where mail programs ask for the servers of a domain: Thunderbird and
// those that do as it does, and Outlook.
func programHosts(d mail.Domain) []string {
	return []string{"autoconfig." + d.String(), "autodiscover." + d.String()}
}

// policyHost is where the MTA-STS policy of a domain is fetched (RFC 8461 section 3.3).
func policyHost(d mail.Domain) string { return "mta-sts." + d.String() }

// RoleNames are the local parts that reach the admin at every domain, without
// configuration (RFC 2142, and what receivers ask for).
func RoleNames() []string {
	return []string{"postmaster", "abuse", "security", "admin", "hostmaster", "webmaster", "noc"}
}

// RoleAddresses are the role addresses of a domain.
func RoleAddresses(d mail.Domain) []mail.Address {
	var all []mail.Address
	for _, local := range RoleNames() {
		all = append(all, mail.Address{Local: local, Domain: d})
	}
	return all
}
