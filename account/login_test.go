package account_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

const (
	password = "correct horse battery"
	home     = "192.0.2.1"
	abroad   = "198.51.100.7"
)

func login(t testing.TB, d *account.Directory, user, password, from string) (account.Principal, error) {
	t.Helper()
	return d.Login(t.Context(), account.Attempt{User: user, Password: password, From: netip.MustParseAddr(from)})
}

func annas(t testing.TB, d *account.Directory) account.ID {
	t.Helper()
	id, err := d.Create(t.Context(), account.New{Address: addr("anna@example.com"), Password: password, Limits: account.Limits{PerHour: 7}})
	must(t, err)
	return id
}

func TestLogin(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		root := create(t, d, "root@example.com")
		anna := annas(t, d)
		alias(t, d, "sales@example.com", "anna@example.com", "root@example.com")
		app, err := d.AppPassword(t.Context(), anna, "phone")
		must(t, err)
		second, err := d.AppPassword(t.Context(), anna, "laptop")
		must(t, err)
		for _, secret := range []string{password, app, second, password} {
			p, err := login(t, d, "Anna@Example.com", secret, home)
			must(t, err)
			want := account.Principal{Kind: account.Login, Name: "anna@example.com", Account: anna, Owner: anna,
				Limits: account.Limits{PerHour: 7}, Senders: []account.Sender{{Address: addr("anna@example.com")}, {Address: addr("sales@example.com")}}}
			if diff := cmp.Diff(want, p, cmp.Comparer(func(a, b mail.Domain) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		}
		for i, tt := range []struct{ user, password string }{
			{"anna@example.com", "wrong horse battery"},
			{"anna@example.com", ""},
			{"anna@example.com", strings.ToUpper(password)},
			{"anna@example.com", "aaaa-bbbb-cccc-dddd-eeee"},
			{"root@example.com", ""}, // has no password
			{"sales@example.com", password},
			{"nobody@example.com", password},
			{"anna", password},
			{"", ""},
			{strings.Repeat("x", 5000), strings.Repeat("y", 5000)},
			{"bad\x00\xff@example.com", "\x00\xff"},
		} {
			if p, err := login(t, d, tt.user, tt.password, fmt.Sprintf("203.0.%d.1", i)); !errors.Is(err, account.ErrCredentials) || p.Kind != account.Nobody {
				t.Errorf("%.20q %.20q: %v, %v", tt.user, tt.password, p, err)
			}
		}
		must(t, d.RemoveAppPassword(t.Context(), anna, "phone"))
		if _, err := login(t, d, "anna@example.com", app, home); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("a removed app password: %v", err)
		}
		must(t, d.SetPassword(t.Context(), anna, "another good one"))
		if _, err := login(t, d, "anna@example.com", password, home); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the old password: %v", err)
		}
		must(t, d.Hold(t.Context(), "anna@example.com", "burst"))
		p, err := login(t, d, "anna@example.com", "another good one", home)
		must(t, err)
		if !p.Held {
			t.Error("a held principal is not Held")
		}
		must(t, d.Free(t.Context(), "anna@example.com"))
		if err := d.Free(t.Context(), "anna@example.com"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("freed twice: %v", err)
		}
		must(t, d.SetDisabled(t.Context(), anna, true))
		if _, err := login(t, d, "anna@example.com", "another good one", home); !errors.Is(err, account.ErrDisabled) {
			t.Errorf("disabled: %v", err)
		}
		p, err = func() (account.Principal, error) {
			must(t, d.SetPassword(t.Context(), root, password))
			return login(t, d, "root@example.com", password, abroad)
		}()
		must(t, err)
		if !p.MaySend(addr("Abuse@example.net")) || !p.MaySend(addr("sales+x@example.com")) || p.MaySend(addr("anna@example.com")) {
			t.Errorf("the admin may send as %v", p.Senders)
		}
	})
}

// TestUnknownUsersTakeAsLong compares the quickest of many refusals, of a user who exists
// and of one who does not, for either kind of password. On a busy machine it takes some
// more of them until both have had a quiet moment; without the work none is like the other.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	st := storetest.Open(t, account.Schema)
	d := open(t, st)
	anna := annas(t, d)
	_, err := d.AppPassword(t.Context(), anna, "phone")
	must(t, err)
	const most = 100
	for _, password := range []string{"wrong horse battery %d", "aaaa-bbbb-cccc-dddd-2%s"} {
		quickest := map[string]time.Duration{}
		for i, alike := 0, false; !alike; i++ {
			if i == most {
				t.Fatalf("%q: %s for anna, %s for nobody", password, quickest["anna@example.com"], quickest["nobody@example.com"])
			}
			d := open(t, st) // without the failures of before
			for _, user := range []string{"anna@example.com", "nobody@example.com"} {
				begin := time.Now()
				_, err := login(t, d, user, wrongPassword(password, i), "203.0.113.1")
				took := time.Since(begin)
				if !errors.Is(err, account.ErrCredentials) {
					t.Fatal(err)
				}
				if q := quickest[user]; q == 0 || took < q {
					quickest[user] = took
				}
			}
			ratio := float64(quickest["anna@example.com"]) / float64(quickest["nobody@example.com"])
			alike = i >= 5 && ratio > 0.5 && ratio < 2
		}
	}
}

