package identity

import (
	"context"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/peer"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// zones are the DNS of the ACME tests: example.com is ours, example.net was not
// published yet.
const zones = `
example.com. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
example.com. 300 NS ns1.nameserver.example.
mx.example.com. 300 A 127.10.200.7
mta-sts.example.com. 300 CNAME mx.example.com.
authority.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
authority.example. 300 NS ns1.nameserver.example.
acme.authority.example. 300 A 127.10.200.9
`

// acmeLab is the authority, and the world of our server with a clock of its own.
type acmeLab struct {
	*acmeServer
	world *world.World
	ahead atomic.Int64 // of the clock, in nanoseconds
}

func newACMELab(t *testing.T) *acmeLab {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{zones}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := &acmeLab{}
	w, clock := *l.World(), l.World().Now
	w.Clock = func() time.Time { return clock().Add(time.Duration(a.ahead.Load())) }
	a.world = &w
	a.acmeServer = startACME(t, l, &w, "acme.authority.example", "127.10.200.9")
	return a
}

// open opens an identity that asks the authority.
func (a *acmeLab) open(t *testing.T, st *store.Store, change func(*Options)) *Identity {
	t.Helper()
	return open(t, st, func(o *Options) {
		o.World = a.world
		o.Certificates.ACME = &ACME{Directory: a.url + "/directory", Email: o.Statement.Admin}
		if change != nil {
			change(o)
		}
	})
}

// healthOf is how the certificate of a name stands.
func healthOf(t *testing.T, id *Identity, name string) Health {
	t.Helper()
	all := id.Health()
	n := slices.IndexFunc(all, func(h Health) bool { return h.Name.String() == name })
	if n < 0 {
		t.Fatalf("no health of %s", name)
	}
	return all[n]
}

func refresh(t *testing.T, id *Identity) {
	t.Helper()
	if err := id.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestACMEByHTTP(t *testing.T) {
	a := newACMELab(t)
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		already := len(a.issued())
		id := a.open(t, st, nil)
		if h := healthOf(t, id, "mx.example.com"); !h.Fallback || h.Problem == "" {
			t.Errorf("before the first certificate: %+v", h)
		}
		pin := id.tlsa(id.Statement().Hostname)
		serve(t, a.world, "127.10.200.7", 80, id.ChallengeHandler(nil), nil)
		refresh(t, id)
		want := []string{"mta-sts.example.com by http-01", "mx.example.com by http-01"}
		if got := a.issued(); len(got) != already+2 || !slices.Equal(slices.Compact(got), want) {
			t.Errorf("issued %q; refused %q", got, a.problems)
		}
		if h := healthOf(t, id, "mx.example.com"); h.Source != FromACME || h.Fallback || h.Problem != "" {
			t.Errorf("after it: %+v", h)
		}
		if h := healthOf(t, id, "autoconfig.example.com"); !h.Convenience || !h.Fallback {
			t.Errorf("a name for mail programs alone, unpublished: %+v", h)
		}
		if h := healthOf(t, id, "mta-sts.example.net"); h.Convenience || !h.Fallback || !strings.Contains(h.Problem, "publish it") {
			t.Errorf("a name that is not published: %+v", h)
		}
		if id.tlsa(id.Statement().Hostname) != pin {
			t.Error("the first certificate changed the key, and the TLSA record with it")
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		leaf := id.table.Load().by["mx.example.com"].Leaf
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "mx.example.com", CurrentTime: a.world.Now()}); err != nil {
			t.Error(err)
		}
		if text := Fragment(id.Statement().Domains[0], id.Records(id.Statement().Domains[0])); !strings.Contains(text, `CAA    0 issue "authority.example"`) {
			t.Errorf("no CAA record for the authority:\n%s", text)
		}
		if n := len(column(t, st, `SELECT sealed FROM identity_secret`)); n != 2 {
			t.Errorf("%d secrets, want the root and the account", n)
		}
	})
}

