package account

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// The errors that callers tell apart. All others are temporary.
var (
	ErrNotLocal     = errors.New("not one of our domains")
	ErrNoMailbox    = errors.New("no such mailbox")
	ErrDisabled     = errors.New("the account is disabled")
	ErrExpansion    = errors.New("the alias leads to too many addresses")
	ErrNoAdmin      = errors.New("the administrator's account does not exist yet")
	ErrNoAccount    = errors.New("no such account")
	ErrNotFound     = errors.New("there is none of that name")
	ErrExists       = errors.New("the address or name is taken")
	ErrInFile       = errors.New("it stands in the configuration, which goes before")
	ErrNoDevice     = errors.New("the address belongs to no device")
	ErrCredentials  = errors.New("wrong user or password")
	ErrThrottled    = errors.New("too many wrong passwords: wait before the next try")
	ErrWeakPassword = errors.New("not a password to use")
)

// Topic is what is woken by every change of the directory.
const Topic = "account"

// ID names an account for ever; it is never used again. Zero is nobody.
type ID int64

// Options say which domains the directory serves.
type Options struct {
	Domains []mail.Domain // ours; the first is the one of <Postmaster>
	Admin   mail.Address  // of every domain that has no admin of its own
	Devices []Device      // of the configuration file, beside those in the tables
	World   *world.World
	Log     *slog.Logger // nil: nowhere
	// Created and Deleted run in the transaction of Create and Delete: the mailbox is
	// made and removed there. Nil: nothing.
	Created, Deleted func(tx *store.Tx, id ID) error
}

// Directory answers who is who. It is safe for use by many goroutines.
type Directory struct {
	store    *store.Store
	o        Options
	now      func() time.Time
	log      *slog.Logger
	settings atomic.Pointer[settings]
	watch    *store.Watch
	cache    cache
	throttle *throttle
	hasher   *hasher
}

// settings are what a reload of the configuration may change.
type settings struct {
	domains []mail.Domain
	admin   mail.Address
	devices []Device
}

// Open makes a directory over the tables of st.
func Open(st *store.Store, o Options) *Directory {
	if o.World == nil {
		o.World = world.None()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{store: st, o: o, now: o.World.Now, log: o.Log, watch: st.Watch(Topic), hasher: newHasher()}
	d.throttle = newThrottle(d.now)
	d.Configure(o.Domains, o.Admin, o.Devices)
	return d
}

// Configure replaces the domains, the admin and the devices of the configuration file.
func (d *Directory) Configure(domains []mail.Domain, admin mail.Address, devices []Device) {
	d.settings.Store(&settings{domains: slices.Clone(domains), admin: admin, devices: slices.Clone(devices)})
	d.cache.forget()
}

// Close ends the watch over changes.
func (d *Directory) Close() { d.watch.Close() }

// IsLocal reports whether a domain is ours.
func (d *Directory) IsLocal(domain mail.Domain) bool {
	return !domain.IsZero() && slices.Contains(d.settings.Load().domains, domain)
}

// Domains are ours, in the order of the configuration.
func (d *Directory) Domains() []mail.Domain { return slices.Clone(d.settings.Load().domains) }

// change runs f in a transaction and lets every process know.
func (d *Directory) change(ctx context.Context, what string, f func(tx *store.Tx) error) error {
	stamp := newStamp()
	err := d.store.Write(ctx, func(tx *store.Tx) error {
		// First, so that changes come one after the other on every engine.
		if _, err := tx.Exec(`UPDATE account_stamp SET stamp = $1`, stamp); err != nil {
			return err
		}
		tx.AfterCommit(d.cache.suspect)
		tx.Wake(Topic)
		return f(tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// newStamp is random: a stamp that was drawn and not committed never comes again, so
// nothing remembered under it is ever believed.
func newStamp() int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:]) >> 1)
}

// noRow turns the absence of a row into what it means here.
func noRow(err, meaning error) error {
	if errors.Is(err, store.ErrNoRow) {
		return meaning
	}
	return err
}
