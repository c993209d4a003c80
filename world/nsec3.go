package world

import (
	"crypto/sha1"
	"encoding/base32"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// maxIterations of the NSEC3 hash are followed; a zone with more counts as
// insecure (RFC 9276 section 3.2). Resolvers in use draw the line here too.
const maxIterations = 150

// nsec3Proof reads NSEC3 records (RFC 5155). All records of a response share
// their parameters (section 8.2); those that differ from the first are ignored,
// which also bounds the hashing: one hash per label of a name.
type nsec3Proof struct {
	zone       Name
	salt       []byte
	iterations uint16
	records    []nsec3Record
	tooCostly  bool
	hashes     map[Name]string
}

type nsec3Record struct {
	owner, next string // hashes, base32hex in upper case: their order is the octets'
	types       typeSet
	optOut      bool
}

func newNSEC3Proof(zone Name, rrs []*dns.NSEC3) *nsec3Proof {
	p := &nsec3Proof{zone: zone, hashes: make(map[Name]string)}
	params := ""
	for _, rr := range rrs {
		salt, err := hex.DecodeString(rr.Salt)
		owner := nameIn(rr.Hdr.Name)
		// Section 8.1: unknown hashes are ignored; section 8.2: so are unknown flags.
		if err != nil || rr.Hash != dns.SHA1 || rr.Flags > 1 || owner.Parent() != zone {
			continue
		}
		these := strconv.Itoa(int(rr.Iterations)) + " " + string(salt)
		if params == "" {
			params, p.salt, p.iterations = these, salt, rr.Iterations
		}
		if these != params {
			continue
		}
		hash, _, _ := strings.Cut(string(owner), ".")
		p.records = append(p.records, nsec3Record{
			strings.ToUpper(hash), strings.ToUpper(rr.NextDomain), rr.TypeBitMap, rr.Flags&1 == 1,
		})
	}
	p.tooCostly = p.iterations > maxIterations
	return p
}

// hash is the owner label that a name has in the chain (section 5).
func (p *nsec3Proof) hash(name Name) string {
	if h, ok := p.hashes[name]; ok {
		return h
	}
	var wire [maxNameOctets + 1]byte
	end, err := dns.PackDomainName(string(name), wire[:], 0, nil, false)
	if err != nil || p.tooCostly {
		return ""
	}
	sum := sha1.Sum(append(wire[:end:end], p.salt...))
	for range p.iterations {
		sum = sha1.Sum(append(sum[:len(sum):len(sum)], p.salt...))
	}
	h := base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	p.hashes[name] = h
	return h
}

func (p *nsec3Proof) types(name Name) (typeSet, bool) {
	if !name.IsWithin(p.zone) {
		return nil, false
	}
	h := p.hash(name)
	for _, r := range p.records {
		if r.owner == h {
			return r.types, true
		}
	}
	return nil, false
}

// isEmptyNonTerminal is never needed: such names have NSEC3 records of their own.
func (p *nsec3Proof) isEmptyNonTerminal(Name) bool { return false }

// encloser is the closest encloser proof (section 8.3).
func (p *nsec3Proof) encloser(name Name) (Name, bool) {
	for below := name; below != p.zone && below != Root; below = below.Parent() {
		ce := below.Parent()
		types, ok := p.types(ce)
		if !ok {
			continue
		}
		_, covered := p.covers(below)
		return ce, covered && !types.hidesBelow()
	}
	return "", false
}

func (p *nsec3Proof) covers(name Name) (optOut, ok bool) {
	if !name.IsWithin(p.zone) {
		return false, false
	}
	h := p.hash(name)
	for _, r := range p.records {
		in := r.owner < h && h < r.next
		if r.owner >= r.next { // the last of the chain, or its only one
			in = h > r.owner || h < r.next
		}
		if in && h != "" {
			return r.optOut, true
		}
	}
	return false, false
}
