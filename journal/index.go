package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// The index is an inverted one: for a key the events that have it. Each round of the
// keeper adds one row for each key it met, so a busy recipient costs no more rows than
// a rare one. Rows lie in segments of 65,536 events: the pages of one segment stay few,
// which is what makes writing keys in no order cheap, and a search asks each segment
// once, newest first, until it has enough.
const segmentBits = 16

func segmentOf(event int64) int64 { return event >> segmentBits }

// How the keeper divides the work, so that no other writer waits long for it.
const (
	indexBite    = 4000 // events read at a time
	postingBite  = 512  // rows written at a time
	postingRows  = 64   // of them in one statement
	postingWidth = 6    // columns
)

// errOvertaken: another process indexed the same events.
var errOvertaken = errors.New("the mark has moved")

// Index writes the keys of the events that were there when it ran last, and says of
// how many. A transaction that drew its ids before then has ended meanwhile, so that
// no event turns up behind the mark: PostgreSQL commits ids out of order.
func (k *Keeper) Index(ctx context.Context) (int, error) {
	to := k.horizon
	if err := k.o.Store.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COALESCE(MAX(id), 0) FROM journal_event`).Scan(&k.horizon)
	}); err != nil {
		return 0, fmt.Errorf("index the journal: %w", err)
	}
	done := 0
	for {
		n, err := k.indexBite(ctx, to)
		done += n
		switch {
		case errors.Is(err, errOvertaken):
			return done, nil
		case err != nil:
			return done, fmt.Errorf("index the journal: %w", err)
		case n < indexBite:
			return done, nil
		}
	}
}

// indexBite indexes the next events. Who is killed in between, or overtaken by another
// process, leaves postings that come again: a search takes each event once.
func (k *Keeper) indexBite(ctx context.Context, to int64) (n int, err error) {
	var mark int64
	var found []stored
	err = k.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if mark, err = readMark(tx); err != nil {
			return err
		}
		found, err = selectStored(tx, nil, `SELECT id, time, '', kind, sender, recipient, '' FROM journal_event
			WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`, mark, to, indexBite)
		return err
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	for bite := range slices.Chunk(postingsOf(found), postingBite) {
		if err := k.o.Store.Write(ctx, func(tx *store.Tx) error { return insertPostings(tx, bite) }); err != nil {
			return 0, err
		}
	}
	return len(found), k.o.Store.Write(ctx, func(tx *store.Tx) error {
		moved, err := tx.Exec(`UPDATE journal_mark SET event = $1 WHERE name = 'indexed' AND event = $2`, found[len(found)-1].id, mark)
		if err == nil && moved == 0 {
			err = errOvertaken
		}
		if err != nil {
			return err
		}
		return addVolumes(tx, found)
	})
}

func readMark(tx *store.Tx) (mark int64, err error) {
	err = tx.Row(`SELECT event FROM journal_mark WHERE name = 'indexed'`).Scan(&mark)
	return mark, err
}

// posting is one row of the index.
type posting struct {
	segment, key, last, since, until int64
	events                           []byte
}

// postingsOf are the rows for events in the order of their ids, in the order of the table.
func postingsOf(found []stored) []*posting {
	type place struct{ segment, key int64 }
	rows := map[place]*posting{}
	for i := len(found) - 1; i >= 0; i-- {
		e := &found[i]
		at := store.Micros(e.Time)
		for _, k := range e.keys() {
			p := rows[place{segmentOf(e.id), k}]
			if p == nil {
				p = &posting{segment: segmentOf(e.id), key: k, last: e.id, since: at, until: at}
				rows[place{p.segment, k}] = p
			}
			p.add(e, at)
		}
	}
	all := make([]*posting, 0, len(rows))
	for _, p := range rows {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *posting) int { return cmp.Or(cmp.Compare(a.segment, b.segment), cmp.Compare(a.key, b.key)) })
	return all
}

// add appends an event that is older than those before. Distances count
// from the newest, so that any one can be read without the others.
func (p *posting) add(e *stored, at int64) {
	p.since, p.until = min(p.since, at), max(p.until, at)
	p.events = append(p.events, kindByte(e.Kind))
	p.events = binary.AppendUvarint(p.events, uint64(p.last-e.id))
}

// each gives the events of a posting that may be of one of the kinds, newest first.
func (p *posting) each(kinds []Kind, give func(id int64)) error {
	for rest := p.events; len(rest) > 0; {
		distance, n := binary.Uvarint(rest[1:])
		if n <= 0 {
			return errors.New("the journal's index is damaged")
		}
		if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k Kind) bool { return kindByte(k) == rest[0] }) {
			give(p.last - int64(distance))
		}
		rest = rest[1+n:]
	}
	return nil
}

// keys of an event, each once.
func (e *Event) keys() []int64 {
	keys := []int64{kindKey(e.Kind)}
	for _, a := range []string{strings.ToLower(e.From), strings.ToLower(e.To)} {
		if a != "" {
			keys = append(keys, addressKey(a))
		}
		if d := domainOf(a); d != "" {
			keys = append(keys, domainKey(d))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// The hashes stand in the table: they never change. What collides is told apart by
// Query.matches.
func addressKey(a string) int64 { return hash("address", a) }
func domainKey(d string) int64  { return hash("domain", d) }
func kindKey(k Kind) int64      { return hash("kind", string(k)) }
func kindByte(k Kind) byte      { return byte(kindKey(k)) }

func hash(of, s string) int64 {
	h := fnv.New64a()
	h.Write([]byte(of + "\x00" + s))
	return int64(h.Sum64())
}

// insertOne and insertMany are the only two statements, so that both stay prepared.
var insertOne, insertMany = insertPosting(1), insertPosting(postingRows)

func insertPosting(rows int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO journal_posting (segment, key, last, since, until, events) VALUES `)
	for row := range rows {
		n := row * postingWidth
		fmt.Fprintf(&b, "%s($%d, $%d, $%d, $%d, $%d, $%d)", strings.Repeat(", ", min(row, 1)), n+1, n+2, n+3, n+4, n+5, n+6)
	}
	b.WriteString(` ON CONFLICT DO NOTHING`)
	return b.String()
}

func insertPostings(tx *store.Tx, rows []*posting) error {
	for len(rows) > 0 {
		n, query := 1, insertOne
		if len(rows) >= postingRows {
			n, query = postingRows, insertMany
		}
		args := make([]any, 0, n*postingWidth)
		for _, p := range rows[:n] {
			args = append(args, p.segment, p.key, p.last, p.since, p.until, p.events)
		}
		if _, err := tx.Exec(query, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
