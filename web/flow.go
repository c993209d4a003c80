package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about how much mail flows, and where it stands.
var (
	LogVolumes        = Call[VolumeQuery, []Volume]{"log.volumes"}
	QueueDestinations = Call[DestinationQuery, []QueueDestination]{"queue.destinations"}
)

// VolumeQuery asks for what happened in a time. Hours and days are those of UTC.
type VolumeQuery struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Days  bool      `json:"days,omitempty"` // by day; absent: by hour
}

// Volume is what happened in an hour or a day. One in which nothing happened is not
// there.
type Volume struct {
	Time   time.Time        `json:"time"`   // its beginning
	Events map[string]int64 `json:"events"` // by kind
}

// maxVolumes is more than a year of hours.
const maxVolumes = 400 * 24 * time.Hour

// DestinationQuery asks for the destinations for which most waits.
type DestinationQuery struct {
	Limit int `json:"limit,omitempty"` // zero: 20
}

const usualDestinations = 20

// QueueDestination is what waits for one destination.
type QueueDestination struct {
	Destination string     `json:"destination"`
	Messages    int        `json:"messages"`
	First       QueueEntry `json:"first"` // the oldest
}

func addVolumes(mux *http.ServeMux, st *store.Store) {
	answer(mux, LogVolumes, func(ctx context.Context, in VolumeQuery) ([]Volume, error) {
		if !in.Since.Before(in.Until) || in.Until.Sub(in.Since) > maxVolumes {
			return nil, &Error{Kind: Invalid, Text: "that is no time in which something could happen", Hint: "give since and until, not more than 400 days apart"}
		}
		var found []journal.Volume
		err := st.Read(ctx, func(tx *store.Tx) (err error) {
			found, err = journal.Volumes(tx, in.Since, in.Until)
			return err
		})
		return in.gather(found), err
	})
}

// gather puts the counts of an hour or a day together; they come in order.
func (q VolumeQuery) gather(found []journal.Volume) []Volume {
	span := time.Hour
	if q.Days {
		span = 24 * time.Hour
	}
	all := []Volume{}
	for _, v := range found {
		at := v.Hour.UTC().Truncate(span)
		if len(all) == 0 || !all[len(all)-1].Time.Equal(at) {
			all = append(all, Volume{at, map[string]int64{}})
		}
		all[len(all)-1].Events[string(v.Kind)] += v.Events
	}
	return all
}

func queueDestinations(ctx context.Context, q *queue.Queue, in DestinationQuery) ([]QueueDestination, error) {
	found, err := q.Backlogs(ctx, min(cmp.Or(max(in.Limit, 0), usualDestinations), maxPage))
	all := make([]QueueDestination, 0, len(found))
	for i := range found {
		all = append(all, QueueDestination{Destination: found[i].Name, Messages: found[i].Messages, First: entryOf(&found[i].First)})
	}
	return all, err
}
