package backup

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tendEvery is how often a Keeper looks whether something is due.
const tendEvery = time.Minute

// Run makes backups when they are due, tells the administrator when they fail or are
// missing, tells people when what was restored is about to go, and gives up what killed
// restores have left, until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		k.Tend(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tend does what is due now. What fails is told and tried again.
func (k *Keeper) Tend(ctx context.Context) {
	if err := errors.Join(abandon(ctx, k.o.Store), k.remind(ctx)); err != nil && ctx.Err() == nil {
		k.log.Warn("looking after restored folders failed and will be tried again", "error", err)
	}
	s := k.settings.Load()
	if s.Place == nil || len(s.At) == 0 {
		return
	}
	begun, succeeded, err := history(ctx, k.o.Store)
	if err != nil {
		k.log.Warn("nobody knows when the last backup was made", "error", err)
		return
	}
	stats := k.Stats()
	stats.Succeeded = succeeded
	k.stats.Store(&stats)
	now := k.o.Now()
	if due := s.At.last(now); begun.Before(due) {
		k.scheduled(ctx)
	} else if !succeeded.IsZero() && now.Sub(succeeded) > overdue && now.Sub(k.told) > overdue {
		k.told = now
		k.o.Alert(ctx, "no backup since "+succeeded.UTC().Format(time.DateTime), fmt.Sprintf(
			"The last backup in %s ended on %s.\n\n    allgreen backup now\n\nmakes one and says what is wrong.\n", s.Place, day(succeeded)))
	}
}

// overdue is after how long without a backup the administrator is told, and told again.
const overdue = 48 * time.Hour

func (k *Keeper) scheduled(ctx context.Context) {
	done, err := k.Now(ctx, func(int64, int64) {})
	switch {
	case errors.Is(err, ErrBusy) || ctx.Err() != nil:
	case err != nil:
		k.log.Error("the backup failed", "error", err)
		k.o.Alert(ctx, "the backup failed", fmt.Sprintf(
			"The backup that was due now failed:\n\n    %v\n\nOlder backups are as they were. The next is tried at the next time of the schedule. To try now:\n\n    allgreen backup now\n", err))
	default:
		k.log.Info("backup made", "snapshot", done.Snapshot, "messages", done.Messages, "new_objects", done.Written.Objects, "stored_bytes", done.Written.Stored)
	}
}
