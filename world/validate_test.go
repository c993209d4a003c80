package world

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestDenialKinds(t *testing.T) {
	a := signedInternet(t)
	// RFC 9824: made up on the fly, NOERROR for a name that does not exist.
	compact := a.zones["secure.test."]
	a.spoil("compact.secure.test.", dns.TypeA, func(m *dns.Msg) {
		rr := &dns.NSEC{
			Hdr:        dns.RR_Header{Name: "compact.secure.test.", Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: 60},
			NextDomain: `\000.compact.secure.test.`, TypeBitMap: []uint16{dns.TypeRRSIG, dns.TypeNSEC, typeNXNAME},
		}
		m.Rcode = dns.RcodeSuccess
		m.Ns = append(compact.records["secure.test."][dns.TypeSOA], rr)
		m.Ns = append(m.Ns, compact.sign(t, []dns.RR{rr}, 0)...)
	})
	// Old servers say NXDOMAIN for a name that only has names below it.
	a.spoil("empty.secure.test.", dns.TypeA, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError })
	w := a.world(Options{})
	for name, want := range map[Name]error{
		"compact.secure.test.": ErrNoName,
		"empty.secure.test.":   ErrNoData,
		"none.secure.test.":    ErrNoName,
		"secure.test.":         ErrNoData,
		"none.rsa.test.":       ErrNoName,
		"rsa.test.":            ErrNoData,
	} {
		_, err := w.Lookup(t.Context(), name, dns.TypeA)
		var e *LookupError
		if !errors.As(err, &e) || e.Kind != want || e.Security != Secure || e.TTL != time.Minute {
			t.Errorf("%s: got %+v, want %v", name, e, want)
		}
	}
}

// TestReplays are records with good signatures in the wrong place.
func TestReplays(t *testing.T) {
	a := signedInternet(t)
	secure, test := a.zones["secure.test."], a.zones["test."]
	denial := func(m *dns.Msg, rrs []dns.RR) {
		m.Answer, m.Rcode, m.Ns = nil, dns.RcodeSuccess, rrs
	}
	// The NSEC of a wildcard, renamed to speak about a host.
	a.spoil("www.wild.secure.test.", dns.TypeA, func(m *dns.Msg) {
		rrs := secure.denialFor(t, "*.wild.secure.test.")
		for i := range rrs {
			rrs[i] = dns.Copy(rrs[i])
			rrs[i].Header().Name = "www.wild.secure.test."
		}
		denial(m, rrs)
	})
	// The parent's NSEC at the cut, against a type of the child (RFC 6840 section 4.1).
	a.spoil("secure.test.", dns.TypeA, func(m *dns.Msg) { denial(m, test.denialFor(t, "secure.test.")) })
	// The child's NSEC at its apex, against its own DS.
	a.spoil("rsa.test.", dns.TypeDS, func(m *dns.Msg) { denial(m, secure.denialFor(t, "secure.test.")) })
	// Records of another name.
	a.spoil("mail.secure.test.", dns.TypeA, func(m *dns.Msg) {
		set := secure.records["www.secure.test."][dns.TypeA]
		m.Rcode = dns.RcodeSuccess
		for _, rr := range append(slices.Clone(set), secure.sign(t, set, 3)...) {
			rr = dns.Copy(rr)
			rr.Header().Name = "mail.secure.test."
			m.Answer = append(m.Answer, rr)
		}
	})
	// A record added to a signed set.
	a.spoil("www.ed.test.", dns.TypeA, func(m *dns.Msg) {
		rr, _ := dns.NewRR("www.ed.test. 300 A 192.0.2.66")
		m.Answer = append(m.Answer, rr)
	})
	// A DNAME whose CNAME leads elsewhere.
	a.spoil("x.dname.secure.test.", dns.TypeA, func(m *dns.Msg) {
		for _, rr := range m.Answer {
			if c, ok := rr.(*dns.CNAME); ok {
				c.Target = "evil.insecure.test."
			}
		}
	})
	w := a.world(Options{})
	for _, q := range []question{
		{"www.wild.secure.test.", dns.TypeA}, {"secure.test.", dns.TypeA}, {"www.rsa.test.", dns.TypeA},
		{"mail.secure.test.", dns.TypeA}, {"www.ed.test.", dns.TypeA}, {"x.dname.secure.test.", dns.TypeA},
	} {
		if answer, err := w.Lookup(t.Context(), q.name, q.qtype); !errors.Is(err, ErrBogus) {
			t.Errorf("%s %s: got %+v, %v, want bogus", q.name, TypeName(q.qtype), answer, err)
		}
	}
}

