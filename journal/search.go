package journal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Query asks for events. All that is set must hold; the zero Query asks for the
// newest events of all.
type Query struct {
	Since, Until time.Time // Since <= time < Until; zero: no bound
	Address      string    // as From or To, in any case
	Domain       string    // of From or To
	Kinds        []Kind    // any of these
	Limit        int       // zero: 100
}

const defaultLimit = 100

// stored is an event with its place in the table.
type stored struct {
	Event
	id int64
}

const selectEvents = `SELECT e.id, e.time, e.trace, e.kind, e.sender, e.recipient, e.fields FROM `

// Trace gives the life of one message, oldest event first; none when there is no
// such message, or no longer.
func Trace(tx *store.Tx, id mail.TraceID) ([]Event, error) {
	found, err := selectStored(tx, nil, selectEvents+`journal_event e WHERE e.trace = $1`, string(id))
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", id, err)
	}
	slices.SortFunc(found, func(a, b stored) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.id, b.id)) })
	return events(found), nil
}

// Search gives the events asked for, newest first.
func Search(tx *store.Tx, q Query) ([]Event, error) {
	q.Address, q.Domain = strings.ToLower(q.Address), strings.ToLower(q.Domain)
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	find := q.everything
	if keys := q.keys(); len(keys) > 0 {
		find = func(tx *store.Tx) ([]stored, error) { return q.byKeys(tx, keys) }
	}
	found, err := find(tx)
	if err != nil {
		return nil, fmt.Errorf("search the journal: %w", err)
	}
	slices.SortFunc(found, newestFirst)
	return events(found[:min(len(found), q.Limit)]), nil
}

func newestFirst(a, b stored) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.id, a.id)) }

func events(found []stored) []Event {
	out := make([]Event, len(found))
	for i := range found {
		out[i] = found[i].Event
	}
	return out
}

// bounds of the time in microseconds, since <= t < until.
func (q *Query) bounds() (since, until int64) {
	since, until = store.Micros(q.Since), store.Micros(q.Until)
	if q.Until.IsZero() {
		until = 1 << 62
	}
	return since, until
}

// everything needs no index but that of time.
func (q *Query) everything(tx *store.Tx) ([]stored, error) {
	since, until := q.bounds()
	return selectStored(tx, nil, selectEvents+`journal_event e WHERE e.time >= $1 AND e.time < $2
		ORDER BY e.time DESC, e.id DESC LIMIT $3`, since, until, q.Limit)
}

// keys are what to look up in the index: the rarest thing asked for.
func (q *Query) keys() []int64 {
	switch {
	case q.Address != "":
		return []int64{addressKey(q.Address)}
	case q.Domain != "":
		return []int64{domainKey(q.Domain)}
	}
	var keys []int64
	for _, k := range q.Kinds {
		keys = append(keys, kindKey(k))
	}
	return keys
}

// byKeys looks through what is not indexed yet, then into the index, segment by segment,
// until there is enough.
func (q *Query) byKeys(tx *store.Tx, keys []int64) ([]stored, error) {
	mark, err := readMark(tx)
	if err != nil {
		return nil, err
	}
	found, err := selectStored(tx, q, selectEvents+`journal_event e WHERE e.id > $1 ORDER BY e.id DESC`, mark)
	if err != nil {
		return nil, err
	}
	var first int64
	if err := tx.Row(`SELECT COALESCE(MIN(id), 0) FROM journal_event`).Scan(&first); err != nil {
		return nil, err
	}
	for segment := segmentOf(mark); segment >= segmentOf(first) && len(found) < q.Limit; segment-- {
		of, err := q.ofSegment(tx, segment, keys, mark)
		if err != nil {
			return nil, err
		}
		found = append(found, of...)
	}
	return found, nil
}

// ofSegment gives the newest matching events up to the mark that a segment of the index
// knows; a keeper at work, or one that was killed, has written beyond it.
func (q *Query) ofSegment(tx *store.Tx, segment int64, keys []int64, mark int64) ([]stored, error) {
	var ids []int64
	for _, key := range keys {
		of, err := q.posted(tx, segment, key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, of...)
	}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id > mark })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	var found []stored
	for bite := range slices.Chunk(ids, fetchRows) {
		of, err := q.fetch(tx, bite)
		if err != nil {
			return nil, err
		}
		if found = append(found, of...); len(found) >= q.Limit {
			break
		}
	}
	return found, nil
}

// posted gives the events a segment has for a key.
func (q *Query) posted(tx *store.Tx, segment, key int64) (ids []int64, err error) {
	since, until := q.bounds()
	rows, err := tx.Rows(`SELECT last, events FROM journal_posting WHERE segment = $1 AND key = $2 AND until >= $3 AND since < $4`,
		segment, key, since, until)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p posting
		if err := rows.Scan(&p.last, &p.events); err != nil {
			return nil, err
		}
		if err := p.each(q.Kinds, func(id int64) { ids = append(ids, id) }); err != nil {
			return nil, err
		}
	}
	return ids, rows.Err()
}

// fetchRows is how many events are fetched at a time.
const fetchRows = 64

func (q *Query) fetch(tx *store.Tx, ids []int64) ([]stored, error) {
	args := make([]any, fetchRows)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)] // one statement for any number
	}
	return selectStored(tx, q, fetchEvents, args...)
}

var fetchEvents = selectEvents + `journal_event e WHERE e.id IN (` + placeholders(fetchRows) + `) ORDER BY e.id DESC`

func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s$%d", strings.Repeat(", ", min(i, 1)), i+1)
	}
	return b.String()
}

// selectStored reads events, of a query no more than its limit of those that match.
func selectStored(tx *store.Tx, q *Query, query string, args ...any) ([]stored, error) {
	rows, err := tx.Rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []stored
	for rows.Next() {
		var e stored
		var at int64
		var trace, kind, fields string
		if err := rows.Scan(&e.id, &at, &trace, &kind, &e.From, &e.To, &fields); err != nil {
			return nil, err
		}
		e.Time, e.Trace, e.Kind = store.FromMicros(at), mail.TraceID(trace), Kind(kind)
		if q != nil && !q.matches(&e.Event) {
			continue
		}
		if e.Fields, err = decodeFields(fields); err != nil {
			return nil, fmt.Errorf("event %d: %w", e.id, err)
		}
		found = append(found, e)
		if q != nil && len(found) == q.Limit {
			break
		}
	}
	return found, rows.Err()
}

// matches is the whole truth of a query; the index only leads near it.
func (q *Query) matches(e *Event) bool {
	since, until := q.bounds()
	at := store.Micros(e.Time)
	from, to := strings.ToLower(e.From), strings.ToLower(e.To)
	switch {
	case at < since || at >= until,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, e.Kind),
		q.Address != "" && q.Address != from && q.Address != to,
		q.Domain != "" && q.Domain != domainOf(from) && q.Domain != domainOf(to):
		return false
	}
	return true
}

// domainOf is what follows the last @, "" where there is none.
func domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return address[at+1:]
}
