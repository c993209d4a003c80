package mailbox_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
)

const maxUID = 1<<32 - 1

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		uids []mailbox.UID
		want []mailbox.UIDRange
	}{
		{nil, []mailbox.UIDRange{}},
		{[]mailbox.UID{7}, []mailbox.UIDRange{{First: 7, Last: 7}}},
		{[]mailbox.UID{3, 1, 2, 3, 9, 8, 5}, []mailbox.UIDRange{{First: 1, Last: 3}, {First: 5, Last: 5}, {First: 8, Last: 9}}},
		{[]mailbox.UID{maxUID, maxUID - 1, maxUID}, []mailbox.UIDRange{{First: maxUID - 1, Last: maxUID}}},
	} {
		before := slices.Clone(tt.uids)
		if diff := cmp.Diff(tt.want, mailbox.Ranges(tt.uids)); diff != "" || !slices.Equal(before, tt.uids) {
			t.Errorf("Ranges(%v) (-want +got), argument is now %v:\n%s", before, tt.uids, diff)
		}
	}
}

// TestUIDSet does random changes to a set and to a map, at both ends of what a UID can be.
func TestUIDSet(t *testing.T) {
	for _, base := range []mailbox.UID{1, maxUID - 60} {
		random := rand.New(rand.NewPCG(uint64(base), 2))
		var set mailbox.UIDSet
		want := map[mailbox.UID]bool{}
		for range 3000 {
			first := base + mailbox.UID(random.IntN(60))
			r := mailbox.UIDRange{First: first, Last: first + mailbox.UID(random.IntN(min(6, int(maxUID-first)+1)))}
			add := random.IntN(2) == 0
			for uid := uint64(r.First); uid <= uint64(r.Last); uid++ {
				want[mailbox.UID(uid)] = add
			}
			if add {
				set.Add(r)
			} else {
				set.Remove(r)
			}
			checkUIDSet(t, &set, want, base)
			if t.Failed() {
				t.Fatalf("after %v, add %v", r, add)
			}
		}
	}
}

func checkUIDSet(t *testing.T, set *mailbox.UIDSet, want map[mailbox.UID]bool, base mailbox.UID) {
	n := 0
	for uid := uint64(base); uid <= min(uint64(base)+70, maxUID); uid++ {
		uid := mailbox.UID(uid)
		i, found := set.Index(uid)
		if found != want[uid] || i != n || set.Has(uid) != found {
			t.Errorf("Index(%d) = %d, %v, want %d, %v", uid, i, found, n, want[uid])
		}
		if want[uid] {
			if got := set.At(n); got != uid {
				t.Errorf("At(%d) = %d, want %d", n, got, uid)
			}
			n++
			if max := set.Max(); max < uid || !want[max] {
				t.Errorf("Max() = %d", max)
			}
		}
	}
	all := slices.Collect(set.All())
	if set.Len() != n || len(all) != n {
		t.Errorf("Len() = %d, %d of All(), want %d", set.Len(), len(all), n)
	}
	if diff := cmp.Diff(mailbox.Ranges(all), append([]mailbox.UIDRange{}, set.Ranges()...)); diff != "" {
		t.Errorf("not the fewest ranges (-want +got):\n%s", diff)
	}
	ask := []mailbox.UIDRange{{First: base + 3, Last: base + 9}, {First: base + 20, Last: base + 21}}
	var both []mailbox.UID
	for _, r := range set.Intersect(ask) {
		for uid := r.First; uid <= r.Last; uid++ {
			both = append(both, uid)
		}
	}
	for _, uid := range all {
		inside := ask[0].First <= uid && uid <= ask[0].Last || ask[1].First <= uid && uid <= ask[1].Last
		if slices.Contains(both, uid) != inside {
			t.Errorf("intersection with %v: %v, set %v", ask, both, all)
		}
	}
}
