package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// scene is a site over a server in which everything there is to show has happened.
type scene struct {
	t        *testing.T
	now      time.Time
	world    *world.World
	store    *store.Store
	queue    *queue.Queue
	accounts *account.Directory
	client   *web.Client
	site     *Site
	url      string
	deferred mail.TraceID // waits for its next attempt
	held     mail.TraceID // waits for a person
}

func newScene(t *testing.T) *scene {
	t.Helper()
	sc := &scene{t: t, world: world.None()}
	sc.now = sc.world.Now()
	sc.store = storetest.OpenWith(t, store.Options{Clock: sc.world.Now, Schemas: []store.Schema{
		account.Schema, mailbox.Schema, journal.Schema, queue.Schema, standing.Schema, backup.Schema, testaddress.Schema, exhibit.Schema, web.Schema,
	}})
	sc.accounts = account.Open(sc.store, account.Options{
		Domains: []mail.Domain{mail.MustParseDomain("example.com")}, Admin: mail.MustParseAddress("anna@example.com"), World: sc.world,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) },
		Deleted: func(tx *store.Tx, id account.ID) error { return mailbox.Remove(tx, int64(id)) },
	})
	t.Cleanup(sc.accounts.Close)
	sc.queue = queue.New(sc.store, queue.Options{Clock: sc.world.Now})
	must(t, sc.queue.Start(t.Context()))
	sc.client = web.NewClientOf(sc.administration().Handler())
	sc.people()
	sc.mail()
	sc.standing()
	sc.open()
	return sc
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call makes a call that must succeed.
func call[In, Out any](sc *scene, c web.Call[In, Out], in In) Out {
	sc.t.Helper()
	out, err := c.Do(sc.t.Context(), sc.client, in)
	if err != nil {
		sc.t.Fatalf("%s: %v", c.Name, err)
	}
	return out
}

func (sc *scene) administration() web.Administration {
	jobs := web.NewJobs()
	sc.t.Cleanup(jobs.Close)
	key, err := repository.NewKey()
	must(sc.t, err)
	keeper := backup.New(backup.Options{
		Store: sc.store, Now: sc.world.Now, Find: sc.accounts.Get, Dir: sc.t.TempDir(), Host: "mx.example.com",
		Export: func(context.Context) ([]byte, error) { return []byte("{}"), nil },
	}, backup.Settings{Place: repository.NewFolder(sc.t.TempDir()), Key: key})
	return web.Administration{
		Store: sc.store, Accounts: sc.accounts, Queue: sc.queue, Now: sc.world.Now, Metrics: web.NewMetrics(), Jobs: jobs, Backups: keeper,
		Networks: func([]netip.Prefix) error { return nil },
		Status: func(context.Context) (web.ServerStatus, error) {
			return web.ServerStatus{Hostname: "mx.example.com", Domains: []string{"example.com"}, Started: sc.now, Listeners: []web.Socket{}}, nil
		},
		Reload: func(context.Context) (web.Reloaded, error) { return web.Reloaded{}, nil },
		Records: func() []web.DomainRecords {
			return []web.DomainRecords{{Domain: "example.com", Records: []finding.Record{
				{Name: "example.com.", Type: "MX", Value: "10 mx.example.com."},
				finding.TXT("k1._domainkey.example.com.", "v=DKIM1; k=rsa; p="+longKey),
			}}}
		},
		Compare: func(context.Context, web.DomainRecords) ([]zone.Step, error) {
			return []zone.Step{
				{Status: zone.Fine, Name: "example.com.", Type: "MX", Present: []string{"10 mx.example.com."}},
				{Status: zone.Keep, Name: "k1._domainkey.example.com.", Type: "TXT", Present: []string{`"v=DKIM1; p="`}, Note: "something else is there"},
			}, nil
		},
		Keyring:   ring{sc.now},
		Checklist: ticks{},
		Tests: testaddress.New(testaddress.Options{
			Store: sc.store, Now: sc.world.Now, Domain: func() mail.Domain { return mail.MustParseDomain("example.com") },
		}),
	}
}

// longKey is as long as a public key of 2048 bits.
const longKey = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw2sq3nZ0cS4mJ0gHk7mD0yKqVq0v2k3w1Vq6i0yZ8J4yq5x0t1sP7nQ2vB9cD3eF6gH8iJ0kL2mN4oP6qR8sT0uV2wX4yZ6aB8cD0eF2gH4iJ6kL8mN0oP2qR4sT6uV8wX0yZ2aB4cD6eF8gH0iJ2kL4mN6oP8qR0sT2uV4wX6yZ8aB0cD2eF4gH6iJ8kL0mN2oP4qR6sT8uV0wX2yZ4aB6cD8eF0gQIDAQAB"

