package receive_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
)

// TestSweepKeepsUp: one sweep forgets all that it may, however many strangers came since
// the last.
func TestSweepKeepsUp(t *testing.T) {
	st := storetest.Open(t, schemas...)
	h := newHouse(t, st, func(o *receive.Options) { o.Greylist = true }, smtp.ServerOptions{})
	const n = 2500
	err := st.Write(t.Context(), func(tx *store.Tx) error {
		for id := range n {
			if _, err := tx.Exec(`INSERT INTO policy_greylist (id, first, until, times) VALUES ($1, 1, 2, 0)`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if swept, err := h.receiver.Sweep(t.Context()); swept != n || err != nil {
		t.Errorf("%d of %d, %v", swept, n, err)
	}
	if left, err := policy.ForgetMeetings(t.Context(), st, noon); left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
}
