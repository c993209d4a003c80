package submit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/suppression"
	"github.com/allgreen-mail/allgreen/world"
)

var schemas = []store.Schema{journal.Schema, account.Schema, mailbox.Schema, queue.Schema, submit.Schema, suppression.Schema}

var example = mail.MustParseDomain("example.com")

// A house is everything that a submission passes through.
type house struct {
	*submit.Submitter
	t        testing.TB
	store    *store.Store
	accounts *account.Directory
	queue    *queue.Queue
	clock    *clock
	keys     keys
	o        submit.Options

	mu     sync.Mutex
	alerts []submit.Alert
}

// clock is a time that stands until it is set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) pass(d time.Duration) { c.set(c.Now().Add(d)) }

// noon is a usual time to send mail at.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// keys sign for every domain of ours.
type keys []*dkim.Signer

var newKeys = sync.OnceValue(func() keys {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return keys{{Domain: example, Selector: "r1", Key: r}, {Domain: example, Selector: "e1", Key: e}}
})

func (k keys) Signers(d mail.Domain) ([]*dkim.Signer, error) {
	if d != example {
		return nil, errors.New("not ours")
	}
	return k, nil
}

func newHouse(t testing.TB, st *store.Store, change ...func(*submit.Options)) *house {
	t.Helper()
	h := &house{t: t, store: st, clock: &clock{now: noon}, keys: newKeys()}
	w := &world.World{Clock: h.clock.Now}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	h.accounts = account.Open(st, account.Options{Domains: []mail.Domain{example}, Admin: address("anna@example.com"), World: w, Log: log,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) }})
	t.Cleanup(h.accounts.Close)
	h.queue = queue.New(st, queue.Options{Clock: h.clock.Now, Log: log})
	for _, name := range []string{"anna@example.com", "bob@example.com"} {
		h.create(name)
	}
	o := submit.Options{
		Store: st, Accounts: h.accounts, Keys: h.keys, Accept: accept.New(accept.Options{Store: st, World: w, Log: log}),
		Queue: h.queue, World: w, Hostname: mail.MustParseDomain("mx.example.com"), Log: log,
		Alert: func(_ context.Context, a submit.Alert) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.alerts = append(h.alerts, a)
		},
	}
	for _, f := range change {
		f(&o)
	}
	h.o = o
	h.Submitter = submit.New(o)
	return h
}

// options are those that another process would have.
func (h *house) options() submit.Options { return h.o }

const password = "correct horse battery"

func (h *house) create(name string) account.ID {
	h.t.Helper()
	id, err := h.accounts.Create(h.t.Context(), account.New{Address: address(name)})
	h.ok(err)
	return id
}

// givePassword lets anna log in; what it costs is only paid where she does.
func (h *house) givePassword() {
	h.t.Helper()
	h.ok(h.accounts.SetPassword(h.t.Context(), 1, password))
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func address(s string) mail.Address { return mail.MustParseAddress(s) }

func recipients(all ...string) (to []queue.Recipient) {
	for _, a := range all {
		to = append(to, queue.Recipient{To: address(a)})
	}
	return to
}

// anna is a person with an alias.
func (h *house) anna() account.Principal {
	return account.Principal{Kind: account.Login, Name: "anna@example.com", Account: 1,
		Senders: []account.Sender{{Address: address("anna@example.com")}}}
}

func letter(lines ...string) io.Reader {
	return strings.NewReader(strings.Join(lines, "\r\n") + "\r\n")
}

const anyDate = "Date: Mon, 02 Nov 2026 11:59:00 +0000"

// queued gives the jobs of a message.
func (h *house) queued(id mail.TraceID) []queue.Job {
	h.t.Helper()
	jobs, err := h.queue.Show(h.t.Context(), id)
	h.ok(err)
	return jobs
}

// text gives a stored body.
func (h *house) text(id store.BodyID) string {
	h.t.Helper()
	b, err := h.store.OpenBody(h.t.Context(), id)
	h.ok(err)
	defer b.Close()
	text, err := io.ReadAll(b)
	h.ok(err)
	return string(text)
}

// life gives what the journal has of a message.
func (h *house) life(id mail.TraceID) (events []journal.Event) {
	h.t.Helper()
	h.ok(h.store.Read(h.t.Context(), func(tx *store.Tx) (err error) {
		events, err = journal.Trace(tx, id)
		return err
	}))
	return events
}

// inbox gives the messages in the INBOX of an account.
func (h *house) inbox(id account.ID) (all []mailbox.Message) {
	h.t.Helper()
	h.ok(h.store.Read(h.t.Context(), func(tx *store.Tx) error {
		f, err := mailbox.FolderOf(tx, int64(id), mailbox.Inbox)
		if err != nil {
			return err
		}
		all, err = mailbox.Messages(tx, f.ID, 0, 1000)
		return err
	}))
	return all
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) { f(t, newHouse(t, st)) })
}

// refused checks the answer to what must not pass.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r mail.Reply
	if !errors.As(err, &r) || !strings.HasPrefix(r.String(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
