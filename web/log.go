package web

import (
	"context"
	"net/http"
	"time"

	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// The calls about what happened.
var (
	LogTrace  = Call[LogID, []LogEvent]{"log.trace"}
	LogSearch = Call[LogQuery, []LogEvent]{"log.search"}
)

// LogID names one message.
type LogID struct {
	Trace string `json:"trace"`
}

// LogQuery asks for events, newest first: all that is set must hold.
type LogQuery struct {
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Address string    `json:"address,omitempty"` // of the sender or a recipient
	Domain  string    `json:"domain,omitempty"`
	Kinds   []string  `json:"kinds,omitempty"`
	Limit   int       `json:"limit,omitempty"` // zero: 100
}

// LogEvent is one thing that happened to one message.
type LogEvent struct {
	Time   time.Time         `json:"time"`
	Trace  string            `json:"trace"`
	Kind   string            `json:"kind"`
	From   string            `json:"from,omitempty"`
	To     string            `json:"to,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

func addLog(mux *http.ServeMux, st *store.Store) {
	addVolumes(mux, st)
	answer(mux, LogTrace, func(ctx context.Context, in LogID) ([]LogEvent, error) {
		found, err := readLog(ctx, st, func(tx *store.Tx) ([]journal.Event, error) { return journal.Trace(tx, mail.TraceID(in.Trace)) })
		if err == nil && len(found) == 0 {
			err = &Error{Kind: NotFound, Text: "no message here has the id " + in.Trace, Hint: "allgreen log search finds ids by address, domain and time"}
		}
		return found, err
	})
	answer(mux, LogSearch, func(ctx context.Context, in LogQuery) ([]LogEvent, error) {
		q := journal.Query{Since: in.Since, Until: in.Until, Address: in.Address, Domain: in.Domain, Limit: min(in.Limit, maxPage)}
		for _, k := range in.Kinds {
			q.Kinds = append(q.Kinds, journal.Kind(k))
		}
		return readLog(ctx, st, func(tx *store.Tx) ([]journal.Event, error) { return journal.Search(tx, q) })
	})
}

func readLog(ctx context.Context, st *store.Store, ask func(*store.Tx) ([]journal.Event, error)) ([]LogEvent, error) {
	var found []journal.Event
	err := st.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = ask(tx)
		return err
	})
	out := make([]LogEvent, 0, len(found))
	for _, e := range found {
		out = append(out, LogEvent{Time: inUTC(e.Time), Trace: string(e.Trace), Kind: string(e.Kind), From: e.From, To: e.To, Fields: e.Fields})
	}
	return out, err
}