// ring is a key ring that only shows.
type ring struct{ now time.Time }

func (r ring) Keys(web.DomainName) ([]web.DKIMKey, error) {
	return []web.DKIMKey{
		{Domain: "example.com", Selector: "k1", Algorithm: "rsa-2048", State: "active", Created: r.now.Add(-90 * 24 * time.Hour), Since: r.now.Add(-80 * 24 * time.Hour)},
		{Domain: "example.com", Selector: "k0", Algorithm: "ed25519", State: "retired", Created: r.now.Add(-300 * 24 * time.Hour), Since: r.now.Add(-3 * 24 * time.Hour)},
	}, nil
}
func (r ring) Plan(context.Context, web.DomainName) ([]web.DKIMKey, error) {
	return r.Keys(web.DomainName{})
}
func (r ring) Switch(context.Context, web.DomainName) ([]web.DKIMKey, error) {
	return r.Keys(web.DomainName{})
}
func (r ring) Revoke(context.Context, web.DKIMAge) ([]web.DKIMKey, error) {
	return r.Keys(web.DomainName{})
}
func (r ring) Forget(context.Context, web.DKIMAge) ([]web.DKIMKey, error) {
	return r.Keys(web.DomainName{})
}

// ticks is a checklist that forgets.
type ticks struct{}

func (ticks) Items(context.Context) ([]setup.Item, error) {
	return []setup.Item{
		{ID: "ptr", Subject: "203.0.113.7", For: "address", Need: "must", Title: "Set the PTR record at the hoster", Why: "Receivers refuse mail without one.",
			Do: []string{"Log in at the hoster.", "Name the address mx.example.com."}, Link: "https://hoster.example/", Who: "you", State: "open", Status: finding.Red, Seeable: true},
		{ID: "abuse", For: "server", Need: "wise", Title: "Name an abuse contact", Why: "Others tell you then.", Do: []string{"Write to them."}, Who: "you", State: "done", Status: finding.Green, Note: "done by hand"},
	}, nil
}
func (k ticks) Mark(ctx context.Context, _ web.ChecklistTick) ([]setup.Item, error) {
	return k.Items(ctx)
}
func (k ticks) Unmark(ctx context.Context, _ web.ChecklistTick) ([]setup.Item, error) {
	return k.Items(ctx)
}

// people are accounts and what else may send.
func (sc *scene) people() {
	for _, name := range []string{"anna", "bob"} {
		call(sc, web.AccountAdd, web.NewAccount{Address: name + "@example.com", Password: "correct horse battery", Quota: 5 << 30})
	}
	call(sc, web.AppPasswordAdd, web.AppPassword{Address: "anna@example.com", Label: "phone"})
	call(sc, web.AliasAdd, web.Alias{From: "sales@example.com", To: []string{"anna@example.com", "bob@example.com"}})
	call(sc, web.DeviceAdd, web.Device{Name: "printer", Networks: []string{"192.168.1.20/32"}, From: []string{"anna@example.com"}})
	call(sc, web.TokenAdd, web.Token{Name: "crm", Owner: "anna@example.com", From: []string{"sales@example.com"}})
	call(sc, web.PrincipalHold, web.Holding{Name: "bob@example.com", Why: "500 recipients in a minute, usually 3 a day"})
}

// put queues a message of anna's.
func (sc *scene) put(held string, to ...string) mail.TraceID {
	sc.t.Helper()
	m := queue.Message{
		Trace: mail.NewTraceID(sc.world.Now()), Size: 48_321, From: mail.MustParseAddress("anna@example.com"), Origin: "anna@example.com",
		Held: held != "", HeldWhy: held,
	}
	for _, a := range to {
		m.Recipients = append(m.Recipients, queue.Recipient{To: mail.MustParseAddress(a)})
	}
	spool := sc.store.NewSpool()
	defer spool.Close()
	fmt.Fprint(spool, "Subject: x\r\n\r\n")
	must(sc.t, sc.store.Write(sc.t.Context(), func(tx *store.Tx) (err error) {
		if m.Body, err = tx.PutBody(spool); err != nil {
			return err
		}
		events := []journal.Event{{Trace: m.Trace, Time: sc.now, Kind: journal.Submitted, From: "anna@example.com", Fields: map[string]string{"client": "203.0.113.80", "tls": "TLS1.3"}}}
		for _, a := range to {
			events = append(events, journal.Event{Trace: m.Trace, Time: sc.now, Kind: journal.Queued, From: "anna@example.com", To: a})
		}
		if err := journal.Add(tx, events...); err != nil {
			return err
		}
		return queue.Put(tx, sc.now, m)
	}))
	return m.Trace
}

