package accept_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/vacation"
	"github.com/allgreen-mail/allgreen/world"
)

var (
	now     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	key     = srs.Key("0123456789abcdef")
	joe     = mail.MustParseAddress("joe@sender.example")
	anna    = mail.MustParseAddress("anna@ours.example")
	list    = mail.MustParseAddress("list@ours.example")
	away    = mail.MustParseAddress("away@else.example")
	farther = mail.MustParseAddress("farther@else.example")
)

// house is an acceptor on one engine, with the mailboxes 1 and 2.
type house struct {
	*testing.T
	st *store.Store
	a  *accept.Acceptor
}

var schemas = []store.Schema{journal.Schema, mailbox.Schema, queue.Schema, vacation.Schema}

func each(t *testing.T, f func(h *house)) {
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) { furnish(t, st, f) })
}

// once is for what is not a question of the engine.
func once(t *testing.T, f func(h *house)) {
	furnish(t, storetest.Open(t, schemas...), f)
}

func furnish(t *testing.T, st *store.Store, f func(h *house)) {
	w := &world.World{Clock: func() time.Time { return now }}
	h := &house{t, st, accept.New(accept.Options{Store: st, World: w, SRS: key, Accounts: people{}, Hostname: mail.MustParseDomain("mx.ours.example")})}
	defer h.a.Close()
	h.write(func(tx *store.Tx) error { return errors.Join(mailbox.Create(tx, 1), mailbox.Create(tx, 2)) })
	f(h)
}

