package web

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/suppression"
	"github.com/allgreen-mail/allgreen/world"
)

// office is an administration over a fresh store, and a client of it.
type office struct {
	*Client
	store *store.Store
	world *world.World
}

func newOffice(t *testing.T) office {
	t.Helper()
	w := world.None()
	st, err := store.Open(t.Context(), store.Options{
		Dir: t.TempDir(), Clock: w.Now,
		Schemas: []store.Schema{account.Schema, mailbox.Schema, journal.Schema, queue.Schema, suppression.Schema, Schema},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	dir := account.Open(st, account.Options{
		Domains: []mail.Domain{mail.MustParseDomain("example.com")}, Admin: mail.MustParseAddress("anna@example.com"), World: w,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) },
		Deleted: func(tx *store.Tx, id account.ID) error { return mailbox.Remove(tx, int64(id)) },
	})
	t.Cleanup(dir.Close)
	q := queue.New(st, queue.Options{Clock: w.Now})
	a := Administration{
		Now: w.Now, Store: st, Accounts: dir, Queue: q, Metrics: NewMetrics(),
		Networks: func(n []netip.Prefix) error {
			return account.CheckNetworks(n, nil, []netip.Addr{netip.MustParseAddr("192.168.1.1")})
		},
		Status: func(context.Context) (ServerStatus, error) {
			return ServerStatus{Hostname: "mx.example.com", Domains: []string{"example.com"}, Listeners: []Socket{}, Readiness: Readiness{Ready: true, Checks: map[string]string{}}}, nil
		},
		Reload: func(context.Context) (Reloaded, error) { return Reloaded{}, &Error{Kind: Invalid, Text: "broken"} },
	}
	return office{serveTest(t, a.Handler()), st, w}
}

// do makes a call that must succeed.
func do[In, Out any](t *testing.T, o office, c Call[In, Out], in In) Out {
	t.Helper()
	out, err := c.Do(t.Context(), o.Client, in)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	conforms(t, c.Name, in, out)
	return out
}

// fails makes a call that must fail in this way.
func fails[In, Out any](t *testing.T, o office, c Call[In, Out], in In, kind Kind) {
	t.Helper()
	var e *Error
	if _, err := c.Do(t.Context(), o.Client, in); !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("%s %+v: %v, want an error of kind %q", c.Name, in, err, kind)
	}
}