const greylisted = "450 4.7.1 <script>alert(1)</script> greylisted, come back in five minutes"

// mail fills the journal and the queue.
func (sc *scene) mail() {
	sc.deferred = sc.put("", "carl@slow.example")
	jobs, err := sc.queue.Claim(sc.t.Context(), queue.Want{Limit: 10})
	must(sc.t, err)
	must(sc.t, sc.store.Write(sc.t.Context(), func(tx *store.Tx) error {
		for i := range jobs {
			left := jobs[i].Recipients
			left[0].Reply, left[0].Host = greylisted, "mx.slow.example"
			if _, err := sc.queue.Settle(tx, queue.Outcome{
				Job: &jobs[i], Left: left, Due: sc.now.Add(12 * time.Minute), Tried: sc.now, Reply: greylisted,
				Transcript: "<< 220 mx.slow.example\n>> EHLO mx.example.com\n<< " + greylisted + "\n",
			}); err != nil {
				return err
			}
		}
		return sc.journal(tx)
	}))
	sc.held = sc.put("spf.result is red since an hour: receivers refuse mail that fails SPF", "dora@gate.example", "emil@gate.example")
	sc.put("", "fred@fast.example")
}

// journal has a week of mail, and what strangers wrote into it.
func (sc *scene) journal(tx *store.Tx) error {
	for hour := range 7 * 24 {
		at := sc.now.Add(-time.Duration(hour) * time.Hour)
		id := mail.NewTraceID(at)
		events := []journal.Event{
			{Trace: id, Time: at, Kind: journal.Received, From: "gina@far.example", Fields: map[string]string{"client": "192.0.2.77", "helo": "mx.far.example", "dmarc": "pass"}},
			{Trace: id, Time: at, Kind: journal.Delivered, From: "gina@far.example", To: "anna@example.com"},
		}
		if hour%5 == 0 {
			events = append(events, journal.Event{Trace: mail.NewTraceID(at), Time: at, Kind: journal.Refused, From: `"<b>\x1b[31m"@spam.example`, To: "nobody@example.com",
				Fields: map[string]string{"client": "198.51.100.9", "reason": "recipient.unknown", "reply": "550 5.1.1 no such user"}})
		}
		if err := journal.Add(tx, events...); err != nil {
			return err
		}
	}
	return journal.Add(tx, journal.Event{Trace: sc.deferred, Time: sc.now, Kind: journal.Deferred, From: "anna@example.com", To: "carl@slow.example",
		Fields: map[string]string{"reply": greylisted, "host": "mx.slow.example"}})
}

// standing has every colour.
func (sc *scene) standing() {
	of := func(check string, s finding.Status, code, summary string) finding.Finding {
		return finding.Finding{Check: check, Group: check[:4], Status: s, Code: code, Subject: "example.com", Summary: summary, Why: "Receivers mind.", Fix: "Publish the record.",
			Records: []finding.Record{finding.TXT("example.com.", "v=spf1 mx -all")}}
	}
	must(sc.t, sc.store.Write(sc.t.Context(), func(tx *store.Tx) error {
		for range 3 {
			if _, err := standing.Record(tx, standing.Run{Target: "example.com", Confirm: 3, Findings: []finding.Finding{
				of("spf.record", finding.Green, "present", "SPF is published"), of("dmarc.record", finding.Red, "none", "there is no DMARC record"),
				of("mx.count", finding.Yellow, "many", "eleven MX records"), of("dane.present", finding.Unknown, "unseen", "the resolver does not validate"),
			}}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// open serves the site as the lab does.
func (sc *scene) open() {
	text, err := os.ReadFile("../../docs/practices.json")
	must(sc.t, err)
	var practices []Practice
	must(sc.t, json.Unmarshal(text, &practices))
	sc.site = New(Options{
		Client: sc.client, World: sc.world, Store: sc.store, Accounts: sc.accounts, Practices: practices, Open: true,
		Hostname: mail.MustParseDomain("mx.example.com"), Admin: mail.MustParseAddress("anna@example.com"),
		Domains: func() []mail.Domain { return []mail.Domain{mail.MustParseDomain("example.com")} },
		Secret:  func(purpose string) []byte { return []byte("the secret for " + purpose) },
		Log:     slog.New(slog.NewTextHandler(sc.t.Output(), nil)),
		Lab:     []LabDomain{{"no-ptr.example", "its address has no name"}},
	})
	sc.t.Cleanup(sc.site.Close)
	server := httptest.NewServer(sc.site.Handler())
	sc.t.Cleanup(server.Close)
	sc.url = server.URL
}
