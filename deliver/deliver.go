package deliver

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/world"
)

// Options are what a Deliverer works with.
type Options struct {
	Store     *store.Store
	Queue     *queue.Queue
	World     *world.World
	HELO      func(egress netip.Addr) mail.Domain // the name to say from an address; of the zero address: the host's
	Egress    []netip.Addr                        // our addresses, the preferred of each family first; none: the system chooses
	Elsewhere []netip.Addr                        // of those, the ones that a translator in front of this machine has: nothing can be bound to them
	Reports   Mailer                              // puts failures into mailboxes
	Smarthost *Smarthost                          // takes everything; nil: mail goes where its MX records point
	Timeouts  Timeouts
	// Connections is the most to one destination; zero: 20. Total is the most
	// altogether; zero: 500.
	Connections, Total int
	Alert              func(ctx context.Context, a Alert) // nil: alerts are logged only
	// Refused is told how many recipients of an origin were refused for good: a burst of
	// them is what a stolen password looks like. Nil: nobody is told.
	Refused func(ctx context.Context, origin string, recipients int)
	// Gate may stop a message before anybody is talked to, for what is known of our own
	// addresses and domains. Nil: none does.
	Gate func(ctx context.Context, j *queue.Job, passages []Passage) Verdict
	Log  *slog.Logger // nil: nowhere
}

// Timeouts bound the phases of a dialogue; zero: what RFC 5321 section 4.5.3.2 says.
type Timeouts struct {
	Connect time.Duration // zero: 30 s
	Command time.Duration // each command and each block of data; zero: 5 min
	Data    time.Duration // the answer to the end of the data; zero: 10 min
	Idle    time.Duration // how long a connection waits for another message; zero: 5 s
	Stop    time.Duration // what is under way when Run is told to end has so long; zero: 8 s
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Connect: cmp.Or(t.Connect, 30*time.Second), Command: cmp.Or(t.Command, 5*time.Minute),
		Data: cmp.Or(t.Data, 10*time.Minute), Idle: cmp.Or(t.Idle, 5*time.Second), Stop: cmp.Or(t.Stop, 8*time.Second),
	}
}

// Smarthost is one server that takes everything. A password is said only over TLS and
// only to a server with a certificate for Host.
type Smarthost struct {
	Host           mail.Domain
	Port           uint16 // zero: 587
	ImplicitTLS    bool   // port 465
	User, Password string // empty: no login
}

// Alert is something that the administrator should know.
type Alert struct {
	Kind        string // "tls-lost", "smarthost-login", "report-lost"
	Destination string
	Text        string
}

// Deliverer sends what the queue holds.
type Deliverer struct {
	options   Options
	log       *slog.Logger
	policies  policies
	doubts    doubts
	tlsMemory tlsMemory
	plans     plans
	settling  chan *attempt
	drained   chan struct{} // a lane has room again
	total     chan struct{} // a place for each open connection
	counts    counts

	mu       sync.Mutex
	lanes    map[string]*lane
	waiting  int  // jobs in all lanes
	starved  bool // a lane found no place for another connection
	stopping bool
	workers  sync.WaitGroup
}

// New makes a Deliverer. Nothing happens before Run.
func New(o Options) *Deliverer {
	o.Timeouts = o.Timeouts.withDefaults()
	o.Connections, o.Total = cmp.Or(o.Connections, 20), cmp.Or(o.Total, 500)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Deliverer{
		options: o, log: o.Log, lanes: map[string]*lane{},
		policies:  policies{o.Store, o.World, o.Log},
		doubts:    doubts{log: o.Log},
		tlsMemory: tlsMemory{o.Store, o.World.Now},
		settling:  make(chan *attempt, 256),
		drained:   make(chan struct{}, 1),
		total:     make(chan struct{}, o.Total),
	}
}

// Run delivers until the context ends. Then nothing new is begun; what is under way
// has some seconds to end, and whatever is left is given back to the queue. A queue
// that cannot be reached is tried again for as long as it takes.
func (d *Deliverer) Run(ctx context.Context) error {
	if err := d.startQueue(ctx); err != nil {
		return err
	}
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() { d.options.Queue.Run(beating) })
	sending, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	settling, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	var settler sync.WaitGroup
	settler.Go(func() { d.settle(settling) })

	finished, finish := context.WithCancel(context.WithoutCancel(ctx))
	var ender sync.WaitGroup
	ender.Go(func() { // whatever hangs, the end comes
		<-ctx.Done()
		if wait(finished, d.options.Timeouts.Stop) {
			abort(errStopping)
		}
		if wait(finished, time.Second) {
			giveUp()
		}
	})

	d.dispatch(ctx, sending)
	d.stop()
	d.workers.Wait()
	close(d.settling)
	settler.Wait()
	finish()
	ender.Wait()
	abort(nil)
	giveUp()
	stopBeating()
	beats.Wait()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := d.options.Queue.Leave(leaving); err != nil {
		d.log.Warn("leases could not be given back; they end by themselves", "error", err)
	}
	return nil
}

// startQueue waits for the database to answer.
func (d *Deliverer) startQueue(ctx context.Context) error {
	for {
		err := d.options.Queue.Start(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		d.log.Error("the queue cannot be started and will be tried again", "error", err)
		if !wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// wait waits for a time or for the end of the context, which it tells by false.
func wait(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Deliverer) alert(ctx context.Context, a Alert) {
	d.log.Warn(a.Text, "alert", a.Kind, "destination", a.Destination)
	if d.options.Alert != nil {
		d.options.Alert(ctx, a)
	}
}
