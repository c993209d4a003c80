package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup/repository"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Options are what a Keeper is made from, beside its Settings.
type Options struct {
	Store   *store.Store // with Schema among its schemas
	Now     func() time.Time
	Export  func(context.Context) ([]byte, error) // keys and secrets, opened
	Find    func(context.Context, mail.Address) (account.Account, error)
	Write   func(Letter) ([]byte, error)        // composes a note
	Deliver func(context.Context, Letter) error // puts a note into somebody's INBOX
	Alert   func(ctx context.Context, subject, text string)
	// Structure finds out what a mail program wants to know of a message. Nil: it is found
	// out when somebody asks.
	Structure func(io.Reader) ([]byte, error)
	Dir       string // for files on their way
	Host      string
	Program   string       // version
	Log       *slog.Logger // nil: nowhere
}

// Letter is a note to the owner of a mailbox.
type Letter struct {
	To            mail.Address
	Account       account.ID
	Subject, Text string
	// Also is done in the transaction that delivers it; nil: nothing. Its error keeps the
	// note from being delivered.
	Also func(*store.Tx) error
}

// Settings are what the configuration says.
type Settings struct {
	Place repository.Place // nil: there are no backups
	Key   repository.Key
	Keep  Retention
	At    Schedule
	Text  []byte // the configuration itself
}

// Keeper makes backups of one server and restores from them. It is safe for concurrent
// use.
type Keeper struct {
	o        Options
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	stats    atomic.Pointer[Stats]
	told     time.Time // when an alert about missing backups was last given; Run's own
}

// Stats are figures of the backups of this store.
type Stats struct {
	Succeeded time.Time // when the last one ended
	Failed    bool      // the last one failed
	Last      Taken     // by this process
}

// ErrOff: no place for backups is configured.
var ErrOff = errors.New("no place for backups is configured")

// New makes a Keeper.
func New(o Options, s Settings) *Keeper {
	k := &Keeper{o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	k.Configure(s)
	k.stats.Store(&Stats{})
	return k
}

// Configure replaces the settings.
func (k *Keeper) Configure(s Settings) { k.settings.Store(&s) }

// Stats gives the figures.
func (k *Keeper) Stats() Stats { return *k.stats.Load() }

// open opens the repository; with create it may be made, if this store never had one.
func (k *Keeper) open(ctx context.Context, create bool) (*repository.Repository, error) {
	s := k.settings.Load()
	if s.Place == nil {
		return nil, ErrOff
	}
	r, err := repository.Open(ctx, s.Place, s.Key)
	if errors.Is(err, repository.ErrNone) && create {
		r, err = k.create(ctx, s, err)
	}
	return r, err
}

// create makes the repository. Where there was one, a disk is not mounted rather than
// new: that is for a person to say, by removing what is remembered.
func (k *Keeper) create(ctx context.Context, s *Settings, none error) (*repository.Repository, error) {
	var had string
	err := k.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		had, err = fact(tx, factRepository)
		return err
	})
	if err != nil {
		return nil, err
	}
	if place, _, _ := strings.Cut(had, "\n"); place == s.Place.String() {
		return nil, fmt.Errorf("%w, and there was one: is the disk mounted?", none)
	}
	r, err := repository.Create(ctx, s.Place, s.Key)
	if err != nil {
		return nil, err
	}
	return r, k.o.Store.Write(ctx, func(tx *store.Tx) error { return setFact(tx, factRepository, s.Place.String()+"\n"+r.ID()) })
}

// Now makes a backup, lets go what the retention rule does not keep, and frees room.
// ErrBusy when one is under way.
func (k *Keeper) Now(ctx context.Context, progress func(done, of int64)) (done Taken, err error) {
	ctx, cancel := context.WithTimeout(ctx, repository.Grace/2) // what it relies on stays as long
	defer cancel()
	ctx, release, err := lease(ctx, k.o.Store, workLease)
	if err != nil {
		return done, err
	}
	defer release()
	id, err := beginRun(ctx, k.o.Store)
	if err != nil {
		return done, err
	}
	done, err = k.take(ctx, progress)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(err, cause)
	}
	ended := endRun(context.WithoutCancel(ctx), k.o.Store, id, done.Snapshot, err)
	k.count(done, err)
	if err = errors.Join(err, ended); err != nil {
		return done, err
	}
	if len(done.Lost) > 0 {
		k.o.Alert(ctx, "messages that cannot be read", lostText(done))
	}
	return done, nil
}

func (k *Keeper) count(done Taken, err error) {
	s := k.Stats()
	if s.Failed = err != nil; err == nil {
		s.Succeeded, s.Last = k.o.Now(), done
	}
	k.stats.Store(&s)
}

