package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is what keeps the tables.
type Engine int

// The engines.
const (
	SQLite     Engine = iota // a file in the data folder, for one process
	PostgreSQL               // a server, for many
)

// String is the engine's usual name.
func (e Engine) String() string {
	if e == PostgreSQL {
		return "PostgreSQL"
	}
	return "SQLite"
}

// Options say where and what to remember.
type Options struct {
	// Dir is the data folder: allgreen.db, bodies/, spool/. It is made, 0700. One
	// process at a time works in it.
	Dir string
	// PostgreSQL is a connection string; empty: SQLite in Dir.
	PostgreSQL string
	// Bodies is the place of large bodies. Nil: the folder Dir/bodies with SQLite,
	// rows in the database with PostgreSQL, whose nodes share no folder.
	Bodies BodyPlace
	// InlineBody is the number of bytes up to which a body stands in the database, at
	// most 1 MB. Zero: 128 KB.
	InlineBody int64
	// Schemas are the tables of the packages, in the order in which they are made.
	Schemas []Schema
	// Clock tells the time. Required.
	Clock func() time.Time
	// LogSize is the number of bytes after which the log of the embedded engine is
	// copied into the database. Zero: 16 MB.
	LogSize int64
	// Cache is the number of bytes of pages that the writer of the embedded engine
	// keeps in memory. Zero: 24 MB.
	Cache int64
	// MinFree is the number of bytes that must stay free on the disk of Dir; below,
	// Room gives ErrFull. Zero: 256 MB. Negative: no such limit.
	MinFree int64
	// Log takes what nobody waits for: failed wake-ups, checkpoints. Nil: nowhere.
	Log *slog.Logger
}

// Store is open storage. It is safe for use by many goroutines.
type Store struct {
	options Options
	log     *slog.Logger
	engine  engine
	lock    *os.File
	bodies  BodyPlace
	inline  int64
	schemas []Schema
	watches watches
	chunks  sync.Pool
	spooled atomic.Int64 // bytes of spools in memory
}

// engine is a database.
type engine interface {
	kind() Engine
	write(ctx context.Context, f func(*Tx) error) error
	read(ctx context.Context, f func(*Tx) error) error
	// exclusively runs f in a transaction that no other process migrates beside.
	exclusively(ctx context.Context, f func(*Tx) error) error
	// notify tells other processes of a wake.
	notify(topic string)
	stats() Stats
	close() error
}

// Open opens the storage and brings its tables to the version of this program.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Clock == nil {
		return nil, errors.New("open store: no clock given")
	}
	s := &Store{options: o, log: o.Log, bodies: o.Bodies, inline: cmp.Or(min(o.InlineBody, spoolMemory), inlineBody)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.chunks.New = func() any { return new([chunkSize]byte) }
	s.schemas = append([]Schema{bodySchema()}, o.Schemas...)
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("open store in %s: %w", o.Dir, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := s.prepareFolder(); err != nil {
		return err
	}
	if s.options.PostgreSQL != "" {
		s.engine, err = openPostgreSQL(ctx, s)
	} else {
		s.engine, err = openSQLite(s, filepath.Join(s.options.Dir, "allgreen.db"))
	}
	if err != nil {
		s.engine = nil
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	switch {
	case s.bodies != nil:
	case s.options.PostgreSQL != "":
		s.bodies = rowsPlace{s}
	default:
		s.bodies, err = openFolder(filepath.Join(s.options.Dir, "bodies"))
	}
	return err
}

// prepareFolder makes the data folder ours alone.
func (s *Store) prepareFolder() (err error) {
	if s.options.Dir == "" {
		return errors.New("no data folder given")
	}
	if err := os.MkdirAll(s.options.Dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockFolder(s.options.Dir); err != nil {
		return err
	}
	// What a killed process had spooled was never promised to anybody.
	spool := s.spoolFolder()
	if err := os.RemoveAll(spool); err != nil {
		return err
	}
	return os.Mkdir(spool, 0o700)
}

func (s *Store) spoolFolder() string { return filepath.Join(s.options.Dir, "spool") }

// Close waits for what is being written and closes the storage.
func (s *Store) Close() error {
	var err error
	if s.engine != nil {
		err = s.engine.close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Engine says what keeps the tables.
func (s *Store) Engine() Engine { return s.engine.kind() }

// Write runs f in a transaction and returns after its commit is durable, or with the
// error of f as it is, or with why there was no commit. See the package's comment for
// what f may do.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	return s.engine.write(ctx, f)
}

// Read runs f on a snapshot; a change in it fails.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	return s.engine.read(ctx, f)
}

// wake wakes watchers here and in other processes.
func (s *Store) wake(topic string) {
	s.watches.wake(topic)
	s.engine.notify(topic)
}

// afterCommit calls what was put off until the commit.
func (s *Store) afterCommit(tx *Tx) {
	for _, f := range tx.after {
		if err := guarded(func(*Tx) error { f(); return nil }, nil); err != nil {
			s.log.Error("panic after a commit", slog.Any("error", err))
		}
	}
}

// Stats gives the figures since Open.
func (s *Store) Stats() Stats { return s.engine.stats() }

// Stats are counters since Open, and sizes now.
type Stats struct {
	Transactions    int64         // closures that were committed
	Commits         int64         // commits; several transactions may share one
	Failed          int64         // closures that failed, and those whose commit did
	Repeated        int64         // closures that had to run again
	Waiting         int64         // closures that wait for the writer now
	Syncs           int64         // syncs of commits and checkpoints, where we make them
	WAL             int64         // bytes in the write-ahead log
	Checkpoints     int64         // times the log was copied into the database
	CheckpointTime  time.Duration // time spent so
	CheckpointPause time.Duration // of that, with the writer waiting
}
