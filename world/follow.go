package world

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// maxAliases is how many CNAMEs one lookup follows: resolvers stop at 8 to 16.
const maxAliases = 16

// response is what a resolver said, as far as it is of use.
type response struct {
	nxdomain  bool
	answer    []dns.RR
	authority []dns.RR
	from      *resolver
	authentic bool          // AD, from a trusted resolver
	refused   string        // a trusted resolver found it bogus
	stripped  bool          // it came from a resolver that gives no signatures
	ttl       time.Duration // how long it may be remembered
	cost      int           // about the bytes it holds
	failed    *LookupError  // instead of all that
}

func newResponse(q question, got *reply) *response {
	r := &response{
		nxdomain:  got.Rcode == dns.RcodeNameError,
		answer:    usable(got.Answer),
		authority: usable(got.Ns),
		from:      got.from,
		authentic: got.from.trusted && got.AuthenticatedData,
		refused:   got.refused,
		stripped:  got.from.isDeaf(),
		ttl:       maxTTL,
		cost:      costOfError,
	}
	for _, rr := range slices.Concat(r.answer, r.authority) {
		r.ttl = min(r.ttl, ttlOf(rr))
		r.cost += costOf(rr)
	}
	if len(r.answer) == 0 {
		r.ttl = min(r.ttl, r.denialTTL(q.name))
	}
	r.ttl = max(r.ttl, minTTL)
	return r
}

// whyStripped is the note of what cannot be judged for want of signatures.
func (r *response) whyStripped() string {
	return "the resolver " + r.from.at.String() + " gives no signatures"
}

// usable keeps the records of class IN.
func usable(rrs []dns.RR) []dns.RR {
	return slices.DeleteFunc(rrs, func(rr dns.RR) bool {
		return rr == nil || rr.Header().Class != dns.ClassINET || rr.Header().Rrtype == dns.TypeOPT
	})
}

// costOf is about the memory that a record takes: its octets, the escapes of odd
// ones not counted, and what Go adds.
func costOf(rr dns.RR) int { return 150 + 2*dns.Len(rr) }

