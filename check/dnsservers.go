package check

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/reputation"
)

var dnsServers = rule{About{
	ID:       "dns.servers",
	Question: "Do at least two name servers stand in different networks?",
	Why: "When the only server or the only network is down nobody can look up your MX, SPF or DKIM records: mail to you waits, and mail from you " +
		"counts as not authenticated or is deferred.",
	Fix:       "Add a name server in another network: many hosters and registries offer secondary DNS.",
	Refs:      []string{"RFC 2182 3.1", "RFC 1034 4.1"},
	Rows:      []string{"DNS-02"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"spread", finding.Green, "name servers in more than one network"},
		{"single", finding.Yellow, "there is one name server"},
		{"one-network", finding.Yellow, "all name servers are in one small network"},
		{"one-system", finding.Skip, "all name servers are in one autonomous system, as with most DNS hosters"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	d := s.Delegation(ctx)
	ips := serverAddresses(d)
	f := finding.Finding{Subject: d.Zone.Text()}
	switch {
	case len(d.Names()) < 2 || len(ips) < 2:
		f.Code, f.Summary = "single", fmt.Sprintf("%s has a single name server", d.Zone.Text())
		f.Evidence = []string{fmt.Sprintf("%s NS: %s", d.Zone, joinNames(d.Names()))}
		return one(f)
	case !differ(ips, networkOf):
		f.Code, f.Summary = "one-network", fmt.Sprintf("all name servers of %s are in %s", d.Zone.Text(), networkOf(ips[0]))
		f.Evidence = d.evidence()
		return one(f)
	}
	return one(s.judgeSystems(ctx, f, ips))
}}

// serverAddresses is one address for each name server: IPv4 where it has one.
func serverAddresses(d *Delegation) []netip.Addr {
	var ips []netip.Addr
	for _, name := range d.Names() {
		i := slices.IndexFunc(d.Servers, func(n *NameServer) bool { return n.Name == name && n.IP.IsValid() })
		if i >= 0 && !slices.Contains(ips, d.Servers[i].IP) {
			ips = append(ips, d.Servers[i].IP)
		}
	}
	return ips
}

// differ reports whether some addresses are told apart by a property.
func differ[P comparable](ips []netip.Addr, of func(netip.Addr) P) bool {
	return slices.ContainsFunc(ips, func(ip netip.Addr) bool { return of(ip) != of(ips[0]) })
}

// judgeSystems looks who announces the servers' networks. Two systems are enough:
// it stops there.
func (s *Subject) judgeSystems(ctx context.Context, f finding.Finding, ips []netip.Addr) finding.Finding {
	var first []uint32
	for _, ip := range ips {
		origin, err := reputation.LookupOrigin(ctx, s.World, ip)
		if err != nil {
			u := unseen(f.Subject, err)
			if isAbsence(err) {
				u.Summary = fmt.Sprintf("nobody is known to announce %s, so the networks of the name servers cannot be compared", ip)
			}
			return u
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s is in %s of AS%v", ip, origin.Prefix, origin.ASNs[0]))
		if first == nil {
			first = origin.ASNs
		}
		if !slices.Equal(first, origin.ASNs) {
			f.Code, f.Summary = "spread", fmt.Sprintf("the name servers of %s stand in different networks", f.Subject)
			return f
		}
	}
	f.Code, f.Summary = "one-system", fmt.Sprintf("all name servers of %s are in AS%d", f.Subject, first[0])
	return f
}
