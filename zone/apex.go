package zone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// Apex is the zone that a name is in: the nearest name above it, or itself, that has an
// SOA record. Errors: world's, and ErrNoZone where only the root would be left.
func Apex(ctx context.Context, r world.Resolver, name world.Name) (world.Name, error) {
	for cut := name; cut.Labels() > 0; cut = cut.Parent() {
		answer, err := r.Lookup(ctx, cut, dns.TypeSOA)
		switch {
		case err == nil && answer.Owner() == cut:
			return cut, nil
		case err != nil && !errors.Is(err, world.ErrNotFound):
			return "", fmt.Errorf("find the zone of %s: %w", name, err)
		}
	}
	return "", fmt.Errorf("%w: no zone holds %s", ErrNoZone, name)
}

// server is a name server of a zone.
type server struct {
	name world.Name
	ip   netip.Addr
}

// servers are the addresses of a zone's own name servers.
func servers(ctx context.Context, w *world.World, zone world.Name) ([]server, error) {
	answer, err := w.Lookup(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil, fmt.Errorf("find the name servers of %s: %w", zone, err)
	}
	var all []server
	for _, rr := range answer.Records {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		host, err := world.ParseName(ns.Ns)
		if err != nil {
			continue
		}
		ips, err := world.LookupAddresses(ctx, w, host)
		if err != nil && !errors.Is(err, world.ErrNotFound) {
			return nil, fmt.Errorf("find the name server %s: %w", host, err)
		}
		if len(ips) > 0 {
			all = append(all, server{host, ips[0]}) // what one address says the other says too
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s has no name server with an address", ErrNoZone, zone)
	}
	return all, nil
}

// Awaited is what Await has not seen yet.
type Awaited struct {
	Server world.Name
	Name   world.Name
	Type   string
}

// String is one line for people.
func (a Awaited) String() string { return fmt.Sprintf("%s %s at %s", a.Name, a.Type, a.Server) }

// awaitFirst and awaitLast bound the pause between two looks.
const (
	awaitFirst = time.Second
	awaitLast  = 15 * time.Second
)

// Await waits until every name server of the zone shows what the changes have made. After
// each look in vain it tells what is missing; tell may be nil. When the context ends
// the error says what was missing at last.
func Await(ctx context.Context, w *world.World, zone world.Name, changes []Change, tell func([]Awaited)) error {
	return await(ctx, tell, func() ([]Awaited, error) { return Missing(ctx, w, zone, changes) })
}

// AwaitValues is Await for values that stand among others.
func AwaitValues(ctx context.Context, w *world.World, zone world.Name, some Set) error {
	return await(ctx, nil, func() ([]Awaited, error) {
		return look(ctx, w, zone, []Set{some}, func(now, want Set) bool { return sameValues(now, merge(now, want)) })
	})
}

// merge is a set with the values of another beside its own.
func merge(now, more Set) Set {
	now.Values = union(now.Values, more.Values)
	return now
}

func await(ctx context.Context, tell func([]Awaited), look func() ([]Awaited, error)) error {
	for pause := awaitFirst; ; pause = min(2*pause, awaitLast) {
		missing, err := look()
		if err == nil && len(missing) == 0 {
			return nil
		}
		if tell != nil && err == nil {
			tell(missing)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return notSeen(missing, err, ctx.Err())
		}
	}
}

// notSeen says on one line what was missing when the time was over.
func notSeen(missing []Awaited, failed, ended error) error {
	if failed != nil {
		return fmt.Errorf("%w: %w", failed, ended)
	}
	lines := make([]string, 0, len(missing))
	for _, m := range missing {
		lines = append(lines, m.String())
	}
	return fmt.Errorf("not seen yet: %s: %w", strings.Join(lines, ", "), ended)
}

// Missing is one look at every name server of the zone: what the changes have made and
// it does not show. A server that does not answer shows nothing.
func Missing(ctx context.Context, w *world.World, zone world.Name, changes []Change) ([]Awaited, error) {
	var wanted []Set
	for _, c := range changes {
		wanted = append(wanted, c.After)
	}
	return look(ctx, w, zone, wanted, sameValues)
}

func look(ctx context.Context, w *world.World, zone world.Name, wanted []Set, is func(now, want Set) bool) ([]Awaited, error) {
	all, err := servers(ctx, w, zone)
	if err != nil {
		return nil, err
	}
	var missing []Awaited
	for _, s := range all {
		for _, want := range wanted {
			now, ok := shown(ctx, w, s.ip, want)
			if !ok || !is(now, want) {
				missing = append(missing, Awaited{s.name, want.Name, want.Type})
			}
		}
	}
	return missing, nil
}

// shown is the set that a server shows, if it answers at all.
func shown(ctx context.Context, w *world.World, at netip.Addr, want Set) (Set, bool) {
	m, err := w.Exchange(ctx, world.Query{Server: at, Name: want.Name, Type: dns.StringToType[want.Type]})
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError || !m.Authoritative {
		return Set{}, false
	}
	return setIn(m.Answer, want.Name, want.Type), true
}

// setIn is a set among the records of an answer.
func setIn(records []dns.RR, name world.Name, kind string) Set {
	set := Set{Name: name, Type: kind}
	for _, rr := range records {
		h := rr.Header()
		if h.Rrtype == dns.StringToType[kind] && strings.EqualFold(h.Name, name.String()) {
			set.TTL = int(h.Ttl)
			set.Values = append(set.Values, canonicalOf(rr))
		}
	}
	slices.Sort(set.Values)
	return set
}
