package imap

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Many messages move in several transactions, so that nobody waits long, and the client
// hears of it as of one.
func TestMoveOfMany(t *testing.T) {
	h := newHouse(t)
	_, addr := h.serve()
	anna := h.program(addr, "anna")
	defer anna.conn.Close()
	const n = 2*moveAtOnce + 10
	h.write(func(tx *store.Tx) error {
		inbox, err := mailbox.FolderOf(tx, h.account("anna"), mailbox.Inbox)
		if err != nil {
			return err
		}
		all := make([]mailbox.Delivery, n)
		for i := range all {
			all[i] = mailbox.Delivery{Body: 1, Size: 10, Received: tx.Now()}
		}
		if _, _, err = mailbox.AppendAll(tx, inbox.ID, all); err == nil {
			_, err = mailbox.Expunge(tx, inbox.ID, []mailbox.UID{moveAtOnce})
		}
		return err
	})
	anna.do("SELECT INBOX")
	before := h.store.Stats().Transactions
	if _, err := io.WriteString(anna.w, "x UID MOVE 1:* Archive\r\n"); err != nil {
		t.Fatal(err)
	}
	var told []string
	expunged := 0
	for {
		line := anna.line()
		switch {
		case strings.HasSuffix(line, " EXPUNGE\r\n"):
			expunged++
			continue
		case strings.Contains(line, "COPYUID"):
			told = append(told, line)
			continue
		}
		if !strings.HasPrefix(line, "x OK") {
			t.Errorf("said %q", line)
		}
		break
	}
	want := fmt.Sprintf(" 1:%d,%d:%d 1:%d] moved\r\n", moveAtOnce-1, moveAtOnce+1, n, n-1)
	if len(told) != 1 || !strings.HasSuffix(told[0], want) || expunged != n-1 {
		t.Errorf("told %q, want …%q; %d expunged", told, want, expunged)
	}
	if did := h.store.Stats().Transactions - before; did < 3 {
		t.Errorf("all moved in %d transactions", did)
	}
}
