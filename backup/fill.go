package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// filling fills hidden folders of one account. While it works it says so in the tables;
// when its process is gone, abandon gives up what it has left.
type filling struct {
	ctx       context.Context
	store     *store.Store
	in        *repository.Reader
	account   int64
	structure func(io.Reader) ([]byte, error)
	tree      string // names the filling
	until     time.Time
	settled   bool
}

// fillTime is for how long a filling is believed to be at work after its last word.
const fillTime = 10 * time.Minute

// Bounds of one transaction of a filling: others write, too.
const (
	fillMessages = 256
	fillBytes    = 4 << 20
)

func newFilling(ctx context.Context, st *store.Store, in *repository.Reader, account int64, structure func(io.Reader) ([]byte, error)) (*filling, error) {
	return &filling{ctx: ctx, store: st, in: in, account: account, structure: structure, tree: strings.ToLower(rand.Text())}, nil
}

// folder makes a hidden folder.
func (f *filling) folder(name string) (id mailbox.FolderID, err error) {
	err = f.store.Write(f.ctx, func(tx *store.Tx) error {
		if id, err = mailbox.NewHidden(tx, f.account, f.tree+"/"+name); err != nil {
			return err
		}
		f.until = tx.Now().Add(fillTime)
		_, err := tx.Exec(`INSERT INTO backup_filling (folder, tree, expires) VALUES ($1, $2, $3)`, int64(id), f.tree, f.until)
		return err
	})
	return id, err
}

// fill brings the messages of a folder. What the backup cannot give is said, and the
// rest is brought.
func (f *filling) fill(id mailbox.FolderID, from Folder, progress func(done int64)) (brought int64, missing []Missing, err error) {
	b := &batch{f: f, id: id}
	defer b.drop()
	for _, segment := range from.Segments {
		rows, err := readSegment(f.ctx, f.in, segment)
		if err != nil {
			if !repository.IsDamage(err) {
				return b.done, missing, err
			}
			missing = append(missing, Missing{Folder: from.Name, Why: fmt.Sprintf("%d messages from UID %d on: %v", segment.Messages, max(1, segment.Number<<segmentBits), err)})
			continue
		}
		for i := range rows {
			err := b.add(&rows[i])
			if repository.IsDamage(err) {
				missing = append(missing, Missing{Folder: from.Name, UID: rows[i].UID, Why: err.Error()})
				continue
			}
			if err != nil {
				return b.done, missing, err
			}
			progress(b.done)
		}
	}
	err = b.commit()
	progress(b.done)
	return b.done, missing, err
}

// settle says, in the transaction that shows the folders, that there is nothing left to
// give up.
func (f *filling) settle(tx *store.Tx) error {
	tx.AfterCommit(func() { f.settled = true })
	n, err := tx.Exec(`DELETE FROM backup_filling WHERE tree = $1`, f.tree)
	if err == nil && n == 0 {
		err = errors.New("the folders were given up meanwhile: nothing was heard of this restore for too long")
	}
	return err
}

// close gives up what was not settled.
func (f *filling) close() {
	if f.settled {
		return
	}
	ctx := context.WithoutCancel(f.ctx)
	_ = f.store.Write(ctx, func(tx *store.Tx) error { return giveUp(tx, f.tree) }) // or Tend does
}

