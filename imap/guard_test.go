package imap

import (
	"context"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
)

// Who is disabled does not go on reading, and nobody else is disturbed.
func TestGuard(t *testing.T) {
	h := newHouse(t)
	s, addr := h.serve()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Guard(ctx) }()
	defer func() { stop(); <-ended }()
	anna, bert := h.program(addr, "anna"), h.program(addr, "bert")
	defer anna.conn.Close()
	defer bert.conn.Close()
	if err := h.accounts.SetDisabled(t.Context(), account.ID(h.account("anna")), true); err != nil {
		t.Fatal(err)
	}
	if said, err := anna.r.ReadByte(); err == nil {
		t.Errorf("a session of a disabled account still says %q", said)
	}
	bert.do("NOOP")
}
