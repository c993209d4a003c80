package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// noon is when the tests happen.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func schemas() []store.Schema { return []store.Schema{Schema} }

// example is the statement of the tests.
func example() Statement {
	return Statement{
		Hostname: mail.MustParseDomain("mx.example.com"),
		Domains:  []mail.Domain{mail.MustParseDomain("example.com"), mail.MustParseDomain("example.net")},
		Egress: []Egress{
			{IP: netip.MustParseAddr("203.0.113.7")},
			{IP: netip.MustParseAddr("2001:db8::7")},
			{IP: netip.MustParseAddr("203.0.113.8"), Name: mail.MustParseDomain("bulk.example.com")},
		},
		Admin: mail.MustParseAddress("anna@example.com"),
	}
}

func stillWorld() *world.World {
	w := world.None()
	w.Clock = func() time.Time { return noon }
	return w
}

// open opens an identity on a store. Unless the options name a node key file, the store
// gets the identity of testdata, because keys take long to make.
func open(t testing.TB, st *store.Store, change func(*Options)) *Identity {
	t.Helper()
	o := Options{Store: st, World: stillWorld(), Statement: example(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&o)
	}
	if o.NodeKeyFile == "" {
		o.NodeKeyFile = filepath.Join(t.TempDir(), "node.key")
		file, err := os.ReadFile("testdata/export.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := Import(t.Context(), st, o.NodeKeyFile, file, nil); err != nil {
			t.Fatal(err)
		}
	}
	id, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSignersAreMadeAndStay(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		keyFile := filepath.Join(t.TempDir(), "node.key")
		at := func(o *Options) { o.NodeKeyFile = keyFile }
		first, d := open(t, st, at), mail.MustParseDomain("example.com")
		signers, err := first.Signers(d)
		if err != nil || len(signers) != 2 {
			t.Fatalf("signers %v, %v", signers, err)
		}
		if signers[0].Selector != "ag-r1" || signers[1].Selector != "ag-e1" {
			t.Errorf("selectors %s, %s", signers[0].Selector, signers[1].Selector)
		}
		if public, ok := signers[0].Key.Public().(*rsa.PublicKey); !ok || public.N.BitLen() != 2048 {
			t.Errorf("first key %T", signers[0].Key.Public())
		}
		if _, ok := signers[1].Key.Public().(ed25519.PublicKey); !ok {
			t.Errorf("second key %T", signers[1].Key.Public())
		}
		again, err := open(t, st, at).Signers(d)
		if err != nil || !again[0].Key.Public().(*rsa.PublicKey).Equal(signers[0].Key.Public()) {
			t.Errorf("after a restart the key is another: %v", err)
		}
		if _, err := first.Signers(mail.MustParseDomain("example.org")); !errors.Is(err, ErrNotOurs) {
			t.Errorf("a strange domain: %v", err)
		}
		sign(t, signers)
	})
}

// sign signs a message and verifies it against the keys.
func sign(t *testing.T, signers []*dkim.Signer) {
	t.Helper()
	m, err := message.Read(strings.NewReader("From: anna@example.com\r\nSubject: x\r\n\r\nhello\r\n"), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	fields, err := dkim.Sign(m.Header, strings.NewReader("hello\r\n"), noon, signers...)
	if err != nil || len(fields) != 2 || !strings.Contains(fields[1], "a=ed25519-sha256") {
		t.Errorf("signed %q, %v", fields, err)
	}
}

// TestTwoProcessesMakeOneKey opens the same store twice at once.
func TestTwoProcessesMakeOneKey(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		keyFile := filepath.Join(t.TempDir(), "node.key")
		var ids [2]*Identity
		var wait sync.WaitGroup
		for n := range ids {
			wait.Go(func() { ids[n] = open(t, st, func(o *Options) { o.NodeKeyFile = keyFile }) })
		}
		wait.Wait()
		for _, id := range ids {
			// What another wrote after we read comes with its wake.
			if err := id.reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, d := range example().Domains {
				a, _ := ids[0].Signers(d)
				b, err := id.Signers(d)
				if err != nil || len(b) != 2 || a[0].Selector != b[0].Selector || !a[1].Key.Public().(ed25519.PublicKey).Equal(b[1].Key.Public()) {
					t.Errorf("%s: two processes have different keys: %v", d, err)
				}
			}
			if string(id.SRS()) != string(ids[0].SRS()) {
				t.Error("two processes have different secrets")
			}
			host := "mx.example.com"
			if !id.table.Load().by[host].Leaf.PublicKey.(*ecdsa.PublicKey).Equal(ids[0].table.Load().by[host].Leaf.PublicKey) {
				t.Error("two processes have different TLS keys")
			}
		}
	})
}

