package deliver

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Owners is the Mailer of a server with mailboxes: a report goes into the INBOX of the
// owner's account, or into the administrator's when that account is gone.
type Owners struct {
	Store    *store.Store
	World    *world.World
	Accounts *account.Directory
	Accept   *accept.Acceptor
}

// Report readies a report; see Mailer.
func (o *Owners) Report(ctx context.Context, r Report) (func(*store.Tx) error, error) {
	var owner account.Target
	err := o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		owner, err = o.Accounts.Standing(tx, account.ID(r.Owner))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("report on message %s: %w", r.About, err)
	}
	return o.Accept.Prepare(ctx, accept.Message{
		Trace: r.Trace, Spool: r.Spool, Received: o.World.Now(),
		Deliveries: []accept.Delivery{{To: owner.Address, Destination: account.Destination{Mailboxes: []account.Target{owner}}}},
	})
}
