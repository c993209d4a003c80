package authority

import (
	"context"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	maxAliases = 16   // CNAMEs followed for one question
	udpSize    = 1232 // octets of UDP answers: the DNS flag day of 2020
	slowness   = 3 * time.Second
)

// Responder answers questions. A nil answer is silence.
type Responder interface {
	Answer(ctx context.Context, query *dns.Msg, tcp bool) *dns.Msg
}

// exchange is one question and the answer that grows for it.
type exchange struct {
	query  *dns.Msg
	reply  *dns.Msg
	name   string
	qtype  uint16
	dnssec bool // the asker wants signatures
	tcp    bool
}

// begin makes the empty answer; ok is false when the question is already answered
// by it.
func begin(query *dns.Msg, tcp bool) (e exchange, ok bool) {
	e = exchange{query: query, reply: new(dns.Msg), tcp: tcp}
	e.reply.SetReply(query)
	e.reply.Compress = true
	e.reply.RecursionAvailable = false
	if query.Opcode != dns.OpcodeQuery {
		e.reply.Rcode = dns.RcodeNotImplemented
		return e, false
	}
	if len(query.Question) != 1 || query.Question[0].Qclass != dns.ClassINET {
		e.reply.Rcode = dns.RcodeFormatError
		return e, false
	}
	e.name, e.qtype = canonical(query.Question[0].Name), query.Question[0].Qtype
	if opt := query.IsEdns0(); opt != nil {
		e.reply.SetEdns0(udpSize, opt.Do())
		e.dnssec = opt.Do()
		if opt.Version() != 0 { // RFC 6891 section 6.1.3
			e.reply.SetRcode(query, dns.RcodeBadVers)
			return e, false
		}
	}
	return e, true
}

// add puts what was found into the answer.
func (e *exchange) add(f found) {
	if f.rcode != dns.RcodeSuccess {
		e.reply.Rcode = f.rcode
	}
	for _, s := range f.answer {
		e.reply.Answer = append(e.reply.Answer, s.records(e.dnssec)...)
	}
	for _, s := range f.authority {
		e.reply.Ns = append(e.reply.Ns, s.records(e.dnssec)...)
	}
	e.reply.Extra = append(e.reply.Extra, f.additional...)
}

// finish cuts the answer to what the transport takes.
func (e *exchange) finish() *dns.Msg {
	size := dns.MaxMsgSize
	if !e.tcp {
		size = dns.MinMsgSize
		if opt := e.query.IsEdns0(); opt != nil {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		}
	}
	e.reply.Truncate(size)
	return e.reply
}

// suffer lets a planted fault happen; done is true when that was the answer.
func (e *exchange) suffer(ctx context.Context, effect effect) (reply *dns.Msg, done bool) {
	switch effect {
	case works:
		return nil, false
	case drop:
		return nil, true
	case slow:
		select {
		case <-time.After(slowness):
			return nil, false
		case <-ctx.Done():
			return nil, true
		}
	case truncated:
		e.reply.Truncated = !e.tcp
		return e.reply, !e.tcp
	}
	e.reply.Rcode = effectCodes[effect]
	return e.reply, true
}

// zoneFor is the zone that answers a question: the DS of a zone stands in its
// parent.
func (a *Authority) zoneFor(name string, qtype uint16) *zone {
	if qtype == dns.TypeDS && name != "." {
		return a.zoneOf(parentOf(name))
	}
	return a.zoneOf(name)
}

// resolver answers for all names, following aliases from zone to zone.
type resolver struct{ authority *Authority }

// Resolver is the recursive resolver: it answers for every name, does not
// validate, and counts what it is asked.
func (a *Authority) Resolver() Responder { return resolver{a} }

// Answer implements Responder.
func (r resolver) Answer(ctx context.Context, query *dns.Msg, tcp bool) *dns.Msg {
	e, ok := begin(query, tcp)
	e.reply.RecursionAvailable = true
	if !ok {
		return e.reply
	}
	r.authority.census.count(Question{e.name, e.qtype}, tcp)
	if reply, done := r.authority.resolve(ctx, &e); done {
		r.authority.census.retry(Question{e.name, e.qtype}, reply)
		return reply
	}
	reply := e.finish()
	r.authority.census.retry(Question{e.name, e.qtype}, reply)
	return reply
}

// resolve fills the answer to a question from all zones; done is true when a
// fault was the whole answer.
func (a *Authority) resolve(ctx context.Context, e *exchange) (reply *dns.Msg, done bool) {
	name := e.name
	for range maxAliases {
		if reply, done := e.suffer(ctx, a.effectOn(name, e.qtype)); done {
			return reply, true
		}
		z := a.zoneFor(name, e.qtype)
		if z.behind.IsValid() && name == e.name {
			reply := z.ask(ctx, e)
			reply.Authoritative, reply.RecursionAvailable = false, true
			return reply, true
		}
		f := z.lookup(name, e.qtype)
		if f.referral {
			break // a delegation to nobody
		}
		e.add(f)
		if f.alias == "" {
			return nil, false
		}
		name = f.alias
	}
	e.reply.Rcode = dns.RcodeServerFailure
	return e.reply, true
}

