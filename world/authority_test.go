package world

import (
	"cmp"
	"crypto"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// authority is a signed Internet behind one socket: it answers from all its zones
// as a resolver would that does not validate. It is written apart from the
// client, straight from RFC 4035 section 3 and RFC 5155 section 7, so that the
// two do not share a mistake.
type authority struct {
	t      testing.TB
	at     netip.AddrPort
	zones  map[Name]*signedZone
	start  func() // serves from now on, with the zones there are
	mu     sync.Mutex
	tamper map[question]func(*dns.Msg)
}

// signedZone is one zone with its key and how it proves absence.
type signedZone struct {
	name      Name
	records   map[Name]map[uint16][]dns.RR
	key       *dns.DNSKEY // nil: unsigned
	signer    crypto.Signer
	nsec3     bool
	optOut    bool
	iters     uint16
	from, to  time.Time // of the signatures
	broken    bool      // every signature wrong
	noKey     bool      // serves no DNSKEY
	algorithm uint8     // claimed instead of the key's own
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, zones: make(map[Name]*signedZone), tamper: make(map[question]func(*dns.Msg))}
	pc, ln := listenBoth(t)
	a.at = netip.MustParseAddrPort(pc.LocalAddr().String())
	a.start = sync.OnceFunc(func() { serve(t, pc, ln, a) })
	t.Cleanup(func() { pc.Close(); ln.Close() })
	return a
}

// listenBoth opens a UDP and a TCP socket on one port of loopback.
func listenBoth(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, ln
		}
		pc.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

func serve(t testing.TB, pc net.PacketConn, ln net.Listener, h dns.Handler) {
	t.Helper()
	var running sync.WaitGroup
	servers := []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: ln, Handler: h}}
	for _, s := range servers {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		running.Go(func() { s.ActivateAndServe() })
		<-up
	}
	t.Cleanup(func() {
		for _, s := range servers {
			s.Shutdown()
		}
		running.Wait()
	})
}

// zone adds a zone, signed with an ECDSA key unless changed by options.
func (a *authority) zone(name Name, opts ...func(*signedZone)) *signedZone {
	z := &signedZone{
		name: name, records: make(map[Name]map[uint16][]dns.RR), algorithm: dns.ECDSAP256SHA256,
		from: time.Now().Add(-time.Hour), to: time.Now().Add(240 * time.Hour),
	}
	for _, o := range opts {
		o(z)
	}
	if z.algorithm != 0 {
		z.generate(a.t)
	}
	z.add(a.t, string(name)+" 300 SOA ns.test. root.test. 1 3600 600 86400 60", string(name)+" 300 NS ns.test.")
	a.zones[name] = z
	return z
}

func unsigned(z *signedZone)               { z.algorithm = 0 }
func withRSA(z *signedZone)                { z.algorithm = dns.RSASHA256 }
func withEd25519(z *signedZone)            { z.algorithm = dns.ED25519 }
func unknownAlgorithm(z *signedZone)       { z.algorithm = 200 }
func hashed(z *signedZone)                 { z.nsec3 = true }
func hashedOptOut(z *signedZone)           { z.nsec3, z.optOut = true, true }
func hashedTooOften(z *signedZone)         { z.nsec3, z.iters = true, 500 }
func expired(z *signedZone)                { z.to = time.Now().Add(-30 * time.Minute) }
func notYet(z *signedZone)                 { z.from = time.Now().Add(2 * time.Hour) }
func wrongSignatures(z *signedZone)        { z.broken = true }
func withoutKey(z *signedZone)             { z.noKey = true }
func ending(t time.Time) func(*signedZone) { return func(z *signedZone) { z.to = t } }

func (z *signedZone) generate(t testing.TB) {
	alg, bits := z.algorithm, 256
	if alg == dns.RSASHA256 {
		bits = 2048
	}
	if alg == 200 {
		alg = dns.ECDSAP256SHA256
	}
	z.key = &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: string(z.name), Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: alg,
	}
	private, err := z.key.Generate(bits)
	if err != nil {
		t.Fatal(err)
	}
	z.signer = private.(crypto.Signer)
	z.key.Algorithm = z.algorithm
	if !z.noKey {
		z.put(z.key)
	}
}

func (z *signedZone) put(rr dns.RR) {
	name := nameIn(rr.Header().Name)
	if z.records[name] == nil {
		z.records[name] = make(map[uint16][]dns.RR)
	}
	z.records[name][rr.Header().Rrtype] = append(z.records[name][rr.Header().Rrtype], rr)
}

func (z *signedZone) add(t testing.TB, texts ...string) *signedZone {
	t.Helper()
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		z.put(rr)
	}
	return z
}

// delegate puts the NS, and the DS unless the child is unsigned, into the zone.
func (z *signedZone) delegate(t testing.TB, child *signedZone) {
	z.delegateInsecure(t, child)
	if child.key != nil {
		z.put(child.key.ToDS(dns.SHA256))
	}
}

func (z *signedZone) delegateInsecure(t testing.TB, child *signedZone) {
	z.add(t, string(child.name)+" 300 NS ns.test.")
}

