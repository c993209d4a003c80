package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
)

// manifestFormat is that of everything below.
const manifestFormat = 1

// Snapshot is the root of a snapshot: all there was at one moment.
type Snapshot struct {
	Format   int                 `json:"format"`
	Time     time.Time           `json:"time"`
	Host     string              `json:"host"`
	Program  string              `json:"program"`
	Store    string              `json:"store"`              // which one it was taken from
	Schemas  map[string]int      `json:"schemas"`            // the versions of its tables
	Tables   []repository.Digest `json:"tables"`             // the rows that packages keep, in pieces
	Identity repository.Digest   `json:"identity"`           // keys and secrets
	Settings repository.Digest   `json:"settings,omitempty"` // the text of the configuration
	Accounts []AccountEntry      `json:"accounts"`           // in the order of their addresses
	Messages int64               `json:"messages"`
	Bytes    int64               `json:"bytes"`

	Name string `json:"-"` // in the repository
}

// AccountEntry is an account in a snapshot.
type AccountEntry struct {
	ID       int64             `json:"id"`
	Address  string            `json:"address"`
	Messages int64             `json:"messages"`
	Bytes    int64             `json:"bytes"`
	Folders  repository.Digest `json:"folders"` // a list of Folder
}

// Folder is a folder in a snapshot.
type Folder struct {
	ID          int64        `json:"id"`
	Name        string       `json:"name"`
	Role        mailbox.Role `json:"role,omitempty"`
	Subscribed  bool         `json:"subscribed,omitempty"`
	Uncounted   bool         `json:"uncounted,omitempty"`
	UIDValidity uint32       `json:"uidvalidity"`
	UIDNext     uint32       `json:"uidnext"`
	ModSeq      int64        `json:"modseq"`
	Messages    int64        `json:"messages"`
	Unseen      int64        `json:"unseen,omitempty"`
	Bytes       int64        `json:"bytes"`
	Created     int64        `json:"created"` // microseconds
	Segments    []Segment    `json:"segments,omitempty"`
}

// Segment is a part of a folder's messages: those whose UIDs have the same high bits, so
// that a new message changes the last segment only.
type Segment struct {
	Number   uint32            `json:"n"` // UID >> segmentBits
	Messages int               `json:"messages"`
	Rows     repository.Digest `json:"rows"` // a line of JSON for each Message
}

const segmentBits = 12

// Message is a message in a snapshot.
type Message struct {
	UID      uint32            `json:"u"`
	Body     repository.Digest `json:"b"`
	Size     int64             `json:"s"`
	Received int64             `json:"t"` // microseconds
	Flags    mailbox.Flags     `json:"f,omitempty"`
	Keywords []string          `json:"k,omitempty"`
	Trace    mail.TraceID      `json:"r,omitempty"`
}

// encodeRows writes the rows of a segment.
func encodeRows(rows []Message) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range rows {
		if err := e.Encode(&rows[i]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// readSegment reads the rows of a segment.
func readSegment(ctx context.Context, in *repository.Reader, s Segment) ([]Message, error) {
	data, err := in.Get(ctx, s.Rows)
	if err != nil {
		return nil, err
	}
	rows := make([]Message, 0, s.Messages)
	d := json.NewDecoder(bytes.NewReader(data))
	for d.More() {
		var m Message
		if err := d.Decode(&m); err != nil {
			return nil, unlike(err)
		}
		rows = append(rows, m)
	}
	return rows, nil
}

// unlike is damage that no digest shows: what was written was wrong.
func unlike(err error) error {
	return fmt.Errorf("%w: %w", repository.ErrDamaged, err)
}

// readFolders reads the folders of an account.
func readFolders(ctx context.Context, in *repository.Reader, a AccountEntry) (all []Folder, err error) {
	data, err := in.Get(ctx, a.Folders)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, unlike(err)
	}
	return all, nil
}

// readSnapshot reads the root of a snapshot.
func readSnapshot(ctx context.Context, r *repository.Repository, name string) (*Snapshot, error) {
	root, err := r.Root(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Name: name}
	if err := json.Unmarshal(root, s); err != nil {
		return nil, unlike(err)
	}
	if s.Format != manifestFormat {
		return nil, fmt.Errorf("snapshot %s is of format %d; this program knows %d: use a newer one", name, s.Format, manifestFormat)
	}
	return s, nil
}

// account finds an account by its address.
func (s *Snapshot) account(address string) (AccountEntry, bool) {
	for _, a := range s.Accounts {
		if a.Address == address {
			return a, true
		}
	}
	return AccountEntry{}, false
}

// reach tells Prune what a snapshot needs. What cannot be read leads nowhere.
func reach(ctx context.Context, in *repository.Reader, root []byte, see func(repository.Digest) bool) error {
	s := &Snapshot{}
	if err := json.Unmarshal(root, s); err != nil {
		return unlike(err)
	}
	for _, d := range append([]repository.Digest{s.Identity, s.Settings}, s.Tables...) {
		see(d)
	}
	for _, a := range s.Accounts {
		if !see(a.Folders) {
			continue
		}
		if err := reachFolders(ctx, in, a, see); err != nil && !repository.IsDamage(err) {
			return err
		}
	}
	return nil
}

func reachFolders(ctx context.Context, in *repository.Reader, a AccountEntry, see func(repository.Digest) bool) error {
	folders, err := readFolders(ctx, in, a)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range folders {
		for _, segment := range f.Segments {
			if !see(segment.Rows) {
				continue
			}
			rows, err := readSegment(ctx, in, segment)
			if err != nil && !repository.IsDamage(err) {
				return err
			}
			errs = append(errs, err)
			for i := range rows {
				see(rows[i].Body)
			}
		}
	}
	return errors.Join(errs...)
}
