package deliver

import (
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/queue"
)

// lane is what waits for one destination in memory, and the workers that send it. It
// is guarded by the mutex of its Deliverer.
type lane struct {
	name    string
	pace    pace
	jobs    []queue.Job
	workers int
	talking int // workers with an open connection
	idle    []chan queue.Job
	parked  bool      // the queue has more of them, parked
	used    time.Time // last; for forgetting lanes
}

// laneRoom is how many jobs of one lane are kept in memory; the others are parked.
const laneRoom = 512

// wantsWorker reports whether one more connection would help.
func (l *lane) wantsWorker() bool {
	return len(l.jobs) > 0 && l.workers < l.pace.connections()
}

// put gives a job to a worker that has nothing to do, or lets it wait.
func (l *lane) put(j queue.Job) {
	if n := len(l.idle); n > 0 {
		l.idle[n-1] <- j // has room for one
		l.idle = l.idle[:n-1]
		return
	}
	l.jobs = append(l.jobs, j)
}

func (l *lane) pop() queue.Job {
	j := l.jobs[0]
	l.jobs[0] = queue.Job{}
	l.jobs = l.jobs[1:]
	return j
}

// leave takes a worker off the list of the idle; false when it was just given a job.
func (l *lane) leave(c chan queue.Job) bool {
	i := slices.Index(l.idle, c)
	if i < 0 {
		return false
	}
	l.idle = slices.Delete(l.idle, i, i+1)
	return true
}

// takeAll empties the lane.
func (l *lane) takeAll() []queue.Job {
	jobs := l.jobs
	l.jobs = nil
	return jobs
}
