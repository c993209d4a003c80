package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// NameServer is one address of a name server and what it answered. Without an
// address, Err says why.
type NameServer struct {
	Name   world.Name
	IP     netip.Addr
	Err    error    // it has no address that could be asked
	Unseen error    // why it is not known whether the name has an IPv6 address
	Silent error    // it did not answer over UDP
	Rcode  int      // of its answer for the zone's SOA
	AA     bool     // it answered with authority
	SOA    *dns.SOA // nil when it knows none
	EDNS   bool     // it understands EDNS
	TCP    error    // it did not answer over TCP; only asked of those who speak
	NS     []world.Name
	MX     *MXSeen // nil when it did not say
	Open   bool    // it resolves for strangers
}

// MXSeen are the MX records of the target at one server.
type MXSeen struct {
	Records []string // sorted, "10 mx.example.com."
	TTL     time.Duration
}

// How long a name server may take. Resolvers wait no longer, and a dead server must
// not hold up the audit.
const (
	nsPatience    = 3 * time.Second
	plainPatience = 1500 * time.Millisecond
)

var errPrivateServer = errors.New("its address is not public")

// Speaks reports whether the server answers for the zone with authority.
func (n *NameServer) Speaks() bool { return n.AA && n.SOA != nil }

// String is the server as reports name it: "ns1.example.com (192.0.2.1)".
func (n *NameServer) String() string {
	if !n.IP.IsValid() {
		return n.Name.Text()
	}
	return n.Name.Text() + " (" + n.IP.String() + ")"
}

// Evidence is what the server said about the zone, as one line.
func (n *NameServer) Evidence() string {
	switch {
	case n.Err != nil:
		return n.String() + ": " + evidenceOf(n.Err)
	case n.Silent != nil:
		return n.String() + " SOA: " + detailOf(n.Silent)
	case n.SOA == nil || !n.AA:
		return fmt.Sprintf("%s SOA: %s, authoritative: %t, records: %t", n, dns.RcodeToString[n.Rcode], n.AA, n.SOA != nil)
	}
	return fmt.Sprintf("%s SOA: serial %d, with authority", n, n.SOA.Serial)
}

// detailOf is the cause of a failed exchange without the question.
func detailOf(err error) string {
	var e *world.LookupError
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return err.Error()
}

// exchange asks one server, for a limited time.
func (s *Subject) exchange(ctx context.Context, patience time.Duration, q world.Query) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.World.Exchange(ctx, q)
}

// askSOA asks for the zone's SOA over UDP, with EDNS as resolvers do; who cannot
// read that, or drops it, is asked again in the manner of 1987.
func (s *Subject) askSOA(ctx context.Context, n *NameServer, zone world.Name) {
	q := world.Query{Server: n.IP, Name: zone, Type: dns.TypeSOA, UDP: true}
	m, err := s.exchange(ctx, nsPatience, q)
	n.EDNS = err == nil && m.IsEdns0() != nil
	if isNoRoute(err) {
		n.Silent = err
		return
	}
	if err != nil || m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented {
		q.Plain = true
		plain, failed := s.exchange(ctx, plainPatience, q)
		if failed != nil {
			n.Silent = err
			if err == nil {
				n.Rcode = m.Rcode
			}
			return
		}
		m, n.EDNS = plain, false
	}
	n.Rcode, n.AA = m.Rcode, m.Authoritative
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok && isAt(soa, zone) {
			n.SOA = soa
		}
	}
}

func isAt(rr dns.RR, name world.Name) bool {
	owner, err := world.ParseName(rr.Header().Name)
	return err == nil && owner == name
}

// foreign is a name that every resolver can answer and that no mail domain's name
// server speaks for.
const foreign world.Name = "a.root-servers.net."

// askForeign asks for somebody else's name, with recursion desired. An authority
// refuses, or stays silent.
func (s *Subject) askForeign(ctx context.Context, n *NameServer) {
	m, err := s.exchange(ctx, plainPatience, world.Query{Server: n.IP, Name: foreign, Type: dns.TypeA, Recursion: true, UDP: true})
	n.Open = err == nil && m.RecursionAvailable && !m.Authoritative && m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0
}

func (s *Subject) askMX(ctx context.Context, n *NameServer, name world.Name) {
	m, err := s.exchange(ctx, nsPatience, world.Query{Server: n.IP, Name: name, Type: dns.TypeMX})
	if err != nil || !m.Authoritative || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return
	}
	n.MX = &MXSeen{}
	for _, rr := range m.Answer {
		if mx, ok := rr.(*dns.MX); ok {
			n.MX.Records = append(n.MX.Records, mxText(mx))
			n.MX.TTL = time.Duration(mx.Hdr.Ttl) * time.Second
		}
	}
	slices.Sort(n.MX.Records)
}

func mxText(mx *dns.MX) string {
	target := mx.Mx
	if name, err := world.ParseName(mx.Mx); err == nil {
		target = name.String()
	}
	return fmt.Sprintf("%d %s", mx.Preference, target)
}
