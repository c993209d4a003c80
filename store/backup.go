package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a copy of the embedded database into a new file, as it is now, while
// work goes on, and syncs it. Copy the folder of bodies after it: each body that the
// copy refers to is there, unless a Sweep ran meanwhile. With PostgreSQL it gives
// errors.ErrUnsupported: use pg_dump.
func (s *Store) Backup(ctx context.Context, file string) error {
	e, ok := s.engine.(*sqliteEngine)
	if !ok {
		return fmt.Errorf("back up a PostgreSQL database: %w: use pg_dump", errors.ErrUnsupported)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("back up to %s: %w", file, os.ErrExist)
	}
	if err := e.copyTo(ctx, file); err != nil {
		return fmt.Errorf("back up to %s: %w", file, errors.Join(err, removeIfThere(file)))
	}
	return nil
}

func removeIfThere(file string) error {
	if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (e *sqliteEngine) copyTo(ctx context.Context, file string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := e.connect(readerCacheKiB)
	if err != nil {
		return err
	}
	defer c.close()
	defer interruptedBy(ctx, c)()
	if _, err := c.exec("VACUUM INTO $1", []any{file}); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close(), syncFolder(filepath.Dir(file)))
}
