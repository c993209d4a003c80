package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/allgreen-mail/allgreen/accept"
	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/deliver"
	"github.com/allgreen-mail/allgreen/exhibit"
	"github.com/allgreen-mail/allgreen/gate"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/monitor"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/suppression"
	"github.com/allgreen-mail/allgreen/testaddress"
	"github.com/allgreen-mail/allgreen/transfer"
	"github.com/allgreen-mail/allgreen/vacation"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// server is the running mail server: what lives as long as the process. All that
// follows from the configuration is a generation; a reload makes the next one.
type server struct {
	serverOptions
	started time.Time
	service *world.Service
	board   *switchboard
	metrics *web.Metrics

	store    *store.Store
	index    *mailbox.Index
	identity *identity.Identity
	accounts *account.Directory
	queue    *queue.Queue
	accept   *accept.Acceptor
	delivery *delivery
	backups  *backup.Keeper
	jobs     *web.Jobs
	tests    *testaddress.Book
	edge     *edgeWatch
	gate     *gatekeeper
	upkeep   *setup.Upkeep
	reading  *reading
	watch    *monitor.Monitor

	parts    *errgroup.Group // what runs in the background until the end
	stop     context.CancelFunc
	retired  sync.WaitGroup // generations that finish what they began
	stopping chan struct{}  // closed when they must come to an end

	mu       sync.Mutex // one reload at a time
	settings *config.Config
	fileData string // the data folder that the file names since the last reload; "": that of settings
	now      atomic.Pointer[generation]
}

// serverOptions are what a server is made from beside its configuration.
type serverOptions struct {
	world  *world.World
	log    *slog.Logger
	path   string                 // of the configuration, for reloads
	getenv func(string) string    // what the service manager left; nil: nothing
	local  string                 // instead of the socket of the configuration: the lab's
	certs  *identity.Certificates // instead of those of the configuration: the lab's
}

// schemas are the tables of all packages, those others refer to first.
func schemas() []store.Schema {
	return []store.Schema{
		identity.Schema, account.Schema, mailbox.Schema, journal.Schema, queue.Schema, policy.Schema, submit.Schema, deliver.Schema, transfer.Schema, backup.Schema,
		vacation.Schema, web.Schema, pages.Schema, standing.Schema, gate.Schema, monitor.Schema, setup.ChecklistSchema,
		testaddress.Schema, exhibit.Schema, suppression.Schema,
	}
}

// startServer opens everything, takes the sockets, and answers on them. What was
// opened before an error is closed again.
func startServer(ctx context.Context, c *config.Config, o serverOptions) (_ *server, err error) {
	if err := checkNetworks(c, o.world); err != nil {
		return nil, err
	}
	if o.getenv == nil {
		o.getenv = func(string) string { return "" }
	}
	s := &server{serverOptions: o, started: o.world.Now(), board: newSwitchboard(), metrics: web.NewMetrics(), settings: c, stopping: make(chan struct{})}
	var background context.Context
	background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.parts, background = errgroup.WithContext(background)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.service, err = o.world.ServiceOf(o.getenv); err != nil {
		return nil, err
	}
	if err := s.openState(ctx, c); err != nil {
		return nil, err
	}
	now, err := s.newGeneration(ctx, c)
	if err != nil {
		return nil, err
	}
	s.now.Store(now)
	s.runParts(background)
	now.connect()
	s.missAdmin(ctx, c)
	s.metrics.Add(s.figures()...)
	o.log.Info("serving", "hostname", c.Hostname.String(), "domains", words(c.Domains), "listeners", fmt.Sprint(now.sockets()))
	return s, nil
}

