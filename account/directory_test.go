package account_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

func TestCreateAndDelete(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		var made, removed []account.ID
		d := account.Open(st, account.Options{Domains: domains, World: world.None(),
			Created: func(_ *store.Tx, id account.ID) error { made = append(made, id); return nil },
			Deleted: func(_ *store.Tx, id account.ID) error { removed = append(removed, id); return nil }})
		defer d.Close()
		root, anna := create(t, d, "root@example.com"), create(t, d, "Anna@example.com")
		for _, taken := range []string{"ANNA@example.com", "root@example.com"} {
			if _, err := d.Create(t.Context(), account.New{Address: addr(taken)}); !errors.Is(err, account.ErrExists) {
				t.Errorf("%s again: %v", taken, err)
			}
		}
		if _, err := d.Create(t.Context(), account.New{Address: addr("anna@example.org")}); !errors.Is(err, account.ErrNotLocal) {
			t.Errorf("elsewhere: %v", err)
		}
		alias(t, d, "both@example.com", "anna@example.com", "root@example.com")
		alias(t, d, "only@example.com", "anna@example.com")
		if _, err := d.Create(t.Context(), account.New{Address: addr("only@example.com")}); !errors.Is(err, account.ErrExists) {
			t.Errorf("over an alias: %v", err)
		}
		must(t, d.AddAlias(t.Context(), account.Alias{From: addr("far@example.com"), To: addrs("x@example.org"), Owner: anna}))
		must(t, d.SetAdmin(t.Context(), domains[0], root))
		if a, err := d.Get(t.Context(), addr("anna@EXAMPLE.com")); err != nil || a.ID != anna || a.Created.IsZero() {
			t.Errorf("Get() = %+v, %v", a, err)
		}
		must(t, d.Delete(t.Context(), anna))
		if err := d.Delete(t.Context(), anna); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, err := d.Get(t.Context(), addr("anna@example.com")); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("Get() after Delete: %v", err)
		}
		aliases, err := d.Aliases(t.Context())
		must(t, err)
		want := []account.Alias{{From: addr("both@example.com"), To: addrs("root@example.com")}, {From: addr("far@example.com"), To: addrs("x@example.org")}}
		if diff := cmp.Diff(want, aliases, comparers); diff != "" {
			t.Errorf("aliases (-want +got):\n%s", diff)
		}
		if again := create(t, d, "anna@example.com"); again <= anna {
			t.Errorf("the id %d was used again as %d", anna, again)
		}
		if len(made) != 3 || len(removed) != 1 || removed[0] != anna {
			t.Errorf("made %v, removed %v", made, removed)
		}
		list, err := d.List(t.Context())
		must(t, err)
		if len(list) != 2 || list[0].Address != addr("anna@example.com") {
			t.Errorf("List() = %+v", list)
		}
	})
}

var comparers = cmp.Options{
	cmp.Comparer(func(a, b mail.Domain) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestCatchAllAndAdmins(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		check := func(rcpt, want string, wantErr error) {
			t.Helper()
			if got, err := resolve(t, st, d, addr(rcpt)); got != want || !errors.Is(err, wantErr) || err != nil && wantErr == nil {
				t.Errorf("%s: %q, %v; want %q, %v", rcpt, got, err, want, wantErr)
			}
		}
		check("abuse@example.net", "", account.ErrNoAdmin) // waits at its sender
		create(t, d, "root@example.com")
		anna := create(t, d, "anna@example.com")
		check("abuse@example.net", "root@example.com role", nil)
		must(t, d.SetAdmin(t.Context(), domains[1], anna))
		check("abuse@example.net", "anna@example.com role", nil)
		check("abuse@example.com", "root@example.com role", nil)
		must(t, d.SetCatchAll(t.Context(), domains[1], addrs("root@example.com"), 0))
		check("abuse@example.net", "anna@example.com role", nil)
		check("typo@example.net", "root@example.com catch-all", nil)
		check("typo+x@example.net", "root@example.com catch-all", nil)
		check("typo@example.com", "", account.ErrNoMailbox)
		alias(t, d, "dangling@example.net", "typo@example.net")
		check("dangling@example.net", "", account.ErrNoMailbox)
		must(t, d.RemoveCatchAll(t.Context(), domains[1]))
		check("typo@example.net", "", account.ErrNoMailbox)
		if err := d.RemoveCatchAll(t.Context(), domains[1]); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		must(t, d.RemoveAlias(t.Context(), addr("dangling@example.net")))

		d.Configure(domains[:1], addr("boss@example.org"), nil)
		check("anna@example.net", "", account.ErrNotLocal)
		check("abuse@example.com", "->boss@example.org by 0 role", nil)
	})
}

