package backup

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Taken is what a backup brought.
type Taken struct {
	Snapshot  string             `json:"snapshot"`
	Time      time.Time          `json:"time"`
	Accounts  int                `json:"accounts"`
	Messages  int64              `json:"messages"`
	Bytes     int64              `json:"bytes"`     // of all messages
	Unchanged int                `json:"unchanged"` // folders that were as in the last one
	Changed   int                `json:"changed"`   // folders
	Read      int64              `json:"read"`      // messages that had to be read
	Gone      int64              `json:"gone"`      // messages that were removed while it ran
	Lost      []string           `json:"lost,omitempty"`
	Written   repository.Written `json:"written"`
}

// source is what a snapshot is taken from.
type source struct {
	store    *store.Store
	export   func(context.Context) ([]byte, error) // keys and secrets
	settings []byte
	host     string
	program  string
	dir      string // for files on their way
	now      time.Time
	progress func(done, of int64)
}

// taking is one snapshot in the making.
type taking struct {
	source
	w      *repository.Writer
	in     *repository.Reader
	name   string                      // of the store
	before map[mailbox.FolderID]Folder // of the last snapshot
	whole  bool                        // all that the last one refers to is there
	root   Snapshot
	found  []found // folders, in the order of accounts
	rows   *os.File
	done   Taken
}

// found is a folder as the snapshot of the store shows it.
type found struct {
	account int // in root.Accounts
	folder  Folder
	changed bool
	ids     int64 // rows in the file
}

// take makes a snapshot. Rows are read at one moment; bodies, which never change, after
// that. Whatever happens, older snapshots stay as they are.
func take(ctx context.Context, r *repository.Repository, s source) (Taken, error) {
	w, err := r.NewWriter(ctx, s.dir)
	if err != nil {
		return Taken{}, err
	}
	defer w.Close()
	in, err := w.Reader()
	if err != nil {
		return Taken{}, err
	}
	defer in.Close()
	t := &taking{source: s, w: w, in: in, whole: w.Whole(), before: map[mailbox.FolderID]Folder{}}
	if t.rows, err = os.CreateTemp(s.dir, "backup-rows-*"); err != nil {
		return Taken{}, err
	}
	defer func() { _ = errors.Join(t.rows.Close(), os.Remove(t.rows.Name())) }()
	err = t.run(ctx, r)
	return t.done, err
}

func (t *taking) run(ctx context.Context, r *repository.Repository) (err error) {
	if t.name, err = storeName(ctx, t.store); err != nil {
		return err
	}
	if err := t.recall(ctx, r); err != nil {
		return fmt.Errorf("read the last snapshot: %w", err)
	}
	if err := t.look(ctx); err != nil {
		return fmt.Errorf("look at what there is: %w", err)
	}
	if err := t.putAccounts(ctx); err != nil {
		return err
	}
	if err := t.putRest(ctx); err != nil {
		return err
	}
	root, err := json.Marshal(t.root)
	if err != nil {
		return err
	}
	if t.done.Snapshot, err = t.w.Publish(ctx, t.root.Time, root); err != nil {
		return err
	}
	t.done.Time, t.done.Accounts, t.done.Messages, t.done.Bytes = t.root.Time, len(t.root.Accounts), t.root.Messages, t.root.Bytes
	t.done.Written = t.w.Written()
	return nil
}

// recall learns the folders of the newest snapshot of this store that can be read.
func (t *taking) recall(ctx context.Context, r *repository.Repository) error {
	all, err := r.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(all) {
		last, err := readSnapshot(ctx, r, s.Name)
		if err == nil && last.Store == t.name {
			err = t.recallFolders(ctx, last)
			if err == nil {
				return nil
			}
		}
		if err != nil && !repository.IsDamage(err) {
			return err
		}
	}
	return nil
}

func (t *taking) recallFolders(ctx context.Context, s *Snapshot) error {
	for _, a := range s.Accounts {
		folders, err := readFolders(ctx, t.in, a)
		if err != nil {
			clear(t.before)
			return err
		}
		for _, f := range folders {
			t.before[mailbox.FolderID(f.ID)] = f
		}
	}
	return nil
}

// look reads everything but bodies, as it is at one moment.
func (t *taking) look(ctx context.Context) error {
	t.root = Snapshot{Format: manifestFormat, Time: t.now.UTC().Truncate(time.Second), Host: t.host, Program: t.program, Store: t.name, Schemas: t.store.Versions()}
	dump := t.store.NewSpool()
	defer dump.Close()
	err := t.store.Read(ctx, func(tx *store.Tx) error {
		out := bufio.NewWriter(t.rows)
		accounts, err := account.Accounts(tx)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if err := t.lookAt(tx, a, out); err != nil {
				return err
			}
		}
		return errors.Join(out.Flush(), t.store.Dump(tx, dump))
	})
	if err != nil {
		return err
	}
	t.root.Tables, err = t.putPieces(ctx, dump)
	return err
}

