package store

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// The checkpointer copies the log into the database beside the writer: the writer
// would stop for tens of milliseconds. The log starts anew only when all of it is
// copied, which beside a busy writer never happens by itself; so after most is
// copied, the writer waits for the small rest.
type checkpointer struct {
	engine *sqliteEngine
	conn   *sqliteConn
	due    chan struct{}
	quit   chan struct{}
	ended  sync.WaitGroup
	after  int64 // pages in the log that make it due
	asked  int64 // pages ever written to the log when it last was
}

const (
	defaultLogSize  = 16 << 20
	checkpointRest  = 2 << 20 / sqlitePageBytes // frames for which the writer may wait
	checkpointTries = 4                         // passes beside the writer until then
)

func startCheckpointer(e *sqliteEngine) (*checkpointer, error) {
	conn, err := e.connect(readerCacheKiB, "synchronous = FULL")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.openLog(), spareLog(conn)); err != nil {
		conn.close()
		return nil, err
	}
	after := cmp.Or(e.store.options.LogSize, defaultLogSize) / sqlitePageBytes
	p := &checkpointer{engine: e, conn: conn, after: after, due: make(chan struct{}, 1), quit: make(chan struct{})}
	p.ended.Go(p.serve)
	return p, nil
}

func (p *checkpointer) stop() {
	close(p.quit)
	p.ended.Wait()
	p.conn.close()
}

// grown tells how many pages were ever written; the writer calls it after a commit.
func (p *checkpointer) grown(written int64) {
	if written-p.asked < p.after {
		return
	}
	p.asked = written
	select {
	case p.due <- struct{}{}:
	default:
	}
}

func (p *checkpointer) serve() {
	for {
		select {
		case <-p.due:
			if err := p.checkpoint(); err != nil {
				p.engine.store.log.Warn("the log of the database was not copied; it grows until it is", slog.Any("error", err))
			}
		case <-p.quit:
			return
		}
	}
}

// checkpoint copies the log until all of it is copied, or a reader with an old
// snapshot is in the way.
func (p *checkpointer) checkpoint() error {
	count := &p.engine.count
	start := time.Now()                                                   // elapsed
	defer func() { count.checkpointTime.Add(int64(time.Since(start))) }() // elapsed
	count.checkpoints.Add(1)
	for range checkpointTries {
		log, copied, err := p.pass()
		if err != nil {
			return err
		}
		if log-copied <= checkpointRest {
			break
		}
	}
	p.engine.gate.Lock()
	defer p.engine.gate.Unlock()
	pause := time.Now()                                                    // elapsed
	defer func() { count.checkpointPause.Add(int64(time.Since(pause))) }() // elapsed
	_, _, err := p.pass()
	return err
}

func (p *checkpointer) pass() (log, copied int64, err error) {
	p.engine.count.syncs.Add(1) // of the database
	return p.conn.checkpoint()
}

func (e *sqliteEngine) stats() Stats {
	s := e.count.stats()
	e.mu.Lock()
	s.Waiting = int64(len(e.waiting))
	e.mu.Unlock()
	if info, err := os.Stat(e.file + "-wal"); err == nil {
		s.WAL = info.Size()
	}
	return s
}

func (c *counters) stats() Stats {
	return Stats{
		Transactions:    c.transactions.Load(),
		Commits:         c.commits.Load(),
		Failed:          c.failed.Load(),
		Repeated:        c.repeated.Load(),
		Syncs:           c.syncs.Load(),
		Checkpoints:     c.checkpoints.Load(),
		CheckpointTime:  time.Duration(c.checkpointTime.Load()),
		CheckpointPause: time.Duration(c.checkpointPause.Load()),
	}
}
