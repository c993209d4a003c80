package submit_test

import (
	"context"
	"testing"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

// TestGate: what the gate holds waits in the queue with its reason; what is for people
// here is in their mailboxes all the same, and the gate is not even asked about mail
// that stays.
func TestGate(t *testing.T) {
	storetest.Each(t, schemas, func(t *testing.T, st *store.Store) {
		asked := 0
		h := newHouse(t, st, func(o *submit.Options) {
			o.Gate = func(_ context.Context, m *submit.Submission, trace mail.TraceID) string {
				asked++
				if m.From.Domain.String() != "example.com" || trace == "" {
					t.Errorf("asked about %s, %q", m.From, trace)
				}
				return "gate: no DKIM key"
			}
		})
		send := func(to ...string) mail.TraceID {
			id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients(to...),
				Body: letter("From: anna@example.com", "Subject: Hello", "", "Hi.")})
			h.ok(err)
			return id
		}
		id := send("bob@example.com", "x@example.net")
		jobs := h.queued(id)
		if len(jobs) != 1 || jobs[0].State != queue.Held || jobs[0].HeldWhy != "gate: no DKIM key" {
			t.Fatalf("queued %+v", jobs)
		}
		if got := h.inbox(2); len(got) != 1 {
			t.Errorf("bob has %d messages", len(got))
		}
		held := false
		for _, e := range h.life(id) {
			held = held || e.Kind == journal.Held && e.Fields["reason"] == "gate: no DKIM key"
		}
		if !held {
			t.Errorf("the journal does not say why: %v", h.life(id))
		}
		if send("bob@example.com"); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}
