package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
)

// Folder is one folder of a source.
type Folder struct {
	Name       string       `json:"name"` // full, levels divided by "/"; the inbox is "INBOX"
	Role       mailbox.Role `json:"role,omitempty"`
	Subscribed bool         `json:"subscribed,omitempty"`
	Messages   int64        `json:"messages,omitempty"` // as far as the source knows without reading
}

// Message is one message on its way.
type Message struct {
	Key      string        `json:"key"`      // names it in its folder of its source, for ever
	Received time.Time     `json:"received"` // zero: not known
	Flags    mailbox.Flags `json:"flags,omitempty"`
	Keywords []string      `json:"keywords,omitempty"`
	Size     int64         `json:"size"` // octets of Body
	Body     io.Reader     `json:"-"`    // with CRLF lines; read before the call that it was handed to returns
}

// Source is where mail comes from.
type Source interface {
	// Name tells this source from others, where keys are remembered.
	Name() string
	// Folders are in the order in which they should be brought.
	Folders(ctx context.Context) ([]Folder, error)
	// Read hands over, in their order, the messages of a folder whose keys are not
	// known. An error of take ends it, and is returned.
	Read(ctx context.Context, f Folder, known func(key string) bool, take func(Message) error) error
}

// Target is where mail goes.
type Target interface {
	// Open makes the folder if it is not there, and says which messages of the source
	// it has had already.
	Open(ctx context.Context, source string, f Folder) (known func(key string) bool, err error)
	// Put takes one message into the folder that was opened last. What was taken is
	// safe when Flush has returned.
	Put(ctx context.Context, m Message) error
	// Flush makes sure of what was put.
	Flush(ctx context.Context) error
}

// abandoner is a target that has a folder whole or not at all: after an error its folder
// is abandoned, not flushed.
type abandoner interface{ Abandon() error }

// Options of a Copy.
type Options struct {
	Only []string       // folders, and what lies below them; empty: all
	Tell func(Progress) // now and then, and at the end of each folder; nil: nobody
}

// Progress is how far a copy is.
type Progress struct {
	Folder   string `json:"folder"`
	Messages int64  `json:"messages"` // brought so far, of this folder
	Of       int64  `json:"of"`       // all in this folder, as far as the source knows
	Octets   int64  `json:"octets"`
	Done     bool   `json:"done"`
}

// Summary is what a copy brought.
type Summary struct {
	Folders  int   `json:"folders"`
	Messages int64 `json:"messages"`
	Known    int64 `json:"known"` // had been brought before
	Octets   int64 `json:"octets"`
}

// ErrFolder says that a folder was asked for that the source does not have.
var ErrFolder = errors.New("the source has no such folder")

// Copy brings all folders, one after the other. After an error the summary says what
// is safe; the same call goes on from there.
func Copy(ctx context.Context, from Source, to Target, o Options) (Summary, error) {
	folders, err := from.Folders(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("list the folders of %s: %w", from.Name(), err)
	}
	c := copying{from: from, to: to, tell: o.Tell}
	for _, name := range o.Only {
		if !slices.ContainsFunc(folders, func(f Folder) bool { return isUnder(f.Name, name) }) {
			return Summary{}, fmt.Errorf("%w: %q", ErrFolder, name)
		}
	}
	for _, f := range folders {
		if len(o.Only) > 0 && !slices.ContainsFunc(o.Only, func(name string) bool { return isUnder(f.Name, name) }) {
			continue
		}
		if err := c.folder(ctx, f); err != nil {
			return c.sum, fmt.Errorf("folder %q: %w", f.Name, err)
		}
	}
	return c.sum, nil
}

// isUnder reports whether a folder is another, or lies below it.
func isUnder(name, top string) bool {
	if strings.EqualFold(top, "INBOX") {
		return strings.EqualFold(name, top)
	}
	return name == top || strings.HasPrefix(name, top+"/")
}

type copying struct {
	from Source
	to   Target
	tell func(Progress)
	sum  Summary
}

// tellEvery is after how many messages of a folder somebody is told.
const tellEvery = 50

func (c *copying) folder(ctx context.Context, f Folder) error {
	known, err := c.to.Open(ctx, c.from.Name(), f)
	if err != nil {
		return err
	}
	p := Progress{Folder: f.Name, Of: f.Messages}
	counted := func(key string) bool {
		k := known(key)
		if k {
			c.sum.Known++
		}
		return k
	}
	err = c.from.Read(ctx, f, counted, func(m Message) error {
		if err := c.to.Put(ctx, m); err != nil {
			return err
		}
		p.Messages++
		p.Octets += m.Size
		if p.Messages%tellEvery == 0 {
			c.report(p)
		}
		return nil
	})
	if a, ok := c.to.(abandoner); ok && err != nil {
		return errors.Join(err, a.Abandon())
	}
	if flushed := c.to.Flush(ctx); err == nil {
		err = flushed
	}
	if err != nil {
		return err
	}
	c.sum.Folders++
	c.sum.Messages += p.Messages
	c.sum.Octets += p.Octets
	p.Done = true
	c.report(p)
	return nil
}

func (c *copying) report(p Progress) {
	if c.tell != nil {
		c.tell(p)
	}
}