func (t *taking) lookAt(tx *store.Tx, a account.Account, out *bufio.Writer) error {
	entry := AccountEntry{ID: int64(a.ID), Address: a.Address.String()}
	folders, err := mailbox.Folders(tx, int64(a.ID))
	if err != nil {
		return err
	}
	for _, f := range folders {
		if !f.Expires.IsZero() {
			continue // restored from a backup, and gone in a week
		}
		x := found{account: len(t.root.Accounts), folder: manifestOf(f)}
		if last, ok := t.before[f.ID]; ok && t.whole && last.isWhole() && last.sameAs(x.folder) {
			x.folder.Segments = last.Segments
		} else {
			x.changed = true
			if x.ids, err = writeRows(tx, f.ID, out); err != nil {
				return err
			}
		}
		t.found = append(t.found, x)
		entry.Messages, entry.Bytes = entry.Messages+f.Messages, entry.Bytes+f.Bytes
	}
	t.root.Accounts = append(t.root.Accounts, entry)
	t.root.Messages, t.root.Bytes = t.root.Messages+entry.Messages, t.root.Bytes+entry.Bytes
	return nil
}

func manifestOf(f mailbox.Folder) Folder {
	return Folder{
		ID: int64(f.ID), Name: f.Name, Role: f.Role, Subscribed: f.Subscribed, Uncounted: f.Uncounted,
		UIDValidity: f.UIDValidity, UIDNext: uint32(f.UIDNext), ModSeq: f.ModSeq,
		Messages: f.Messages, Unseen: f.Unseen, Bytes: f.Bytes, Created: store.Micros(f.Created),
	}
}

// sameAs reports whether the messages of a folder and their flags are the same.
func (f Folder) sameAs(g Folder) bool {
	return f.UIDValidity == g.UIDValidity && f.UIDNext == g.UIDNext && f.ModSeq == g.ModSeq &&
		f.Messages == g.Messages && f.Unseen == g.Unseen && f.Bytes == g.Bytes
}

// isWhole reports whether a snapshot has all messages of a folder: what could not be read
// is tried again the next time, and told again.
func (f Folder) isWhole() bool {
	n := int64(0)
	for _, s := range f.Segments {
		n += int64(s.Messages)
	}
	return n == f.Messages
}

// row is a message whose body is not read yet.
type row struct {
	Message
	ID store.BodyID `json:"id"`
}

var everything = []mailbox.UIDRange{{First: 1, Last: 1<<32 - 1}}

func writeRows(tx *store.Tx, folder mailbox.FolderID, out *bufio.Writer) (n int64, err error) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	err = mailbox.Fetch(tx, folder, everything, mailbox.Facts, func(m *mailbox.Message) error {
		n++
		return e.Encode(row{ID: m.Body, Message: Message{
			UID: uint32(m.UID), Size: m.Size, Received: store.Micros(m.Received), Flags: m.Flags, Keywords: m.Keywords, Trace: m.Trace,
		}})
	})
	return n, err
}

