package suppression_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/suppression"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func entry(stream, address string, kind suppression.Kind) suppression.Entry {
	return suppression.Entry{Stream: stream, Address: mail.MustParseAddress(address), Kind: kind, Since: now}
}

func write(t *testing.T, st *store.Store, f func(tx *store.Tx) error) {
	t.Helper()
	if err := st.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, st *store.Store, e suppression.Entry, want bool) {
	t.Helper()
	write(t, st, func(tx *store.Tx) error {
		added, err := suppression.Add(tx, e)
		if err == nil && added != want {
			t.Errorf("adding %v: %v", e, added)
		}
		return err
	})
}

func has(t *testing.T, st *store.Store, stream, address string, want bool) {
	t.Helper()
	write(t, st, func(tx *store.Tx) error {
		got, err := suppression.Has(tx, stream, mail.MustParseAddress(address))
		if err == nil && got != want {
			t.Errorf("%s to %s is stopped: %v", stream, address, got)
		}
		return err
	})
}

// TestEntries stops a stream for several reasons, and takes them back.
func TestEntries(t *testing.T) {
	storetest.Each(t, []store.Schema{suppression.Schema}, func(t *testing.T, st *store.Store) {
		add(t, st, entry("token:news", "Anna@Example.net", suppression.Unsubscribed), true)
		later := entry("token:news", "anna@example.net", suppression.Unsubscribed)
		later.Since, later.Why = now.Add(time.Hour), "again"
		add(t, st, later, false)
		has(t, st, "token:news", "anna@example.net", true)
		has(t, st, "token:news", "ANNA@EXAMPLE.NET", true)
		has(t, st, "token:news", "anna+x@example.net", false)
		has(t, st, "token:shop", "anna@example.net", false)

		complaint := entry("token:news", "anna@example.net", suppression.Complained)
		complaint.Since = now.Add(time.Minute)
		add(t, st, complaint, true)
		write(t, st, func(tx *store.Tx) error {
			e, err := suppression.Reason(tx, "token:news", mail.MustParseAddress("anna@example.net"))
			if err == nil && (e.Kind != suppression.Unsubscribed || !e.Since.Equal(now) || e.Why != "") {
				t.Errorf("the oldest reason: %+v", e)
			}
			return err
		})
		for _, want := range []bool{true, false} {
			write(t, st, func(tx *store.Tx) error {
				removed, err := suppression.Resubscribe(tx, "token:news", mail.MustParseAddress("ANNA@example.net"))
				if removed != want {
					t.Errorf("taken back: %v", removed)
				}
				return err
			})
		}
		has(t, st, "token:news", "anna@example.net", true) // she complained
		for _, want := range []int{1, 0} {
			write(t, st, func(tx *store.Tx) error {
				n, err := suppression.Remove(tx, "token:news", mail.MustParseAddress("Anna@example.net"))
				if n != want {
					t.Errorf("removed %d", n)
				}
				return err
			})
		}
		has(t, st, "token:news", "anna@example.net", false)
	})
}

func TestInvalid(t *testing.T) {
	st := storetest.Open(t, suppression.Schema)
	long := entry("token:news", "a@example.net", suppression.Added)
	long.Why = strings.Repeat("x", 501)
	for _, e := range []suppression.Entry{
		{}, long, entry("", "a@example.net", suppression.Added), entry("a\nb", "a@example.net", suppression.Added),
		entry(strings.Repeat("s", 101), "a@example.net", suppression.Added), entry("token:news", "a@example.net", "disliked"),
		{Stream: "token:news", Kind: suppression.Added},
	} {
		err := st.Write(t.Context(), func(tx *store.Tx) error { _, err := suppression.Add(tx, e); return err })
		if !errors.Is(err, suppression.ErrInvalid) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestList(t *testing.T) {
	storetest.Each(t, []store.Schema{suppression.Schema}, func(t *testing.T, st *store.Store) {
		for _, a := range []string{"a_x@example.net", "abx@example.net", "b@example.org", "c@example.org"} {
			add(t, st, entry("token:news", a, suppression.Unsubscribed), true)
		}
		add(t, st, entry("token:shop", "b@example.org", suppression.Added), true)
		for _, tt := range []struct {
			q    suppression.Query
			want []string
		}{
			{suppression.Query{}, []string{"a_x@example.net", "abx@example.net", "b@example.org", "b@example.org", "c@example.org"}},
			{suppression.Query{Text: "EXAMPLE.ORG"}, []string{"b@example.org", "b@example.org", "c@example.org"}},
			{suppression.Query{Text: "a_x"}, []string{"a_x@example.net"}},
			{suppression.Query{Text: "%"}, nil},
			{suppression.Query{Text: "!"}, nil},
			{suppression.Query{Text: "\xff\x00b@"}, []string{"b@example.org", "b@example.org"}},
			{suppression.Query{Stream: "token:shop"}, []string{"b@example.org"}},
			{suppression.Query{Kind: suppression.Added}, []string{"b@example.org"}},
		} {
			var got []string
			for page := (suppression.Page{Limit: 2}); ; {
				all, err := suppression.List(t.Context(), st, tt.q, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range all {
					got = append(got, e.Address.String())
					page.After = e
				}
				if len(all) < 2 {
					break
				}
			}
			slices.Sort(got) // the databases do not agree on "_"
			if !slices.Equal(got, tt.want) {
				t.Errorf("%+v: %v", tt.q, got)
			}
		}
	})
}
