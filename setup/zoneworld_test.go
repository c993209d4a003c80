package setup_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// zoneWorld is one zone, example.com, in memory: who publishes it, a resolver, and its
// only name server, in a world whose clock stands until somebody turns it.
type zoneWorld struct {
	mu      sync.Mutex
	now     time.Time
	sets    []zone.Set
	mute    bool // the name server shows nothing
	fails   error
	written int
}

const apex = world.Name("example.com.")

func newZoneWorld(records ...string) *zoneWorld {
	z := &zoneWorld{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	for _, r := range records {
		z.add(r)
	}
	return z
}

// add is a record, as "example.com. 3600 MX 10 mx.other.example.".
func (z *zoneWorld) add(record string) {
	rr, err := dns.NewRR(record)
	if err != nil {
		panic(err)
	}
	h := rr.Header()
	value, err := zone.Canonical(dns.TypeToString[h.Rrtype], strings.TrimPrefix(rr.String(), h.String()))
	if err != nil {
		panic(err)
	}
	z.put(zone.Set{Name: world.Name(h.Name), Type: dns.TypeToString[h.Rrtype], TTL: int(h.Ttl), Values: append(z.get(world.Name(h.Name), dns.TypeToString[h.Rrtype]).Values, value)})
}

func (z *zoneWorld) put(s zone.Set) {
	z.sets = slices.DeleteFunc(z.sets, func(o zone.Set) bool { return o.Name == s.Name && o.Type == s.Type })
	if len(s.Values) > 0 {
		z.sets = append(z.sets, s)
	}
}

func (z *zoneWorld) get(name world.Name, kind string) zone.Set {
	for _, s := range z.sets {
		if s.Name == name && s.Type == kind {
			return s
		}
	}
	return zone.Set{Name: name, Type: kind}
}

// has reports whether a set has one value of all, and that is it.
func (z *zoneWorld) has(name, kind, part string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	values := z.get(world.Name(name), kind).Values
	return len(values) == 1 && strings.Contains(values[0], part)
}

func (z *zoneWorld) turn(d time.Duration) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.now = z.now.Add(d)
}

// Read and Write are the zone.Provider.
func (z *zoneWorld) Read(_ context.Context, _ world.Name, names []world.Name) ([]zone.Set, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(z.sets), func(s zone.Set) bool { return !slices.Contains(names, s.Name) }), z.fails
}

func (z *zoneWorld) Write(_ context.Context, _ world.Name, changes []zone.Change) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.fails != nil {
		return z.fails
	}
	for _, c := range changes {
		if !slices.Equal(z.get(c.Before.Name, c.Before.Type).Values, c.Before.Values) {
			return zone.ErrChanged
		}
	}
	for _, c := range changes {
		z.written++
		z.put(c.After)
	}
	return nil
}

// Lookup is the world.Resolver.
func (z *zoneWorld) Lookup(_ context.Context, name world.Name, kind uint16) (*world.Answer, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	answer := &world.Answer{Name: name, Type: kind}
	if rrs := z.records(name, kind); len(rrs) > 0 {
		answer.Records = rrs
		return answer, nil
	}
	return nil, world.ErrNoName
}

func (z *zoneWorld) records(name world.Name, kind uint16) (all []dns.RR) {
	texts := []string{}
	switch {
	case kind == dns.TypeSOA && name == apex:
		texts = append(texts, "ns1.example.com. h.example.com. 1 2 3 4 5")
	case kind == dns.TypeNS && name == apex:
		texts = append(texts, "ns1.example.com.")
	case kind == dns.TypeA && name == "ns1.example.com.":
		texts = append(texts, "192.0.2.53")
	}
	s := z.get(name, dns.TypeToString[kind])
	for _, text := range append(texts, s.Values...) {
		rr, err := dns.NewRR(name.String() + " " + dns.TypeToString[kind] + " " + text)
		if err != nil {
			panic(err)
		}
		rr.Header().Ttl = uint32(s.TTL)
		all = append(all, rr)
	}
	return all
}

// Exchange is the name server.
func (z *zoneWorld) Exchange(_ context.Context, q world.Query) (*dns.Msg, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.mute || q.Server != netip.MustParseAddr("192.0.2.53") {
		return nil, world.ErrTemporary
	}
	m := new(dns.Msg).SetQuestion(q.Name.String(), q.Type)
	m.Response, m.Authoritative, m.Answer = true, true, z.records(q.Name, q.Type)
	return m, nil
}

func (z *zoneWorld) world() *world.World {
	return &world.World{Resolver: z, Exchanger: z, Clock: func() time.Time {
		z.mu.Lock()
		defer z.mu.Unlock()
		return z.now
	}}
}

var domain = mail.MustParseDomain("example.com")

// someone is who we are in that world.
func (z *zoneWorld) someone(t *testing.T) *identity.Identity {
	t.Helper()
	w := z.world()
	st := storetest.OpenWith(t, store.Options{Schemas: []store.Schema{identity.Schema}, Clock: w.Now})
	id, err := identity.Open(t.Context(), identity.Options{
		Store: st, World: w, NodeKeyFile: t.TempDir() + "/node.key",
		Statement: identity.Statement{
			Hostname: mail.MustParseDomain("mx.example.com"), Domains: []mail.Domain{domain},
			Egress: []identity.Egress{{IP: netip.MustParseAddr("203.0.113.7")}}, Admin: mail.MustParseAddress("anna@example.com"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// publish puts what a domain wants into the zone where nothing is there.
func (z *zoneWorld) publish(t *testing.T, id *identity.Identity) {
	t.Helper()
	wanted := id.Records(domain)
	present, err := z.Read(t.Context(), apex, zone.Names(wanted))
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Write(t.Context(), apex, zone.NewPlan(apex, wanted, present, nil).Changes()); err != nil {
		t.Fatal(err)
	}
}