func TestNodeKeyFile(t *testing.T) {
	st := storetest.Open(t, schemas()...)
	path := filepath.Join(t.TempDir(), "node.key")
	open(t, st, func(o *Options) { o.NodeKeyFile = path })
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	fails := func(what, want string) {
		t.Helper()
		_, err := Open(t.Context(), Options{Store: st, World: stillWorld(), Statement: example(), NodeKeyFile: path})
		if !errors.Is(err, ErrNodeKey) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
	os.Chmod(path, 0o640)
	fails("readable for the group", "chmod 600")
	os.Chmod(path, 0o600)
	key, _ := os.ReadFile(path)
	os.WriteFile(path, []byte("allgreen-node-key-1 short\n"), 0o600)
	fails("damaged", "holds no node key")
	os.Remove(path)
	fails("missing", "take it from the backup")
	if _, err := os.Stat(path); err == nil {
		t.Error("a new key was made over sealed secrets")
	}
	newNodeKey().write(path)
	fails("another", "put the other file in its place")
	os.WriteFile(path, key, 0o600)
	open(t, st, func(o *Options) { o.NodeKeyFile = path })
}

func TestSealing(t *testing.T) {
	s := newSealer(newNodeKey())
	sealed := s.seal("dkim example.com a", []byte("secret"))
	if plain, err := s.open("dkim example.com a", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("opened %q, %v", plain, err)
	}
	if _, err := s.open("dkim example.net a", sealed); !errors.Is(err, ErrNodeKey) {
		t.Errorf("a secret was opened in another's place: %v", err)
	}
	for n := range sealed {
		bad := append([]byte(nil), sealed...)
		bad[n] ^= 1
		if _, err := s.open("dkim example.com a", bad); !errors.Is(err, ErrNodeKey) {
			t.Fatalf("octet %d changed: %v", n, err)
		}
		if _, err := s.open("dkim example.com a", sealed[:n]); err == nil {
			t.Fatalf("cut at %d: opened", n)
		}
	}
}

// TestNothingPrivateLiesOpen looks into every column of every table.
func TestNothingPrivateLiesOpen(t *testing.T) {
	st := storetest.Open(t, schemas()...)
	id := open(t, st, nil)
	plain, err := id.Export(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := readExport(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	var private []string
	for _, s := range e.Secrets {
		private = append(private, string(s.Value))
	}
	for _, k := range e.DKIM {
		private = append(private, string(k.PKCS8[len(k.PKCS8)-32:]))
	}
	for _, c := range e.Certificates {
		private = append(private, string(c.PKCS8[len(c.PKCS8)-32:]))
	}
	if len(private) < 1+4+3 {
		t.Fatalf("only %d private things", len(private))
	}
	for _, query := range []string{`SELECT sealed FROM identity_secret`, `SELECT sealed FROM identity_dkim`, `SELECT sealed FROM identity_certificate`} {
		for _, octets := range column(t, st, query) {
			for _, p := range private {
				if strings.Contains(string(octets), p) {
					t.Errorf("%s: something private lies open", query)
				}
			}
		}
	}
}

func column(t *testing.T, st *store.Store, query string) (all [][]byte) {
	t.Helper()
	err := st.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Rows(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var octets []byte
			if err := rows.Scan(&octets); err != nil {
				return err
			}
			all = append(all, octets)
		}
		return rows.Err()
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %d rows, %v", query, len(all), err)
	}
	return all
}

func TestSecretsDiffer(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	seen := map[string]bool{}
	for _, purpose := range []string{"srs", "scram fake user", "session", "x"} {
		s := string(id.Secret(purpose))
		if len(s) != 32 || seen[s] || s != string(id.Secret(purpose)) {
			t.Errorf("secret for %q", purpose)
		}
		seen[s] = true
	}
	other := open(t, storetest.Open(t, schemas()...), func(o *Options) {
		o.NodeKeyFile, o.Statement.Domains = filepath.Join(t.TempDir(), "node.key"), nil
	})
	if seen[string(other.Secret("srs"))] {
		t.Error("two servers have the same secret")
	}
}

func TestHELO(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	for ip, want := range map[string]string{
		"203.0.113.7": "mx.example.com", "::ffff:203.0.113.8": "bulk.example.com",
		"2001:db8::7": "mx.example.com", "192.0.2.1": "mx.example.com",
	} {
		if got := id.HELO(netip.MustParseAddr(ip)); got.String() != want {
			t.Errorf("from %s: EHLO %s, want %s", ip, got, want)
		}
	}
	if got := id.HELO(netip.Addr{}); got.String() != "mx.example.com" {
		t.Errorf("from anywhere: EHLO %s", got)
	}
}

func TestRestate(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	s, extra := example(), mail.MustParseDomain("example.org")
	s.Domains = []mail.Domain{s.Domains[0], extra}
	if err := id.Restate(t.Context(), s, Certificates{}); err != nil {
		t.Fatal(err)
	}
	if signers, err := id.Signers(extra); err != nil || len(signers) != 2 {
		t.Errorf("a new domain: %v, %v", signers, err)
	}
	if _, err := id.Signers(mail.MustParseDomain("example.net")); !errors.Is(err, ErrNotOurs) {
		t.Errorf("a domain taken out still signs: %v", err)
	}
	if err := id.Restate(t.Context(), Statement{Hostname: mail.MustParseDomain("mx")}, Certificates{}); !errors.Is(err, ErrStatement) {
		t.Errorf("a short host name: %v", err)
	}
	if id.Statement().Hostname.String() != "mx.example.com" {
		t.Error("a statement that cannot hold replaced one that does")
	}
}

// TestRunTakesOverChanges has one process make a key and another learn of it.
func TestRunTakesOverChanges(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		keyFile := filepath.Join(t.TempDir(), "node.key")
		a := open(t, st, func(o *Options) { o.NodeKeyFile = keyFile })
		b := open(t, st, func(o *Options) { o.NodeKeyFile = keyFile })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		watch := st.Watch(topic)
		defer watch.Close()
		extra := mail.MustParseDomain("example.org")
		before := b.keys.Load()
		if err := a.makeSigningKeys(ctx, extra); err != nil {
			t.Fatal(err)
		}
		<-watch.C()
		for deadline := time.After(time.Minute); len(b.Keys(extra)) < 2; {
			select {
			case <-deadline:
				t.Fatalf("the other process has %d keys; reloaded: %v", len(b.Keys(extra)), b.keys.Load() != before)
			case <-time.After(time.Millisecond):
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

func BenchmarkSigners(b *testing.B) {
	id := open(b, storetest.Open(b, schemas()...), nil)
	d := mail.MustParseDomain("example.com")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := id.Signers(d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
