package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// day is a time as people read it in a note.
func day(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC") }

// noteOf is the message in a restored tree.
func noteOf(to account.Account, done Restored) Letter {
	var b strings.Builder
	fmt.Fprintf(&b, `These folders hold your messages as they were on %s.
They were brought back from the backup into this place of their own. Nothing
in your other folders was changed.

On %s they will be gone.
Copy or move what you want to keep into a folder of yours before that day.

What is here does not count toward the room of your mailbox; copies do. Nothing can be
put into these folders.

`, day(done.Time), day(done.Expires))
	for _, f := range done.Folders {
		fmt.Fprintf(&b, "    %s: %d\n", f.Name, f.Messages)
	}
	if len(done.Missing) > 0 {
		fmt.Fprintf(&b, "\nThe backup is damaged, so that some messages could not be brought back:\n\n")
		for _, m := range done.Missing {
			what := fmt.Sprintf("message %d", m.UID)
			if m.UID == 0 { // a part of the folder
				what = m.Why
			}
			fmt.Fprintf(&b, "    %s, %s\n", m.Folder, what)
		}
	}
	return Letter{To: to.Address, Account: to.ID, Subject: "Restored: gone on " + done.Expires.UTC().Format("2 January 2006"), Text: b.String()}
}

// reminderOf is the message a day before.
func reminderOf(to mail.Address, id account.ID, tree string, expires time.Time) Letter {
	return Letter{To: to, Account: id, Subject: "Restored folders will be gone tomorrow", Text: fmt.Sprintf(`The folder %s was brought back from the backup for a week.

On %s it will be gone, with all that is below it.
Copy or move what you want to keep into another folder before that.
`, tree, day(expires))}
}

// reminderTime is how long before its end a tree is spoken of.
const reminderTime = 24 * time.Hour

// errTold keeps a reminder from being given twice.
var errTold = errors.New("told already")

// remind tells the owners of trees that are gone tomorrow, each once, whichever process
// does it.
func (k *Keeper) remind(ctx context.Context) error {
	var due []mailbox.Folder
	var accounts []account.Account
	err := k.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if due, err = mailbox.Expiring(tx, tx.Now().Add(reminderTime)); err == nil && len(due) > 0 {
			accounts, err = account.Accounts(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	addresses := map[int64]mail.Address{}
	for _, a := range accounts {
		addresses[int64(a.ID)] = a.Address
	}
	var errs []error
	seen := map[string]bool{}
	for _, f := range due {
		tree, ok := treeOf(f.Name)
		key := fmt.Sprint(f.Account, " ", tree)
		to, known := addresses[f.Account]
		if !ok || !known || seen[key] || !f.Expires.After(k.o.Now()) {
			continue
		}
		seen[key] = true
		letter := reminderOf(to, account.ID(f.Account), tree, f.Expires)
		letter.Also = func(tx *store.Tx) error { return noteReminder(tx, f, tree) }
		if err := k.o.Deliver(ctx, letter); err != nil && !errors.Is(err, errTold) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// treeOf is the tree that a folder is in.
func treeOf(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, TreeTop+"/")
	first, _, _ := strings.Cut(rest, "/")
	return TreeTop + "/" + first, ok
}

func noteReminder(tx *store.Tx, f mailbox.Folder, tree string) error {
	n, err := tx.Exec(`INSERT INTO backup_reminded (account, name, expires) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, f.Account, tree, f.Expires)
	if err == nil && n == 0 {
		err = errTold
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM backup_reminded WHERE expires < $1`, tx.Now().Add(-Lifetime))
	}
	return err
}

// lostText tells the administrator of messages whose bodies cannot be read.
func lostText(done Taken) string {
	const most = 50
	lines := done.Lost[:min(most, len(done.Lost))]
	return fmt.Sprintf("The backup %s is there, but these %d messages could not be read and are not in it.\nOlder backups may have them.\n\n    %s\n",
		done.Snapshot, len(done.Lost), strings.Join(lines, "\n    "))
}
