package mailbox_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// TestIndexFollows has the index run while messages come: it reaches them by itself, and
// ends when it is told to.
func TestIndexFollows(t *testing.T) {
	indexed(t, func(t *testing.T, st *store.Store, x *mailbox.Index) {
		create(t, st, 7)
		deliverText(t, st, 7, "Subject: before\n\n")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- x.Run(ctx) }()
		inbox := folders(t, st, 7)["INBOX"].ID
		for n := mailbox.UID(1); n <= 2; n++ {
			awaitIndexed(t, x, inbox, n)
			deliverText(t, st, 7, "Subject: after\n\n")
		}
		if got := search(t, x, inbox, mailbox.Query{Text: "after"})[0]; !slices.Equal(got, []mailbox.UID{2, 3}) {
			t.Errorf("found %v", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

// awaitIndexed waits until the index has reached a UID.
func awaitIndexed(t *testing.T, x *mailbox.Index, folder mailbox.FolderID, uid mailbox.UID) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reached, err := x.Reached(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		if reached >= uid {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the index does not follow")
		}
	}
}
