package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The calls about work that takes longer than a request may.
var (
	JobLook = Call[JobName, JobState]{"job.look"}
	JobStop = Call[JobName, None]{"job.stop"}
)

// JobName names work that was begun.
type JobName struct {
	ID string `json:"id"`
}

// JobState is how far it is.
type JobState struct {
	ID     string          `json:"id"`
	Done   int64           `json:"done"`
	Of     int64           `json:"of"` // zero: nobody knows
	Ended  bool            `json:"ended,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// Jobs are the long work of one server. They outlive the request that began them, and end
// with the server.
type Jobs struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu  sync.Mutex
	all []*job // the oldest first
}

// keptJobs is how many are remembered.
const keptJobs = 50

type job struct {
	stop  context.CancelFunc
	mu    sync.Mutex
	state JobState
}

// NewJobs is no work yet.
func NewJobs() *Jobs {
	j := &Jobs{}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j
}

// Close stops all and waits for it.
func (j *Jobs) Close() {
	j.cancel()
	j.group.Wait()
}

// Start begins work and names it. What it returns becomes the result.
func (j *Jobs) Start(work func(ctx context.Context, progress func(done, of int64)) (any, error)) (JobName, error) {
	ctx, stop := context.WithCancel(j.ctx)
	one := &job{stop: stop, state: JobState{ID: strings.ToLower(rand.Text())}}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.ctx.Err(); err != nil {
		stop()
		return JobName{}, &Error{Kind: Temporary, Text: "the server stops"}
	}
	if len(j.all) >= keptJobs {
		i := slices.IndexFunc(j.all, func(one *job) bool { return one.look().Ended })
		if i < 0 {
			stop()
			return JobName{}, &Error{Kind: Temporary, Text: "too much is under way"}
		}
		j.all = slices.Delete(j.all, i, i+1)
	}
	j.all = append(j.all, one)
	j.group.Go(func() {
		defer stop()
		result, err := work(ctx, one.progress)
		one.end(result, err)
	})
	return JobName{one.state.ID}, nil
}

func (o *job) look() JobState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state
}

func (o *job) progress(done, of int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.Done, o.state.Of = done, of
}

func (o *job) end(result any, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.Ended = true
	if err == nil {
		o.state.Result, err = json.Marshal(result)
	}
	if err == nil {
		return
	}
	if !errors.As(err, &o.state.Error) {
		o.state.Error = &Error{Text: err.Error()}
	}
}

func (j *Jobs) find(id string) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, one := range j.all {
		if one.state.ID == id { // never changes
			return one, nil
		}
	}
	return nil, &Error{Kind: NotFound, Text: "no such work is under way", Hint: "the server may have started again meanwhile"}
}

func (j *Jobs) add(mux *http.ServeMux) {
	answer(mux, JobLook, func(_ context.Context, in JobName) (JobState, error) {
		one, err := j.find(in.ID)
		if err != nil {
			return JobState{}, err
		}
		return one.look(), nil
	})
	answer(mux, JobStop, func(_ context.Context, in JobName) (None, error) {
		one, err := j.find(in.ID)
		if err == nil {
			one.stop()
		}
		return None{}, err
	})
}

// lookEvery is how often Await asks.
const lookEvery = 100 * time.Millisecond

// Await waits until work has ended, shows how far it is, and gives its result. When the
// context ends it stops the work.
func Await[Out any](ctx context.Context, client *Client, name JobName, show func(JobState)) (Out, error) {
	var out Out
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		state, err := JobLook.Do(ctx, client, name)
		if err != nil && ctx.Err() == nil {
			return out, err
		}
		switch {
		case ctx.Err() != nil:
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), webStop)
			defer cancel()
			_, err := JobStop.Do(late, client, name)
			return out, errors.Join(ctx.Err(), err)
		case state.Error != nil:
			return out, state.Error
		case state.Ended:
			if err := json.Unmarshal(state.Result, &out); err != nil {
				return out, fmt.Errorf("reading the result: %w", err)
			}
			return out, nil
		}
		show(state)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// webStop is how long stopping work may take.
const webStop = 5 * time.Second
