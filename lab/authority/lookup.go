package authority

import "github.com/miekg/dns"

// found is what a zone says to one question, before signatures.
type found struct {
	rcode      int
	answer     []set
	authority  []set
	additional []dns.RR
	referral   bool   // the authority section names the servers to ask instead
	alias      string // the question continues at this name
}

// set is one RRset on its way into a message.
type set struct {
	zone *zone
	rrs  []dns.RR
	as   string // the name that a wildcard's records take on; "" keeps their own
	bare bool   // never signed: the NS records of a delegation
}

// lookup is the algorithm of RFC 1034 section 4.3.2 within one zone.
func (z *zone) lookup(name string, qtype uint16) found {
	if cut := z.cutAbove(name, qtype); cut != "" {
		return z.refer(cut)
	}
	if n, ok := z.nodes[name]; ok {
		return z.at(n, name, qtype, false)
	}
	encloser, _ := z.encloser(name)
	if n, ok := z.nodes[wildcardOf(encloser)]; ok {
		return z.at(n, name, qtype, true)
	}
	f := z.deny(name)
	f.rcode = dns.RcodeNameError
	return f
}

// at answers from a node that exists, or from the wildcard that stands in for it.
func (z *zone) at(n node, name string, qtype uint16, wildcard bool) found {
	var f found
	as := ""
	if wildcard {
		as = name
		f.authority = z.prove(z.denial.proveExpansion(name))
	}
	switch alias := n[dns.TypeCNAME]; {
	case qtype == dns.TypeANY && len(n) > 0:
		for _, rrs := range n {
			f.answer = append(f.answer, set{zone: z, rrs: rrs, as: as})
		}
	case len(n[qtype]) > 0:
		f.answer = []set{{zone: z, rrs: n[qtype], as: as}}
	case len(alias) > 0:
		f.answer = []set{{zone: z, rrs: alias, as: as}}
		f.alias = canonical(alias[0].(*dns.CNAME).Target)
	case wildcard:
		f.authority = append(z.denialSOA(), z.prove(z.denial.proveWildcardNoData(name))...)
	default:
		f.authority = append(z.denialSOA(), z.prove(z.denial.proveNoData(name))...)
	}
	return f
}

func (z *zone) deny(name string) found {
	return found{authority: append(z.denialSOA(), z.prove(z.denial.proveNoName(name))...)}
}

// denialSOA is the SOA that carries the life of a denial (RFC 2308 section 3).
func (z *zone) denialSOA() []set { return []set{{zone: z, rrs: z.soa()}} }

func (z *zone) prove(proofs []dns.RR) []set {
	var sets []set
	for _, rr := range proofs {
		sets = append(sets, set{zone: z, rrs: []dns.RR{rr}})
	}
	return sets
}

// refer names the servers of a delegated zone, with its DS or the proof that it
// has none (RFC 4035 section 3.1.4.1).
func (z *zone) refer(cut string) found {
	n := z.nodes[cut]
	f := found{referral: true, authority: []set{{zone: z, rrs: n[dns.TypeNS], bare: true}}}
	if ds := n[dns.TypeDS]; len(ds) > 0 {
		f.authority = append(f.authority, set{zone: z, rrs: ds})
	} else {
		f.authority = append(f.authority, z.prove(z.denial.proveNoData(cut))...)
	}
	return f
}

// records are the records of a set as they go out, with their signature when the
// asker wants DNSSEC.
func (s set) records(dnssec bool) []dns.RR {
	rrs := s.rrs
	if len(rrs) == 0 {
		return nil
	}
	if !dnssec && isProof(rrs[0].Header().Rrtype) {
		return nil
	}
	out := make([]dns.RR, 0, len(rrs)+1)
	out = append(out, rrs...)
	if dnssec && !s.bare && s.zone.signer != nil {
		out = append(out, s.zone.signer.signature(rrs))
	}
	if s.as != "" {
		for i, rr := range out {
			out[i] = dns.Copy(rr)
			out[i].Header().Name = s.as
		}
	}
	return out
}

func isProof(rrtype uint16) bool { return rrtype == dns.TypeNSEC || rrtype == dns.TypeNSEC3 }