func TestAccounts(t *testing.T) {
	o := newOffice(t)
	anna := AccountName{"anna@example.com"}
	do(t, o, AccountAdd, NewAccount{Address: "Anna@example.com", Password: "correct horse battery", Quota: 5e9})
	fails(t, o, AccountAdd, NewAccount{Address: "anna@example.com", Password: "correct horse battery"}, Conflict)
	fails(t, o, AccountAdd, NewAccount{Address: "bob@example.net", Password: "correct horse battery"}, Invalid)
	fails(t, o, AccountAdd, NewAccount{Address: "bob@example.com", Password: "1"}, Invalid)
	fails(t, o, AccountAdd, NewAccount{Address: "@@"}, Invalid)
	fails(t, o, AccountShow, AccountName{"nobody@example.com"}, NotFound)
	if secret := do(t, o, AppPasswordAdd, AppPassword{Address: anna.Address, Label: "phone"}); len(secret.Secret) < 20 {
		t.Errorf("an app password is %q", secret.Secret)
	}
	do(t, o, AliasAdd, Alias{From: "sales@example.com", To: []string{"anna@example.com", "bob@example.net"}, Owner: anna.Address})
	do(t, o, AliasAdd, Alias{From: "@example.com", To: []string{"anna@example.com"}})
	fails(t, o, AliasAdd, Alias{From: "sales@example.net", To: []string{"anna@example.com"}}, Invalid)
	instead := Alias{From: "Anna@example.com", To: []string{"bob@example.net"}}
	fails(t, o, AliasAdd, instead, Conflict) // her mail would go elsewhere, and nobody said so
	instead.Instead = true
	do(t, o, AliasAdd, instead)
	do(t, o, AliasRemove, instead)
	do(t, o, AliasAdd, Alias{From: "anna@example.com", To: []string{"anna@example.com", "bob@example.net"}})
	do(t, o, AliasRemove, Alias{From: "anna@example.com"})
	do(t, o, AccountPassword, NewPassword{anna.Address, "another long password"})
	for _, nobody := range []string{"ana@example.com", "device:nosuch", "token:nosuch", "web"} {
		fails(t, o, PrincipalHold, Holding{Name: nobody}, NotFound)
	}
	do(t, o, PrincipalHold, Holding{Name: anna.Address, Why: "stolen"})
	if a := do(t, o, AccountQuota, NewQuota{Address: anna.Address, Messages: 7}); a.Quota != 0 || a.QuotaMessages != 7 {
		t.Errorf("room for 7 messages: %+v", a)
	}
	do(t, o, AccountQuota, NewQuota{Address: anna.Address, Octets: 6e9})
	fails(t, o, AccountQuota, NewQuota{Address: anna.Address, Octets: -1}, Invalid)
	fails(t, o, AccountQuota, NewQuota{Address: "nobody@example.com"}, NotFound)
	d := do(t, o, AccountShow, anna)
	if d.Address != anna.Address || d.Quota != 6e9 || d.QuotaMessages != 0 || d.Held != "stolen" || len(d.AppPasswords) != 1 || len(d.Aliases) != 2 || len(d.Folders) == 0 {
		t.Errorf("shown: %+v", d)
	}
	if all := do(t, o, AccountList, None{}); len(all) != 1 || all[0].Held != "stolen" || all[0].Created.Location().String() != "UTC" {
		t.Errorf("listed: %+v", all)
	}
	if held := do(t, o, PrincipalsOnHold, None{}); len(held) != 1 || held[0].Name != anna.Address {
		t.Errorf("on hold: %+v", held)
	}
	do(t, o, PrincipalFree, Freeing{Name: anna.Address})
	fails(t, o, PrincipalFree, Freeing{Name: anna.Address}, NotFound)
	aliases := do(t, o, AliasList, None{})
	if len(aliases) != 2 || aliases[0].From != "@example.com" || aliases[1].Owner != anna.Address {
		t.Errorf("aliases: %+v", aliases)
	}
	do(t, o, AliasRemove, Alias{From: "@example.com"})
	fails(t, o, AliasRemove, Alias{From: "@example.com"}, NotFound)
	do(t, o, AppPasswordGone, AppPassword{Address: anna.Address, Label: "phone"})
	do(t, o, AccountDisable, Disabling{anna.Address, true})
	do(t, o, AccountRemove, anna)
	if all := do(t, o, AccountList, None{}); len(all) != 0 {
		t.Errorf("after all are gone: %+v", all)
	}
}

func TestSenders(t *testing.T) {
	o := newOffice(t)
	do(t, o, AccountAdd, NewAccount{Address: "anna@example.com", Password: "correct horse battery"})
	nobody := Token{Name: "crm", Owner: "anna@example.com", From: []string{"crm@example.com"}}
	fails(t, o, TokenAdd, nobody, Invalid)
	for _, from := range []string{"crm@elsewhere.example", "elsewhere.example"} {
		fails(t, o, TokenAdd, Token{Name: "crm", Owner: "anna@example.com", From: []string{from}}, Invalid)
	}
	do(t, o, AliasAdd, Alias{From: "crm@example.com", To: []string{"anna@example.com"}})
	do(t, o, AliasAdd, Alias{From: "printer@example.com", To: []string{"anna@example.com"}})
	secret := do(t, o, TokenAdd, Token{Name: "crm", Owner: "anna@example.com", From: []string{"crm@example.com"}})
	if !strings.HasPrefix(secret.Secret, "allgreen-") {
		t.Errorf("a token is %q", secret.Secret)
	}
	fails(t, o, TokenAdd, Token{Name: "crm", Owner: "anna@example.com", From: []string{"crm@example.com"}}, Conflict)
	fails(t, o, TokenAdd, Token{Name: "crm2", Owner: "anna@example.com"}, Invalid)
	if all := do(t, o, TokenList, None{}); len(all) != 1 || all[0].Owner != "anna@example.com" || all[0].From[0] != "crm@example.com" {
		t.Errorf("tokens: %+v", all)
	}
	do(t, o, TokenRemove, SenderName{"crm"})
	fails(t, o, TokenRemove, SenderName{"crm"}, NotFound)
	printer := Device{Name: "printer", Networks: []string{"192.168.1.20"}, From: []string{"printer@example.com"}, LocalOnly: true}
	do(t, o, DeviceAdd, printer)
	wide := printer
	wide.Networks = []string{"192.168.1.0/24"} // the gateway is in it
	fails(t, o, DeviceAdd, wide, Invalid)
	wide.Networks = []string{"a.b.c.d"}
	fails(t, o, DeviceAdd, wide, Invalid)
	if all := do(t, o, DeviceList, None{}); len(all) != 1 || all[0].Networks[0] != "192.168.1.20/32" || !all[0].LocalOnly {
		t.Errorf("devices: %+v", all)
	}
	do(t, o, DeviceRemove, SenderName{"printer"})
	fails(t, o, Reload, None{}, Invalid)
	if s := do(t, o, Status, None{}); s.Hostname != "mx.example.com" {
		t.Errorf("status: %+v", s)
	}
}

