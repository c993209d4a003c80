package repository

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stamp is how times stand in names, in UTC.
const stamp = "20060102T150405Z"

// Snapshot is one of those there are.
type Snapshot struct {
	Name string // "20261122T031500Z-1a2b3c4d"
	Time time.Time
}

// ParseSnapshot reads a name; false when it is none.
func ParseSnapshot(name string) (Snapshot, bool) {
	text, unique, ok := strings.Cut(name, "-")
	at, err := time.Parse(stamp, text)
	return Snapshot{name, at}, ok && err == nil && len(unique) == 8
}

// Snapshots gives those there are, the oldest first.
func (r *Repository) Snapshots(ctx context.Context) ([]Snapshot, error) {
	var all []Snapshot
	err := r.place.List(ctx, snapshotPrefix, func(name string, _ int64) error {
		if s, ok := ParseSnapshot(strings.TrimPrefix(name, snapshotPrefix)); ok {
			all = append(all, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the snapshots of %s: %w", r, err)
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name)) })
	return all, nil
}

// Root gives what was published as a snapshot: ErrDamaged when it is not what this
// key has written under this name.
func (r *Repository) Root(ctx context.Context, name string) ([]byte, error) {
	plain, err := r.readSealed(ctx, snapshotPrefix+name)
	if err == nil && (len(plain) < sha256.Size || !hmac.Equal(plain[:sha256.Size], r.key.sign(name, plain[sha256.Size:]))) {
		err = fmt.Errorf("%w: its MAC is wrong", ErrDamaged)
	}
	if err != nil {
		return nil, &Damage{File: snapshotPrefix + name, Err: err}
	}
	return plain[sha256.Size:], nil
}

func (r *Repository) writeSnapshot(ctx context.Context, at time.Time, root []byte) (string, error) {
	var unique [4]byte
	rand.Read(unique[:])
	name := at.UTC().Format(stamp) + "-" + hex.EncodeToString(unique[:])
	if _, err := r.writeSealed(ctx, append(r.key.sign(name, root), root...), func(Digest) string { return snapshotPrefix + name }); err != nil {
		return "", fmt.Errorf("publish a snapshot: %w", err)
	}
	return name, nil
}

// Forget removes a snapshot. What only it referred to is removed by Prune.
func (r *Repository) Forget(ctx context.Context, name string) error {
	return r.place.Delete(ctx, snapshotPrefix+name)
}

func newBytesReader(data []byte) *bytes.Reader { return bytes.NewReader(data) }
