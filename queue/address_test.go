package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// TestRefusesAddresses: what no path can carry is not promised. Read back it would stop
// the claim that it lies in, and everything behind it.
func TestRefusesAddresses(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		elsewhere := mail.MustParseDomain("one.example")
		for _, local := range []string{"", strings.Repeat("a", 65), "a\x01b", "a\r\nb"} {
			for _, change := range []func(*queue.Message){
				func(m *queue.Message) { m.Recipients[0].To = mail.Address{Local: local, Domain: elsewhere} },
				func(m *queue.Message) { m.From = mail.Address{Local: local, Domain: elsewhere} },
			} {
				m := queue.Message{Trace: "trace", Body: 1, From: mail.MustParseAddress("anna@example.com"), Recipients: addresses("a@one.example")}
				change(&m)
				err := h.st.Write(h.ctx(), func(tx *store.Tx) error { return queue.Put(tx, h.clock.Now(), m) })
				if !errors.Is(err, queue.ErrMessage) {
					t.Errorf("from %q to %q: %v", m.From, m.Recipients[0].To, err)
				}
			}
		}
	})
}

// TestReadsAnyAddress: a row of another version, or a reverse-path without a domain, is
// read as far as it can be, and the rows beside it are claimed.
func TestReadsAnyAddress(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		odd := h.put("a@one.example")
		h.put("b@two.example")
		h.put("c@three.example", func(m *queue.Message) { m.From = mail.Address{Local: "Postmaster"} })
		err := h.st.Write(h.ctx(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE queue_job SET envelope = $1 WHERE trace = $2`, `{"from":"@","to":[{"to":"\"\"@one.example"},{"to":"what is this"}]}`, string(odd))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		jobs := h.claim(8)
		if len(jobs) != 3 || len(jobs[0].Recipients) != 2 {
			t.Fatalf("claimed %+v", jobs)
		}
		if from := jobs[2].From; from != (mail.Address{Local: "Postmaster"}) {
			t.Errorf("from %#v", from)
		}
	})
}