func TestClockDecides(t *testing.T) {
	a := signedInternet(t)
	for in, want := range map[time.Duration]string{
		0:                    "",
		20 * 24 * time.Hour:  "expired",
		-20 * 24 * time.Hour: "is valid only from",
	} {
		w := a.world(Options{})
		w.Clock = func() time.Time { return time.Now().Add(in) }
		_, err := w.Lookup(t.Context(), "www.secure.test.", dns.TypeA)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrBogus) || !strings.Contains(err.Error(), want)) {
			t.Errorf("in %s: got %v, want %q", in, err, want)
		}
	}
}

// TestStrippingResolver: without any signature at the anchor nothing is judged,
// and the answer says why.
func TestStrippingResolver(t *testing.T) {
	a := signedInternet(t)
	for _, q := range []question{
		{Root, dns.TypeDNSKEY}, {"test.", dns.TypeDS}, {"www.secure.test.", dns.TypeA}, {"www.wrong.test.", dns.TypeA},
	} {
		a.spoil(q.name, q.qtype, stripSignatures)
	}
	w := a.world(Options{})
	for _, name := range []Name{"www.secure.test.", "www.wrong.test."} {
		answer, err := w.Lookup(t.Context(), name, dns.TypeA)
		want := fmt.Sprintf("the resolver %s gives no signatures", a.at)
		if err != nil || answer.Security != Indeterminate || answer.Note != want {
			t.Errorf("got %+v, %v", answer, err)
		}
	}
	if got := w.Stats(); got.Questions != 2 || got.Messages != 3 {
		t.Errorf("%+v for two names and a look at the keys of the root", got)
	}
}

// stripper is the authority behind a resolver that takes out all signatures.
type stripper struct{ a *authority }

func (s stripper) ServeDNS(rw dns.ResponseWriter, q *dns.Msg) {
	s.a.ServeDNS(strippingWriter{rw}, q)
}

type strippingWriter struct{ dns.ResponseWriter }

func (w strippingWriter) WriteMsg(m *dns.Msg) error {
	stripSignatures(m)
	return w.ResponseWriter.WriteMsg(m)
}

