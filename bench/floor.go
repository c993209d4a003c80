package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// Floor is the bare receiver: each message is appended to a log, one sync makes
// all safe that wait for it, and only then they are answered. The zero value is
// not usable; see OpenFloor.
type Floor struct {
	log     *os.File
	waiting chan *entry
	pool    sync.Pool
	Stored  atomic.Int64 // messages
	Syncs   atomic.Int64
}

type entry struct {
	message []byte
	done    chan error
}

// floorBatch is the most messages that share a sync.
const floorBatch = 512

// OpenFloor begins a log, or goes on with one.
func OpenFloor(path string) (*Floor, error) {
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of the floor: %w", err)
	}
	return &Floor{log: log, waiting: make(chan *entry, floorBatch)}, nil
}

// Serve takes mail until the context ends, then closes the log.
func (f *Floor) Serve(ctx context.Context, listener net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() { defer close(written); f.write(ctx) }()
	t := &taker{name: "floor.example", take: f.append}
	err := t.serve(ctx, listener)
	stop()
	<-written
	return joinClose(err, f.log)
}

func joinClose(err error, file *os.File) error {
	if e := file.Close(); err == nil {
		return e
	}
	return err
}

// append hands a message to the writer and waits until it is safe.
func (f *Floor) append(ctx context.Context, message []byte) string {
	e, _ := f.pool.Get().(*entry)
	if e == nil {
		e = &entry{done: make(chan error, 1)}
	}
	e.message = message
	select {
	case f.waiting <- e:
	case <-ctx.Done():
		return "421 4.3.2 Closing\r\n"
	}
	select {
	case err := <-e.done:
		f.pool.Put(e)
		if err != nil {
			return "451 4.3.0 The log cannot be written\r\n"
		}
		return welcome
	case <-ctx.Done():
		return "421 4.3.2 Closing\r\n"
	}
}

// write takes all that wait, writes them, syncs once, and answers.
func (f *Floor) write(ctx context.Context) {
	batch := make([]*entry, 0, floorBatch)
	for {
		batch = batch[:0]
		select {
		case e := <-f.waiting:
			batch = append(batch, e)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(batch) < floorBatch; {
			select {
			case e := <-f.waiting:
				batch = append(batch, e)
			default:
				more = false
			}
		}
		err := f.commit(batch)
		for _, e := range batch {
			e.done <- err
		}
	}
}

func (f *Floor) commit(batch []*entry) error {
	for _, e := range batch {
		if _, err := f.log.Write(e.message); err != nil {
			return err
		}
	}
	f.Stored.Add(int64(len(batch)))
	f.Syncs.Add(1)
	return syncData(f.log)
}
