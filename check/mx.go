package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

func mxChecks() []Check {
	return []Check{mxExists, mxNull, mxTarget, mxAddress, mxCount, mxReachable, mxIPv6, mxAccepts, mxBackup, mxConsistent, mxParked}
}

var mxExists = rule{About{
	ID:       "mx.exists",
	Question: "Does the domain say where its mail goes?",
	Why: "Without an MX record senders fall back to the domain's web server address, where usually nobody takes mail; " +
		"receivers refuse mail from domains that cannot be answered.",
	Fix:       "Publish an MX record with the name of the mail server, or a null MX when the domain takes no mail.",
	Refs:      []string{"RFC 5321 5.1", "RFC 7505"},
	Rows:      []string{"MX-01"},
	Practices: []string{"D7"},
	Affects:   []string{"google", "yahoo", "gmx"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"mx", finding.Green, "MX records name the hosts"},
		{"null-mx", finding.Skip, "the domain declares that it takes no mail"},
		{"implicit", finding.Yellow, "no MX record; senders fall back to the domain's own address"},
		{"no-domain", finding.Red, "the domain does not exist"},
		{"nowhere", finding.Red, "neither MX nor address"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	f := finding.Finding{Subject: s.String()}
	record := finding.Record{Name: s.String() + ".", Type: "MX", Value: "10 mail." + s.String() + "."}
	switch x.Kind {
	case route.ByMX:
		f.Code, f.Summary = "mx", "mail goes to "+hostNames(x)
	case route.Null:
		f.Code, f.Summary = "null-mx", s.String()+" takes no mail, and says so"
	case route.Implicit:
		f.Code, f.Summary = "implicit", s.String()+" has no MX record; senders try its own address"
		f.Records = []finding.Record{record}
	case route.Nowhere:
		f.Code, f.Summary = "nowhere", s.String()+" has neither MX record nor address"
		f.Evidence, f.Records = []string{evidenceOf(x.Err)}, []finding.Record{record}
		if errors.Is(x.Err, world.ErrNoName) {
			f.Code, f.Summary = "no-domain", s.String()+" does not exist"
			f.Fix, f.Records = "Register the domain, or correct the spelling; look at the delegation.", nil
		}
	default:
		f = unseen(s.String(), x.Err)
	}
	return one(f)
}}

func hostNames(x route.Exchangers) string {
	var names []string
	for _, h := range x.Hosts[:min(3, len(x.Hosts))] {
		names = append(names, h.Name.Text())
	}
	if more := len(x.Hosts) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

var mxNull = rule{About{
	ID:        "mx.null",
	Question:  "Does a null MX stand alone, with preference 0?",
	Why:       "A null MX beside real MX records contradicts them: some senders stop at it and bounce the mail.",
	Fix:       `Publish either "0 ." alone, or real MX records.`,
	Refs:      []string{"RFC 7505 3"},
	Rows:      []string{"MX-04"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Codes: []Code{
		{"right", finding.Green, "a null MX, alone and with preference 0"},
		{"none", finding.Skip, "no null MX"},
		{"mixed", finding.Yellow, "a null MX beside other MX records"},
		{"preference", finding.Yellow, "the null MX has another preference than 0"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	f := finding.Finding{Subject: s.String(), Code: "none", Summary: "no null MX"}
	if x.Kind == route.Unknown {
		return one(unseen(s.String(), x.Err))
	}
	if x.Kind == route.Null {
		f.Code, f.Summary = "right", "the null MX stands alone"
	}
	for _, p := range x.Problems {
		switch p.Code {
		case "null-among-others":
			f.Code, f.Summary = "mixed", p.Detail
		case "null-preference":
			f.Code, f.Summary = "preference", p.Detail
			f.Records = []finding.Record{{Name: s.String() + ".", Type: "MX", Value: "0 ."}}
		}
	}
	return one(f)
}}

var mxTarget = rule{About{
	ID:       "mx.target",
	Question: "Does every MX record name a host, not an alias and not an address?",
	Why: "Senders look up the address of the MX target and nothing else: an IP address there is no name, and many refuse to follow " +
		"an alias, so the mail bounces.",
	Fix:       "Let the MX record name the host that has the A and AAAA records.",
	Refs:      []string{"RFC 2181 10.3", "RFC 5321 5.1", "RFC 1035 3.3.9"},
	Rows:      []string{"MX-02"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"mx.exists"},
	Codes: []Code{
		{"host", finding.Green, "the target is a host name with its own records"},
		{"alias", finding.Red, "the target is an alias (CNAME)"},
		{"address", finding.Red, "the target is written as an IP address"},
		{"not-a-host", finding.Red, "the target is no valid host name"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachExchanger(ctx, s, func(h *route.Exchanger) finding.Finding {
		f := finding.Finding{Code: "host", Summary: h.Name.Text() + " is a host of its own"}
		for _, p := range h.Problems {
			f.Code, f.Summary = p.Code, p.Detail
			f.Evidence = []string{fmt.Sprintf("%s. MX: %d %s", s, h.Preference, h.Name)}
		}
		if f.Code == "alias" {
			target := h.Aliases[len(h.Aliases)-1]
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s CNAME: %s", h.Name, target))
			f.Records = []finding.Record{{Name: s.String() + ".", Type: "MX",
				Value: fmt.Sprintf("%d %s", h.Preference, target)}}
		}
		if err := h.Err(); f.Code == "host" && err != nil && !isAbsence(h.Err4) && !isAbsence(h.Err6) {
			return unseen(h.Name.Text(), err) // a CNAME would stand in an answer that nobody gave
		}
		return f
	})
}}

// eachExchanger judges each MX host of a domain that names any.
func eachExchanger(ctx context.Context, s *Subject, judge func(*route.Exchanger) finding.Finding) []finding.Finding {
	x := s.Exchangers(ctx)
	if x.Kind != route.ByMX {
		return nil
	}
	var found []finding.Finding
	for i := range x.Hosts {
		f := judge(&x.Hosts[i])
		if f.Subject == "" {
			f.Subject = x.Hosts[i].Name.Text()
		}
		found = append(found, f)
	}
	return found
}

var mxAddress = rule{About{
	ID:        "mx.address",
	Question:  "Does every MX host have a public address?",
	Why:       "An MX host that does not resolve, or only to a private address, takes no mail from anybody; the sender's queue waits for days.",
	Fix:       "Give the host an A record (and AAAA) with a public address, or take it out of the MX records.",
	Refs:      []string{"RFC 5321 5.1", "RFC 6890"},
	Rows:      []string{"MX-03"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"mx.exists"},
	Codes: []Code{
		{"public", finding.Green, "the host has public addresses only"},
		{"none", finding.Red, "the host has no address"},
		{"private", finding.Red, "the host has an address that nobody can reach over the Internet"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	return eachExchanger(ctx, s, func(h *route.Exchanger) finding.Finding {
		if h.Host.IsZero() {
			return finding.Finding{Code: "none", Summary: h.Name.Text() + " is no host name, so it has no address"}
		}
		if err := h.Err(); err != nil && !errors.Is(err, world.ErrNotFound) {
			return unseen(h.Name.Text(), err)
		} else if err != nil {
			return finding.Finding{Code: "none", Summary: h.Name.Text() + " has no address", Evidence: []string{evidenceOf(err)}}
		}
		for _, ip := range h.Addresses() {
			if !s.World.IsPublic(ip) {
				return finding.Finding{Code: "private", Summary: fmt.Sprintf("%s has the address %s, which is not public", h.Name.Text(), ip),
					Evidence: []string{fmt.Sprintf("%s %s: %s", h.Name, addressType(ip), ip)}}
			}
		}
		for _, err := range []error{h.Err4, h.Err6} {
			if err != nil && !isAbsence(err) {
				return unseen(h.Name.Text(), err) // a private address may stand there
			}
		}
		return finding.Finding{Code: "public", Summary: fmt.Sprintf("%s is at %s", h.Name.Text(), joinAddresses(h.Addresses()))}
	})
}}

func joinAddresses(ips []netip.Addr) string {
	var texts []string
	for _, ip := range ips[:min(4, len(ips))] {
		texts = append(texts, ip.String())
	}
	if more := len(ips) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

var mxCount = rule{About{
	ID:        "mx.count",
	Question:  "Are there at most ten MX records, each different?",
	Why:       "SPF's mx mechanism is an error beyond ten names, and senders try only the first few. Twice the same host or address is no second chance.",
	Fix:       "Keep the hosts that are really used, each once.",
	Refs:      []string{"RFC 7208 4.6.4"},
	Rows:      []string{"MX-08"},
	Practices: []string{"D7"},
	Who:       finding.DNSOwner,
	Scope:     Domain,
	Needs:     []string{"mx.exists"},
	Codes: []Code{
		{"few", finding.Green, "ten or fewer, all different"},
		{"many", finding.Yellow, "more than ten MX records"},
		{"duplicate", finding.Yellow, "the same host twice"},
		{"same-address", finding.Yellow, "two hosts have the same address"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	x := s.Exchangers(ctx)
	if x.Kind != route.ByMX {
		return nil
	}
	n := len(x.Hosts) + x.Dropped
	f := finding.Finding{Subject: s.String(), Code: "few", Summary: fmt.Sprintf("%d MX %s", n, plural(n, "host"))}
	for _, p := range x.Problems {
		if p.Code == "duplicate" {
			f.Code, f.Summary = p.Code, p.Detail
		}
	}
	if a, b, ip, ok := sharedAddress(x.Hosts); ok {
		f.Code, f.Summary = "same-address", fmt.Sprintf("%s and %s have the same address, %s", a, b, ip)
	}
	if n > 10 {
		f.Code, f.Summary = "many", fmt.Sprintf("%d MX records", n)
	}
	if f.Code != "few" {
		f.Evidence = []string{f.Summary}
	}
	return one(f)
}}

func plural(n int, word string) string {
	switch {
	case n == 1:
		return word
	case strings.HasSuffix(word, "s"):
		return word + "es"
	}
	return word + "s"
}

func sharedAddress(hosts []route.Exchanger) (a, b string, ip netip.Addr, ok bool) {
	seen := map[netip.Addr]string{}
	for i := range hosts {
		for _, ip := range hosts[i].Addresses() {
			if first, ok := seen[ip]; ok && first != hosts[i].Name.Text() {
				return first, hosts[i].Name.Text(), ip, true
			}
			seen[ip] = hosts[i].Name.Text()
		}
	}
	return "", "", netip.Addr{}, false
}

var mxReachable = rule{About{
	ID:        "mx.reachable",
	Question:  "Does every MX host answer on port 25?",
	Why:       "Mail for a host that does not answer waits in the senders' queues, and comes back after days.",
	Fix:       "Start the mail server, open port 25 in its firewall and at the hoster, or take the host out of the MX records.",
	Refs:      []string{"RFC 5321 5.1"},
	Rows:      []string{"MX-06"},
	Practices: []string{"D7"},
	Who:       finding.ThisServer,
	Scope:     Servers,
	Needs:     []string{"mx.exists"},
	Codes: []Code{
		{"answers", finding.Green, "the host greets on port 25"},
		{"some-dead", finding.Yellow, "this host does not answer; another does, or could not be seen"},
		{"all-dead", finding.Red, "no host answers on port 25"},
		{"no-greeting", finding.Red, "the host accepts the connection and does not greet"},
		{"refuses-us", finding.Unknown, "the host answers and refuses to talk to this machine"},
		{"blocked-here", finding.Unknown, "no host answers; port 25 may be blocked on the way out of this machine"},
		{"no-way", finding.Unknown, "this machine has no way to the address"},
		{"no-address", finding.Red, "the host has no address that the Internet can reach"},
		{"not-visited", finding.Skip, "the host is beyond the addresses that one audit visits"},
	},
}, judgeReachable}

func judgeReachable(ctx context.Context, s *Subject) []finding.Finding {
	servers := s.Servers(ctx)
	visits := s.visitAll(ctx, servers)
	found := s.judgeUnvisited(ctx)
	alive, allDead := s.countAlive(ctx, servers, visits)
	for i, v := range servers {
		if visits[i].Unreached != nil && v.IP.Is6() && hasName(alive, v) {
			continue // the host answers over IPv4; mx.ipv6 judges the rest
		}
		found = append(found, describeReach(v, visits[i], len(alive) > 0, allDead))
	}
	return found
}

// countAlive are the servers that answer, and whether it was seen that none does:
// silence may as well be a port that is blocked on the way out of this machine.
func (s *Subject) countAlive(ctx context.Context, servers []Server, visits []*Visit) (alive []Server, allDead bool) {
	allDead = !slices.ContainsFunc(s.Unvisited(ctx), Unvisited.isOpen)
	for i, visit := range visits {
		if visit.Unreached == nil {
			alive = append(alive, servers[i])
		}
		allDead = allDead && s.isDead(visit)
	}
	return alive, allDead
}

// isDead reports that nothing listens at the host, and that neither our haste nor
// our network can be the reason.
func (s *Subject) isDead(v *Visit) bool {
	switch {
	case v.Unreached == nil || isOurs(v.Unreached):
		return false
	case s.World.IsLoopback(v.Host):
		return true
	}
	return isRefused(v.Unreached)
}

// judgeUnvisited judges the hosts without an address to visit. What mx.address says
// of the hosts of a domain is not repeated.
func (s *Subject) judgeUnvisited(ctx context.Context) []finding.Finding {
	var found []finding.Finding
	for _, u := range s.Unvisited(ctx) {
		switch {
		case u.Err == errBeyond:
			found = append(found, finding.Finding{Code: "not-visited", Subject: u.Name, Summary: u.Name + " was not visited: " + u.Err.Error()})
		case u.isOpen():
			found = append(found, unseen(u.Name, u.Err))
		case s.Target.Kind == Host:
			found = append(found, finding.Finding{Code: "no-address", Subject: u.Name, Who: finding.DNSOwner, Evidence: []string{evidenceOf(u.Err)},
				Summary: u.Name + " has no address that the Internet can reach",
				Fix:     "Give the host an A record (and AAAA) with a public address, or correct the spelling of the name."})
		}
	}
	return found
}

// visitAll visits the servers side by side: the gates keep one host from being
// visited twice at once.
func (s *Subject) visitAll(ctx context.Context, servers []Server) []*Visit {
	visits := make([]*Visit, len(servers))
	var running sync.WaitGroup
	for i, v := range servers {
		running.Go(func() { visits[i] = s.Visit(ctx, v.IP) })
	}
	running.Wait()
	return visits
}

func hasName(servers []Server, v Server) bool {
	return slices.ContainsFunc(servers, func(w Server) bool { return w.Name == v.Name && !v.Name.IsZero() })
}

func describeReach(v Server, visit *Visit, alive, allDead bool) finding.Finding {
	f := finding.Finding{Subject: v.String(), Evidence: visit.Transcript}
	switch {
	case visit.Banner.IsPositive():
		return finding.Finding{Code: "answers", Subject: v.String(), Summary: v.String() + " answers: " + visit.Banner.String()}
	case !visit.Banner.IsZero():
		f.Code, f.Summary = "refuses-us", v.String()+" refuses this machine at the greeting: "+visit.Banner.String()
		f.Fix = "Ask from another address: this one may be on a list that the server uses, or too busy for guests."
		return f
	case isOurs(visit.Ended):
		return unseen(v.String(), visit.Ended)
	case visit.Unreached == nil:
		f.Code, f.Summary = "no-greeting", fmt.Sprintf("%s accepts the connection and does not greet: %.120s", v, visit.Ended)
		f.Fix = "Look at the server's log, and at what stands in front of it: the first line must be a 220 greeting, at once."
	case errors.Is(visit.Unreached, errPrivate):
		f.Code, f.Summary, f.Who = "no-address", fmt.Sprintf("%s has no address that the Internet can reach", v), finding.DNSOwner
		f.Fix = "Give the host an A record (and AAAA) with a public address, or say --i-am-allowed when the network is yours."
	case isNoRoute(visit.Unreached):
		f.Code, f.Summary = "no-way", fmt.Sprintf("%s could not be reached: this machine has no way to the address (%s)", v, visit.Unreached)
		f.Fix = "Run the check on a machine with this kind of network: for an IPv6 address, one with IPv6."
	case allDead:
		f.Code, f.Summary = "all-dead", fmt.Sprintf("%s does not answer on port 25 (%s)", v, visit.Unreached)
	case alive || isRefused(visit.Unreached):
		f.Code, f.Summary = "some-dead", fmt.Sprintf("%s does not answer on port 25 (%s)", v, visit.Unreached)
	default:
		f.Code, f.Summary = "blocked-here", fmt.Sprintf("%s could not be reached on port 25 (%s)", v, visit.Unreached)
		f.Fix = "Many networks block outbound port 25: run allgreen check egress here, or this check from another machine."
	}
	f.Evidence = append(f.Evidence, visit.Ended.Error())
	return f
}