// TestACMERenews lets time pass.
func TestACMERenews(t *testing.T) {
	a := newACMELab(t)
	id := a.open(t, storetest.Open(t, schemas()...), nil)
	serve(t, a.world, "127.10.200.7", 80, id.ChallengeHandler(nil), nil)
	refresh(t, id)
	first, pin := id.table.Load().by["mx.example.com"].Leaf, id.tlsa(id.Statement().Hostname)
	a.ahead.Store(int64(44 * 24 * time.Hour))
	refresh(t, id)
	if got := a.issued(); len(got) != 2 {
		t.Errorf("renewed before the authority wants it: %q", got)
	}
	a.ahead.Store(int64(46 * 24 * time.Hour))
	refresh(t, id)
	second := id.table.Load().by["mx.example.com"].Leaf
	if got := a.issued(); len(got) != 4 || second.SerialNumber.Cmp(first.SerialNumber) == 0 || !second.NotAfter.After(first.NotAfter) {
		t.Errorf("not renewed when the authority wants it: %q, %q", got, a.problems)
	}
	if id.tlsa(id.Statement().Hostname) != pin {
		t.Error("the renewal changed the key")
	}
	for _, o := range a.orders[min(2, len(a.orders)):] {
		if o.replaces == "" {
			t.Errorf("the order for %s does not say what it replaces (RFC 9773 section 5)", o.name)
		}
	}
	if len(a.accounts) != 1 {
		t.Errorf("%d accounts", len(a.accounts))
	}
}

func TestACMEByALPN(t *testing.T) {
	a := newACMELab(t)
	a.offers = []string{"tls-alpn-01"}
	id := a.open(t, storetest.Open(t, schemas()...), nil)
	serve(t, a.world, "127.10.200.7", 443, http.NotFoundHandler(), id.TLS(HTTPS))
	refresh(t, id)
	if got := a.issued(); !slices.Equal(got, []string{"mta-sts.example.com by tls-alpn-01", "mx.example.com by tls-alpn-01"}) {
		t.Errorf("issued %q; refused %q", got, a.problems)
	}
}

// TestACMEByDNS proves through a BIND that takes our updates, while nothing listens on
// port 80 or 443.
func TestACMEByDNS(t *testing.T) {
	n := peer.BIND(t, map[string]string{
		"example.com":       "@ 300 SOA ns1 hostmaster 1 7200 1800 1814400 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n_acme-challenge.mx 300 TXT \"another\"\n_acme-challenge.mta-sts 300 CNAME com.proofs.example.\n",
		"proofs.example":    "@ 300 SOA ns1.example.com. hostmaster 1 7200 1800 1814400 60\n@ 300 NS ns1.example.com.\n",
		"authority.example": "@ 300 SOA ns1.example.com. hostmaster 1 7200 1800 1814400 60\n@ 300 NS ns1.example.com.\nacme 300 A 127.10.200.9\n",
	})
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{zones}}) // for its authority and ports
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := n.World(t)
	w.Roots, w.Map.Ports[443] = l.World().Roots, l.World().Map.Ports[443]
	a := &acmeLab{world: w, acmeServer: startACME(t, l, w, "acme.authority.example", "127.10.200.9")}
	a.offers = []string{"http-01", "dns-01"}
	id := a.open(t, storetest.Open(t, schemas()...), func(o *Options) {
		o.Statement.Domains = o.Statement.Domains[:1]
		o.Certificates.ACME.DNS = &zone.Update{World: w, Key: zone.Key{Name: world.Name(n.KeyName), Secret: n.KeySecret}}
	})
	refresh(t, id)
	if got := a.issued(); !slices.Equal(got, []string{"autoconfig.example.com by dns-01", "autodiscover.example.com by dns-01", "mta-sts.example.com by dns-01", "mx.example.com by dns-01"}) {
		t.Errorf("issued %q; refused %q\n%+v", got, a.problems, id.Health())
	}
	left, err := id.said.Load().certificates.ACME.DNS.Read(t.Context(), "example.com.", []world.Name{"_acme-challenge.mx.example.com."})
	if err != nil || len(left) != 1 || !slices.Equal(left[0].Values, []string{`"another"`}) {
		t.Errorf("left behind %+v, %v", left, err)
	}
	if n.Has(t, "_acme-challenge.mta-sts.example.com. TXT \"x\"") || !n.Has(t, "_acme-challenge.mta-sts.example.com. CNAME com.proofs.example.") {
		t.Error("the CNAME to the zone of proofs is gone")
	}
}

// TestACMERefuses has the authority find no proof: the server listens nowhere.
func TestACMERefuses(t *testing.T) {
	a := newACMELab(t)
	id := a.open(t, storetest.Open(t, schemas()...), nil)
	refresh(t, id)
	h := healthOf(t, id, "mx.example.com")
	if h.Source != FromSelf || !h.Fallback || h.Problem == "" {
		t.Errorf("%+v", h)
	}
	if _, err := handshake(t, id, SMTP, clientAt(a.world.Now())); err != nil {
		t.Errorf("port 25 is closed: %v", err)
	}
	asked := len(a.issued())
	if asked == 0 {
		t.Fatal("the authority was not asked")
	}
	refresh(t, id)
	if again := len(a.issued()); again != asked {
		t.Errorf("asked again at once: %d orders, then %d", asked, again)
	}
	a.ahead.Store(int64(20 * time.Minute))
	refresh(t, id)
	if again := len(a.issued()); again <= asked {
		t.Error("not asked again after twenty minutes")
	}
	asked = len(a.issued())
	a.ahead.Store(int64(40 * time.Minute))
	refresh(t, id)
	if again := len(a.issued()); again != asked {
		t.Error("asked a third time before the longer wait was over")
	}
}