// wrongPassword is another one of a form every time.
func wrongPassword(form string, i int) string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	if strings.Contains(form, "%s") {
		return fmt.Sprintf(form, string([]byte{letters[i/len(letters)/len(letters)%len(letters)], letters[i/len(letters)%len(letters)], letters[i%len(letters)]}))
	}
	return fmt.Sprintf(form, i)
}

func TestWeakPasswords(t *testing.T) {
	st := storetest.Open(t, account.Schema)
	d := open(t, st)
	for _, weak := range []string{"short", "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc", "with\x00nul in it", strings.Repeat("x", 513), "abcd-efgh-ijkm-npqr-stuv"} {
		if _, err := d.Create(t.Context(), account.New{Address: addr("a@example.com"), Password: weak}); !errors.Is(err, account.ErrWeakPassword) {
			t.Errorf("%.30q: %v", weak, err)
		}
	}
	id, err := d.Create(t.Context(), account.New{Address: addr("a@example.com"), Password: "u\u0308ber the top"})
	must(t, err)
	if _, err := login(t, d, "a@example.com", "\u00fcber the top", home); err != nil {
		t.Errorf("the same letters, composed: %v", err)
	}
	if err := d.SetPassword(t.Context(), id, ""); !errors.Is(err, account.ErrWeakPassword) {
		t.Errorf("an empty password: %v", err)
	}
	if err := d.SetPassword(t.Context(), 99, password); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("the password of nobody: %v", err)
	}
}

// TestScram has somebody else's client prove each of two app passwords.
func TestScram(t *testing.T) {
	each(t, func(t *testing.T, st *store.Store) {
		d := open(t, st)
		anna := annas(t, d)
		attempt := account.Attempt{User: "anna@example.com", From: netip.MustParseAddr(home)}
		var secrets []string
		for _, label := range []string{"phone", "laptop", "tablet"} {
			secret, err := d.AppPassword(t.Context(), anna, label)
			must(t, err)
			secrets = append(secrets, secret)
		}
		keys, p, err := d.Scram(t.Context(), attempt)
		must(t, err)
		if p.Account != anna || len(keys.Others) != 2 {
			t.Fatalf("%+v, %d other keys", p, len(keys.Others))
		}
		all := append(keys.Others, [2][]byte{keys.StoredKey, keys.ServerKey})
		for _, secret := range secrets {
			if !slices.ContainsFunc(all, func(k [2][]byte) bool { return proves(t, secret, keys, k) }) {
				t.Errorf("no key fits %s", secret)
			}
		}
		if slices.ContainsFunc(all, func(k [2][]byte) bool { return proves(t, "aaaa-bbbb-cccc-dddd-eeee", keys, k) }) {
			t.Error("a key fits a wrong secret")
		}
		if p, err := d.Authenticated(t.Context(), attempt); err != nil || p.Account != anna {
			t.Errorf("Authenticated() = %+v, %v", p, err)
		}
		for _, user := range []string{"nobody@example.com", "other@example.com", "", "odd \x00"} {
			one, p, err := d.Scram(t.Context(), account.Attempt{User: user})
			must(t, err)
			two, _, err := d.Scram(t.Context(), account.Attempt{User: user})
			must(t, err)
			if p.Kind != account.Nobody || !slices.Equal(one.Salt, two.Salt) || len(one.Salt) != len(keys.Salt) || one.Iterations != keys.Iterations {
				t.Errorf("%q: %+v, salts %x and %x", user, p, one.Salt, two.Salt)
			}
			if _, err := d.Authenticated(t.Context(), account.Attempt{User: user}); !errors.Is(err, account.ErrCredentials) {
				t.Errorf("Authenticated(%q): %v", user, err)
			}
		}
	})
}

func proves(t *testing.T, secret string, keys account.ScramKeys, key [2][]byte) bool {
	t.Helper()
	client, err := scram.SHA256.NewClient("anna@example.com", secret, "")
	must(t, err)
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(keys.Salt), Iters: keys.Iterations}, StoredKey: key[0], ServerKey: key[1]}, nil
	})
	must(t, err)
	c, s := client.NewConversation(), server.NewConversation()
	text := ""
	for range 2 {
		text, err = c.Step(text)
		must(t, err)
		if text, err = s.Step(text); err != nil {
			return false
		}
	}
	_, err = c.Step(text)
	must(t, err)
	return s.Valid() && c.Valid()
}

// guesser is a directory in a bubble: made-up time, real passwords.
func guesser(t *testing.T, f func(t *testing.T, d *account.Directory)) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Open(t, account.Schema)
		d := open(t, st)
		annas(t, d)
		f(t, d)
	})
}

// guess tries an app password nobody has: a person's would take the machine longer.
func guess(t testing.TB, d *account.Directory, user, from string) error {
	r := strings.NewReplacer("l", "8", "o", "9").Replace(strings.ToLower(rand.Text()))
	_, err := login(t, d, user, r[:4]+"-"+r[4:8]+"-"+r[8:12]+"-"+r[12:16]+"-"+r[16:20], from)
	return err
}

