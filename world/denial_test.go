package world

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// nsecs makes records from "owner next TYPE TYPE" lines.
func nsecs(t *testing.T, lines ...string) denier {
	t.Helper()
	var rrs []*dns.NSEC
	for _, line := range lines {
		f := strings.Fields(line)
		rrs = append(rrs, &dns.NSEC{Hdr: dns.RR_Header{Name: f[0]}, NextDomain: f[1], TypeBitMap: typesOf(t, f[2:])})
	}
	return newNSECProof("test.", rrs)
}

// nsec3s makes the same of hashes: the gap of a record begins right before the
// hash of the name when the line begins with "-", and at it otherwise.
func nsec3s(t *testing.T, optOut bool, lines ...string) denier {
	t.Helper()
	var rrs []*dns.NSEC3
	for _, line := range lines {
		f := strings.Fields(line)
		name, covers := strings.CutPrefix(f[0], "-")
		hash := dns.HashName(name, dns.SHA1, 0, "")
		owner := hash
		if covers {
			owner = neighbour(hash, -1)
		}
		rr := &dns.NSEC3{Hdr: dns.RR_Header{Name: owner + ".test."}, Hash: dns.SHA1, NextDomain: neighbour(hash, 1), TypeBitMap: typesOf(t, f[1:])}
		if optOut {
			rr.Flags = 1
		}
		rrs = append(rrs, rr)
	}
	return newNSEC3Proof("test.", rrs)
}

// neighbour is the hash right before or after one.
func neighbour(hash string, step int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
	b := []byte(hash)
	for i := len(b) - 1; i >= 0; i-- {
		d := strings.IndexByte(digits, b[i]) + step
		b[i] = digits[(d+32)%32]
		if d >= 0 && d < 32 {
			break
		}
	}
	return string(b)
}

func typesOf(t *testing.T, names []string) []uint16 {
	var types []uint16
	for _, name := range names {
		n, ok := dns.StringToType[name]
		if !ok {
			t.Fatalf("%s is no type", name)
		}
		types = append(types, n)
	}
	return types
}

