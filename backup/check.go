package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/store"
)

// Report is what reading everything back showed.
type Report struct {
	Snapshots int              `json:"snapshots"`
	Files     int              `json:"files"`
	Objects   int              `json:"objects"`
	Bytes     int64            `json:"bytes"`
	Damaged   []DamagedFile    `json:"damaged"`
	Messages  []DamagedMessage `json:"messages"` // that cannot be restored, at most MaxNamed
	Unnamed   int              `json:"unnamed,omitempty"`
}

// MaxNamed is how many messages a report names.
const MaxNamed = 10_000

// Sound reports whether nothing is damaged.
func (r *Report) Sound() bool { return len(r.Damaged) == 0 && len(r.Messages) == 0 }

// DamagedFile is a file of the repository that is not as it was written, or is gone.
type DamagedFile struct {
	File    string `json:"file"`
	Why     string `json:"why"`
	Objects int    `json:"objects"` // that nobody can read any more
}

// DamagedMessage is a message, or several, that cannot be restored.
type DamagedMessage struct {
	Address   string            `json:"address,omitempty"` // absent: no message but keys, settings or tables
	Folder    string            `json:"folder,omitempty"`  // absent: all of the account
	UID       uint32            `json:"uid,omitempty"`     // absent: many, see What
	Received  time.Time         `json:"received,omitzero"`
	Size      int64             `json:"size,omitempty"`
	What      string            `json:"what"`
	Object    repository.Digest `json:"object"`
	Snapshots []string          `json:"snapshots"` // in which it is missing, the newest first
}

// checking is one walk over everything.
type checking struct {
	in      *repository.Reader
	bad     map[repository.Digest]bool
	report  Report
	known   map[string]int // what is named already: its place in the report
	broken  map[repository.Digest][]Message
	visited map[repository.Digest]bool // lists of folders in which nothing is wrong
}

// check reads everything back and says what is damaged, and what of it was whose.
func check(ctx context.Context, r *repository.Repository, progress func(done, of int64)) (*Report, error) {
	c := &checking{bad: map[repository.Digest]bool{}, known: map[string]int{}, broken: map[repository.Digest][]Message{}, visited: map[repository.Digest]bool{}}
	c.report.Damaged, c.report.Messages = []DamagedFile{}, []DamagedMessage{}
	v, err := r.Verify(ctx, func(d repository.Damage) {
		c.report.Damaged = append(c.report.Damaged, DamagedFile{d.File, d.Err.Error(), len(d.Objects)})
		for _, o := range d.Objects {
			c.bad[o] = true
		}
	}, func(done, of int) { progress(int64(done), int64(of)) })
	if err != nil {
		return nil, err
	}
	c.report.Files, c.report.Objects, c.report.Bytes = v.Files, v.Objects, v.Bytes
	if c.in, err = r.NewReader(ctx); err != nil {
		return nil, err
	}
	defer c.in.Close()
	all, err := r.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	c.report.Snapshots = len(all)
	for _, s := range slices.Backward(all) {
		if err := c.snapshot(ctx, r, s.Name); err != nil && !repository.IsDamage(err) {
			return nil, err
		}
	}
	return &c.report, nil
}

// isBad reports whether nobody can read an object.
func (c *checking) isBad(d repository.Digest) bool {
	_, there := c.in.Size(d)
	return !there || c.bad[d]
}

// name notes what is missing in a snapshot.
func (c *checking) name(snapshot string, m DamagedMessage) {
	key := fmt.Sprint(m.Address, "\n", m.Folder, "\n", m.UID, m.Object)
	at, ok := c.known[key]
	switch {
	case ok && at >= 0:
		m := &c.report.Messages[at]
		m.Snapshots = append(m.Snapshots, snapshot)
	case ok:
	case len(c.report.Messages) >= MaxNamed:
		c.report.Unnamed++
		c.known[key] = -1
	default:
		m.Snapshots = []string{snapshot}
		c.known[key] = len(c.report.Messages)
		c.report.Messages = append(c.report.Messages, m)
	}
}

