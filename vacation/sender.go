package vacation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// ErrNever says that an answer can never be sent, so that it need not wait.
var ErrNever = errors.New("the answer cannot be sent")

// Sender sends the answers that wait.
type Sender struct {
	Store *store.Store
	Now   func() time.Time
	// Send hands an answer in. The key is the same for every try at the same answer. An
	// error that wraps ErrNever drops it; after any other it is tried again.
	Send func(ctx context.Context, r Reply, key string) error
	Log  *slog.Logger // nil: nowhere
}

const (
	atOnce     = 100            // answers that are read at a time
	retryAfter = time.Minute    // what could not be sent, and what other processes have left
	expires    = 48 * time.Hour // later an answer says nothing any more
)

// Run sends until the context ends.
func (s *Sender) Run(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	watch := s.Store.Watch(Topic)
	defer watch.Close()
	tick := time.NewTicker(retryAfter)
	defer tick.Stop()
	for {
		if err := s.sendAll(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("answers wait, and are tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watch.C():
		case <-tick.C:
		}
	}
}

// sendAll tries every answer that waits once. One that fails does not stop the others.
func (s *Sender) sendAll(ctx context.Context) error {
	var last int64
	var errs error
	for {
		batch, err := pending(ctx, s.Store, last, atOnce)
		if err != nil {
			return err
		}
		for _, w := range batch {
			last = w.id
			if err := s.send(ctx, w); err != nil {
				errs = err
			}
		}
		if len(batch) < atOnce || ctx.Err() != nil {
			return errs
		}
	}
}

func (s *Sender) send(ctx context.Context, w waiting) error {
	err := fmt.Errorf("%w: %w", ErrNever, w.broken)
	if w.broken == nil {
		err = s.Send(ctx, w.reply, fmt.Sprintf("vacation-%d", w.id))
	}
	if err != nil && s.Now().Sub(w.made) > expires {
		err = fmt.Errorf("%w: it waited too long: %w", ErrNever, err)
	}
	switch {
	case errors.Is(err, ErrNever):
		s.Log.Warn("an answer was dropped", "account", w.reply.Account, "to", w.reply.To, "about", w.reply.About, "error", err)
	case err != nil:
		return fmt.Errorf("answer to %s: %w", w.reply.To, err)
	}
	return forget(ctx, s.Store, w.id)
}
