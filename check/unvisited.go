package check

import (
	"context"
	"errors"
	"slices"

	"github.com/allgreen-mail/allgreen/route"
	"github.com/allgreen-mail/allgreen/world"
)

// Unvisited is a host that is to take mail and has no address among the servers.
type Unvisited struct {
	Name string
	Err  error // absent, temporary, bogus, errNotPublic or errBeyond
}

// Why a host with addresses is not visited.
var (
	errNotPublic = errors.New("it has no address that the Internet can reach")
	errBeyond    = errors.New("it is beyond the addresses that one audit visits")
)

// isOpen reports that the host may well take mail: nobody has seen whether it does.
func (u Unvisited) isOpen() bool { return !isAbsence(u.Err) && u.Err != errNotPublic }

// Unvisited are the hosts of the target that Servers leaves out, and why.
func (s *Subject) Unvisited(ctx context.Context) []Unvisited {
	switch s.Target.Kind {
	case Host:
		return s.unvisitedHost(ctx)
	case Domain:
		return s.unvisitedExchangers(ctx)
	}
	return nil
}

func (s *Subject) unvisitedHost(ctx context.Context) []Unvisited {
	if len(s.Servers(ctx)) > 0 {
		return nil
	}
	_, err := world.LookupHost(ctx, s.World, s.Target.Domain)
	if err == nil {
		err = errNotPublic
	}
	return []Unvisited{{s.String(), err}}
}

func (s *Subject) unvisitedExchangers(ctx context.Context) []Unvisited {
	var left []Unvisited
	servers := s.Servers(ctx)
	for _, h := range s.Exchangers(ctx).Hosts {
		visited := slices.ContainsFunc(servers, func(v Server) bool { return v.Name == h.Host })
		if h.Host.IsZero() || visited {
			continue
		}
		left = append(left, Unvisited{h.Name.Text(), s.whyUnvisited(h)})
	}
	return left
}

func (s *Subject) whyUnvisited(h route.Exchanger) error {
	switch {
	case h.Err() != nil:
		return h.Err()
	case slices.ContainsFunc(h.Addresses(), s.World.IsPublic):
		return errBeyond
	}
	return errNotPublic
}
