package check

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

func dnsChecks() []Check {
	return []Check{
		dnsDelegation, dnsServers, dnsConsistent, dnsRecursion, dnsIPv6, dnsSOA, dnsRName, dnsSenderSOA,
		dnsDNSSEC, dnsMXDNSSEC, dnsSignatures, dnsWildcard, dnsTTL, dnsCAA,
	}
}

var dnsDelegation = rule{About{
	ID:       "dns.delegation",
	Question: "Does the domain exist, and do the zone and its parent name the same name servers?",
	Why: "Everything else about mail is looked up through the delegation. Where the two sets differ some resolvers ask servers that know " +
		"nothing, and mail fails now and then, for some and not for others.",
	Fix:       "Make the NS records of the zone and the name servers at the registrar the same, and let each of them serve the zone.",
	Refs:      []string{"RFC 1034 4.2.2", "RFC 1912 2.3", "RFC 9471"},
	Rows:      []string{"DNS-01", "DNS-03"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "yahoo", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"delegated", finding.Green, "parent and zone name the same servers, and some speak for it"},
		{"no-domain", finding.Red, "the domain does not exist"},
		{"dead", finding.Red, "no name server speaks for the zone"},
		{"parent-differs", finding.Yellow, "parent and zone name different servers"},
		{"intercepted", finding.Unknown, "something on the way answers in place of the name servers"},
		{"blocked-here", finding.Unknown, "no name server answers this machine, though the domain resolves"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	d := s.Delegation(ctx)
	f := finding.Finding{Subject: d.Zone.Text()}
	speakers := d.Speakers()
	switch {
	case isAbsence(d.Err):
		f.Code, f.Subject, f.Summary = "no-domain", s.String(), s.String()+" does not exist"
		f.Evidence = []string{evidenceOf(d.Err)}
		f.Fix = "Register the domain, renew it, or correct the spelling."
	case len(speakers) == 0 && d.Intercepted:
		f.Code, f.Summary = "intercepted", "something between this machine and the Internet answers in place of the name servers"
		f.Fix = "Run the check from a network that does not redirect port 53."
	case d.Err != nil && len(d.Servers) == 0:
		return one(unseen(s.String(), d.Err))
	case len(speakers) == 0 && d.unfound() != nil:
		return one(unseen(f.Subject, d.unfound()))
	case len(speakers) == 0 && d.isHushed() && (d.Err == nil || len(d.Asked) == 0):
		f.Code, f.Summary = "blocked-here", "the name servers of "+d.Zone.Text()+" do not answer this machine, though the domain resolves"
		f.Evidence, f.Fix = d.evidence(), "Let this machine send to port 53 of any address, or run the check elsewhere."
	case len(speakers) == 0:
		f.Code, f.Summary = "dead", "none of the name servers of "+d.Zone.Text()+" speaks for it"
		f.Evidence = d.evidence()
	case !sameNames(d.AtParent, d.AtZone) && len(d.AtParent) > 0:
		f.Code, f.Summary = "parent-differs", fmt.Sprintf("%s and its parent name different servers", d.Zone.Text())
		f.Evidence = []string{
			fmt.Sprintf("at the parent, %s NS: %s", d.Zone, joinNames(d.AtParent)),
			fmt.Sprintf("in the zone, %s NS: %s", d.Zone, joinNames(d.AtZone)),
		}
		f.Records = nsRecords(d.Zone, d.Names())
	default:
		f.Code, f.Summary = "delegated", fmt.Sprintf("%s is served by %s", d.Zone.Text(), joinNames(d.AtZone))
	}
	return one(f)
}}

func nsRecords(zone world.Name, names []world.Name) []finding.Record {
	var records []finding.Record
	for _, n := range names[:min(len(names), maxNameServers)] {
		records = append(records, finding.Record{Name: zone.String(), Type: "NS", Value: n.String()})
	}
	return records
}

// isHushed reports that no server answered anything at all.
func (d *Delegation) isHushed() bool {
	return !slices.ContainsFunc(d.Servers, func(n *NameServer) bool { return n.Err == nil && n.Silent == nil })
}

// unfound is why no server could be asked at all, when it is not known whether their
// names have addresses.
func (d *Delegation) unfound() error {
	var open error
	for _, n := range d.Servers {
		if n.Err == nil || n.Err == errPrivateServer || isAbsence(n.Err) {
			return nil
		}
		open = n.Err
	}
	return open
}

func (d *Delegation) evidence() []string {
	var lines []string
	for _, n := range d.Servers {
		lines = append(lines, n.Evidence())
	}
	return lines
}

func sameNames(a, b []world.Name) bool {
	return len(a) == len(b) && len(union(a, b)) == len(a)
}

var dnsConsistent = rule{About{
	ID:       "dns.consistent",
	Question: "Does every name server answer, over UDP and TCP, with EDNS, and with the same zone?",
	Why: "A resolver picks any of the servers. One that is silent, does not know the zone or has an old copy makes lookups slow or wrong by chance: " +
		"Google answers 4.7.26 and Yahoo 451 when SPF or DKIM could not be looked up, and large records need TCP.",
	Fix:       "Mend the named server or take it out of the NS records, in the zone and at the registrar.",
	Refs:      []string{"RFC 1912 2.8", "RFC 6891", "RFC 7766 5", "RFC 8906"},
	Rows:      []string{"DNS-03"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "yahoo"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"alike", finding.Green, "all servers answer alike"},
		{"silent", finding.Yellow, "a server does not answer"},
		{"lame", finding.Yellow, "a server does not speak for the zone"},
		{"serials", finding.Yellow, "the servers have different copies of the zone"},
		{"no-tcp", finding.Yellow, "a server does not answer over TCP"},
		{"no-edns", finding.Yellow, "a server does not understand EDNS"},
		{"no-address", finding.Yellow, "a name server has no address"},
		{"private", finding.Yellow, "a name server has an address that nobody can reach"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	d := s.Delegation(ctx)
	found := d.judgeServers()
	if f, differ := d.judgeSerials(); differ {
		found = append(found, f)
	}
	if len(found) == 0 {
		n := len(d.Speakers())
		found = one(finding.Finding{Code: "alike", Subject: d.Zone.Text(),
			Summary: fmt.Sprintf("%d name server %s answer alike", n, plural(n, "address"))})
	}
	return found
}}

// judgeServers says of each name server the first thing that is wrong with it: what
// is wrong over IPv4 and IPv6 alike is one fault.
func (d *Delegation) judgeServers() []finding.Finding {
	var found []finding.Finding
	said := map[world.Name]bool{}
	for _, n := range d.Servers {
		code, words := n.fault()
		if code == "" || said[n.Name] || code == "silent" && d.isOnlyIPv6(n) {
			continue
		}
		said[n.Name] = true
		found = append(found, finding.Finding{Code: code, Subject: n.Name.Text(), Summary: n.String() + " " + words, Evidence: []string{n.Evidence()}})
	}
	return found
}

// isOnlyIPv6 reports that the silence of a server is about IPv6, which dns.ipv6
// judges: it may be this machine's.
func (d *Delegation) isOnlyIPv6(n *NameServer) bool {
	return n.IP.Is6() && (isNoRoute(n.Silent) || slices.ContainsFunc(d.Servers, func(other *NameServer) bool {
		return other.Name == n.Name && other.IP.Is4() && other.Silent == nil
	}))
}

// fault is the first thing wrong with a server, as a code and in words.
func (n *NameServer) fault() (code, words string) {
	switch {
	case n.Err == errPrivateServer:
		return "private", "has an address that nobody can reach"
	case isAbsence(n.Err):
		return "no-address", "has no address"
	case n.Err != nil:
		return "no-answer", "could not be judged: " + detailOf(n.Err)
	case n.Silent != nil:
		return "silent", "does not answer"
	case !n.Speaks():
		return "lame", "does not speak for the zone"
	case !n.EDNS:
		return "no-edns", "does not understand EDNS, so no large record and no DNSSEC comes from it"
	case n.TCP != nil:
		return "no-tcp", "does not answer over TCP: " + detailOf(n.TCP)
	}
	return "", ""
}

func (d *Delegation) judgeSerials() (finding.Finding, bool) {
	serials := map[uint32]bool{}
	f := finding.Finding{Code: "serials", Subject: d.Zone.Text(), Summary: "the name servers of " + d.Zone.Text() + " have different copies of it",
		Fix: "Wait for the refresh time after a change; if it stays, look at zone transfers and notifications to the servers with the lower serial."}
	for _, n := range d.Speakers() {
		serials[n.SOA.Serial] = true
		f.Evidence = append(f.Evidence, n.Evidence())
	}
	return f, len(serials) > 1
}

var dnsRecursion = rule{About{
	ID:        "dns.recursion",
	Question:  "Do the name servers resolve only what is theirs?",
	Why:       "A server that resolves for strangers amplifies attacks on others, can have lies put into its cache, and ends up on lists of open resolvers.",
	Fix:       "Turn recursion off on the authoritative servers, or allow it to your own networks only (allow-recursion in BIND).",
	Refs:      []string{"RFC 5358"},
	Rows:      []string{"DNS-04"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"closed", finding.Green, "no name server resolves for strangers"},
		{"open", finding.Yellow, "a name server resolves for strangers"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var found []finding.Finding
	said := map[world.Name]bool{}
	for _, n := range s.Delegation(ctx).Servers {
		if n.Open && !said[n.Name] {
			said[n.Name] = true
			found = append(found, finding.Finding{Code: "open", Subject: n.Name.Text(), Summary: n.String() + " resolves for strangers",
				Evidence: []string{fmt.Sprintf("%s answered %s A, which is not its own, with recursion", n, foreign)}})
		}
	}
	if len(found) == 0 {
		return one(finding.Finding{Code: "closed", Subject: s.Delegation(ctx).Zone.Text(), Summary: "the name servers resolve only what is theirs"})
	}
	return found
}}

var dnsIPv6 = rule{About{
	ID:        "dns.ipv6",
	Question:  "Do at least two name servers answer over IPv6?",
	Why:       "Resolvers in networks without IPv4 cannot look up anything otherwise, and internet.nl and others ask for it.",
	Fix:       "Give the name servers AAAA records and let them listen there; most hosters of DNS do both on request.",
	Refs:      []string{"RFC 3901"},
	Rows:      []string{"DNS-09"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"dns.delegation"},
	Codes: []Code{
		{"reachable", finding.Green, "the name servers answer over IPv6"},
		{"none", finding.Yellow, "no name server has an IPv6 address"},
		{"one", finding.Yellow, "only one of several name servers has IPv6"},
		{"silent", finding.Yellow, "an IPv6 address does not answer, while others do"},
		{"unreached", finding.Unknown, "no IPv6 address answers; it may be this machine's fault"},
	},
}, judgeNameServerIPv6}

func judgeNameServerIPv6(ctx context.Context, s *Subject) []finding.Finding {
	d := s.Delegation(ctx)
	alive := map[world.Name]bool{}
	var with, reached []world.Name
	var silent []string
	var open error
	for _, n := range d.Servers {
		if n.Err == nil && n.Silent == nil {
			alive[n.Name] = true
		}
		open = cmp.Or(open, n.Unseen)
	}
	for _, n := range d.Servers {
		if !n.IP.Is6() || n.Err != nil || !alive[n.Name] && !isNoRoute(n.Silent) {
			continue // dns.consistent speaks of the dead
		}
		with = append(with, n.Name)
		if n.Silent == nil {
			reached = append(reached, n.Name)
		} else {
			silent = append(silent, n.Evidence())
		}
	}
	f := finding.Finding{Subject: d.Zone.Text(), Evidence: silent}
	switch {
	case open != nil && len(reached) < 2:
		return one(unseen(f.Subject, open))
	case len(with) == 0:
		f.Code, f.Summary = "none", "no name server of "+f.Subject+" has an IPv6 address"
	case len(reached) == 0:
		f.Code, f.Summary = "unreached", "no name server could be reached over IPv6 from here"
		f.Fix = "Run the check from a machine that has IPv6."
	case len(silent) > 0:
		f.Code, f.Summary = "silent", "a name server does not answer at its IPv6 address"
	case len(reached) == 1 && len(alive) > 1:
		f.Code, f.Summary = "one", "only "+reached[0].Text()+" answers over IPv6"
	default:
		f.Code, f.Summary = "reachable", fmt.Sprintf("%d name %s over IPv6", len(reached), answers(len(reached)))
	}
	return one(f)
}

func answers(n int) string {
	if n == 1 {
		return "server answers"
	}
	return "servers answer"
}

// networkOf is the block in which one fault takes everything down: the /24 of an
// IPv4 address, the /48 of an IPv6 address.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, _ := ip.Prefix(bits)
	return p
}
