package store

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// The notifier tells other processes of wakes and hears theirs, on two connections
// of its own: a NOTIFY within a transaction would make all commits of the server wait
// for one another, and many wakes in a short time go out as one.
type notifier struct {
	store  *Store
	config *pgx.ConnConfig
	cancel context.CancelFunc
	ended  sync.WaitGroup
	due    chan struct{}
	self   atomic.Uint32 // the server's process that sends for us

	mu     sync.Mutex
	topics map[string]struct{}
}

const (
	notifyChannel = "allgreen_wake"
	notifyRetry   = time.Second
)

func startNotifier(s *Store, config *pgx.ConnConfig) *notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &notifier{store: s, config: config, cancel: cancel, due: make(chan struct{}, 1), topics: map[string]struct{}{}}
	n.ended.Go(func() { n.forever(ctx, "tell other processes of changes", n.talk) })
	n.ended.Go(func() {
		first := true
		n.forever(ctx, "hear of other processes' changes", func(ctx context.Context, c *pgx.Conn) error {
			defer func() { first = false }()
			return n.listen(ctx, c, !first)
		})
	})
	return n
}

func (n *notifier) stop() {
	n.cancel()
	n.ended.Wait()
}

// send queues a wake; it does not wait.
func (n *notifier) send(topic string) {
	n.mu.Lock()
	n.topics[topic] = struct{}{}
	n.mu.Unlock()
	select {
	case n.due <- struct{}{}:
	default:
	}
}

// forever connects again whenever f or its connection ends.
func (n *notifier) forever(ctx context.Context, what string, f func(context.Context, *pgx.Conn) error) {
	for ctx.Err() == nil {
		err := n.connected(ctx, f)
		if ctx.Err() != nil {
			return
		}
		n.store.log.Warn("cannot "+what+"; trying again", slog.Any("error", err))
		pause(ctx, notifyRetry)
	}
}

func (n *notifier) connected(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	c, err := pgx.ConnectConfig(ctx, n.config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		c.Close(ctx)
	}()
	return f(ctx, c)
}

// talk sends the topics that are due; those that fail stay due.
func (n *notifier) talk(ctx context.Context, c *pgx.Conn) error {
	n.self.Store(c.PgConn().PID())
	for {
		if topics := n.take(); len(topics) > 0 {
			if _, err := c.Exec(ctx, `SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic`, notifyChannel, topics); err != nil {
				for _, t := range topics {
					n.send(t)
				}
				return err
			}
		}
		select {
		case <-n.due:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *notifier) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	topics := slices.Collect(maps.Keys(n.topics))
	clear(n.topics)
	return topics
}

// listen wakes watchers for what other processes say. After a gap it wakes all:
// nobody knows what was said.
func (n *notifier) listen(ctx context.Context, c *pgx.Conn, gap bool) error {
	if _, err := c.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	if gap {
		n.store.watches.wakeAll()
	}
	for {
		heard, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if heard.PID != n.self.Load() {
			n.store.watches.wake(heard.Payload)
		}
	}
}