func (c *checking) snapshot(ctx context.Context, r *repository.Repository, name string) error {
	s, err := readSnapshot(ctx, r, name)
	if err != nil {
		return err
	}
	parts := map[string][]repository.Digest{"keys and secrets": {s.Identity}, "the settings": {s.Settings}, "accounts, aliases, quotas and scripts": s.Tables}
	for what, objects := range parts {
		for _, d := range objects {
			if c.isBad(d) {
				c.name(name, DamagedMessage{What: what, Object: d})
			}
		}
	}
	for _, a := range s.Accounts {
		if c.visited[a.Folders] {
			continue
		}
		sound, err := c.account(ctx, name, a)
		if err != nil {
			return err
		}
		c.visited[a.Folders] = sound
	}
	return nil
}

func (c *checking) account(ctx context.Context, snapshot string, a AccountEntry) (sound bool, err error) {
	folders, err := readFolders(ctx, c.in, a)
	if repository.IsDamage(err) {
		c.name(snapshot, DamagedMessage{Address: a.Address, What: "all folders: the list of them cannot be read", Object: a.Folders})
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sound = true
	for _, f := range folders {
		for _, segment := range f.Segments {
			whole, err := c.segment(ctx, snapshot, a, f, segment)
			if err != nil {
				return false, err
			}
			sound = sound && whole
		}
	}
	return sound, nil
}

func (c *checking) segment(ctx context.Context, snapshot string, a AccountEntry, f Folder, s Segment) (bool, error) {
	lost, read := c.broken[s.Rows]
	if !read {
		rows, err := readSegment(ctx, c.in, s)
		if repository.IsDamage(err) {
			c.name(snapshot, DamagedMessage{Address: a.Address, Folder: f.Name, Object: s.Rows,
				What: fmt.Sprintf("%d messages from UID %d on: the list of them cannot be read", s.Messages, max(1, s.Number<<segmentBits))})
			return false, nil
		}
		if err != nil {
			return false, err
		}
		lost = slices.DeleteFunc(rows, func(m Message) bool { return !c.isBad(m.Body) })
		c.broken[s.Rows] = slices.Clip(lost)
	}
	for _, m := range lost {
		c.name(snapshot, DamagedMessage{Address: a.Address, Folder: f.Name, UID: m.UID, Received: store.FromMicros(m.Received), Size: m.Size, What: "the message", Object: m.Body})
	}
	return len(lost) == 0, nil
}

// Listed is a snapshot as List shows it.
type Listed struct {
	Name     string    `json:"name"`
	Time     time.Time `json:"time"`
	Host     string    `json:"host,omitempty"`
	Accounts int       `json:"accounts"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Damaged  string    `json:"damaged,omitempty"`
	Users    []User    `json:"users,omitempty"`
}

// User is somebody in a snapshot.
type User struct {
	Address  string `json:"address"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// List gives the snapshots there are, the newest first. With an address only those that
// have it, and how much of it; with users everybody.
func List(ctx context.Context, r *repository.Repository, address string, users bool) ([]Listed, error) {
	all, err := r.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for _, at := range slices.Backward(all) {
		s, err := readSnapshot(ctx, r, at.Name)
		if repository.IsDamage(err) {
			list = append(list, Listed{Name: at.Name, Time: at.Time, Damaged: err.Error()})
			continue
		}
		if err != nil {
			return nil, err
		}
		l := Listed{Name: s.Name, Time: s.Time, Host: s.Host, Accounts: len(s.Accounts), Messages: s.Messages, Bytes: s.Bytes}
		for _, a := range s.Accounts {
			if users && address == "" || a.Address == address {
				l.Users = append(l.Users, User{a.Address, a.Messages, a.Bytes})
			}
		}
		if address == "" || len(l.Users) > 0 {
			list = append(list, l)
		}
	}
	return list, nil
}

// Check reads everything back, without a server.
func Check(ctx context.Context, r *repository.Repository, progress func(done, of int64)) (*Report, error) {
	return check(ctx, r, progress)
}

// Settings gives the text of the configuration in a snapshot.
func (s *Snapshot) settings(ctx context.Context, in *repository.Reader) ([]byte, error) {
	return in.Get(ctx, s.Settings)
}

var errNoIdentity = errors.New("the snapshot has no keys")

// identity gives the keys and secrets in a snapshot.
func (s *Snapshot) identity(ctx context.Context, in *repository.Reader) ([]byte, error) {
	data, err := in.Get(ctx, s.Identity)
	if err == nil && !json.Valid(data) {
		err = errNoIdentity
	}
	return data, err
}
