package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// Place is a folder of a mailbox that is being filled from a source.
type Place struct {
	Account int64
	Source  string
	Folder  Folder
}

// Prepare makes the folder if it is not there, and says which keys it has had.
func Prepare(ctx context.Context, st *store.Store, p Place) (keys []string, err error) {
	err = st.Write(ctx, func(tx *store.Tx) error {
		if _, err := p.folder(tx); err != nil {
			return err
		}
		keys, err = p.known(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare folder %q: %w", p.Folder.Name, err)
	}
	return keys, nil
}

// folder finds the one of that name or special use, or makes it. A special use counts
// more than a name: "Gesendet" of another server is Sent here.
func (p Place) folder(tx *store.Tx) (mailbox.Folder, error) {
	if p.Folder.Role != "" {
		f, err := mailbox.FolderOf(tx, p.Account, p.Folder.Role)
		if !errors.Is(err, mailbox.ErrNoFolder) {
			return f, err
		}
	}
	f, err := mailbox.FolderNamed(tx, p.Account, p.Folder.Name)
	if !errors.Is(err, mailbox.ErrNoFolder) {
		return f, err
	}
	id, err := mailbox.NewFolder(tx, mailbox.Folder{Account: p.Account, Name: p.Folder.Name, Role: p.Folder.Role, Subscribed: p.Folder.Subscribed})
	return mailbox.Folder{ID: id}, err
}

func (p Place) known(tx *store.Tx) (keys []string, err error) {
	rows, err := tx.Rows(`SELECT key FROM transfer_known WHERE account = $1 AND source = $2 AND folder = $3`, p.Account, p.Source, p.Folder.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// Taken is what an Import did.
type Taken struct {
	Messages int   `json:"messages"`
	Known    int   `json:"known"` // had been brought before
	Octets   int64 `json:"octets"`
}

// What one transaction takes.
const (
	batchMessages = 64
	batchOctets   = 8 << 20
)

// Import stores the messages of a stream of frames, some in each transaction, in their
// order. After an error, what was taken is safe and is known the next time.
// mailbox.ErrQuota says that there is no room for more.
func Import(ctx context.Context, st *store.Store, now time.Time, p Place, r io.Reader) (Taken, error) {
	im := importing{store: st, now: now, place: p}
	defer im.drop()
	err := ReadFrames(r, func(m Message) error {
		if err := im.load(ctx, m); err != nil {
			return err
		}
		if len(im.batch) >= batchMessages || im.octets >= batchOctets {
			return im.commit(ctx)
		}
		return nil
	})
	if err == nil {
		err = im.commit(ctx)
	}
	if err != nil {
		return im.taken, fmt.Errorf("import into %q: %w", p.Folder.Name, err)
	}
	return im.taken, nil
}

type importing struct {
	store  *store.Store
	now    time.Time
	place  Place
	batch  []arrival
	octets int64
	taken  Taken
}

// arrival is a message that waits for its transaction.
type arrival struct {
	key      string
	spool    *store.Spool
	delivery mailbox.Delivery
}

// load spools a message.
func (im *importing) load(ctx context.Context, m Message) error {
	spool := im.store.NewSpool()
	a := arrival{key: m.Key, spool: spool, delivery: mailbox.Delivery{
		Account: im.place.Account, Size: m.Size, Received: m.Received, Flags: m.Flags, Keywords: m.Keywords, Trace: mail.NewTraceID(im.now),
	}}
	if m.Received.IsZero() {
		a.delivery.Received = im.now
	}
	im.batch = append(im.batch, a)
	im.octets += m.Size
	if _, err := io.Copy(spool, m.Body); err != nil {
		return err
	}
	if spool.Size() != m.Size {
		return fmt.Errorf("%w: message %s ends early", ErrFrame, m.Key)
	}
	if err := spool.Place(ctx); err != nil {
		return err
	}
	text, err := spool.Open()
	if err != nil {
		return err
	}
	defer text.Close()
	im.batch[len(im.batch)-1].delivery.Structure, err = structure.Of(text)
	return err
}

func (im *importing) commit(ctx context.Context) error {
	defer im.drop()
	if len(im.batch) == 0 {
		return nil
	}
	var taken Taken
	err := im.store.Write(ctx, func(tx *store.Tx) error {
		taken = Taken{}
		folder, err := im.place.folder(tx)
		if err != nil {
			return err
		}
		for i := range im.batch {
			if err := im.keep(tx, folder.ID, &im.batch[i], &taken); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	im.taken.Messages += taken.Messages
	im.taken.Known += taken.Known
	im.taken.Octets += taken.Octets
	return nil
}

// keep stores a message unless it is known.
func (im *importing) keep(tx *store.Tx, folder mailbox.FolderID, a *arrival, taken *Taken) error {
	n, err := tx.Exec(`INSERT INTO transfer_known (account, source, folder, key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		im.place.Account, im.place.Source, im.place.Folder.Name, a.key)
	if err != nil {
		return err
	}
	if n == 0 {
		taken.Known++
		return nil
	}
	d := a.delivery
	if d.Body, err = tx.PutBody(a.spool); err != nil {
		return err
	}
	taken.Messages++
	taken.Octets += d.Size
	_, _, err = mailbox.Append(tx, folder, d)
	return err
}

// drop closes what waits.
func (im *importing) drop() {
	for _, a := range im.batch {
		a.spool.Close()
	}
	im.batch, im.octets = im.batch[:0], 0
}

// Forget removes what is known about an account, which is being deleted.
func Forget(tx *store.Tx, account int64) error {
	_, err := tx.Exec(`DELETE FROM transfer_known WHERE account = $1`, account)
	return err
}
