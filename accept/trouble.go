package accept

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/vacation"
)

// trouble is a script that failed.
type trouble struct {
	target account.Target
	script string
	err    error
}

// tellAgain is after what time an owner is told once more of the same.
const tellAgain = 30 * 24 * time.Hour

var errTold = errors.New("told before")

// tell puts a note into the INBOX of the script's owner, once for each kind of
// failure. It belongs to no message's promise: that it failed is worth a line.
func (a *Acceptor) tell(ctx context.Context, about mail.TraceID, t trouble) {
	sum := sha256.Sum256([]byte(t.script + "\x00" + t.err.Error()))
	what := "trouble " + hex.EncodeToString(sum[:16])
	now := a.o.World.Now()
	spool := a.o.Store.NewSpool()
	defer spool.Close()
	note, err := a.note(about, t, now)
	if err == nil {
		_, err = spool.Write(note)
	}
	if err == nil {
		err = a.Commit(ctx, Message{
			Trace: mail.NewTraceID(now), Spool: spool, Received: now, Unfiltered: true,
			Deliveries: []Delivery{{To: t.target.Address, Destination: account.Destination{Mailboxes: []account.Target{{Account: t.target.Account, Address: t.target.Address}}}}},
			Also: func(tx *store.Tx) error {
				due, err := vacation.Tell(tx, int64(t.target.Account), "", what, tellAgain)
				if err == nil && !due {
					err = errTold
				}
				return err
			},
		})
	}
	if err != nil && !errors.Is(err, errTold) {
		a.o.Log.Warn("the owner of a script that failed could not be told", "account", t.target.Address, "script", t.script, "error", err)
	}
}

// note is what the owner reads.
func (a *Acceptor) note(about mail.TraceID, t trouble, now time.Time) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Return-Path: <>\r\n")
	from := mail.Address{Local: "postmaster", Domain: t.target.Address.Domain}
	err := message.Compose(&b, message.Draft{
		From: []message.Mailbox{{Name: "Allgreen", Address: from}}, To: []message.Mailbox{{Address: t.target.Address}},
		Subject: "Your mail filter has a problem", Date: now,
		Text: fmt.Sprintf(`Your filter %q could not be followed:

    %v

The message it was about (%s) was kept in your INBOX, and so will be others
that the filter fails for. You are told once.
`, t.script, t.err, about),
		Fields: []message.Field{message.NewField("Auto-Submitted", "auto-generated")}, // RFC 3834
	})
	return b.Bytes(), err
}