func TestExpansionIsBounded(t *testing.T) {
	st := storetest.Open(t, account.Schema)
	d := open(t, st)
	name := func(i int) string { return "a" + string(rune('a'+i)) + "@example.com" }
	for i := range 15 {
		alias(t, d, name(i), name(i+1), "x"+name(i)[1:2]+"@example.org")
	}
	create(t, d, name(15))
	if _, err := resolve(t, st, d, addr(name(0))); !errors.Is(err, account.ErrExpansion) {
		t.Errorf("15 levels: %v", err)
	}
	if _, err := resolve(t, st, d, addr(name(6))); err != nil {
		t.Errorf("9 levels: %v", err)
	}
	if err := d.AddAlias(t.Context(), account.Alias{From: addr("many@example.com"), To: make([]mail.Address, 1001)}); err == nil {
		t.Error("an alias with 1001 targets was taken")
	}
	if err := d.AddAlias(t.Context(), account.Alias{From: addr("none@example.com")}); err == nil {
		t.Error("an alias without targets was taken")
	}
	if err := d.AddAlias(t.Context(), account.Alias{From: addr("x@example.com"), To: addrs("y@example.com"), Owner: 99}); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("an owner who is nobody: %v", err)
	}
}

// TestProcessesAgree has two directories on one store: what one changes, the other says.
func TestProcessesAgree(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d1, d2 := open(t, st), open(t, st)
		create(t, d1, "anna@example.com")
		create(t, d1, "bob@example.com")
		for _, want := range []string{"anna@example.com", "bob@example.com", "anna@example.com"} {
			alias(t, d1, "info@example.com", want)
			for _, d := range []*account.Directory{d2, d1} {
				if got, err := resolve(t, st, d, addr("info@example.com")); got != want || err != nil {
					t.Errorf("info is %q, %v; want %q", got, err, want)
				}
			}
		}
	})
}

// TestProcessesAgreeAcrossStores has two processes on one PostgreSQL.
func TestProcessesAgreeAcrossStores(t *testing.T) {
	dsn := storetest.PostgreSQL(t)
	var stores [2]*store.Store
	var dirs [2]*account.Directory
	for i := range stores {
		stores[i] = storetest.OpenWith(t, store.Options{PostgreSQL: dsn, Schemas: []store.Schema{account.Schema}})
		dirs[i] = open(t, stores[i])
	}
	create(t, dirs[0], "anna@example.com")
	create(t, dirs[1], "bob@example.com")
	for _, want := range []string{"anna@example.com", "bob@example.com", "anna@example.com"} {
		alias(t, dirs[0], "info@example.com", want)
		deadline := time.Now().Add(10 * time.Second)
		for got := ""; got != want; {
			var err error
			if got, err = resolve(t, stores[1], dirs[1], addr("info@example.com")); err != nil || time.Now().After(deadline) {
				t.Fatalf("info is %q, %v; want %q", got, err, want)
			}
		}
	}
}

