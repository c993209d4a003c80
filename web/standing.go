package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about how our own addresses and domains stand.
var (
	StandingRows    = Call[StandingQuery, []standing.Row]{"standing.rows"}
	StandingHistory = Call[StandingQuery, []standing.Change]{"standing.history"} // the newest first
	StandingCheck   = Call[StandingQuery, JobName]{"standing.check"}             // looks again now; its result: the rows
)

// StandingQuery says about what. The zero value means everything.
type StandingQuery struct {
	Target string `json:"target,omitempty"` // a domain, the host name or an address of the server
	Check  string `json:"check,omitempty"`  // the id of a check
	Limit  int    `json:"limit,omitempty"`  // of changes; zero: 100
	Brief  bool   `json:"brief,omitempty"`  // rows that are green or skipped come without their finding
}

// Watch looks at our own addresses and domains again and again.
type Watch interface {
	// LookAgain looks at a target now, "" being all of them, with one check or, where that
	// is "", with all.
	LookAgain(ctx context.Context, target, check string, progress func(done, of int64)) error
}

// usualChanges are shown to who did not say how many, mostChanges to who wants all.
const (
	usualChanges = 100
	mostChanges  = 10_000
)

type stands struct {
	store *store.Store
	watch Watch
	jobs  *Jobs
}

func (s stands) add(mux *http.ServeMux) {
	answer(mux, StandingRows, s.rows)
	answer(mux, StandingHistory, s.history)
	if s.watch == nil || s.jobs == nil {
		return
	}
	answer(mux, StandingCheck, func(_ context.Context, q StandingQuery) (JobName, error) {
		return s.jobs.Start(func(ctx context.Context, progress func(done, of int64)) (any, error) {
			if err := s.watch.LookAgain(ctx, q.Target, q.Check, progress); err != nil {
				return nil, err
			}
			return s.rows(ctx, q)
		})
	})
}

func (s stands) rows(ctx context.Context, q StandingQuery) (all []standing.Row, err error) {
	err = s.store.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = standing.Rows(tx, standing.Query{Target: q.Target, Check: q.Check, Brief: q.Brief})
		return err
	})
	if all == nil {
		all = []standing.Row{}
	}
	return all, err
}

func (s stands) history(ctx context.Context, q StandingQuery) (all []standing.Change, err error) {
	limit := min(cmp.Or(max(q.Limit, 0), usualChanges), mostChanges)
	err = s.store.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = standing.History(tx, q.Target, q.Check, limit)
		return err
	})
	if all == nil {
		all = []standing.Change{}
	}
	return all, err
}
