package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Names in the place.
const (
	headName       = "allgreen-backup"
	packPrefix     = "pack/"
	indexPrefix    = "index/"
	snapshotPrefix = "snapshot/"
	doomedPrefix   = "doomed/"
)

// format is the first line of the head.
const format = "allgreen-backup-1"

// Repository is a place and its key. It is safe for concurrent use and holds nothing in
// memory.
type Repository struct {
	place Place
	key   Key
	id    string
}

// Open opens a repository: ErrNone where there is none, ErrKey with another key. A
// damaged head is no obstacle.
func Open(ctx context.Context, place Place, key Key) (*Repository, error) {
	if key.IsZero() {
		return nil, fmt.Errorf("open %s: %w: it is empty", place, ErrKey)
	}
	r := &Repository{place: place, key: key}
	head, err := readHead(ctx, place)
	if errors.Is(err, ErrMissing) {
		err = ErrNone
	}
	if err == nil {
		err = r.understand(head)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", place, err)
	}
	return r, nil
}

// maxHead bounds the head.
const maxHead = 4096

func readHead(ctx context.Context, place Place) ([]byte, error) {
	f, err := place.Open(ctx, headName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.NewSectionReader(f, 0, min(maxHead, f.Size())))
	if err != nil {
		return nil, placeError(err)
	}
	return head, nil
}

// headFields are the lines of a head behind the first; nil when it is none.
func headFields(head []byte) (version string, fields map[string]string) {
	lines := strings.Split(string(head), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "allgreen-backup-") {
		return "", nil
	}
	fields = map[string]string{}
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, " "); ok {
			fields[name] = value
		}
	}
	return lines[0], fields
}

func (r *Repository) understand(head []byte) error {
	version, fields := headFields(head)
	switch {
	case fields == nil || len(fields["id"]) != 32 || len(fields["key"]) != 16:
		return nil // it is damaged, and nothing in it is needed
	case version != format:
		return fmt.Errorf("it is of the kind %.40q; this program knows %s: use a newer one", version, format)
	case fields["key"] != r.key.Fingerprint():
		return fmt.Errorf("%w: it was written with key %.40s, and this is %s", ErrKey, fields["key"], r.key.Fingerprint())
	}
	r.id = fields["id"]
	return nil
}

// Create makes a repository where there is none.
func Create(ctx context.Context, place Place, key Key) (*Repository, error) {
	if _, err := readHead(ctx, place); !errors.Is(err, ErrMissing) {
		if err == nil {
			err = errors.New("there is one already")
		}
		return nil, fmt.Errorf("begin a backup in %s: %w", place, err)
	}
	var id [16]byte
	rand.Read(id[:])
	r := &Repository{place: place, key: key, id: hex.EncodeToString(id[:])}
	head := fmt.Sprintf("%s\nid %s\nkey %s\n\nBackups of an Allgreen mail server, encrypted with age (age-encryption.org).\n", format, r.id, key.Fingerprint())
	if err := place.Put(ctx, headName, bytes.NewReader([]byte(head)), int64(len(head))); err != nil {
		return nil, fmt.Errorf("begin a backup in %s: %w", place, err)
	}
	return r, nil
}

// ID names the repository for ever; empty when its head is damaged.
func (r *Repository) ID() string { return r.id }

// String says where it is.
func (r *Repository) String() string { return r.place.String() }

func packName(d Digest) string {
	text := d.String()
	return packPrefix + text[:2] + "/" + text
}

// digestOf is the digest in the name of a pack or an index; false when it is none.
func digestOf(name string) (d Digest, ok bool) {
	err := d.UnmarshalText([]byte(name[strings.LastIndexByte(name, '/')+1:]))
	return d, err == nil
}

func indexName(d Digest) string { return indexPrefix + d.String() }