// TestLostWakes: a change that nobody tells of is seen within a second; one that was
// rolled back is never seen.
func TestLostWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Open(t, account.Schema)
		d := open(t, st)
		create(t, d, "anna@example.com")
		create(t, d, "bob@example.com")
		alias(t, d, "info@example.com", "anna@example.com")
		info := func() string {
			got, err := resolve(t, st, d, addr("info@example.com"))
			must(t, err)
			return got
		}
		change := func(tx *store.Tx, stamp int) error {
			if _, err := tx.Exec(`UPDATE account_stamp SET stamp = $1`, stamp); err != nil {
				return err
			}
			_, err := tx.Exec(`UPDATE account_target SET target = 'bob@example.com' WHERE address = 'info@example.com'`)
			return err
		}
		if got := info(); got != "anna@example.com" {
			t.Fatal(got)
		}
		errUndo := errors.New("undo")
		if err := st.Write(t.Context(), func(tx *store.Tx) error { return errors.Join(change(tx, 1), errUndo) }); !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := info(); got != "anna@example.com" {
			t.Errorf("after a change that was undone: %s", got)
		}
		must(t, st.Write(t.Context(), func(tx *store.Tx) error { return change(tx, 2) }))
		time.Sleep(time.Second)
		if got := info(); got != "bob@example.com" {
			t.Errorf("a second after a silent change: %s", got)
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		anna := create(t, d, "anna@example.com")
		sender, err := account.ParseSender("@example.com")
		must(t, err)
		secret, err := d.AddToken(t.Context(), account.TokenInfo{Name: "crm", Owner: anna, Senders: []account.Sender{sender}, Limits: account.Limits{PerDay: 5}, LocalOnly: true})
		must(t, err)
		if _, err := d.AddToken(t.Context(), account.TokenInfo{Name: "crm", Owner: anna}); !errors.Is(err, account.ErrExists) {
			t.Errorf("the same name: %v", err)
		}
		if _, err := d.AddToken(t.Context(), account.TokenInfo{Name: "no one's", Owner: anna}); err == nil {
			t.Error("a strange name was taken")
		}
		if _, err := d.AddToken(t.Context(), account.TokenInfo{Name: "x", Owner: 77}); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("owned by nobody: %v", err)
		}
		p, err := d.Token(t.Context(), secret)
		must(t, err)
		want := account.Principal{Kind: account.APIToken, Name: "token:crm", Owner: anna, Senders: []account.Sender{sender}, Limits: account.Limits{PerDay: 5}, LocalOnly: true}
		if diff := cmp.Diff(want, p, comparers); diff != "" {
			t.Errorf("principal (-want +got):\n%s", diff)
		}
		must(t, d.Hold(t.Context(), "token:crm", "burst"))
		if p, _ := d.Token(t.Context(), secret); !p.Held {
			t.Error("it is not held")
		}
		for _, wrong := range []string{"", secret[1:], secret + "x", "allgreen-aaaa"} {
			if _, err := d.Token(t.Context(), wrong); !errors.Is(err, account.ErrCredentials) {
				t.Errorf("%q: %v", wrong, err)
			}
		}
		owner(t, st, d, "token:crm", anna)
		must(t, d.RemoveToken(t.Context(), "crm"))
		if _, err := d.Token(t.Context(), secret); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("removed: %v", err)
		}
	})
}

func owner(t *testing.T, st *store.Store, d *account.Directory, name string, want account.ID) {
	t.Helper()
	var got account.ID
	err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		got, err = d.OwnerOf(tx, name)
		return err
	})
	if err != nil || got != want {
		t.Errorf("owner of %s: %d, %v; want %d", name, got, err, want)
	}
}

func TestOwnerOf(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		root, anna := create(t, d, "root@example.com"), create(t, d, "anna@example.com")
		must(t, d.AddAlias(t.Context(), account.Alias{From: addr("sales@example.com"), To: addrs("x@example.org"), Owner: anna}))
		alias(t, d, "info@example.net", "anna@example.com")
		for name, want := range map[string]account.ID{
			"anna@example.com": anna, "Anna+x@example.com": anna, "sales@example.com": anna, "info@example.net": root,
			"nobody@example.com": root, "device:none": root, "token:none": root, "system": root, "": root, "@": root,
		} {
			owner(t, st, d, name, want)
		}
	})
}