func TestDenials(t *testing.T) {
	const no = "no proof"
	tests := []struct {
		name  string
		proof denier
		of    Name
		qtype uint16 // 0: that the name does not exist
		want  string
	}{
		{"NXDOMAIN", nsecs(t, "a.test. c.test. A", "test. a.test. SOA NS"), "b.test.", 0, "secure"},
		{"NXDOMAIN, the last record", nsecs(t, "y.test. test. A", "test. a.test. SOA NS"), "z.test.", 0, "secure"},
		{"NXDOMAIN, one record for both", nsecs(t, "test. z.test. SOA NS"), "b.test.", 0, "secure"},
		{"NXDOMAIN, a wildcard could be", nsecs(t, "a.test. c.test. A"), "b.test.", 0, no},
		{"NXDOMAIN, there is a wildcard", nsecs(t, "a.test. c.test. A", "*.test. a.test. TXT"), "b.test.", 0, no},
		{"NXDOMAIN, the gap is elsewhere", nsecs(t, "c.test. d.test. A", "test. a.test. SOA"), "b.test.", 0, no},
		{"NXDOMAIN, below a delegation", nsecs(t, "a.test. z.test. NS", "test. a.test. SOA"), "b.a.test.", 0, no},
		{"NXDOMAIN, below a DNAME", nsecs(t, "a.test. z.test. DNAME", "test. a.test. SOA"), "b.a.test.", 0, no},
		{"NXDOMAIN of an empty non-terminal", nsecs(t, "a.test. x.b.test. A", "test. a.test. SOA"), "b.test.", 0, no},
		{"NXDOMAIN of a name in another zone", nsecs(t, "a.test. c.test. A", "test. a.test. SOA"), "b.other.", 0, no},
		{"no data", nsecs(t, "a.test. c.test. A RRSIG NSEC"), "a.test.", dns.TypeMX, "secure"},
		{"no data of a type that is there", nsecs(t, "a.test. c.test. A MX"), "a.test.", dns.TypeMX, no},
		{"no data, but an alias", nsecs(t, "a.test. c.test. CNAME"), "a.test.", dns.TypeMX, no},
		{"no data, by the parent", nsecs(t, "a.test. c.test. NS"), "a.test.", dns.TypeMX, no},
		{"no DS, by the parent", nsecs(t, "a.test. c.test. NS"), "a.test.", dns.TypeDS, "secure"},
		{"no DS, by the child", nsecs(t, "a.test. c.test. NS SOA"), "a.test.", dns.TypeDS, no},
		{"no data, empty non-terminal", nsecs(t, "a.test. x.b.test. A"), "b.test.", dns.TypeMX, "secure"},
		{"no data, wildcard", nsecs(t, "a.test. c.test. A", "*.test. a.test. TXT"), "b.test.", dns.TypeMX, "secure"},
		{"no data, wildcard of that type", nsecs(t, "a.test. c.test. A", "*.test. a.test. MX"), "b.test.", dns.TypeMX, no},
		{"no data, nothing of a wildcard", nsecs(t, "a.test. c.test. A"), "b.test.", dns.TypeMX, no},
		{"hashed NXDOMAIN", nsec3s(t, false, "test. SOA", "-b.test. A", "-*.test. A"), "b.test.", 0, "secure"},
		{"hashed NXDOMAIN, further down", nsec3s(t, false, "test. SOA", "-b.test. A", "-*.test. A"), "x.y.b.test.", 0, "secure"},
		{"hashed NXDOMAIN, opt-out", nsec3s(t, true, "test. SOA", "-b.test. A", "-*.test. A"), "b.test.", 0, "insecure"},
		{"hashed NXDOMAIN, no encloser", nsec3s(t, false, "-b.test. A", "-*.test. A"), "b.test.", 0, no},
		{"hashed NXDOMAIN, a wildcard could be", nsec3s(t, false, "test. SOA", "-b.test. A"), "b.test.", 0, no},
		{"hashed NXDOMAIN, below a delegation", nsec3s(t, false, "a.test. NS", "-b.a.test. A", "-*.a.test. A"), "b.a.test.", 0, no},
		{"hashed NXDOMAIN, below a DNAME", nsec3s(t, false, "a.test. DNAME", "-b.a.test. A", "-*.a.test. A"), "b.a.test.", 0, no},
		{"hashed no data", nsec3s(t, false, "a.test. A"), "a.test.", dns.TypeMX, "secure"},
		{"hashed no data of a type that is there", nsec3s(t, false, "a.test. MX"), "a.test.", dns.TypeMX, no},
		{"hashed no data, wildcard", nsec3s(t, false, "test. SOA", "-b.test. A", "*.test. TXT"), "b.test.", dns.TypeMX, "secure"},
		{"hashed no data, wildcard, opt-out", nsec3s(t, true, "test. SOA", "-b.test. A", "*.test. TXT"), "b.test.", dns.TypeMX, "insecure"},
		{"hashed no data, only opt-out", nsec3s(t, true, "test. SOA", "-b.test. A"), "b.test.", dns.TypeDS, "insecure"},
		{"hashed no data, only covered", nsec3s(t, false, "test. SOA", "-b.test. A"), "b.test.", dns.TypeDS, no},
	}
	for _, test := range tests {
		d := &denial{zone: &zone{name: "test."}, proof: test.proof}
		security, ok := d.nameError(test.of)
		if test.qtype != 0 {
			security, ok = d.noData(test.of, test.qtype)
		}
		got := security.String()
		if !ok {
			got = no
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestDelegations(t *testing.T) {
	const (
		cut, none, no = "cut", "no cut", "no proof"
	)
	for _, test := range []struct {
		name  string
		proof denier
		want  string
	}{
		{"delegation", nsecs(t, "a.test. c.test. NS"), cut},
		{"host", nsecs(t, "a.test. c.test. A"), none},
		{"empty non-terminal", nsecs(t, "0.test. x.a.test. A"), none},
		{"no such name", nsecs(t, "0.test. c.test. A"), none},
		{"a DS after all", nsecs(t, "a.test. c.test. NS DS"), no},
		{"an alias after all", nsecs(t, "a.test. c.test. CNAME"), no},
		{"the child's own", nsecs(t, "a.test. c.test. NS SOA"), no},
		{"about another name", nsecs(t, "b.test. c.test. NS"), no},
		{"hashed delegation", nsec3s(t, false, "a.test. NS"), cut},
		{"hashed host", nsec3s(t, false, "a.test. A"), none},
		{"opt-out", nsec3s(t, true, "test. SOA", "-a.test. A"), cut},
		{"hashed, no such name", nsec3s(t, false, "test. SOA", "-a.test. A"), none},
		{"hashed, no encloser", nsec3s(t, true, "-a.test. A"), no},
	} {
		got := none
		switch isCut, err := (&denial{zone: &zone{name: "test."}, proof: test.proof}).delegation("a.test."); {
		case err != nil:
			got = no
		case isCut:
			got = cut
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestHashParameters(t *testing.T) {
	record := func(change func(*dns.NSEC3)) *dns.NSEC3 {
		rr := &dns.NSEC3{Hdr: dns.RR_Header{Name: strings.Repeat("0", 32) + ".test."}, Hash: dns.SHA1, Iterations: 1, Salt: "AB", NextDomain: strings.Repeat("V", 32)}
		change(rr)
		return rr
	}
	same := func(*dns.NSEC3) {}
	for name, change := range map[string]func(*dns.NSEC3){
		"another hash":       func(rr *dns.NSEC3) { rr.Hash = 2 },
		"unknown flags":      func(rr *dns.NSEC3) { rr.Flags = 2 },
		"a salt of its own":  func(rr *dns.NSEC3) { rr.Salt = "CD" },
		"iterations":         func(rr *dns.NSEC3) { rr.Iterations = 2 },
		"another zone":       func(rr *dns.NSEC3) { rr.Hdr.Name = "0.sub.test." },
		"a salt of no octet": func(rr *dns.NSEC3) { rr.Salt = "X" },
	} {
		if got := len(newNSEC3Proof("test.", []*dns.NSEC3{record(same), record(change)}).records); got != 1 {
			t.Errorf("%s: %d records count", name, got)
		}
	}
	// RFC 5155 appendix A.
	p := &nsec3Proof{zone: "example.", salt: []byte{0xaa, 0xbb, 0xcc, 0xdd}, iterations: 12, hashes: map[Name]string{}}
	for name, want := range map[Name]string{
		"example.":       "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM",
		"a.example.":     "35MTHGPGCU1QG68FAB165KLNSNK3DPVL",
		"*.w.example.":   "R53BQ7CC2UVMUBFU5OCMM6PERS9TK9EN",
		"x.y.w.example.": "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S",
	} {
		if got := p.hash(name); got != want {
			t.Errorf("%s hashes to %s, want %s", name, got, want)
		}
	}
}

func TestKeysForUse(t *testing.T) {
	a := newAuthority(t)
	key := a.zone("test.").key
	with := func(change func(*dns.DNSKEY)) *dns.DNSKEY {
		k := dns.Copy(key).(*dns.DNSKEY)
		change(k)
		return k
	}
	for name, k := range map[string]*dns.DNSKEY{
		"revoked":           with(func(k *dns.DNSKEY) { k.Flags |= dns.REVOKE }),
		"no zone key":       with(func(k *dns.DNSKEY) { k.Flags &^= dns.ZONE }),
		"another protocol":  with(func(k *dns.DNSKEY) { k.Protocol = 2 }),
		"unknown algorithm": with(func(k *dns.DNSKEY) { k.Algorithm = 200 }),
	} {
		if got := zoneKeys([]dns.RR{k}); len(got) != 0 {
			t.Errorf("a key that is %s may sign", name)
		}
	}
	// RFC 4509 section 3: SHA-1 counts only where there is nothing better.
	weak, strong := key.ToDS(dns.SHA1), key.ToDS(dns.SHA256)
	strong.Digest = strings.Repeat("00", 32)
	for _, test := range []struct {
		ds   []*dns.DS
		want int
	}{{[]*dns.DS{weak}, 1}, {[]*dns.DS{weak, strong}, 0}, {slices.Repeat([]*dns.DS{strong}, 100), 0}} {
		if got := (&zone{name: "test.", ds: test.ds}).entryKeys([]dns.RR{key}); len(got) != test.want {
			t.Errorf("%d DS records admit %d keys, want %d", len(test.ds), len(got), test.want)
		}
	}
}