// ttlOf is a record's TTL; one with the top bit set is none (RFC 2181 section 8).
func ttlOf(rr dns.RR) time.Duration {
	ttl := rr.Header().Ttl
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// denialTTL is how long an absence may be believed: the lesser of the SOA's own
// TTL and its last field (RFC 2308 section 5).
func (r *response) denialTTL(name Name) time.Duration {
	for _, rr := range r.authority {
		if soa, ok := rr.(*dns.SOA); ok && name.IsWithin(nameIn(soa.Hdr.Name)) {
			return min(ttlOf(soa), time.Duration(soa.Minttl)*time.Second, maxNegativeTTL)
		}
	}
	return minTTL // no SOA, so not to be kept (RFC 2308 section 5)
}

// set gives the records of one type at one name of the answer section.
func (r *response) set(name Name, qtype uint16) []dns.RR {
	var found []dns.RR
	for _, rr := range r.answer {
		h := rr.Header()
		if (h.Rrtype == qtype || qtype == dns.TypeANY) && nameIn(h.Name) == name {
			found = append(found, rr)
		}
	}
	return found
}

// alias gives the CNAME at a name. Two that differ are none.
func (r *response) alias(name Name) (*dns.CNAME, bool) {
	set := r.set(name, dns.TypeCNAME)
	if len(set) == 0 {
		return nil, false
	}
	first := set[0].(*dns.CNAME)
	for _, rr := range set[1:] {
		if nameIn(rr.(*dns.CNAME).Target) != nameIn(first.Target) {
			return nil, false
		}
	}
	return first, true
}

// isDenial reports whether the response speaks about the absence of a name: it
// says so, or names the zone that the name lies in.
func (r *response) isDenial(name Name) bool {
	return r.nxdomain || slices.ContainsFunc(r.authority, func(rr dns.RR) bool {
		soa, ok := rr.(*dns.SOA)
		return ok && name.IsWithin(nameIn(soa.Hdr.Name))
	})
}

// link is one step of a lookup: the CNAME at a name, the records at the end, or
// the word that there are none (no records).
type link struct {
	name    Name
	qtype   uint16 // of the records: CNAME on the way
	records []dns.RR
	said    *response // where they stood, with the signatures and proofs
}

// trail is a lookup from the name asked to its end.
type trail struct {
	question
	aliases []Name
	links   []link // the last one is the end
}

func (t *trail) end() *link { return &t.links[len(t.links)-1] }

// follow asks, and follows the CNAMEs, within one message and from one to the
// next where the resolver does not do it.
func (c *client) follow(ctx context.Context, q question) (*trail, *LookupError) {
	t := &trail{question: q}
	at := q.name
	for {
		said, failed := c.ask(ctx, question{at, q.qtype})
		if failed != nil {
			return nil, t.failure(failed)
		}
		next, done, failed := t.walk(at, said)
		if done || failed != nil {
			return t, failed
		}
		at = next
	}
}

// walk follows the aliases of one message. It is done at records or an absence;
// otherwise next has to be asked for.
func (t *trail) walk(at Name, said *response) (next Name, done bool, failed *LookupError) {
	for asked := at; ; {
		if set := said.set(at, t.qtype); len(set) > 0 {
			t.links = append(t.links, link{at, t.qtype, set, said})
			return at, true, nil
		}
		cname, ok := said.alias(at)
		if !ok {
			if at == asked || said.isDenial(at) {
				t.links = append(t.links, link{at, t.qtype, nil, said})
				return at, true, nil
			}
			return at, false, nil
		}
		t.links = append(t.links, link{at, dns.TypeCNAME, []dns.RR{cname}, said})
		at = nameIn(cname.Target)
		if failed := t.enter(at, said); failed != nil {
			return at, false, failed
		}
	}
}

// enter adds an alias and refuses loops and endless chains.
func (t *trail) enter(alias Name, said *response) *LookupError {
	seen := alias == t.name || slices.Contains(t.aliases, alias)
	t.aliases = append(t.aliases, alias)
	detail := ""
	switch {
	case seen:
		detail = "CNAME loop: " + t.path()
	case len(t.aliases) > maxAliases:
		detail = "more than 16 CNAMEs in a row"
	default:
		return nil
	}
	return &LookupError{
		Name: t.name, Type: t.qtype, Kind: ErrTemporary, Detail: detail,
		Server: said.from.at, Aliases: t.aliases,
	}
}

func (t *trail) path() string {
	steps := []string{t.name.Text()}
	for _, a := range t.aliases {
		steps = append(steps, a.Text())
	}
	return strings.Join(steps, " to ")
}

// failure is a failure on the way, told of the name that was asked.
func (t *trail) failure(on *LookupError) *LookupError {
	if len(t.aliases) == 0 {
		return on
	}
	e := *on
	e.Name, e.Type, e.Aliases = t.name, t.qtype, t.aliases
	e.Detail = "at its alias " + on.Name.Text() + ": " + on.Detail
	return &e
}

// settle makes the outcome of a trail that came to its end and was validated.
func (t *trail) settle(v verdict) filled[outcome] {
	end := t.end()
	ttl, cost := v.ttl, costOfError
	for _, l := range t.links {
		for _, rr := range l.records {
			ttl = min(ttl, ttlOf(rr))
			cost += costOf(rr)
		}
	}
	if len(end.records) == 0 {
		ttl = min(ttl, end.said.denialTTL(end.name))
		e := &LookupError{
			Name: t.name, Type: t.qtype, Kind: v.kind, Server: end.said.from.at,
			Security: v.security, Note: v.note, TTL: ttl, Aliases: t.aliases,
		}
		return filled[outcome]{outcome{err: e}, max(ttl, minTTL), cost}
	}
	a := &Answer{
		Name: t.name, Type: t.qtype, Records: end.records, Aliases: t.aliases, TTL: ttl,
		Security: v.security, Note: v.note, Expires: v.expires, Server: end.said.from.at,
	}
	return filled[outcome]{outcome{answer: a}, max(ttl, minTTL), cost}
}