func (k *Keeper) take(ctx context.Context, progress func(done, of int64)) (Taken, error) {
	r, err := k.open(ctx, true)
	if err != nil {
		return Taken{}, err
	}
	done, err := take(ctx, r, source{
		store: k.o.Store, export: k.o.Export, settings: k.settings.Load().Text, host: k.o.Host, program: k.o.Program,
		dir: k.o.Dir, now: k.o.Now(), progress: progress,
	})
	if err != nil {
		return done, err
	}
	gone, err := k.forget(ctx, r)
	if err != nil {
		return done, fmt.Errorf("the snapshot is there; letting older ones go: %w", err)
	}
	if gone == 0 {
		return done, nil
	}
	if _, err := r.Prune(ctx, k.o.Dir, k.o.Now(), reach); err != nil {
		return done, fmt.Errorf("the snapshot is there; freeing room: %w", err)
	}
	return done, nil
}

// forget lets snapshots go by the rule.
func (k *Keeper) forget(ctx context.Context, r *repository.Repository) (int, error) {
	all, err := r.Snapshots(ctx)
	if err != nil {
		return 0, err
	}
	gone := k.settings.Load().Keep.expired(all, k.o.Now())
	for _, s := range gone {
		if err := r.Forget(ctx, s.Name); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// Pruned is what a Prune did.
type Pruned struct {
	Snapshots int   `json:"snapshots"` // that were let go
	Doomed    int   `json:"doomed"`    // packs that go in a day
	Removed   int   `json:"removed"`   // packs
	Bytes     int64 `json:"bytes"`     // of those
}

// Prune lets go what the retention rule does not keep, and frees room.
func (k *Keeper) Prune(ctx context.Context) (p Pruned, err error) {
	ctx, release, err := lease(ctx, k.o.Store, workLease)
	if err != nil {
		return p, err
	}
	defer release()
	r, err := k.open(ctx, false)
	if err != nil {
		return p, err
	}
	if p.Snapshots, err = k.forget(ctx, r); err != nil {
		return p, err
	}
	done, err := r.Prune(ctx, k.o.Dir, k.o.Now(), reach)
	p.Doomed, p.Removed, p.Bytes = done.Doomed, done.Removed, done.Bytes
	return p, err
}

// List gives the snapshots there are: see List.
func (k *Keeper) List(ctx context.Context, address string, users bool) ([]Listed, error) {
	r, err := k.open(ctx, false)
	if err != nil {
		return nil, err
	}
	return List(ctx, r, address, users)
}

// Verify reads everything back.
func (k *Keeper) Verify(ctx context.Context, progress func(done, of int64)) (*Report, error) {
	r, err := k.open(ctx, false)
	if err != nil {
		return nil, err
	}
	return check(ctx, r, progress)
}

// Key is what opens the backups.
func (k *Keeper) Key() repository.Key { return k.settings.Load().Key }

// Plan says what a restore would bring.
func (k *Keeper) Plan(ctx context.Context, q Request) (*Plan, error) {
	p, in, err := k.plan(ctx, q)
	if err != nil {
		return nil, err
	}
	return p, in.Close()
}

func (k *Keeper) plan(ctx context.Context, q Request) (*Plan, *repository.Reader, error) {
	r, err := k.open(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	in, err := r.NewReader(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan(ctx, r, in, q)
	if err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return p, in, nil
}

// Restore brings what a request asks for into a new tree of the mailbox. Nothing that is
// there is changed.
func (k *Keeper) Restore(ctx context.Context, q Request, progress func(done, of int64)) (Restored, error) {
	address, err := mail.ParseAddress(q.Address)
	if err != nil {
		return Restored{}, err
	}
	to, err := k.o.Find(ctx, address)
	if err != nil {
		return Restored{}, err
	}
	p, in, err := k.plan(ctx, q)
	if err != nil {
		return Restored{}, err
	}
	defer in.Close()
	r := &restoring{store: k.o.Store, in: in, structure: k.o.Structure, progress: progress, account: to.ID, address: to.Address,
		note: func(done Restored) ([]byte, error) { return k.o.Write(noteOf(to, done)) }}
	return r.run(ctx, p)
}

// Remove takes a restored tree away before its time; without a name all of the account.
// What was renamed out of it stays. It says how many folders go.
func (k *Keeper) Remove(ctx context.Context, address, name string) (n int, err error) {
	a, err := mail.ParseAddress(address)
	if err != nil {
		return 0, err
	}
	of, err := k.o.Find(ctx, a)
	if err != nil {
		return 0, err
	}
	name = strings.TrimPrefix(strings.Trim(name, "/"), TreeTop+"/")
	err = k.o.Store.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = mailbox.ExpireAt(tx, int64(of.ID), strings.TrimSuffix(TreeTop+"/"+name, "/"), tx.Now())
		return err
	})
	if err == nil && n > 0 {
		_, err = mailbox.Sweep(ctx, k.o.Store)
	}
	return n, err
}
