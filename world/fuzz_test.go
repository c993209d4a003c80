package world

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzAnswer puts octets where an answer is read, followed and validated: with
// the id and question that make it an answer, whatever else it says.
func FuzzAnswer(f *testing.F) {
	a := signedInternet(f)
	anchor := a.anchor()
	for _, v := range verdicts {
		m := new(dns.Msg)
		q := new(dns.Msg).SetQuestion(string(v.name), v.qtype)
		m.SetReply(q)
		a.answer(m, v.name, v.qtype)
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		q := question{"www.secure.test.", dns.TypeA}
		if m := new(dns.Msg); m.Unpack(wire) == nil && len(m.Question) == 1 {
			q = question{nameIn(m.Question[0].Name), m.Question[0].Qtype}
		}
		n := &pipeNet{hosts: map[string]func(string, net.Conn){first.String(): func(network string, conn net.Conn) {
			query, err := readQuery(network, conn)
			if err != nil || len(wire) < 2 {
				return
			}
			answer := append([]byte{byte(query.Id >> 8), byte(query.Id)}, wire[2:]...)
			if network == "tcp" {
				answer = append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)
			}
			conn.Write(answer)
		}}}
		w := &World{Network: n}
		if err := w.connect(Options{Resolvers: []netip.AddrPort{first}, Timeout: 100 * time.Millisecond}, []string{anchor}); err != nil {
			t.Fatal(err)
		}
		answer, err := w.Lookup(context.Background(), q.name, q.qtype)
		if err == nil && (len(answer.Records) == 0 || answer.TTL < 0 || answer.TTL > maxTTL) {
			t.Fatalf("got %+v", answer)
		}
		if err == nil && answer.Security == Secure && q.name != Root {
			t.Fatalf("one message cannot prove a chain: %+v", answer)
		}
		w.Chain(context.Background(), q.name)
	})
}

// FuzzDenial puts any NSEC and NSEC3 records, as if verified, to every proof.
func FuzzDenial(f *testing.F) {
	f.Add("secure.test.", "www.secure.test.", "a.secure.test.", "zz.secure.test.", "ab", uint16(1), byte(1), uint16(dns.TypeNS))
	f.Add(".", ".", ".", ".", "", uint16(65535), byte(255), uint16(0))
	f.Fuzz(func(t *testing.T, zoneText, nameText, owner, next, salt string, iterations uint16, flags byte, qtype uint16) {
		at, err := ParseName(zoneText)
		name, err2 := ParseName(nameText)
		if err != nil || err2 != nil {
			return
		}
		z := &zone{name: at}
		types := []uint16{qtype &^ 1, dns.TypeNS}
		nsec := newNSECProof(at, []*dns.NSEC{{Hdr: dns.RR_Header{Name: owner}, NextDomain: next, TypeBitMap: types}})
		nsec3 := newNSEC3Proof(at, []*dns.NSEC3{{
			Hdr: dns.RR_Header{Name: owner}, Hash: dns.SHA1, Flags: flags, Iterations: iterations % 200,
			Salt: salt, NextDomain: next, TypeBitMap: types,
		}})
		for _, d := range []*denial{{zone: z, proof: nsec}, {zone: z, proof: nsec3}} {
			d.delegation(name)
			_, isAbsent := d.nameError(name)
			if ce := name.Parent(); isAbsent && !name.IsWithin(at) {
				t.Fatalf("%s denies %s, which lies outside (%s)", at, name, ce)
			}
			d.noData(name, qtype)
			d.noCloser(name, name.Labels()/2)
		}
	})
}