// server is one name server: it speaks for the zones that name it.
type server struct {
	authority *Authority
	served    map[*zone]*service
	any       quirk // what the server does whatever it is asked
}

// service is how one server serves one zone.
type service struct {
	quirk
	own [][]dns.RR // this server's own idea of records at the top of the zone
}

// Server is the name server at an address. It speaks for the zones whose NS
// records lead there and refuses all others.
func (a *Authority) Server(ip netip.Addr) Responder {
	s := &server{authority: a, served: map[*zone]*service{}}
	for _, at := range a.served[ip] {
		s.serve(at.zone, a.quirkOf(at.host, at.zone.origin))
	}
	return s
}

func (a *Authority) quirkOf(host, origin string) quirk {
	for _, q := range a.quirks {
		if q.host == host && (q.zone == origin || q.zone == "ANY") {
			return q
		}
	}
	return quirk{}
}

func (s *server) serve(z *zone, q quirk) {
	svc := &service{quirk: q}
	if q.serial != 0 {
		soa := dns.Copy(z.soa()[0]).(*dns.SOA)
		soa.Serial = q.serial
		svc.own = append(svc.own, []dns.RR{soa})
	}
	if q.mx != "" {
		h := dns.RR_Header{Name: z.origin, Rrtype: dns.TypeMX, Class: dns.ClassINET, Ttl: defaultTTL}
		svc.own = append(svc.own, []dns.RR{&dns.MX{Hdr: h, Preference: 10, Mx: q.mx}})
	}
	s.served[z] = svc
	if q.zone == "ANY" || q.recursive {
		s.any = q
	}
}

// Answer implements Responder.
func (s *server) Answer(ctx context.Context, query *dns.Msg, tcp bool) *dns.Msg {
	e, ok := begin(query, tcp)
	if !ok {
		return e.reply
	}
	z, svc := s.closest(e.name, e.qtype)
	switch {
	case svc != nil && (svc.drop || svc.noUDP && !tcp || svc.noTCP && tcp):
		return nil
	case svc != nil && svc.noEDNS && query.IsEdns0() != nil:
		return bare(query, dns.RcodeFormatError)
	case svc != nil && svc.servfail:
		return bare(query, dns.RcodeServerFailure)
	case svc != nil && !svc.lame:
		return s.speak(ctx, &e, z, svc)
	case s.any.recursive && query.RecursionDesired:
		return resolver{s.authority}.Answer(ctx, query, tcp)
	}
	e.reply.Rcode = dns.RcodeRefused
	return e.reply
}

// closest is the deepest zone this server speaks for that contains the name.
func (s *server) closest(name string, qtype uint16) (*zone, *service) {
	if qtype == dns.TypeDS && name != "." {
		if z, svc := s.closest(parentOf(name), dns.TypeNone); z != nil {
			return z, svc
		}
	}
	for {
		if z := s.authority.zones[name]; z != nil && s.served[z] != nil {
			return z, s.served[z]
		}
		if name == "." {
			return nil, nil
		}
		name = parentOf(name)
	}
}

func (s *server) speak(ctx context.Context, e *exchange, z *zone, svc *service) *dns.Msg {
	e.reply.RecursionAvailable = s.any.recursive
	if reply, done := e.suffer(ctx, s.authority.effectOn(e.name, e.qtype)); done {
		return reply
	}
	if z.behind.IsValid() {
		return z.ask(ctx, e)
	}
	f := z.lookup(e.name, e.qtype)
	for _, rrs := range svc.own {
		f.replace(rrs)
	}
	if f.referral {
		f.additional = s.authority.glue(f.authority[0].rrs, z)
	}
	e.reply.Authoritative = !f.referral
	e.add(f)
	return e.finish()
}

// replace puts one server's own records where the zone's stand.
func (f *found) replace(own []dns.RR) {
	h := own[0].Header()
	for _, sets := range [][]set{f.answer, f.authority} {
		for i := range sets {
			if is := sets[i].rrs[0].Header(); is.Name == h.Name && is.Rrtype == h.Rrtype {
				sets[i].rrs = own
			}
		}
	}
}

// glue are the addresses of servers, where their names lie within the zone that
// refers to them.
func (a *Authority) glue(servers []dns.RR, z *zone) []dns.RR {
	var rrs []dns.RR
	for _, rr := range servers {
		host := canonical(rr.(*dns.NS).Ns)
		if dns.IsSubDomain(z.origin, host) {
			rrs = append(rrs, a.Records(host, dns.TypeA)...)
			rrs = append(rrs, a.Records(host, dns.TypeAAAA)...)
		}
	}
	return rrs
}

// bare is an error without EDNS, from a server that does not speak it.
func bare(query *dns.Msg, rcode int) *dns.Msg {
	reply := new(dns.Msg)
	return reply.SetRcode(query, rcode)
}
