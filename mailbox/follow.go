package mailbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// arrivals is the topic of new messages in any folder.
const arrivals = "mailbox/arrivals"

const (
	batchMessages = 200
	batchBytes    = 8 << 20     // of messages; one larger message is a batch of its own
	gather        = time.Second // how long arrivals are gathered before they are looked for
	cleanEvery    = time.Hour
	retryAfter    = 10 * time.Second
	busyRate      = 50 // commits of others per second from which the index holds back
	holdBack      = 3  // and for how many times as long as it worked
)

// Run indexes what arrives until the context ends, and takes out what was expunged.
// When the server is busy it works a quarter of the time: what it has not reached is
// found all the same.
func (x *Index) Run(ctx context.Context) error {
	if x.text == nil {
		<-ctx.Done()
		return nil
	}
	watch := x.main.Watch(arrivals)
	defer watch.Close()
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	for ctx.Err() == nil {
		wait := gather
		if err := x.CatchUp(ctx); err != nil && ctx.Err() == nil {
			x.log.Warn("indexing failed and will be tried again", "error", err)
			wait = retryAfter
		}
		select {
		case <-watch.C():
		case <-clean.C:
			if err := x.Clean(ctx); err != nil && ctx.Err() == nil {
				x.log.Warn("cleaning the index failed and will be tried again", "error", err)
			}
			continue
		case <-ctx.Done():
			return nil
		}
		pause(ctx, wait)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// CatchUp indexes everything that is there now. Folders take turns, so that none waits
// until a large one is through.
func (x *Index) CatchUp(ctx context.Context) error {
	behind, err := x.behind(ctx)
	if err != nil {
		return fmt.Errorf("find what is not indexed: %w", err)
	}
	// Several processes begin at different ends.
	rand.Shuffle(len(behind), func(i, j int) { behind[i], behind[j] = behind[j], behind[i] })
	for len(behind) > 0 {
		rest := behind[:0]
		for _, f := range behind {
			done, err := x.batch(ctx, f)
			if errors.Is(err, ErrNoFolder) || errors.Is(err, errOvertaken) {
				done, err = true, nil
			}
			if err != nil {
				return fmt.Errorf("index folder %d: %w", f, err)
			}
			if !done {
				rest = append(rest, f)
			}
		}
		behind = rest
	}
	return nil
}

// behind gives the folders with messages that are not indexed. Hidden ones are nobody's
// yet, and become others when they are shown.
func (x *Index) behind(ctx context.Context) (behind []FolderID, err error) {
	reached, err := x.reached(ctx)
	if err != nil {
		return nil, err
	}
	err = x.main.Read(ctx, func(tx *store.Tx) error {
		behind = nil
		rows, err := tx.Rows(`SELECT id, uidvalidity, uidnext FROM mailbox_folder WHERE account > 0 AND uidnext > 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, validity, next int64
			if err := rows.Scan(&id, &validity, &next); err != nil {
				return err
			}
			if p := reached[FolderID(id)]; p.validity != uint32(validity) || p.indexed != UID(next-1) {
				behind = append(behind, FolderID(id))
			}
		}
		return rows.Err()
	})
	return behind, err
}

// reached gives how far all folders are indexed.
func (x *Index) reached(ctx context.Context) (all map[FolderID]progress, err error) {
	err = x.text.Read(ctx, func(tx *store.Tx) error {
		all = map[FolderID]progress{}
		rows, err := tx.Rows(`SELECT folder, uidvalidity, indexed, cleaned FROM mailbox_text_folder`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, validity, indexed, cleaned int64
			if err := rows.Scan(&id, &validity, &indexed, &cleaned); err != nil {
				return err
			}
			all[FolderID(id)] = progress{uint32(validity), UID(indexed), cleaned}
		}
		return rows.Err()
	})
	return all, err
}

// batch indexes some messages of a folder. It is done when there are no more.
func (x *Index) batch(ctx context.Context, folder FolderID) (done bool, err error) {
	began, others := time.Now(), x.main.Stats().Transactions // elapsed
	var was progress
	if err := x.text.Read(ctx, func(tx *store.Tx) (err error) { was, err = progressOf(tx, folder); return err }); err != nil {
		return false, err
	}
	f, some, is, err := x.next(ctx, folder, was)
	if err != nil {
		return false, err
	}
	if was != (progress{}) && !was.isOf(f) {
		return false, x.dropFolder(ctx, folder)
	}
	docs, err := x.read(ctx, some)
	if err == nil {
		err = x.write(ctx, folder, was, is, some, docs)
	}
	took := time.Since(began) // elapsed
	if busy := float64(x.main.Stats().Transactions-others) > busyRate*took.Seconds(); busy {
		pause(ctx, holdBack*took)
	}
	return is.indexed == f.UIDNext-1, err
}

// next gives a folder, the next messages to be indexed, and how far it is then.
func (x *Index) next(ctx context.Context, folder FolderID, was progress) (f Folder, some []Message, is progress, err error) {
	err = x.main.Read(ctx, func(tx *store.Tx) (err error) {
		if f, err = FolderByID(tx, folder); err != nil {
			return err
		}
		some, err = Messages(tx, folder, was.indexed, batchMessages)
		return err
	})
	some, all := cut(some)
	is = progress{f.UIDValidity, f.UIDNext - 1, was.cleaned}
	if !all {
		is.indexed = some[len(some)-1].UID
	}
	if was == (progress{}) {
		is.cleaned = f.ModSeq
	}
	return f, some, is, err
}

// cut takes as many messages as a batch has octets for, and says whether these are all
// there were.
func cut(some []Message) (first []Message, all bool) {
	size := int64(0)
	for i := range some {
		if size += some[i].Size; size > batchBytes && i > 0 {
			return some[:i], false
		}
	}
	return some, len(some) < batchMessages
}

// write writes a batch and how far the folder is with it, at once.
func (x *Index) write(ctx context.Context, folder FolderID, was, is progress, some []Message, docs []*document) error {
	return x.text.Write(ctx, func(tx *store.Tx) error {
		if err := advance(tx, folder, was, is); err != nil {
			return err
		}
		for i, d := range docs {
			if err := x.table.add(tx, structureKey(int64(folder), int64(some[i].UID)), d); err != nil {
				return err
			}
		}
		return nil
	})
}

// read reads messages. One whose body is gone was expunged meanwhile: it has no words.
func (x *Index) read(ctx context.Context, some []Message) ([]*document, error) {
	docs := make([]*document, 0, len(some))
	for _, m := range some {
		d, err := x.document(ctx, m.Body)
		if err != nil {
			return nil, fmt.Errorf("read UID %d: %w", m.UID, err)
		}
		docs = append(docs, d)
	}
	return docs, nil
}

func (x *Index) document(ctx context.Context, id store.BodyID) (*document, error) {
	body, err := x.main.OpenBody(ctx, id)
	if errors.Is(err, store.ErrNoRow) {
		return &document{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readDocument(body)
}

// Clean takes out of the index what was expunged, and the folders that are no more.
func (x *Index) Clean(ctx context.Context) error {
	reached, err := x.reached(ctx)
	if err != nil {
		return fmt.Errorf("clean the index: %w", err)
	}
	for folder, p := range reached {
		if err := x.cleanFolder(ctx, folder, p); err != nil && !errors.Is(err, errOvertaken) {
			return fmt.Errorf("clean the index of folder %d: %w", folder, err)
		}
	}
	return nil
}

func (x *Index) cleanFolder(ctx context.Context, folder FolderID, was progress) error {
	var gone []UIDRange
	is := was
	err := x.main.Read(ctx, func(tx *store.Tx) error {
		f, err := FolderByID(tx, folder)
		if err != nil {
			return err
		}
		is.cleaned = f.ModSeq
		gone, err = rangesOf(tx.Rows(`SELECT uid, last FROM mailbox_tombstone WHERE folder = $1 AND modseq > $2 AND uid <= $3 ORDER BY uid`,
			int64(folder), was.cleaned, int64(was.indexed)))
		return err
	})
	switch {
	case errors.Is(err, ErrNoFolder):
		return x.dropFolder(ctx, folder)
	case err != nil || len(gone) == 0:
		return err
	}
	return x.text.Write(ctx, func(tx *store.Tx) error {
		for _, r := range merge(gone) {
			if err := x.table.drop(tx, structureKey(int64(folder), int64(r.First)), structureKey(int64(folder), int64(r.Last))); err != nil {
				return err
			}
		}
		return advance(tx, folder, was, is)
	})
}

// dropUIDs is how many UIDs one transaction takes out of the index.
const dropUIDs = 2000

// dropFolder takes a folder out of the index, the first messages last.
func (x *Index) dropFolder(ctx context.Context, folder FolderID) error {
	var was progress
	if err := x.text.Read(ctx, func(tx *store.Tx) (err error) { was, err = progressOf(tx, folder); return err }); err != nil {
		return err
	}
	for was.indexed > 0 {
		is := was
		is.indexed -= min(was.indexed, dropUIDs)
		err := x.text.Write(ctx, func(tx *store.Tx) error {
			if err := x.table.drop(tx, structureKey(int64(folder), int64(is.indexed)+1), structureKey(int64(folder), int64(was.indexed))); err != nil {
				return err
			}
			return advance(tx, folder, was, is)
		})
		if err != nil {
			return err
		}
		was = is
	}
	return x.text.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM mailbox_text_folder WHERE folder = $1 AND indexed = 0`, int64(folder))
		return err
	})
}