func TestACMEAuthorityIsGone(t *testing.T) {
	a := newACMELab(t)
	id := a.open(t, storetest.Open(t, schemas()...), func(o *Options) {
		o.Certificates.ACME.Directory = "https://gone.authority.example/directory"
	})
	refresh(t, id)
	if h := healthOf(t, id, "mx.example.com"); !h.Fallback || !strings.Contains(h.Problem, "gone.authority.example") {
		t.Errorf("%+v", h)
	}
}

// TestACMEOneProcessAsks has two processes look at the same time.
func TestACMEOneProcessAsks(t *testing.T) {
	a := newACMELab(t)
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		already := len(a.issued())
		keyFile := filepath.Join(t.TempDir(), "node.key")
		oneDomain := func(o *Options) {
			o.NodeKeyFile, o.Statement.Domains = keyFile, o.Statement.Domains[:1]
		}
		first, second := a.open(t, st, oneDomain), a.open(t, st, oneDomain)
		serve(t, a.world, "127.10.200.7", 80, second.ChallengeHandler(nil), nil) // any node answers
		var wait sync.WaitGroup
		for _, id := range []*Identity{first, second} {
			wait.Go(func() { refresh(t, id) })
		}
		wait.Wait()
		if got := len(a.issued()) - already; got != 2 {
			t.Errorf("%d orders for two names: %q, %q", got, a.issued(), a.problems)
		}
		refresh(t, second)
		if healthOf(t, second, "mx.example.com").Source != FromACME {
			t.Error("the other process does not use the certificate")
		}
	})
}

func TestLease(t *testing.T) {
	storetest.Each(t, schemas(), func(t *testing.T, st *store.Store) {
		now := noon
		id := open(t, st, func(o *Options) { o.World.Clock = func() time.Time { return now } })
		take := func(want bool) *lease {
			t.Helper()
			l, err := id.take(t.Context(), "x")
			if err != nil || (l != nil) != want {
				t.Fatalf("lease %v, %v", l, err)
			}
			return l
		}
		l := take(true)
		take(false)
		if err := id.give(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		old := take(true)
		now = now.Add(leaseTime + time.Second) // its holder has died
		young := take(true)
		id.give(t.Context(), old) // it has not
		take(false)
		id.give(t.Context(), young)
		take(true)
	})
}

func TestChallengeHandlerPassesOthersOn(t *testing.T) {
	id := open(t, storetest.Open(t, schemas()...), nil)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, path := range []string{"/", challengePath, challengePath + "unknown", challengePath + strings.Repeat("x", 300)} {
		w := &recorder{header: http.Header{}}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://mx.example.com"+path, nil)
		id.ChallengeHandler(next).ServeHTTP(w, r)
		if w.status != http.StatusTeapot {
			t.Errorf("%s: %d", path, w.status)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header              { return r.header }
func (r *recorder) WriteHeader(status int)           { r.status = status }
func (r *recorder) Write(octets []byte) (int, error) { return len(octets), nil }

// TestRunFetchesAfterARestatement has Run fetch at once what a reload added.
func TestRunFetchesAfterARestatement(t *testing.T) {
	a := newACMELab(t)
	st := storetest.Open(t, schemas()...)
	id := a.open(t, st, func(o *Options) { o.Statement.Domains = nil })
	serve(t, a.world, "127.10.200.7", 80, id.ChallengeHandler(nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- id.Run(ctx) }()
	watch := st.Watch(topic)
	defer watch.Close()
	wait := func(name string) {
		t.Helper()
		for deadline := time.After(time.Minute); ; {
			if c, err := id.storedCertificate(ctx, mail.MustParseDomain(name)); err == nil && c.chain != "" {
				return
			}
			select {
			case <-watch.C():
			case <-deadline:
				t.Fatalf("no certificate for %s: %q", name, a.problems)
			}
		}
	}
	wait("mx.example.com")
	if err := id.Restate(ctx, example(), id.said.Load().certificates); err != nil {
		t.Fatal(err)
	}
	wait("mta-sts.example.com")
	cancel()
	<-done
}