// giveUp discards the hidden folders of a filling.
func giveUp(tx *store.Tx, tree string) error {
	ids, err := numbers(tx, `SELECT folder FROM backup_filling WHERE tree = $1 ORDER BY folder`, tree)
	for _, id := range ids {
		if err == nil {
			err = mailbox.Discard(tx, mailbox.FolderID(id))
		}
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM backup_filling WHERE tree = $1`, tree)
	}
	return err
}

// abandon gives up the fillings of processes that are gone.
func abandon(ctx context.Context, st *store.Store) error {
	return st.Write(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(`SELECT DISTINCT tree FROM backup_filling WHERE expires < $1`, tx.Now())
		if err != nil {
			return err
		}
		defer rows.Close()
		var trees []string
		for rows.Next() {
			var tree string
			if err := rows.Scan(&tree); err != nil {
				return err
			}
			trees = append(trees, tree)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, tree := range trees {
			if err := giveUp(tx, tree); err != nil {
				return err
			}
		}
		return nil
	})
}

func numbers(tx *store.Tx, query string, args ...any) (all []int64, err error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// spool takes octets in, ready for PutBody.
func (f *filling) spool(data []byte) (*store.Spool, error) {
	sp := f.store.NewSpool()
	_, err := sp.Write(data)
	if err == nil {
		err = sp.Place(f.ctx)
	}
	if err != nil {
		return nil, errors.Join(err, sp.Close())
	}
	return sp, nil
}

func (f *filling) structureOf(data []byte) []byte {
	if f.structure == nil {
		return nil
	}
	s, err := f.structure(strings.NewReader(string(data)))
	if err != nil {
		return nil // it is made when somebody asks
	}
	return s
}

// batch is the messages of one transaction.
type batch struct {
	f          *filling
	id         mailbox.FolderID
	spools     []*store.Spool
	deliveries []mailbox.Delivery
	bytes      int64
	done       int64
}

// add takes a message in, and commits when there are enough.
func (b *batch) add(m *Message) error {
	sp, structure, err := b.body(m)
	if err != nil {
		return err
	}
	b.spools = append(b.spools, sp)
	b.deliveries = append(b.deliveries, mailbox.Delivery{
		Size: sp.Size(), Received: store.FromMicros(m.Received), Flags: m.Flags, Keywords: m.Keywords, Trace: m.Trace, Structure: structure,
	})
	if b.bytes += sp.Size(); b.bytes >= fillBytes || len(b.spools) >= fillMessages {
		return b.commit()
	}
	return nil
}

// body reads a body into a spool.
func (b *batch) body(m *Message) (sp *store.Spool, structure []byte, err error) {
	o, err := b.f.in.Open(b.f.ctx, m.Body)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	sp = b.f.store.NewSpool()
	if _, err = io.Copy(sp, o); err == nil {
		err = sp.Place(b.f.ctx)
	}
	if err == nil && b.f.structure != nil {
		structure, err = b.read(sp)
	}
	if err != nil {
		return nil, nil, errors.Join(err, sp.Close())
	}
	return sp, structure, nil
}

// read finds out the structure of a body.
func (b *batch) read(sp *store.Spool) ([]byte, error) {
	in, err := sp.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return b.f.structure(in)
}

// commit stores what was taken in.
func (b *batch) commit() error {
	if len(b.spools) == 0 {
		return nil
	}
	err := b.f.store.Write(b.f.ctx, func(tx *store.Tx) error {
		for i, sp := range b.spools {
			body, err := tx.PutBody(sp)
			if err != nil {
				return err
			}
			b.deliveries[i].Body = body
		}
		if _, _, err := mailbox.AppendAll(tx, b.id, b.deliveries); err != nil {
			return err
		}
		return b.f.beat(tx)
	})
	if err == nil {
		b.done += int64(len(b.spools))
	}
	b.drop()
	return err
}

// beat says that the filling is at work. It fails when the folders were given up.
func (f *filling) beat(tx *store.Tx) error {
	if f.until.Sub(tx.Now()) > fillTime/2 {
		return nil
	}
	until := tx.Now().Add(fillTime)
	tx.AfterCommit(func() { f.until = until })
	n, err := tx.Exec(`UPDATE backup_filling SET expires = $2 WHERE tree = $1`, f.tree, until)
	if err == nil && n == 0 {
		err = errors.New("the folders were given up meanwhile: nothing was heard of this restore for too long")
	}
	return err
}

// drop forgets what was taken in.
func (b *batch) drop() {
	for _, sp := range b.spools {
		_ = sp.Close() // it is placed, or in memory
	}
	b.spools, b.deliveries, b.bytes = b.spools[:0], b.deliveries[:0], 0
}