func (h *house) write(f func(tx *store.Tx) error) {
	h.Helper()
	if err := h.st.Write(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// message is one of so many octets.
func (h *house) message(size int, deliveries ...accept.Delivery) accept.Message {
	h.Helper()
	spool := h.st.NewSpool()
	h.Cleanup(func() { spool.Close() })
	if _, err := spool.Write([]byte(strings.Repeat("x", size))); err != nil {
		h.Fatal(err)
	}
	spool.SetHead([]byte("Head: yes\r\n"))
	return accept.Message{Trace: mail.NewTraceID(now), Spool: spool, From: joe, Received: now, Deliveries: deliveries}
}

func to(a mail.Address, ids ...account.ID) accept.Delivery {
	d := accept.Delivery{To: a}
	for _, id := range ids {
		d.Destination.Mailboxes = append(d.Destination.Mailboxes, account.Target{Account: id, Address: a})
	}
	return d
}

func forwarding(d accept.Delivery, owner account.ID, to ...mail.Address) accept.Delivery {
	for _, a := range to {
		d.Destination.Forwards = append(d.Destination.Forwards, account.Forward{To: a, Owner: owner})
	}
	return d
}

// box is how many messages are in a folder, each of which must be whole.
func (h *house) box(id int64, role mailbox.Role) int {
	h.Helper()
	var found []mailbox.Message
	var folder mailbox.Folder
	if err := h.st.Read(h.Context(), func(tx *store.Tx) (err error) {
		if folder, err = mailbox.FolderOf(tx, id, role); err == nil {
			found, err = mailbox.Messages(tx, folder.ID, 0, 1000)
		}
		return err
	}); err != nil {
		h.Fatal(err)
	}
	for _, m := range found {
		body, err := mailbox.Open(h.Context(), h.st, folder.ID, m.UID)
		if err != nil {
			h.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil || int64(len(text)) != m.Size || !strings.HasPrefix(string(text), "Head: yes\r\n") {
			h.Errorf("a body of %d octets has %d: %v", m.Size, len(text), err)
		}
		body.Close()
		h.apart(m)
	}
	return len(found)
}

// apart looks whether the structure of a message is kept.
func (h *house) apart(m mailbox.Message) {
	h.Helper()
	var kept []byte
	if err := h.st.Read(h.Context(), func(tx *store.Tx) (err error) {
		kept, err = mailbox.Structure(tx, m.Folder, m.UID)
		return err
	}); err != nil {
		h.Fatal(err)
	}
	if s, err := structure.Decode(kept); err != nil || s.Size != m.Size || s.Root.Header.Size() == 0 {
		h.Errorf("the structure of a message of %d octets is %+v, %v", m.Size, s, err)
	}
}

func (h *house) jobs() []queue.Job {
	h.Helper()
	jobs, err := queue.New(h.st, queue.Options{}).List(h.Context(), queue.Selection{All: true}, 0, 100)
	if err != nil {
		h.Fatal(err)
	}
	return jobs
}

// count asks one number.
func (h *house) count(query string) (n int) {
	h.Helper()
	if err := h.st.Read(h.Context(), func(tx *store.Tx) error { return tx.Row(query).Scan(&n) }); err != nil {
		h.Fatal(err)
	}
	return n
}

func TestCommit(t *testing.T) {
	each(t, func(h *house) {
		for _, size := range []int{10, 200 << 10, 2 << 20} { // in the database, beside it, and through a file
			m := h.message(size, to(anna, 1), to(list, 2, 1))
			m.Events = []journal.Event{{Kind: journal.Received, From: joe.String()}}
			if err := h.a.Commit(h.Context(), m); err != nil {
				h.Fatal(err)
			}
			var life []journal.Event
			if err := h.st.Read(h.Context(), func(tx *store.Tx) (err error) {
				life, err = journal.Trace(tx, m.Trace)
				return err
			}); err != nil || len(life) != 3 || life[0].Kind != journal.Received {
				h.Errorf("the journal has %+v, %v", life, err)
			}
		}
		if h.box(1, mailbox.Inbox) != 3 || h.box(2, mailbox.Inbox) != 3 {
			h.Errorf("%d and %d messages, want 3 each", h.box(1, mailbox.Inbox), h.box(2, mailbox.Inbox))
		}
		if n := h.count(`SELECT COUNT(*) FROM store_body`); n != 3 {
			h.Errorf("%d bodies, want one for each message", n)
		}
	})
}

func TestForwards(t *testing.T) {
	each(t, func(h *house) {
		// Two of one owner go together, of another owner apart.
		m := h.message(10, forwarding(to(list), 2, away, farther), forwarding(to(anna, 1), 1, away))
		if err := h.a.Commit(h.Context(), m); err != nil {
			h.Fatal(err)
		}
		jobs := h.jobs()
		if len(jobs) != 2 || len(jobs[0].Recipients) != 2 || jobs[0].Owner != 2 || jobs[1].Owner != 1 || jobs[0].Origin != "forward:list@ours.example" {
			h.Fatalf("%+v", jobs)
		}
		back, err := key.Reverse(jobs[0].From, now)
		if err != nil || back.Original != joe || back.Owner != 2 || jobs[0].From.Domain != list.Domain {
			h.Errorf("%s goes back to %+v, %v", jobs[0].From, back, err)
		}
	})
}

// TestSuspectsStay: who passes spam on is a source of spam.
func TestSuspectsStay(t *testing.T) {
	each(t, func(h *house) {
		junk := func(d accept.Delivery) accept.Delivery { d.Folder = mailbox.Junk; return d }
		m := h.message(10, junk(forwarding(to(list), 2, away)), junk(forwarding(to(anna, 1), 2, away)))
		if err := h.a.Commit(h.Context(), m); err != nil {
			h.Fatal(err)
		}
		if n := len(h.jobs()); n != 0 || h.box(1, mailbox.Junk) != 1 || h.box(2, mailbox.Junk) != 1 || h.box(1, mailbox.Inbox) != 0 {
			h.Errorf("%d jobs, %d and %d in Junk", n, h.box(1, mailbox.Junk), h.box(2, mailbox.Junk))
		}
		if err := h.a.Commit(h.Context(), h.message(10, junk(forwarding(to(list), 0, away)))); err != nil || len(h.jobs()) != 1 {
			h.Errorf("suspected, and nobody owns the alias: %v, %d jobs", err, len(h.jobs()))
		}
	})
}

func TestRemote(t *testing.T) {
	each(t, func(h *house) {
		m := h.message(10, to(anna, 1))
		m.Remote = queue.Message{Origin: "joe", Owner: 2, EnvelopeID: "e", Recipients: []queue.Recipient{{To: away}}}
		if err := h.a.Commit(h.Context(), m); err != nil {
			h.Fatal(err)
		}
		jobs := h.jobs()
		if len(jobs) != 1 || jobs[0].From != joe || jobs[0].EnvelopeID != "e" || jobs[0].Trace != m.Trace || jobs[0].Size != m.Spool.Size() {
			h.Errorf("%+v", jobs)
		}
	})
}

// TestAllOrNothing: what fails leaves nothing, and what is promised to nobody is no
// promise.
func TestAllOrNothing(t *testing.T) {
	each(t, func(h *house) {
		broken := h.message(10, to(anna, 1), to(list, 99))
		if err := h.a.Commit(h.Context(), broken); err == nil {
			h.Error("delivered to an account that does not exist")
		}
		broken = h.message(10, to(anna, 1))
		broken.Remote = queue.Message{Recipients: []queue.Recipient{{To: mail.Address{Local: "nowhere"}}}}
		if err := h.a.Commit(h.Context(), broken); err == nil {
			h.Error("queued for nowhere")
		}
		if err := h.a.Commit(h.Context(), h.message(10)); !errors.Is(err, accept.ErrNothing) {
			h.Errorf("for nobody: %v", err)
		}
		if err := h.a.Commit(h.Context(), h.message(10, forwarding(to(list), 1, away))); err != nil {
			h.Errorf("after all that: %v", err)
		}
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		if err := h.a.Commit(ctx, h.message(200<<10, to(anna, 1))); err != nil && accept.Answer(err).Code != 451 {
			h.Errorf("given up: %v", err)
		}
		if n := h.count(`SELECT COUNT(*) FROM journal_event WHERE kind = 'delivered' AND recipient = 'list@ours.example'`); n != 0 {
			h.Errorf("the journal tells of %d deliveries that were not", n)
		}
	})
}

// TestElsewhere: what another store has is only written down.
func TestElsewhere(t *testing.T) {
	each(t, func(h *house) {
		d := to(anna, 1)
		d.Elsewhere = true
		if err := h.a.Commit(h.Context(), h.message(10, d)); err != nil {
			h.Fatal(err)
		}
		if h.box(1, mailbox.Inbox) != 0 || h.count(`SELECT COUNT(*) FROM store_body`) != 0 || h.count(`SELECT COUNT(*) FROM journal_event`) != 1 {
			h.Error("stored all the same")
		}
	})
}

// TestCrossing: many messages to the same mailboxes in every order end, and arrive.
func TestCrossing(t *testing.T) {
	each(t, func(h *house) {
		const n = 40
		done := make(chan error, n)
		for i := range n {
			d := []accept.Delivery{to(anna, 1), to(list, 2)}
			if i%2 == 1 {
				d[0], d[1] = d[1], d[0]
			}
			m := h.message(10, d...)
			go func() { done <- h.a.Commit(context.Background(), m) }()
		}
		for range n {
			if err := <-done; err != nil {
				h.Error(err)
			}
		}
		if h.box(1, mailbox.Inbox) != n || h.box(2, mailbox.Inbox) != n {
			h.Errorf("%d and %d, want %d", h.box(1, mailbox.Inbox), h.box(2, mailbox.Inbox), n)
		}
	})
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, 0}, {mailbox.ErrQuota, 452}, {store.ErrFull, 452}, {store.ErrBusy, 451}, {errors.New("anything"), 451}, {context.DeadlineExceeded, 451},
	} {
		if r := accept.Answer(fmt.Errorf("wrapped: %w", tt.err)); tt.err != nil && r.Code != tt.code || tt.err == nil && !accept.Answer(nil).IsZero() {
			t.Errorf("Answer(%v) = %s", tt.err, r)
		}
	}
}