func (z *signedZone) sign(t testing.TB, set []dns.RR, labels int) []dns.RR {
	if z.key == nil || len(set) == 0 {
		return nil
	}
	h := set[0].Header()
	sig := &dns.RRSIG{
		Hdr:         dns.RR_Header{Name: h.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: h.Ttl},
		TypeCovered: h.Rrtype, Algorithm: z.key.Algorithm, KeyTag: z.key.KeyTag(), SignerName: string(z.name),
		OrigTtl: h.Ttl, Inception: uint32(z.from.Unix()), Expiration: uint32(z.to.Unix()),
	}
	if z.key.Algorithm == 200 {
		sig.Labels, sig.Signature = uint8(labels), base64.StdEncoding.EncodeToString(make([]byte, 64))
		return []dns.RR{sig}
	}
	if err := sig.Sign(z.signer, set); err != nil {
		t.Fatal(err)
	}
	if z.broken && h.Rrtype != dns.TypeDNSKEY {
		raw, _ := base64.StdEncoding.DecodeString(sig.Signature)
		raw[7] ^= 1
		sig.Signature = base64.StdEncoding.EncodeToString(raw)
	}
	return []dns.RR{sig}
}

// names are the owners that the chain of denials links: all but glue, and with
// opt-out no insecure delegations; hashed chains have the empty non-terminals too.
func (z *signedZone) names() []Name {
	found := make(map[Name]bool)
	for name, sets := range z.records {
		if z.optOut && name != z.name && len(sets[dns.TypeNS]) > 0 && len(sets[dns.TypeDS]) == 0 {
			continue
		}
		for found[name] = true; z.nsec3 && name != z.name; name = name.Parent() {
			found[name] = true
		}
	}
	var names []Name
	for name := range found {
		names = append(names, name)
	}
	return names
}

func (z *signedZone) bitmap(name Name) []uint16 {
	var types []uint16
	for t := range z.records[name] {
		types = append(types, t)
	}
	isCut := slices.Contains(types, dns.TypeNS) && name != z.name
	if len(types) > 0 && (!isCut || slices.Contains(types, dns.TypeDS)) {
		types = append(types, dns.TypeRRSIG)
	}
	if !z.nsec3 {
		types = append(types, dns.TypeNSEC)
		if isCut && !slices.Contains(types, dns.TypeRRSIG) {
			types = append(types, dns.TypeRRSIG)
		}
	}
	slices.Sort(types)
	return types
}

// owner is a name's place in the chain of denials.
func (z *signedZone) owner(name Name) string {
	if !z.nsec3 {
		return reversedKey(name)
	}
	return dns.HashName(string(name), dns.SHA1, z.iters, "ab")
}

// reversedKey sorts names in canonical order as strings; good for the plain
// names of the tests.
func reversedKey(n Name) string {
	labels := dns.SplitDomainName(string(n))
	slices.Reverse(labels)
	return strings.Join(labels, "\x00")
}

// denialFor gives the record at the name or the one whose gap it falls into.
func (z *signedZone) denialFor(t testing.TB, name Name) []dns.RR {
	if z.key == nil {
		return nil
	}
	names := z.names()
	slices.SortFunc(names, func(a, b Name) int { return cmp.Compare(z.owner(a), z.owner(b)) })
	i := len(names) - 1
	for j, n := range names {
		if z.owner(n) <= z.owner(name) {
			i = j
		}
	}
	if z.owner(names[0]) > z.owner(name) {
		i = len(names) - 1
	}
	at, next := names[i], names[(i+1)%len(names)]
	rr := z.denialRecord(at, next)
	return append([]dns.RR{rr}, z.sign(t, []dns.RR{rr}, 0)...)
}

func (z *signedZone) denialRecord(at, next Name) dns.RR {
	h := dns.RR_Header{Name: string(at), Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: 60}
	if !z.nsec3 {
		return &dns.NSEC{Hdr: h, NextDomain: string(next), TypeBitMap: z.bitmap(at)}
	}
	h.Rrtype = dns.TypeNSEC3
	h.Name = z.owner(at) + "." + strings.TrimPrefix(string(z.name), ".")
	rr := &dns.NSEC3{
		Hdr: h, Hash: dns.SHA1, Iterations: z.iters, SaltLength: 1, Salt: "ab",
		HashLength: 20, NextDomain: z.owner(next), TypeBitMap: z.bitmap(at),
	}
	if z.optOut {
		rr.Flags = 1
	}
	return rr
}

// exists reports whether a name or anything below it has records.
func (z *signedZone) exists(name Name) bool {
	for n := range z.records {
		if n.IsWithin(name) {
			return true
		}
	}
	return false
}

func (a *authority) zoneFor(name Name, qtype uint16) *signedZone {
	if qtype == dns.TypeDS && name != Root {
		name = name.Parent()
	}
	for {
		if z, ok := a.zones[name]; ok {
			return z
		}
		if name == Root {
			return nil
		}
		name = name.Parent()
	}
}

