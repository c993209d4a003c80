package identity

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// lives are the keys of a domain as "selector state".
func lives(id *Identity, d mail.Domain) (all []string) {
	for _, k := range id.Keys(d) {
		all = append(all, k.Selector+" "+string(k.State))
	}
	slices.Sort(all)
	return all
}

// TestRotation takes keys through their whole life, and has another process see it.
func TestRotation(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		now := noon
		clock := func(o *Options) { o.World.Clock = func() time.Time { return now } }
		id, d := open(t, st, clock), mail.MustParseDomain("example.com")
		is := func(step string, want ...string) {
			t.Helper()
			slices.Sort(want)
			if got := lives(id, d); !slices.Equal(got, want) {
				t.Fatalf("%s: %q, want %q", step, got, want)
			}
			signers, err := id.Signers(d)
			if err != nil || len(signers) != 2 {
				t.Fatalf("%s: %d signers, %v", step, len(signers), err)
			}
			sign(t, signers)
		}
		published := func() (texts []string) {
			for _, r := range id.Records(d) {
				if strings.Contains(r.Name, "._domainkey.") {
					selector, _, _ := strings.Cut(r.Name, ".")
					if strings.Contains(r.Value, `p="`) {
						selector += " empty"
					}
					texts = append(texts, selector)
				}
			}
			slices.Sort(texts)
			return texts
		}
		is("at first", "r20261121 active", "e20261121 active")
		if err := id.SwitchKeys(t.Context(), d); !errors.Is(err, ErrNoPlan) {
			t.Errorf("switched to nothing: %v", err)
		}
		var wait sync.WaitGroup // two people at once make one plan
		for range 2 {
			wait.Go(func() {
				if _, err := id.PlanKeys(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		is("planned", "r20261121 active", "ag-r1 planned", "e20261121 active", "ag-e1 planned")
		if got := published(); !slices.Equal(got, []string{"ag-e1", "ag-r1", "e20261121", "r20261121"}) {
			t.Errorf("published %q", got)
		}
		if signers, _ := id.Signers(d); signers[0].Selector != "r20261121" {
			t.Error("a key signs that nobody has seen")
		}
		now = now.Add(time.Hour)
		if err := id.SwitchKeys(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		is("switched", "r20261121 retired", "ag-r1 active", "e20261121 retired", "ag-e1 active")
		if signers, _ := id.Signers(d); signers[0].Selector != "ag-r1" || signers[1].Selector != "ag-e1" {
			t.Errorf("signs with %s and %s", signers[0].Selector, signers[1].Selector)
		}
		if revoked, err := id.RevokeKeys(t.Context(), d, noon); err != nil || len(revoked) != 0 {
			t.Errorf("revoked while mail is under way: %v, %v", revoked, err)
		}
		if revoked, err := id.RevokeKeys(t.Context(), d, now); err != nil || len(revoked) != 2 {
			t.Errorf("revoked %v, %v", revoked, err)
		}
		is("revoked", "r20261121 revoked", "ag-r1 active", "e20261121 revoked", "ag-e1 active")
		if got := published(); !slices.Equal(got, []string{"ag-e1", "ag-r1", "e20261121 empty", "r20261121 empty"}) {
			t.Errorf("published %q", got)
		}
		if err := id.ForgetKeys(t.Context(), d, now); err != nil {
			t.Fatal(err)
		}
		is("forgotten", "ag-r1 active", "ag-e1 active")
		if _, err := id.PlanKeys(t.Context(), mail.MustParseDomain("example.org")); !errors.Is(err, ErrNotOurs) {
			t.Errorf("a domain of others: %v", err)
		}
	})
}
