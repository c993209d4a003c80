package imap

import (
	"context"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
)

// Who is disabled does not go on reading, and neither does who came in with a password
// that was changed; nobody else is disturbed.
func TestGuard(t *testing.T) {
	for name, change := range map[string]func(*account.Directory, context.Context, account.ID) error{
		"disabled": func(d *account.Directory, ctx context.Context, id account.ID) error {
			return d.SetDisabled(ctx, id, true)
		},
		"password": func(d *account.Directory, ctx context.Context, id account.ID) error {
			return d.SetPassword(ctx, id, "another one entirely")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			s, addr := h.serve()
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = s.Guard(ctx) }()
			defer func() { stop(); <-ended }()
			anna, bert := h.program(addr, "anna"), h.program(addr, "bert")
			defer anna.conn.Close()
			defer bert.conn.Close()
			if err := change(h.accounts, t.Context(), account.ID(h.account("anna"))); err != nil {
				t.Fatal(err)
			}
			if said, err := anna.r.ReadByte(); err == nil {
				t.Errorf("a session without a right to be there still says %q", said)
			}
			bert.do("NOOP")
		})
	}
}