// putAccounts reads the bodies of what has changed and stores the folders.
func (t *taking) putAccounts(ctx context.Context) error {
	if _, err := t.rows.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var total, done int64
	for _, x := range t.found {
		total += x.ids
	}
	rows := json.NewDecoder(bufio.NewReader(t.rows))
	for i := range t.root.Accounts {
		folders := []Folder{}
		for len(t.found) > 0 && t.found[0].account == i {
			x := t.found[0]
			t.found = t.found[1:]
			if x.changed {
				t.done.Changed++
				if err := t.putFolder(ctx, &x, rows, func() { done++; t.progress(done, total) }); err != nil {
					return fmt.Errorf("folder %q of %s: %w", x.folder.Name, t.root.Accounts[i].Address, err)
				}
			} else {
				t.done.Unchanged++
			}
			folders = append(folders, x.folder)
		}
		data, err := json.Marshal(folders)
		if err != nil {
			return err
		}
		if t.root.Accounts[i].Folders, err = t.w.Put(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

// putFolder stores the segments of a folder.
func (t *taking) putFolder(ctx context.Context, x *found, rows *json.Decoder, tick func()) error {
	last := t.before[mailbox.FolderID(x.folder.ID)]
	if last.UIDValidity != x.folder.UIDValidity {
		last = Folder{}
	}
	where := place{x.folder.ID, t.root.Accounts[x.account].Address, x.folder.Name}
	var segment []Message
	var known map[uint32]Message
	number := uint32(0)
	flush := func() error {
		if len(segment) == 0 {
			return nil
		}
		data, err := encodeRows(segment)
		if err != nil {
			return err
		}
		d, err := t.w.Put(ctx, data)
		x.folder.Segments = append(x.folder.Segments, Segment{number, len(segment), d})
		segment = segment[:0]
		return err
	}
	for range x.ids {
		var m row
		if err := rows.Decode(&m); err != nil {
			return err
		}
		tick()
		if n := m.UID >> segmentBits; known == nil || n != number {
			if err := flush(); err != nil {
				return err
			}
			number = n
			known = t.known(ctx, last, n)
		}
		kept, err := t.putMessage(ctx, where, &m, known)
		if err != nil {
			return fmt.Errorf("message %d: %w", m.UID, err)
		}
		if kept {
			segment = append(segment, m.Message)
		}
	}
	return flush()
}

// known gives the messages of a segment as the last snapshot has it. Not nil.
func (t *taking) known(ctx context.Context, last Folder, number uint32) map[uint32]Message {
	all := map[uint32]Message{}
	i, ok := slices.BinarySearchFunc(last.Segments, number, func(s Segment, n uint32) int { return cmp.Compare(s.Number, n) })
	if !ok {
		return all
	}
	rows, err := readSegment(ctx, t.in, last.Segments[i])
	if err != nil {
		return all // then the bodies are read again
	}
	for _, m := range rows {
		all[m.UID] = m
	}
	return all
}

// putMessage finds out the digest of a body, by reading it where the last snapshot does
// not know it. False says that the message was removed meanwhile.
func (t *taking) putMessage(ctx context.Context, where place, m *row, known map[uint32]Message) (bool, error) {
	if was, ok := known[m.UID]; ok && was.Size == m.Size && was.Received == m.Received && t.w.Has(was.Body) {
		m.Body = was.Body
		return true, nil
	}
	t.done.Read++
	body, err := t.store.OpenBody(ctx, m.ID)
	if err != nil {
		return false, t.unreadable(ctx, err, where, m)
	}
	defer body.Close()
	if body.Size() > largeBody {
		in := &watched{body: body}
		m.Body, err = t.w.PutStream(ctx, body.Size(), in.open)
		if in.err != nil {
			return false, t.unreadable(ctx, in.err, where, m)
		}
		return err == nil, err
	}
	data := make([]byte, body.Size())
	if _, err := io.ReadFull(body, data); err != nil {
		return false, t.unreadable(ctx, err, where, m)
	}
	m.Body, err = t.w.Put(ctx, data)
	return err == nil, err
}

// watched reads a body and remembers when that failed: the backup itself goes on then.
type watched struct {
	body *store.Body
	at   int64
	err  error
}

func (w *watched) open() (_ io.Reader, err error) {
	w.at, err = w.body.Seek(0, io.SeekStart)
	return w, err
}

// Read reads. A body that ends too early has lost something.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	w.at += int64(n)
	if errors.Is(err, io.EOF) && w.at < w.body.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// unreadable decides about a message whose body cannot be read: it was removed
// meanwhile, or it is lost, which must not keep all others out of the backup. An error
// is one that may go away.
func (t *taking) unreadable(ctx context.Context, err error, where place, m *row) error {
	if ctx.Err() != nil || store.Temporary(err) {
		return err
	}
	again, openErr := mailbox.Open(ctx, t.store, mailbox.FolderID(where.folder), mailbox.UID(m.UID))
	if errors.Is(openErr, mailbox.ErrNoMessage) {
		t.done.Gone++
		return nil
	}
	if openErr == nil {
		_ = again.Close() // it was only asked for
	}
	t.done.Lost = append(t.done.Lost, fmt.Sprintf("%s, %s, message %d: %v", where.address, where.name, m.UID, err))
	return nil
}

// place is where a message lies, for people.
type place struct {
	folder        int64
	address, name string
}

// largeBody is the size above which a body is not held in memory.
const largeBody = 1 << 20

// putRest stores keys, secrets and settings.
func (t *taking) putRest(ctx context.Context) error {
	keys, err := t.export(ctx)
	if err != nil {
		return err
	}
	if t.root.Identity, err = t.w.Put(ctx, keys); err != nil {
		return err
	}
	t.root.Settings, err = t.w.Put(ctx, t.settings)
	return err
}

const pieceSize = 512 << 10

// putPieces stores what is in a spool as objects of a bounded size.
func (t *taking) putPieces(ctx context.Context, sp *store.Spool) (all []repository.Digest, err error) {
	in, err := sp.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	for piece := make([]byte, pieceSize); ; {
		n, err := io.ReadFull(in, piece)
		if n > 0 {
			d, err := t.w.Put(ctx, piece[:n])
			if err != nil {
				return nil, err
			}
			all = append(all, d)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}
