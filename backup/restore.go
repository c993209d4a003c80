package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Lifetime is how long restored folders stay.
const Lifetime = 7 * 24 * time.Hour

// TreeTop is the folder above all restored ones.
const TreeTop = "Restored"

// Request says what is to be restored.
type Request struct {
	Address string    // whose
	At      time.Time // the newest snapshot that is not younger; zero: the newest
	Name    string    // of a snapshot, instead of At
	Folders []string  // these and what is below them; none: all
}

// The errors of a request that callers tell apart.
var (
	ErrNoSnapshot = errors.New("there is no snapshot of that time")
	ErrNoAccount  = errors.New("the account is not in the snapshot")
	ErrNoFolder   = errors.New("the folder is not in the snapshot")
)

// Plan is what a restore would bring.
type Plan struct {
	Address  string       `json:"address"`
	Snapshot string       `json:"snapshot"`
	Time     time.Time    `json:"time"`
	Folders  []PlanFolder `json:"folders"`
	Messages int64        `json:"messages"`
	Bytes    int64        `json:"bytes"`

	folders []Folder
}

// PlanFolder is a folder of a plan.
type PlanFolder struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// Restored is what a restore brought.
type Restored struct {
	Plan
	Tree    string    `json:"tree"` // "Restored/20261121T160500"
	Expires time.Time `json:"expires"`
	Brought int64     `json:"brought"` // messages
	Missing []Missing `json:"missing,omitempty"`
}

// Missing is what could not be brought, because the backup is damaged.
type Missing struct {
	Folder string `json:"folder"`
	UID    uint32 `json:"uid,omitempty"` // absent: a part of the folder, or all of it
	Why    string `json:"why"`
}

// plan finds what a request means.
func plan(ctx context.Context, r *repository.Repository, in *repository.Reader, q Request) (*Plan, error) {
	s, err := q.snapshot(ctx, r)
	if err != nil {
		return nil, err
	}
	a, ok := s.account(q.Address)
	if !ok {
		return nil, fmt.Errorf("%w: %s, of %s", ErrNoAccount, q.Address, s.Time.Format(time.DateTime))
	}
	folders, err := readFolders(ctx, in, a)
	if err != nil {
		return nil, fmt.Errorf("the list of folders: %w", err)
	}
	p := &Plan{Address: q.Address, Snapshot: s.Name, Time: s.Time, Folders: []PlanFolder{}}
	for _, wanted := range q.Folders {
		if !slices.ContainsFunc(folders, func(f Folder) bool { return isBelow(f.Name, wanted) }) {
			return nil, fmt.Errorf("%w: %q", ErrNoFolder, wanted)
		}
	}
	for _, f := range folders {
		if len(q.Folders) == 0 || slices.ContainsFunc(q.Folders, func(wanted string) bool { return isBelow(f.Name, wanted) }) {
			p.folders = append(p.folders, f)
			p.Folders = append(p.Folders, PlanFolder{f.Name, f.Messages, f.Bytes})
			p.Messages, p.Bytes = p.Messages+f.Messages, p.Bytes+f.Bytes
		}
	}
	return p, nil
}

// snapshot is the one that is asked for.
func (q Request) snapshot(ctx context.Context, r *repository.Repository) (*Snapshot, error) {
	if q.Name == "" {
		return pick(ctx, r, q.At)
	}
	s, err := readSnapshot(ctx, r, q.Name)
	if errors.Is(err, repository.ErrMissing) {
		err = fmt.Errorf("%w: %s", ErrNoSnapshot, q.Name)
	}
	return s, err
}

// isBelow reports whether a folder is the one wanted or below it.
func isBelow(name, wanted string) bool {
	if strings.EqualFold(wanted, "INBOX") {
		wanted = "INBOX"
	}
	return name == wanted || strings.HasPrefix(name, wanted+"/")
}

// pick gives the newest snapshot that is not younger than a time and can be read.
func pick(ctx context.Context, r *repository.Repository, at time.Time) (*Snapshot, error) {
	all, err := r.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	var damage error
	for _, s := range slices.Backward(all) {
		if !at.IsZero() && s.Time.After(at) {
			continue
		}
		found, err := readSnapshot(ctx, r, s.Name)
		if err == nil {
			return found, nil
		}
		if !repository.IsDamage(err) {
			return nil, err
		}
		damage = errors.Join(damage, err)
	}
	return nil, errors.Join(ErrNoSnapshot, damage)
}

