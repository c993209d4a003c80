package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mailbox"
)

// The calls about backups. Those that give a JobName take their time: see Await.
var (
	BackupNow     = Call[None, JobName]{"backup.now"} // backup.Taken
	BackupList    = Call[BackupQuery, []backup.Listed]{"backup.list"}
	BackupVerify  = Call[None, JobName]{"backup.verify"} // backup.Report
	BackupPrune   = Call[None, JobName]{"backup.prune"}  // backup.Pruned
	BackupKey     = Call[None, Secret]{"backup.key"}
	RestorePlan   = Call[RestoreQuery, backup.Plan]{"restore.plan"}
	RestoreRun    = Call[RestoreQuery, JobName]{"restore.run"} // backup.Restored
	RestoreRemove = Call[RestoreRemoval, RestoreRemoved]{"restore.remove"}
)

// BackupQuery asks for the snapshots of everybody or of one address.
type BackupQuery struct {
	Address string `json:"address,omitempty"`
	Users   bool   `json:"users,omitempty"` // name everybody in each
}

// RestoreQuery says whose folders of which time.
type RestoreQuery struct {
	Address string    `json:"address"`
	At      time.Time `json:"at,omitzero"`        // zero: the newest
	Name    string    `json:"snapshot,omitempty"` // instead of At
	Folders []string  `json:"folders,omitempty"`
}

func (q RestoreQuery) request() backup.Request {
	return backup.Request{Address: q.Address, At: q.At, Name: q.Name, Folders: q.Folders}
}

// RestoreRemoval names a restored tree.
type RestoreRemoval struct {
	Address string `json:"address"`
	Tree    string `json:"tree,omitempty"` // absent: all of them
}

// RestoreRemoved says how many folders went.
type RestoreRemoved struct {
	Folders int `json:"folders"`
}

// BackupError gives the errors of backups their kind.
func BackupError(err error) error {
	for _, k := range []struct {
		is   error
		kind Kind
		hint string
	}{
		{backup.ErrOff, Conflict, "name a place in the configuration: [backup] to = \"/mnt/backup\""},
		{backup.ErrBusy, Conflict, "wait for it to end"},
		{backup.ErrNoSnapshot, NotFound, "allgreen backup list shows what there is"},
		{backup.ErrNoAccount, NotFound, "allgreen backup list ADDRESS shows which snapshots have it"},
		{backup.ErrNoFolder, NotFound, "without --folder all folders are shown"},
		{repository.ErrNone, Conflict, "allgreen backup now makes the first one; where there were some, look whether the disk is mounted"},
		{repository.ErrKey, Conflict, "name the key it was written with: [backup] key_file"},
		{mailbox.ErrNoFolder, NotFound, "allgreen account show ADDRESS lists the folders"},
	} {
		if errors.Is(err, k.is) {
			return &Error{Kind: k.kind, Text: err.Error(), Hint: k.hint}
		}
	}
	if errors.Is(err, repository.ErrPlace) {
		return &Error{Kind: Temporary, Text: err.Error(), Hint: "look whether the disk is mounted, or the bucket answers"}
	}
	if errors.Is(err, account.ErrNoAccount) {
		return &Error{Kind: NotFound, Text: err.Error(), Hint: "make the account again first: allgreen account add"}
	}
	return peopleError(err)
}

// backups answers the calls.
type backups struct {
	keeper *backup.Keeper
	jobs   *Jobs
}

func (b backups) add(mux *http.ServeMux) {
	if b.keeper == nil || b.jobs == nil {
		return
	}
	b.jobs.add(mux)
	b.work(mux, BackupNow, func(ctx context.Context, show func(done, of int64)) (any, error) { return b.keeper.Now(ctx, show) })
	b.work(mux, BackupVerify, func(ctx context.Context, show func(done, of int64)) (any, error) { return b.keeper.Verify(ctx, show) })
	b.work(mux, BackupPrune, func(ctx context.Context, _ func(done, of int64)) (any, error) { return b.keeper.Prune(ctx) })
	answer(mux, BackupList, func(ctx context.Context, in BackupQuery) ([]backup.Listed, error) {
		all, err := b.keeper.List(ctx, in.Address, in.Users)
		return all, BackupError(err)
	})
	answer(mux, BackupKey, func(context.Context, None) (Secret, error) {
		key := b.keeper.Key()
		if key.IsZero() {
			return Secret{}, BackupError(backup.ErrOff)
		}
		return Secret{key.Secret()}, nil
	})
	answer(mux, RestorePlan, func(ctx context.Context, in RestoreQuery) (backup.Plan, error) {
		p, err := b.keeper.Plan(ctx, in.request())
		if err != nil {
			return backup.Plan{}, BackupError(err)
		}
		return *p, nil
	})
	answer(mux, RestoreRun, func(_ context.Context, in RestoreQuery) (JobName, error) {
		return b.jobs.Start(func(ctx context.Context, show func(done, of int64)) (any, error) {
			done, err := b.keeper.Restore(ctx, in.request(), show)
			return done, BackupError(err)
		})
	})
	answer(mux, RestoreRemove, func(ctx context.Context, in RestoreRemoval) (RestoreRemoved, error) {
		n, err := b.keeper.Remove(ctx, in.Address, in.Tree)
		return RestoreRemoved{n}, BackupError(err)
	})
}

// work begins a job without parameters.
func (b backups) work(mux *http.ServeMux, c Call[None, JobName], do func(context.Context, func(done, of int64)) (any, error)) {
	answer(mux, c, func(context.Context, None) (JobName, error) {
		return b.jobs.Start(func(ctx context.Context, show func(done, of int64)) (any, error) {
			result, err := do(ctx, show)
			return result, BackupError(err)
		})
	})
}