// TestThrottleSlowsTheGuesser counts the guesses that one address gets in an hour.
func TestThrottleSlowsTheGuesser(t *testing.T) {
	for _, from := range []func(i int) string{
		func(int) string { return abroad },
		func(i int) string { return "2001:db8::" + string("0123456789abcdef"[i%16]) },
		func(int) string { return "::ffff:" + abroad },
	} {
		guesser(t, func(t *testing.T, d *account.Directory) {
			begin, checked := time.Now(), 0
			for i := 0; time.Since(begin) < time.Hour; i++ {
				switch err := guess(t, d, "anna@example.com", from(i)); {
				case errors.Is(err, account.ErrCredentials):
					checked++
				case errors.Is(err, account.ErrThrottled):
					time.Sleep(time.Second)
				default:
					t.Fatal(err)
				}
			}
			if checked < 5 || checked > 25 {
				t.Errorf("%d guesses in an hour, want few", checked)
			}
		})
	}
}

// TestThrottleIsNotFooledByManyAtOnce: the guesses that wait together are judged one by one.
func TestThrottleIsNotFooledByManyAtOnce(t *testing.T) {
	guesser(t, func(t *testing.T, d *account.Directory) {
		var mu sync.Mutex
		checked := 0
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				_, err := login(t, d, "anna@example.com", "guess "+rand.Text(), abroad)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, account.ErrCredentials) {
					checked++
				} else if !errors.Is(err, account.ErrThrottled) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if checked < 5 || checked > 10 {
			t.Errorf("%d of 60 guesses at once were checked", checked)
		}
	})
}

// TestThrottleNeverLocksOut: after a storm of guesses from everywhere the user gets in
// from a place she never was, with a delay of seconds; and from home without any.
func TestThrottleNeverLocksOut(t *testing.T) {
	guesser(t, func(t *testing.T, d *account.Directory) {
		_, err := login(t, d, "anna@example.com", password, home)
		must(t, err)
		for i := range 60 { // her login, from many networks, her neighbourhoods among them
			for _, from := range []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)})} {
				if err := guess(t, d, "anna@example.com", from.String()); !errors.Is(err, account.ErrCredentials) {
					t.Fatal(err)
				}
			}
		}
		for range 30 { // somebody at home guesses at others
			guess(t, d, "root@example.com", home)
		}
		begin := time.Now()
		if _, err := login(t, d, "anna@example.com", password, "198.51.100.200"); err != nil {
			t.Errorf("from a new place: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second || took < time.Second {
			t.Errorf("from a new place it took %s, want some seconds", took)
		}
		setAgain(t, d) // so that it is checked for real
		begin = time.Now()
		if _, err := login(t, d, "anna@example.com", password, home); err != nil {
			t.Errorf("from home: %v", err)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("from home it took %s", took)
		}
	})
}

// setAgain sets anna's password to what it is: nothing remembered of it holds.
func setAgain(t *testing.T, d *account.Directory) {
	t.Helper()
	a, err := d.Get(t.Context(), addr("anna@example.com"))
	must(t, err)
	must(t, d.SetPassword(t.Context(), a.ID, password))
}

// TestThrottleKnowsTheForgottenPhone: one wrong password again and again is no guessing.
func TestThrottleKnowsTheForgottenPhone(t *testing.T) {
	guesser(t, func(t *testing.T, d *account.Directory) {
		for range 100 {
			if _, err := login(t, d, "anna@example.com", "the old password", home); !errors.Is(err, account.ErrCredentials) {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		begin := time.Now()
		_, err := login(t, d, "anna@example.com", password, home)
		must(t, err)
		if took := time.Since(begin); took > 0 {
			t.Errorf("the right password took %s", took)
		}
	})
}

// TestThrottleOwnAccountBuysNoGuesses: a right password between the guesses changes nothing.
func TestThrottleOwnAccountBuysNoGuesses(t *testing.T) {
	guesser(t, func(t *testing.T, d *account.Directory) {
		_, err := d.Create(t.Context(), account.New{Address: addr("mallory@example.com"), Password: password})
		must(t, err)
		checked := 0
		for range 40 {
			if _, err := login(t, d, "mallory@example.com", password, abroad); err != nil {
				t.Fatal(err)
			}
			if errors.Is(guess(t, d, "anna@example.com", abroad), account.ErrCredentials) {
				checked++
			}
		}
		if checked > 12 {
			t.Errorf("%d of 40 guesses were checked", checked)
		}
	})
}

// TestThrottleFades: after a quiet day nobody waits.
func TestThrottleFades(t *testing.T) {
	guesser(t, func(t *testing.T, d *account.Directory) {
		for range 50 {
			guess(t, d, "anna@example.com", abroad)
		}
		time.Sleep(24 * time.Hour)
		begin := time.Now()
		_, err := login(t, d, "anna@example.com", password, abroad)
		must(t, err)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %s", took)
		}
	})
}