// restoring is one restore into a tree of its own. Nothing that is there is changed: the
// new folders are filled where nobody sees them and shown at once at the end.
type restoring struct {
	store     *store.Store
	in        *repository.Reader
	structure func(io.Reader) ([]byte, error)
	note      func(Restored) ([]byte, error) // the message that tells what this is
	progress  func(done, of int64)

	account account.ID
	address mail.Address
	result  Restored
	filling *filling
	shown   []shown
}

// shown is a hidden folder and its name in the tree.
type shown struct {
	id   mailbox.FolderID
	name string // below the tree; empty: its top
}

// run brings the folders of a plan.
func (r *restoring) run(ctx context.Context, p *Plan) (Restored, error) {
	r.result = Restored{Plan: *p}
	f, err := newFilling(ctx, r.store, r.in, int64(r.account), r.structure)
	if err != nil {
		return r.result, err
	}
	r.filling = f
	defer f.close()
	for _, folder := range p.folders {
		id, err := f.folder(folder.Name)
		if err != nil {
			return r.result, err
		}
		r.shown = append(r.shown, shown{id, folder.Name})
		brought, missing, err := f.fill(id, folder, func(done int64) { r.progress(r.result.Brought+done, p.Messages) })
		r.result.Brought += brought
		r.result.Missing = append(r.result.Missing, missing...)
		if err != nil {
			return r.result, fmt.Errorf("restore folder %q: %w", folder.Name, err)
		}
	}
	return r.result, r.finish(ctx)
}

// finish adds the note and shows the tree. The name and the note are made in one
// transaction with the folders, so that two restores never meet.
func (r *restoring) finish(ctx context.Context) error {
	top, err := r.filling.folder("")
	if err != nil {
		return err
	}
	r.shown = append(r.shown, shown{top, ""})
	for range 60 {
		err = r.showAt(ctx, top)
		if !errors.Is(err, mailbox.ErrFolderExists) && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return err
}

// showAt shows the tree under the next name that is free.
func (r *restoring) showAt(ctx context.Context, top mailbox.FolderID) error {
	at, err := r.freeSecond(ctx)
	if err != nil {
		return err
	}
	r.result.Tree = TreeTop + "/" + at.Format(treeStamp)
	r.result.Expires = at.Add(Lifetime)
	text, err := r.note(r.result)
	if err != nil {
		return err
	}
	spool, err := r.filling.spool(text)
	if err != nil {
		return err
	}
	defer spool.Close()
	return r.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(fmt.Sprintf("backup tree %d", r.account)); err != nil {
			return err
		}
		if _, err := mailbox.FolderNamed(tx, int64(r.account), r.result.Tree); !errors.Is(err, mailbox.ErrNoFolder) {
			return errors.Join(err, mailbox.ErrFolderExists)
		}
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		note := mailbox.Delivery{Body: body, Size: spool.Size(), Received: tx.Now(), Structure: r.filling.structureOf(text)}
		if _, _, err := mailbox.Append(tx, top, note); err != nil {
			return err
		}
		for _, s := range r.shown {
			if err := r.showOne(tx, s); err != nil {
				return err
			}
		}
		return r.filling.settle(tx)
	})
}

func (r *restoring) showOne(tx *store.Tx, s shown) error {
	name := r.result.Tree
	if s.name != "" {
		name += "/" + s.name
	}
	return mailbox.Show(tx, s.id, mailbox.Folder{
		Account: int64(r.account), Name: name, Subscribed: true, Uncounted: true, Sealed: true,
		Created: tx.Now(), Expires: r.result.Expires,
	})
}

// treeStamp is how a tree is named.
const treeStamp = "20060102T150405"

// freeSecond is now, or the next second that no tree of the account has.
func (r *restoring) freeSecond(ctx context.Context) (at time.Time, err error) {
	err = r.store.Read(ctx, func(tx *store.Tx) error {
		at = tx.Now().UTC().Truncate(time.Second)
		folders, err := mailbox.Folders(tx, int64(r.account))
		if err != nil {
			return err
		}
		taken := map[string]bool{}
		for _, f := range folders {
			if rest, ok := strings.CutPrefix(f.Name, TreeTop+"/"); ok {
				first, _, _ := strings.Cut(rest, "/")
				taken[first] = true
			}
		}
		for taken[at.Format(treeStamp)] {
			at = at.Add(time.Second)
		}
		return nil
	})
	return at, err
}
