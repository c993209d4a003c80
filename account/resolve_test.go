package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

func each(t *testing.T, f func(t *testing.T, st *store.Store)) {
	storetest.Each(t, []store.Schema{account.Schema}, f)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addr(s string) mail.Address { return mail.MustParseAddress(s) }

func addrs(list ...string) (all []mail.Address) {
	for _, s := range list {
		all = append(all, addr(s))
	}
	return all
}

var domains = []mail.Domain{mail.MustParseDomain("example.com"), mail.MustParseDomain("example.net")}

func open(t testing.TB, st *store.Store) *account.Directory {
	d := account.Open(st, account.Options{Domains: domains, Admin: addr("root@example.com"), World: world.None()})
	t.Cleanup(d.Close)
	return d
}

func create(t testing.TB, d *account.Directory, address string) account.ID {
	t.Helper()
	id, err := d.Create(t.Context(), account.New{Address: addr(address)})
	must(t, err)
	return id
}

func alias(t testing.TB, d *account.Directory, from string, to ...string) {
	t.Helper()
	must(t, d.AddAlias(t.Context(), account.Alias{From: addr(from), To: addrs(to...)}))
}

// resolve gives the answer as words: "anna/folder ->far@example.org owner 3 role".
func resolve(t testing.TB, st *store.Store, d *account.Directory, rcpt mail.Address) (string, error) {
	t.Helper()
	var to account.Destination
	err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		to, err = d.Resolve(tx, rcpt)
		return err
	})
	var words []string
	for _, m := range to.Mailboxes {
		word := m.Address.String()
		if m.Folder != "" {
			word += "/" + m.Folder
		}
		words = append(words, word)
	}
	for _, f := range to.Forwards {
		words = append(words, fmt.Sprintf("->%s by %d", f.To, f.Owner))
	}
	if to.Role {
		words = append(words, "role")
	}
	if to.CatchAll {
		words = append(words, "catch-all")
	}
	return strings.Join(words, " "), err
}

// populate makes the accounts root (1), anna (2), bob (3), gone (4, disabled), and aliases.
func populate(t *testing.T, d *account.Directory) {
	for _, a := range []string{"root@example.com", "Anna@example.com", "bob@example.net", "gone@example.com", "plus+sign@example.com"} {
		create(t, d, a)
	}
	must(t, d.SetDisabled(t.Context(), 4, true))
	alias(t, d, "Sales@example.com", "anna@example.com", "BOB@example.net", "far@example.org", "Far@example.org")
	alias(t, d, "team@example.com", "sales@example.com", "anna@example.com", "far@example.org")
	alias(t, d, "a@example.com", "anna@example.com")
	alias(t, d, "shop@example.com", "anna+Orders@example.com")
	alias(t, d, "loop1@example.com", "loop2@example.com")
	alias(t, d, "loop2@example.com", "loop1@example.com", "anna@example.com")
	alias(t, d, "dead@example.com", "dead2@example.com")
	alias(t, d, "dead2@example.com", "dead@example.com")
	alias(t, d, "dangling@example.com", "nobody@example.com")
	alias(t, d, "half@example.com", "nobody@example.com", "gone@example.com", "anna@example.com")
	alias(t, d, "idle@example.com", "gone@example.com")
	alias(t, d, "bob@example.net", "bob@example.net", "bob@example.org") // keeps a copy
	alias(t, d, "abuse@example.net", "bob2@example.org")
	alias(t, d, "help@example.com", "postmaster@example.net")
	must(t, d.AddAlias(t.Context(), account.Alias{From: addr("owned@example.com"), To: addrs("x@example.org"), Owner: 2}))
}

func TestResolve(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		populate(t, d)
		for _, tt := range []struct {
			rcpt string
			want string
			err  error
		}{
			{rcpt: "anna@example.com", want: "anna@example.com"},
			{rcpt: "ANNA@EXAMPLE.COM", want: "anna@example.com"},
			{rcpt: "anna+news@example.com", want: "anna@example.com/news"},
			{rcpt: "Anna+News@example.com", want: "anna@example.com/news"},
			{rcpt: "anna+@example.com", want: "anna@example.com"},
			{rcpt: "+anna@example.com", err: account.ErrNoMailbox},
			{rcpt: "plus+sign@example.com", want: "plus+sign@example.com"},
			{rcpt: "plus@example.com", err: account.ErrNoMailbox},
			{rcpt: "anna@example.net", err: account.ErrNoMailbox},
			{rcpt: "anna@example.org", err: account.ErrNotLocal},
			{rcpt: "anna@sub.example.com", err: account.ErrNotLocal},
			{rcpt: "anna@[192.0.2.1]", err: account.ErrNotLocal},
			{rcpt: "gone@example.com", err: account.ErrDisabled},
			{rcpt: "idle@example.com", err: account.ErrDisabled},
			{rcpt: "nobody@example.com", err: account.ErrNoMailbox},
			{rcpt: "sales@example.com", want: "anna@example.com bob@example.net ->bob@example.org by 3 ->far@example.org by 1 ->Far@example.org by 1"},
			{rcpt: "team@example.com", want: "anna@example.com bob@example.net ->bob@example.org by 3 ->far@example.org by 1 ->Far@example.org by 1"},
			{rcpt: "a+x@example.com", want: "anna@example.com/x"},
			{rcpt: "sales+x@example.com", want: "anna@example.com bob@example.net ->bob@example.org by 3 ->far@example.org by 1 ->Far@example.org by 1"},
			{rcpt: "shop@example.com", want: "anna@example.com/orders"},
			{rcpt: "loop1@example.com", want: "anna@example.com"},
			{rcpt: "loop2@example.com", want: "anna@example.com"},
			{rcpt: "dead@example.com", err: account.ErrNoMailbox},
			{rcpt: "dangling@example.com", err: account.ErrNoMailbox},
			{rcpt: "half@example.com", want: "anna@example.com"},
			{rcpt: "bob@example.net", want: "bob@example.net ->bob@example.org by 3"},
			{rcpt: "owned@example.com", want: "->x@example.org by 2"},
			{rcpt: "postmaster@example.com", want: "root@example.com role"},
			{rcpt: "PostMaster@example.net", want: "root@example.com role"},
			{rcpt: "security+x@example.net", want: "root@example.com role"},
			{rcpt: "abuse@example.net", want: "->bob2@example.org by 1 role"},
			{rcpt: "help@example.com", want: "root@example.com"},
		} {
			for range 2 { // the second time from memory
				got, err := resolve(t, st, d, addr(tt.rcpt))
				if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) || err != nil && tt.err == nil {
					t.Errorf("%s: error %v, want %v; (-want +got):\n%s", tt.rcpt, err, tt.err, diff)
				}
			}
		}
		if got, err := resolve(t, st, d, mail.Address{Local: "Postmaster"}); got != "root@example.com role" || err != nil {
			t.Errorf("<Postmaster>: %q, %v", got, err)
		}
	})
}
