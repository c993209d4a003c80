package zone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// errMute is the error of a name server that does not answer for its zone.
var errMute = errors.New("it gives no answer of its own")

// Look reads a zone as its own name servers show it to everybody, from the first of them
// that answers: for those who have no provider that could be asked.
func Look(ctx context.Context, w *world.World, zone world.Name, names []world.Name) ([]Set, error) {
	all, err := servers(ctx, w, zone)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range all {
		sets, err := lookAt(ctx, w, s.ip, names)
		if err == nil {
			return sets, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
	}
	return nil, fmt.Errorf("read %s: %w", zone, errors.Join(errs...))
}

func lookAt(ctx context.Context, w *world.World, at netip.Addr, names []world.Name) ([]Set, error) {
	var all []Set
	for _, name := range names {
		for _, kind := range readTypes {
			set, ok := shown(ctx, w, at, Set{Name: name, Type: dns.TypeToString[kind]})
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if !ok {
				return nil, fmt.Errorf("%s %s: %w", name, dns.TypeToString[kind], errMute)
			}
			if len(set.Values) > 0 {
				all = append(all, set)
			}
		}
	}
	return all, nil
}

// Everywhere is what each name server of a zone shows of one set, with its TTL. A server
// that does not answer is an error: what it would show cannot be known.
func Everywhere(ctx context.Context, w *world.World, zone, name world.Name, kind string) ([]Set, error) {
	all, err := servers(ctx, w, zone)
	if err != nil {
		return nil, err
	}
	var sets []Set
	for _, s := range all {
		set, ok := shown(ctx, w, s.ip, Set{Name: name, Type: kind})
		if !ok {
			return nil, fmt.Errorf("%s %s at %s: %w", name, kind, s.name, errMute)
		}
		sets = append(sets, set)
	}
	return sets, nil
}