// TestOneResolverStrips: it is neither believed nor held for a forger, as long as
// another one hears, whatever their order.
func TestOneResolverStrips(t *testing.T) {
	a := signedInternet(t)
	a.start()
	pc, ln := listenBoth(t)
	serve(t, pc, ln, stripper{a})
	deafOne := netip.MustParseAddrPort(pc.LocalAddr().String())
	for _, resolvers := range [][]netip.AddrPort{{deafOne, a.at}, {a.at, deafOne}} {
		f := &File{Resolvers: resolvers, TrustAnchors: []string{a.anchor()}}
		w, err := f.World(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []Name{"www.secure.test.", "www.rsa.test."} {
			answer, err := w.Lookup(t.Context(), name, dns.TypeA)
			if err != nil || answer.Security != Secure || answer.Server != a.at {
				t.Errorf("%v: got %+v, %v", resolvers, answer, err)
			}
		}
		if _, err := w.Lookup(t.Context(), "www.wrong.test.", dns.TypeA); !errors.Is(err, ErrBogus) {
			t.Errorf("%v: got %v", resolvers, err)
		}
	}
}

func TestKeysOfTheRootCannotBeHad(t *testing.T) {
	a := signedInternet(t)
	a.spoil(Root, dns.TypeDNSKEY, func(m *dns.Msg) { m.Answer, m.Rcode = nil, dns.RcodeRefused })
	answer, err := a.world(Options{}).Lookup(t.Context(), "www.secure.test.", dns.TypeA)
	if err != nil || answer.Security != Indeterminate || !strings.Contains(answer.Note, "REFUSED") {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestProofCannotBeFetched(t *testing.T) {
	a := signedInternet(t)
	a.spoil("secure.test.", dns.TypeDS, func(m *dns.Msg) { m.Answer, m.Rcode = nil, dns.RcodeServerFailure })
	_, err := a.world(Options{}).Lookup(t.Context(), "www.secure.test.", dns.TypeA)
	if !errors.Is(err, ErrTemporary) || !strings.Contains(err.Error(), "cannot be validated: secure.test DS: SERVFAIL") {
		t.Errorf("got %v", err)
	}
}

// TestQuestionsCount: what validation costs, and that none of it is repeated.
func TestQuestionsCount(t *testing.T) {
	a := signedInternet(t)
	w := a.world(Options{})
	for _, step := range []struct {
		name  Name
		qtype uint16
		want  uint64
	}{
		{"www.secure.test.", dns.TypeA, 6},   // and DS, DNSKEY of secure.test and test, DNSKEY of the root
		{"www.secure.test.", dns.TypeA, 0},   // remembered
		{"none.secure.test.", dns.TypeA, 1},  // the zone is known
		{"secure.test.", dns.TypeDNSKEY, 0},  // asked for already
		{"insecure.test.", dns.TypeMX, 2},    // and its DS
		{"www.insecure.test.", dns.TypeA, 1}, // below an insecure zone nothing is asked for
	} {
		before := w.Stats().Questions
		w.Lookup(t.Context(), step.name, step.qtype)
		if got := w.Stats().Questions - before; got != step.want {
			t.Errorf("%s %s: %d questions, want %d", step.name, TypeName(step.qtype), got, step.want)
		}
	}
	f := &File{Resolvers: []netip.AddrPort{a.at}}
	plain, err := f.World(Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := plain.Lookup(t.Context(), "www.secure.test.", dns.TypeA)
	if err != nil || answer.Security != Indeterminate || plain.Stats().Questions != 1 {
		t.Errorf("without anchors: %+v, %v, %+v", answer, err, plain.Stats())
	}
}

func TestChain(t *testing.T) {
	a := signedInternet(t)
	soon := time.Now().Add(50 * time.Hour).Truncate(time.Second).UTC()
	ends := a.zone("ends.test.", ending(soon))
	a.zones["test."].delegate(t, ends)
	w := a.world(Options{})
	for _, test := range []struct {
		name Name
		want string
		kind error
		note string
	}{
		{"www.secure.test.", ". secure, test. secure, secure.test. secure", nil, ""},
		{"secure.test.", ". secure, test. secure, secure.test. secure", nil, ""},
		{"none.", ". secure", nil, ""},
		{"a.b.insecure.test.", ". secure, test. secure, insecure.test. insecure", nil, "insecure.test has no DS record"},
		{"unknown.test.", ". secure, test. secure, unknown.test. insecure", nil, "is signed in ways unknown here: key"},
		{"www.mismatch.test.", ". secure, test. secure, mismatch.test. indeterminate", ErrBogus, ""},
	} {
		chain, err := w.Chain(t.Context(), test.name)
		var got []string
		for _, z := range chain {
			got = append(got, fmt.Sprintf("%s %s", z.Name, z.Security))
			if (z.Security == Secure) != (len(z.Keys) > 0 && len(z.DS) > 0 && !z.Expires.IsZero()) {
				t.Errorf("%s: %+v", test.name, z)
			}
		}
		if strings.Join(got, ", ") != test.want || !errors.Is(err, test.kind) {
			t.Errorf("%s: got %s, %v, want %s, %v", test.name, got, err, test.want, test.kind)
		}
		if note := chain[len(chain)-1].Note; !strings.Contains(note, test.note) {
			t.Errorf("%s: the note is %q", test.name, note)
		}
	}
	chain, err := w.Chain(t.Context(), "ends.test.")
	if err != nil || !chain[2].Expires.Equal(soon) {
		t.Errorf("got %+v, %v, want the end at %s", chain, err, soon)
	}
	if answer, err := w.Lookup(t.Context(), "ends.test.", dns.TypeSOA); err != nil || !answer.Expires.Equal(soon) {
		t.Errorf("got %+v, %v, want the end at %s", answer, err, soon)
	}
}

// TestKeyTrap: many keys with one tag and many wrong signatures by it are not
// all tried (CVE-2023-50387).
func TestKeyTrap(t *testing.T) {
	a := signedInternet(t)
	a.spoil("www.secure.test.", dns.TypeA, func(m *dns.Msg) {
		var sigs []dns.RR
		for i := range 500 {
			for _, rr := range m.Answer {
				if sig, ok := rr.(*dns.RRSIG); ok {
					wrong := dns.Copy(sig).(*dns.RRSIG)
					wrong.OrigTtl = uint32(i)
					sigs = append(sigs, wrong)
				}
			}
		}
		m.Answer = append(m.Answer[:1:1], sigs...)
	})
	w := a.world(Options{})
	_, err := w.Lookup(t.Context(), "www.secure.test.", dns.TypeA)
	if !errors.Is(err, ErrBogus) {
		t.Errorf("got %v", err)
	}

	z := &zone{name: "test."}
	sig := &dns.RRSIG{Algorithm: dns.ECDSAP256SHA256}
	for range 500 {
		key := dns.Copy(a.zones["test."].key).(*dns.DNSKEY)
		z.keys = append(z.keys, key)
		sig.KeyTag = key.KeyTag()
	}
	if got := len(z.keysFor(sig)); got != maxSameTag {
		t.Errorf("%d keys of one tag are tried", got)
	}
	e := newEffort()
	for range maxVerifying {
		if err := e.spend(); err != nil {
			t.Fatal(err)
		}
	}
	if e.spend() == nil {
		t.Error("the effort has no end")
	}
}

// TestHashedDenialIsBounded: the most expensive proof that is still followed
// (CVE-2023-50868).
func TestHashedDenialIsBounded(t *testing.T) {
	name := Name("test.")
	for range 120 {
		name = name.Under("a")
	}
	rr := &dns.NSEC3{
		Hdr:  dns.RR_Header{Name: strings.Repeat("0", 32) + ".test."},
		Hash: dns.SHA1, Iterations: maxIterations, Salt: strings.Repeat("ab", 255), NextDomain: strings.Repeat("V", 32),
	}
	d := &denial{zone: &zone{name: "test."}, proof: newNSEC3Proof("test.", slices.Repeat([]*dns.NSEC3{rr}, maxDenialSets))}
	if _, ok := d.nameError(name); ok {
		t.Error("this proves nothing")
	}
	if hashed := len(d.proof.(*nsec3Proof).hashes); hashed > 125 {
		t.Errorf("%d names were hashed", hashed)
	}
}

func TestLookupErrorWords(t *testing.T) {
	for _, test := range []struct {
		e               LookupError
		error, evidence string
	}{
		{LookupError{Name: "a.test.", Type: dns.TypeMX, Kind: ErrNoName, Server: first},
			"a.test MX: not found: the name does not exist", "a.test. MX: NXDOMAIN from 192.0.2.1"},
		{LookupError{Name: "a.test.", Type: dns.TypeMX, Kind: ErrNoData},
			"a.test MX: not found: no record of this type", "a.test. MX: no data"},
		{LookupError{Name: "a.test.", Type: 65280, Kind: ErrTemporary},
			"a.test TYPE65280: no answer", "a.test. TYPE65280: no answer"},
		{LookupError{Name: "a.test.", Type: dns.TypeMX, Kind: ErrBogus, Detail: "why"},
			"a.test MX: DNSSEC validation failed (why)", "a.test. MX: bogus, why"},
	} {
		if got := test.e.Error(); got != test.error {
			t.Errorf("got %q, want %q", got, test.error)
		}
		if got := test.e.Evidence(); got != test.evidence {
			t.Errorf("got %q, want %q", got, test.evidence)
		}
	}
}