func TestQueueAndLog(t *testing.T) {
	o := newOffice(t)
	id := mail.NewTraceID(o.world.Now())
	spool := o.store.NewSpool()
	defer spool.Close()
	spool.Write([]byte("Subject: x\r\n\r\n"))
	err := o.store.Write(t.Context(), func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		to := mail.MustParseAddress("bob@example.net")
		if err := queue.Put(tx, o.world.Now(), queue.Message{
			Trace: id, Body: body, Size: 14, From: mail.MustParseAddress("anna@example.com"), Origin: "anna@example.com",
			Recipients: []queue.Recipient{{To: to}},
		}); err != nil {
			return err
		}
		return journal.Add(tx, journal.Event{Trace: id, Time: o.world.Now(), Kind: journal.Queued, From: "anna@example.com", To: to.String(), Fields: map[string]string{"client": "here"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	page := do(t, o, QueueList, QueueQuery{QueueSelection: QueueSelection{Destination: "Example.NET"}})
	if len(page.Entries) != 1 || page.Waiting != 1 || page.Entries[0].Recipients[0].To != "bob@example.net" || page.Entries[0].State != "waiting" {
		t.Fatalf("listed: %+v", page)
	}
	if one := do(t, o, QueueList, QueueQuery{QueueSelection: QueueSelection{ID: page.Entries[0].ID}}); len(one.Entries) != 1 {
		t.Errorf("by its id: %+v", one)
	}
	if all := do(t, o, QueueDestinations, DestinationQuery{}); len(all) != 1 || all[0].Destination != "example.net" || all[0].First.Trace != string(id) {
		t.Errorf("by destination: %+v", all)
	}
	fails(t, o, QueueList, QueueQuery{QueueSelection: QueueSelection{States: []string{"lost"}}}, Invalid)
	fails(t, o, QueueDrop, QueueChange{}, Invalid)
	this := QueueSelection{Trace: string(id)}
	if done := do(t, o, QueueHold, QueueChange{QueueSelection: this, Why: "to be looked at"}); done.Changed != 1 {
		t.Errorf("held: %+v", done)
	}
	why := do(t, o, QueueWhy, QueueQuery{QueueSelection: this})
	if len(why) != 1 || !strings.Contains(why[0].Why, "to be looked at") {
		t.Errorf("why: %+v", why)
	}
	do(t, o, QueueRelease, QueueChange{QueueSelection: this})
	do(t, o, QueueRetry, QueueChange{QueueSelection: this})
	do(t, o, AccountAdd, NewAccount{Address: "anna@example.com", Password: "correct horse battery"})
	do(t, o, PrincipalHold, Holding{Name: "anna@example.com"})
	if done := do(t, o, PrincipalFree, Freeing{Name: "anna@example.com", Drop: true}); done.Changed != 1 {
		t.Errorf("a stolen password's mail is still there: %+v", done)
	}
	life := do(t, o, LogTrace, LogID{string(id)})
	if len(life) != 1 || life[0].Kind != "queued" || life[0].Fields["client"] != "here" {
		t.Errorf("its life: %+v", life)
	}
	fails(t, o, LogTrace, LogID{"nothing"}, NotFound)
	if found := do(t, o, LogSearch, LogQuery{Address: "BOB@example.net", Kinds: []string{"queued"}}); len(found) != 1 {
		t.Errorf("found: %+v", found)
	}
}