// missAdmin says when the mail for postmaster, and all that goes wrong, has nobody yet.
func (s *server) missAdmin(ctx context.Context, c *config.Config) {
	var without []mail.Domain
	err := s.store.Read(ctx, func(tx *store.Tx) error {
		without = nil
		for _, d := range c.Domains {
			switch _, err := s.accounts.Admin(tx, d); {
			case errors.Is(err, account.ErrNoAdmin):
				without = append(without, d)
			case err != nil:
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.log.Warn("whether the administrator has an account could not be looked up", "error", err)
	}
	if len(without) > 0 && s.accounts.IsLocal(c.Admin.Domain) {
		s.log.Error("the administrator has no account: mail for postmaster and abuse is put off, and failures are held, until there is one",
			"domains", words(without), "make it with", "allgreen account add "+c.Admin.String())
	}
}

// openState opens what is remembered, from the store up.
func (s *server) openState(ctx context.Context, c *config.Config) (err error) {
	o, err := storeOptions(c)
	if err != nil {
		return err
	}
	o.Clock, o.Log, o.Schemas = s.world.Now, s.log, schemas()
	if s.store, err = store.Open(ctx, o); err != nil {
		return err
	}
	if err := s.refuseUnfinished(ctx); err != nil {
		return err
	}
	s.index = s.openIndex(ctx, o)
	s.identity, err = identity.Open(ctx, identity.Options{
		Store: s.store, World: s.world, Statement: statement(c), Certificates: s.certificates(c),
		NodeKeyFile: filepath.Join(c.Data, nodeKeyName), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.upkeep = newUpkeep(s, c)
	s.accounts = account.Open(s.store, account.Options{
		Domains: c.Domains, Admin: c.Admin, Devices: devices(c), World: s.world, Log: s.log,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) },
		Deleted: func(tx *store.Tx, id account.ID) error {
			return errors.Join(pages.Forget(tx, id), transfer.Forget(tx, int64(id)), vacation.Remove(tx, int64(id)), mailbox.Remove(tx, int64(id)))
		},
	})
	s.queue = queue.New(s.store, queue.Options{Clock: s.world.Now, Worker: workerName(c), Record: s.recordChange, Log: s.log})
	s.reading = newReading(s, c)
	s.accept = accept.New(accept.Options{Store: s.store, World: s.world, SRS: s.identity.SRS(), Accounts: s.accounts, Hostname: c.Hostname, Log: s.log})
	s.edge = newEdgeWatch(s, edgeSources(c, s.world))
	s.jobs = web.NewJobs()
	s.tests = s.newTests()
	if err := s.newBackups(ctx, c); err != nil {
		return err
	}
	s.watch = s.newWatch(c)
	s.gate = newGatekeeper(s)
	out, err := s.deliverOptions(ctx, c)
	s.delivery = newDelivery(s, out)
	return err
}

// openIndex opens the index of words. Without it every search reads all messages, which
// is no reason to take no mail.
func (s *server) openIndex(ctx context.Context, o store.Options) *mailbox.Index {
	x, err := mailbox.OpenIndex(ctx, mailbox.IndexOptions{Store: s.store, Dir: o.Dir, PostgreSQL: o.PostgreSQL, Clock: o.Clock, Log: s.log})
	if err != nil {
		s.log.Error("searching will be slow until the next start", "error", err)
		return mailbox.NoIndex(s.store)
	}
	return x
}

const nodeKeyName = "node.key"

// workerName names this process for people who look at a queue that several share.
func workerName(c *config.Config) string { return fmt.Sprintf("%s %d", c.Hostname, os.Getpid()) }

// storeOptions are where the configuration wants mail to be kept.
func storeOptions(c *config.Config) (store.Options, error) {
	o := store.Options{Dir: c.Data, PostgreSQL: string(c.Store.PostgreSQL)}
	if s3 := c.Store.S3; s3.Endpoint != "" {
		place, err := store.NewS3(store.S3Options{
			Endpoint: s3.Endpoint, Bucket: s3.Bucket, Region: s3.Region, Prefix: s3.Prefix,
			AccessKey: s3.AccessKey, SecretKey: string(s3.SecretKey), Plain: s3.Plaintext,
		})
		if err != nil {
			return o, fmt.Errorf("open the bucket %s: %w", s3.Bucket, err)
		}
		o.Bodies = place
	}
	return o, nil
}

// runParts starts what works in the background. The first that fails ends the
// server: it cannot be trusted without it.
func (s *server) runParts(ctx context.Context) {
	keeper := journal.NewKeeper(journal.Options{Store: s.store, Now: s.world.Now, Log: s.log})
	run := func(what string, part func(context.Context) error) {
		s.parts.Go(func() error {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
	run("identity", s.identity.Run)
	run("delivery", s.delivery.run)
	run("edge", s.edge.run)
	run("upkeep", s.upkeep.Run)
	run("journal", keeper.Run)
	run("index", s.index.Run)
	for _, r := range s.reading.all() {
		run("guard", r.Guard)
	}
	run("answers", (&vacation.Sender{Store: s.store, Now: s.world.Now, Send: s.sendAnswer, Log: s.log}).Run)
	run("tests", s.tests.Run)
	run("sweep", s.sweep)
	run("memory", s.giveBackMemory)
	run("backup", s.backups.Run)
	run("watch", s.watch.Run)
	run("gate", s.gate.run)
}

// sweepEvery is how often what nobody needs any more is removed.
const sweepEvery = time.Hour

// sweep removes what nobody needs, until the context ends. That it failed is worth
// a line and no more: the next one comes.
func (s *server) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.sweepOnce(ctx)
		}
	}
}

func (s *server) sweepOnce(ctx context.Context) {
	_, expunged := mailbox.Sweep(ctx, s.store)
	bodies := s.sweepBodies(ctx)
	now := s.now.Load()
	_, greylist := now.receive.Sweep(ctx)
	if err := errors.Join(expunged, bodies, s.accounts.Sweep(ctx), now.submit.Sweep(ctx), vacation.Sweep(ctx, s.store), s.tests.Sweep(ctx), exhibit.Sweep(ctx, s.store, s.world.Now()), greylist); err != nil && ctx.Err() == nil {
		s.log.Warn("sweeping failed and will be tried again", "error", err)
	}
}

// sweepBodies removes bodies, unless a backup may still want to read them.
func (s *server) sweepBodies(ctx context.Context) error {
	wait, err := backup.UnderWay(ctx, s.store)
	if err == nil && !wait {
		_, err = s.store.Sweep(ctx)
	}
	return err
}

// idleAfter is how long no message was taken, and no look at ourselves has ended, before
// a server counts as idle.
const idleAfter = 10 * time.Second

// giveBackMemory returns the memory of busy times, and of passwords, to the system
// whenever the server becomes idle.
func (s *server) giveBackMemory(ctx context.Context) error {
	tick := time.NewTicker(idleAfter)
	defer tick.Stop()
	seen, given := -1.0, false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch now := s.messages() + float64(s.watch.Looks()); {
		case now != seen:
			seen, given = now, false
		case !given:
			debug.FreeOSMemory()
			given = true
		}
	}
}

// run serves until the context ends or a part fails, reloads at every hangup, and
// then stops within ten seconds.
func (s *server) run(ctx context.Context, hangup <-chan os.Signal) error {
	failed := make(chan error, 1)
	go func() { failed <- s.parts.Wait() }()
	s.tell(ctx, "READY=1")
	watchdog := newWatchdog(s.service.Watchdog())
	defer watchdog.Stop()
	for {
		select {
		case <-hangup:
			s.reloadAndTell(ctx)
		case <-watchdog.C:
			if !hangs(ctx, s.store, hangTime) {
				s.tell(ctx, "WATCHDOG=1")
			}
		case err := <-failed:
			return errors.Join(err, s.close(ctx))
		case <-ctx.Done():
			return s.close(ctx)
		}
	}
}

// newWatchdog ticks as often as the service manager wants to hear from us; with
// none it never does.
func newWatchdog(every time.Duration) *time.Ticker {
	if every > 0 {
		return time.NewTicker(every)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}

func (s *server) tell(ctx context.Context, state string) {
	if err := s.service.Tell(context.WithoutCancel(ctx), state); err != nil {
		s.log.Warn("the service manager does not listen", "error", err)
	}
}

// hangTime is how long the store may take to commit nothing.
const hangTime = 10 * time.Second

// hangs reports whether only a restart could help: nothing gets through our own store. A
// full disk, a missing certificate, or a database elsewhere that is gone is no reason to
// kill sessions every minute; who asks for readiness hears of those.
func hangs(ctx context.Context, st *store.Store, patience time.Duration) bool {
	if st.Engine() != store.SQLite {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Is(st.Write(ctx, func(tx *store.Tx) error { return tx.Lock("watchdog") }), context.DeadlineExceeded)
}

// stopTime is how long a stop may take: sessions finish, or are cut.
const stopTime = 9 * time.Second

// close ends everything in the order in which one thing needs another: nothing
// comes in, what is under way ends, what is remembered is closed. It may be called
// when only some of it was opened.
func (s *server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if s.service != nil {
		s.tell(ctx, "STOPPING=1")
	}
	s.log.Info("stopping")
	close(s.stopping)
	s.stop() // deliveries end beside the sessions: one after the other would take twice as long
	var errs []error
	read := make(chan error, 1)
	go func() { read <- s.reading.shutdown(ctx) }()
	if now := s.now.Load(); now != nil {
		errs = append(errs, now.shutdown(ctx))
	}
	errs = append(errs, <-read)
	s.board.closeAll()
	s.retired.Wait()
	if s.jobs != nil {
		s.jobs.Close()
	}
	errs = append(errs, s.parts.Wait())
	if s.accept != nil {
		s.accept.Close()
	}
	if s.accounts != nil {
		s.accounts.Close()
	}
	if s.index != nil {
		errs = append(errs, s.index.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	err := errors.Join(errs...)
	if err != nil {
		s.log.Error("stopped", "error", err)
	} else {
		s.log.Info("stopped")
	}
	return err
}

// recordChange writes what a person did to the queue into the journal, in the same
// transaction.
func (s *server) recordChange(tx *store.Tx, what queue.Change, why string, jobs []queue.Job) error {
	kinds := map[queue.Change]journal.Kind{
		queue.WasHeld: journal.Held, queue.WasReleased: journal.Released, queue.WasDropped: journal.Dropped, queue.WasRetried: journal.Kind("retried"),
	}
	var events []journal.Event
	for _, j := range jobs {
		for _, r := range j.Recipients {
			e := journal.Event{Trace: j.Trace, Time: s.world.Now(), Kind: kinds[what], From: j.From.String(), To: r.To.String()}
			if why != "" {
				e.Fields = map[string]string{"reason": why}
			}
			events = append(events, e)
		}
	}
	return journal.Add(tx, events...)
}

// words are names in a row.
func words(domains []mail.Domain) string {
	text := ""
	for i, d := range domains {
		if i > 0 {
			text += ", "
		}
		text += d.String()
	}
	return text
}
