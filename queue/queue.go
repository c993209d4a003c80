package queue

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// Options are the choices of one queue.
type Options struct {
	Clock    func() time.Time // required
	Worker   string           // this process, for people: "mx1 4711"
	Lease    time.Duration    // a worker silent for so long is dead; zero: one minute
	Schedule Schedule
	// Alert is told when messages came to be held, and how many are. Nil: nobody.
	Alert func(ctx context.Context, held int)
	// Record writes what a person did to jobs into the journal, in the same
	// transaction. Nil: nothing is written.
	Record func(tx *store.Tx, what Change, why string, jobs []Job) error
	Log    *slog.Logger
}

// Change is what a person does to jobs.
type Change string

// The changes.
const (
	WasHeld     Change = "held"
	WasReleased Change = "released"
	WasDropped  Change = "dropped"
	WasRetried  Change = "retried"
)

// Queue is one process's hand on the queue. It is safe for concurrent use.
type Queue struct {
	store   *store.Store
	options Options
	log     *slog.Logger

	mu     sync.Mutex
	worker int64     // our row in queue_worker; 0 before Start
	beaten time.Time // when the last beat that got through began; monotonic
	seen   map[int64]pulse
	held   int            // as last told to Alert
	out    map[int64]bool // leases that somebody in this process holds
	strays map[int64]bool // leases that nobody held when Tend last looked
}

// pulse is what was seen of another worker.
type pulse struct {
	beat  int64
	since time.Time // monotonic: the number has been the same from then on
}

// New makes a queue of the tables in the store. People's requests need no more;
// Start before the first Claim.
func New(st *store.Store, o Options) *Queue {
	o.Lease = cmp.Or(o.Lease, time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{store: st, options: o, log: o.Log, seen: map[int64]pulse{}, out: map[int64]bool{}}
}

// Schedule is the schedule of this queue.
func (q *Queue) Schedule() Schedule { return q.options.Schedule.withDefaults() }

func (q *Queue) now() time.Time { return q.options.Clock() }

// newWorker is a number nobody has had.
func newWorker() int64 { return rand.Int64N(1<<62) + 1 }