func TestDevices(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		root := mail.Address{}
		configured := account.Device{Name: "printer", Networks: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24")}, LocalOnly: true}
		d := account.Open(st, account.Options{Domains: domains, Admin: addr("root@example.com"), World: world.None(), Devices: []account.Device{configured}})
		defer d.Close()
		rootID, anna := create(t, d, "root@example.com"), create(t, d, "anna@example.com")
		camera := account.Device{Name: "camera", Owner: addr("anna@example.com"), Limits: account.Limits{PerHour: 9},
			Networks: []netip.Prefix{netip.MustParsePrefix("10.1.2.7/32"), netip.MustParsePrefix("2001:db8::/64")},
			Senders:  []account.Sender{{Address: addr("camera@example.com")}}}
		must(t, d.AddDevice(t.Context(), camera))
		for _, tt := range []struct {
			ip, name string
			owner    account.ID
		}{
			{"10.1.2.8", "device:printer", rootID},
			{"10.1.2.7", "device:camera", anna}, // the narrower network
			{"::ffff:10.1.2.7", "device:camera", anna},
			{"2001:db8::9", "device:camera", anna},
			{"10.1.3.1", "", 0},
			{"127.0.0.1", "", 0},
		} {
			p, err := d.Device(t.Context(), netip.MustParseAddr(tt.ip))
			if p.Name != tt.name || p.Owner != tt.owner || (tt.name == "") != errors.Is(err, account.ErrNoDevice) {
				t.Errorf("%s: %+v, %v", tt.ip, p, err)
			}
		}
		p, err := d.Device(t.Context(), netip.MustParseAddr("10.1.2.7"))
		must(t, err)
		if !p.MaySend(addr("Camera@example.com")) || p.MaySend(addr("anna@example.com")) || p.MaySend(root) || p.Limits.PerHour != 9 {
			t.Errorf("the camera is %+v", p)
		}
		owner(t, st, d, "device:camera", anna)
		all, err := d.Devices(t.Context())
		must(t, err)
		if diff := cmp.Diff([]account.Device{configured, camera}, all, comparers); diff != "" {
			t.Errorf("devices (-want +got):\n%s", diff)
		}
		must(t, d.RemoveDevice(t.Context(), "camera"))
		if p, err := d.Device(t.Context(), netip.MustParseAddr("10.1.2.7")); p.Name != "device:printer" || err != nil {
			t.Errorf("after the removal: %+v, %v", p, err)
		}
		if err := d.RemoveDevice(t.Context(), "printer"); !errors.Is(err, account.ErrInFile) {
			t.Errorf("removing a configured one: %v", err)
		}
		if err := d.RemoveDevice(t.Context(), "camera"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("removing one that is gone: %v", err)
		}
		shadowed := camera
		shadowed.Name = "printer"
		if err := d.AddDevice(t.Context(), shadowed); !errors.Is(err, account.ErrInFile) {
			t.Errorf("adding one that the file has: %v", err)
		}
	})
}

func TestHolds(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		for _, why := range []string{"burst", "burst again"} {
			must(t, d.Hold(t.Context(), "anna@example.com", why))
		}
		holds, err := d.Holds(t.Context())
		must(t, err)
		if len(holds) != 1 || holds[0].Name != "anna@example.com" || holds[0].Why != "burst" || holds[0].Since.IsZero() {
			t.Errorf("Holds() = %+v", holds)
		}
	})
}

func TestClosedStoreIsTemporary(t *testing.T) {
	st := storetest.Open(t, account.Schema)
	d := open(t, st)
	create(t, d, "anna@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Login(ctx, account.Attempt{User: "anna@example.com", Password: password}); err == nil || errors.Is(err, account.ErrCredentials) {
		t.Errorf("a login that could not be checked: %v", err)
	}
}