// ServeDNS answers with everything a validator needs.
func (a *authority) ServeDNS(rw dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name, qtype := nameIn(q.Question[0].Name), q.Question[0].Qtype
	for range 12 {
		target, more := a.answer(m, name, qtype)
		if !more {
			break
		}
		name = target
	}
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(ednsBuffer, opt.Do())
	}
	m = m.Copy() // packing writes into records, and the zones are shared
	a.mu.Lock()
	spoil := a.tamper[question{nameIn(q.Question[0].Name), qtype}]
	a.mu.Unlock()
	if spoil != nil {
		spoil(m)
	}
	if _, udp := rw.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(ednsBuffer)
	}
	rw.WriteMsg(m)
}

func (a *authority) answer(m *dns.Msg, name Name, qtype uint16) (target Name, more bool) {
	z := a.zoneFor(name, qtype)
	if z == nil {
		m.Rcode = dns.RcodeRefused
		return "", false
	}
	if z.exists(name) {
		return z.answerExisting(a.t, m, name, qtype)
	}
	ce := name
	for !z.exists(ce) {
		ce = ce.Parent()
	}
	if dname := z.records[ce][dns.TypeDNAME]; len(dname) > 0 {
		target := synthesize(name, ce, nameIn(dname[0].(*dns.DNAME).Target))
		m.Answer = append(append(m.Answer, dname[0]), z.sign(a.t, dname, 0)...)
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 300}, Target: string(target)})
		return target, true
	}
	return z.answerAbsent(a.t, m, name, ce, qtype)
}

func (z *signedZone) answerExisting(t testing.TB, m *dns.Msg, name Name, qtype uint16) (Name, bool) {
	set := z.records[name][qtype]
	cname := z.records[name][dns.TypeCNAME]
	switch {
	case len(set) > 0:
		m.Answer = append(append(m.Answer, set...), z.sign(t, set, name.Labels())...)
		return "", false
	case len(cname) > 0:
		m.Answer = append(append(m.Answer, cname...), z.sign(t, cname, name.Labels())...)
		return nameIn(cname[0].(*dns.CNAME).Target), true
	}
	if z.optOut && !slices.Contains(z.names(), name) {
		z.deny(t, m, z.name, name) // the tests delegate one label down
		return "", false
	}
	z.deny(t, m, name)
	return "", false
}

func (z *signedZone) answerAbsent(t testing.TB, m *dns.Msg, name, ce Name, qtype uint16) (Name, bool) {
	nc := name
	for nc.Parent() != ce {
		nc = nc.Parent()
	}
	wild, ok := z.records[ce.Under("*")]
	if !ok {
		m.Rcode = dns.RcodeNameError
		z.deny(t, m, ce, nc, ce.Under("*"))
		return "", false
	}
	set := wild[qtype]
	if len(set) == 0 {
		set = wild[dns.TypeCNAME]
	}
	if len(set) == 0 {
		z.deny(t, m, ce, nc, ce.Under("*"))
		return "", false
	}
	for _, rr := range append(slices.Clone(set), z.sign(t, set, ce.Labels())...) {
		rr = dns.Copy(rr)
		rr.Header().Name = string(name)
		m.Answer = append(m.Answer, rr)
	}
	m.Ns = append(m.Ns, z.denialFor(t, nc)...)
	if c, ok := set[0].(*dns.CNAME); ok && qtype != dns.TypeCNAME {
		return nameIn(c.Target), true
	}
	return "", false
}

// deny adds the SOA and the denials for the names, each once.
func (z *signedZone) deny(t testing.TB, m *dns.Msg, names ...Name) {
	soa := z.records[z.name][dns.TypeSOA]
	m.Ns = append(append(m.Ns, soa...), z.sign(t, soa, 0)...)
	seen := make(map[string]bool)
	for _, n := range names {
		for _, rr := range z.denialFor(t, n) {
			key := rr.Header().Name + " " + TypeName(rr.Header().Rrtype)
			if !seen[key] {
				m.Ns = append(m.Ns, rr)
			}
			seen[key] = true
		}
	}
}

// spoil changes every answer to one question.
func (a *authority) spoil(name Name, qtype uint16, change func(*dns.Msg)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tamper[question{name, qtype}] = change
}

// anchor is the root's key as a trust anchor.
func (a *authority) anchor() string { return a.zones[Root].key.ToDS(dns.SHA256).String() }

// world opens a world whose resolver is the authority.
func (a *authority) world(o Options) *World {
	a.t.Helper()
	a.start()
	f := &File{Resolvers: []netip.AddrPort{a.at}}
	if z, ok := a.zones[Root]; ok && z.key != nil {
		f.TrustAnchors = []string{a.anchor()}
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	w, err := f.World(o)
	if err != nil {
		a.t.Fatal(err)
	}
	return w
}

// stripSignatures is what a resolver without DNSSEC does to an answer.
func stripSignatures(m *dns.Msg) {
	drop := func(rr dns.RR) bool {
		switch rr.Header().Rrtype {
		case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3:
			return true
		}
		return false
	}
	m.Answer = slices.DeleteFunc(m.Answer, drop)
	m.Ns = slices.DeleteFunc(m.Ns, drop)
}
