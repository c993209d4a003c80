package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/gate"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// news is what one owner of held mail should know: one letter for one reason, however
// many messages.
type news struct {
	owner int64 // 0: the administrator
	gate.Held
	trace mail.TraceID // of the first
	to    string       // its destination
	count int
}

// sorted is held mail: what may go, and of what there is to be told.
type sorted struct {
	done []int64
	news []news
}

// heldPage is how many held messages are read at a time.
const heldPage = 500

// sort reads what the gate holds. The administrator's own mail needs no second letter.
func (k *gatekeeper) sort(ctx context.Context, standing []string) (sorted, error) {
	var out sorted
	stands, at := map[string]bool{}, map[string]int{}
	for _, key := range standing {
		stands[key] = true
	}
	admin, err := k.admin(ctx)
	if err != nil {
		return out, err
	}
	for after := int64(0); ; {
		jobs, err := k.server.queue.List(ctx, queue.Selection{States: []queue.State{queue.Held}}, after, heldPage)
		if err != nil {
			return out, err
		}
		for i := range jobs {
			j := &jobs[i]
			after = j.ID
			held, ok := gate.ReadWhy(j.HeldWhy)
			switch {
			case !ok:
			case !stands[held.Key]:
				out.done = append(out.done, j.ID)
			default:
				if j.Owner != 0 && j.Owner != admin {
					out.note(at, news{j.Owner, held, j.Trace, j.Destination, 1})
				}
				out.note(at, news{0, held, j.Trace, j.Destination, 1})
			}
		}
		if len(jobs) < heldPage {
			return out, nil
		}
	}
}

func (s *sorted) note(at map[string]int, n news) {
	name := fmt.Sprintf("%d %s", n.owner, n.Key)
	if i, ok := at[name]; ok {
		s.news[i].count++
		return
	}
	at[name] = len(s.news)
	s.news = append(s.news, n)
}

// errTold ends the transaction of a letter that was written before.
var errTold = errors.New("they were told before")

// admin is the number of the administrator's account, 0 when there is none.
func (k *gatekeeper) admin(ctx context.Context) (id int64, err error) {
	err = k.server.store.Read(ctx, func(tx *store.Tx) error {
		to, err := k.server.accounts.Standing(tx, 0)
		id = int64(to.Account)
		return err
	})
	if errors.Is(err, account.ErrNoAdmin) {
		return 0, nil
	}
	return id, err
}

// tell writes a letter, once for each owner and reason.
func (k *gatekeeper) tell(ctx context.Context, n news) error {
	if n.owner == 0 {
		return k.write(ctx, 0, n.Key, "outgoing mail is held: "+n.Text, fmt.Sprintf(`%[1]d messages wait, because

    %[2]s.

Other servers would refuse them for that. What it means and how to mend it:

    allgreen explain %[4]s

They go by themselves when the watch sees that it is mended. Those who sent them
were told. To see them, and to let one go all the same:

    allgreen queue list --state held
    allgreen queue release %[3]s

A line in the configuration decides what the gate does: gate = "hold", "warn" or "off".
`, n.count, n.Text, n.trace, gate.CheckOf(n.Key)))
	}
	return k.write(ctx, n.owner, n.Key, "Your mail to "+n.to+" waits", fmt.Sprintf(`Mail that you sent is kept here for now, because

    %s.

Other servers would refuse it for that. You need not send it again: nothing is
lost, and it goes by itself as soon as that is mended. The administrator of this
server was told. Mail to people on this server is not concerned.

The first message that waits is %s, to %s. You get this letter once, however
many messages wait.
`, n.Text, n.trace, n.to))
}

// warn tells the administrator of what would be held.
func (k *gatekeeper) warn(ctx context.Context, r *gate.Red) error {
	return k.write(ctx, 0, r.Key(), "receivers may refuse our mail: "+r.Text, fmt.Sprintf(`Mail goes on, because the configuration says gate = "warn", though

    %s.

What it means and how to mend it:

    allgreen explain %s
`, r.Text, r.Check))
}

// write puts a letter into a mailbox, unless one about this was there before.
func (k *gatekeeper) write(ctx context.Context, owner int64, key, subject, text string) error {
	err := k.server.writeToOwner(ctx, account.ID(owner), subject, text, "", func(tx *store.Tx) error {
		isNew, err := gate.Tell(tx, owner, key)
		if err == nil && !isNew {
			err = errTold
		}
		return err
	})
	if errors.Is(err, errTold) {
		return nil
	}
	if errors.Is(err, account.ErrNoAdmin) {
		k.server.log.Error("there is nobody to be told", "subject", subject)
		return nil
	}
	return err
}
