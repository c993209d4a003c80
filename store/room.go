//go:build unix

package store

import (
	"context"
	"fmt"
	"syscall"
)

// Room is what the disk of the data folder has.
type Room struct {
	Free  int64 // bytes we may still write
	Total int64 // bytes
}

const minFree = 256 << 20

// Room says how much room there is; with it comes ErrFull when it is less than
// Options.MinFree, so that new mail can be refused while there still is room to
// work with what was accepted. It costs a microsecond.
func (s *Store) Room(context.Context) (Room, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.options.Dir, &fs); err != nil {
		return Room{}, fmt.Errorf("room in %s: %w", s.options.Dir, err)
	}
	unit := int64(fs.Bsize)
	room := Room{Free: int64(fs.Bavail) * unit, Total: int64(fs.Blocks) * unit}
	limit := s.options.MinFree
	if limit == 0 {
		limit = minFree
	}
	if room.Free < limit {
		return room, fmt.Errorf("%w: %d MB free in %s, %d MB are kept free", ErrFull, room.Free>>20, s.options.Dir, limit>>20)
	}
	return room, nil
}
