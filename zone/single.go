package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/world"
)

// persistence is how often Include and Exclude begin again when somebody else was faster.
const persistence = 4

// Include puts one value into the set of a name beside those that are there, as the
// proofs of ACME need it. ttl counts for a set that is new.
func Include(ctx context.Context, p Provider, zone world.Name, one Set) error {
	return edit(ctx, p, zone, one, func(now Set) Set {
		if len(now.Values) == 0 {
			return one
		}
		now.Values = union(now.Values, one.Values)
		return now
	})
}

// Exclude takes one value away; what is not there is no error.
func Exclude(ctx context.Context, p Provider, zone world.Name, one Set) error {
	return edit(ctx, p, zone, one, func(now Set) Set {
		now.Values = slices.DeleteFunc(slices.Clone(now.Values), func(v string) bool { return slices.Contains(one.Values, v) })
		return now
	})
}

func edit(ctx context.Context, p Provider, zone world.Name, one Set, change func(Set) Set) error {
	one, err := one.canonical()
	if err != nil {
		return err
	}
	for range persistence {
		var present []Set
		if present, err = p.Read(ctx, zone, []world.Name{one.Name}); err != nil {
			return fmt.Errorf("read %s: %w", one.Name, err)
		}
		now := find(present, one.Name, one.Type)
		next := change(now)
		if sameValues(now, next) {
			return nil
		}
		if err = p.Write(ctx, zone, []Change{{Before: now, After: next}}); !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return err
}
