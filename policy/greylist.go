package policy

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

//go:embed greylist.sqlite.sql
var greylistSQLite string

//go:embed greylist.postgresql.sql
var greylistPostgreSQL string

// Schema is the memory of greylisting.
var Schema = store.Schema{
	Name:     "policy",
	Versions: []store.Version{{SQLite: greylistSQLite, PostgreSQL: greylistPostgreSQL}},
}

// greyTimes are the times of greylisting (RFC 6647 section 5).
type greyTimes struct {
	Wait  span `json:"wait"`  // how long a first try is put off
	Retry span `json:"retry"` // until when a second one counts
	Keep  span `json:"keep"`  // how long who came back is remembered
	White int  `json:"white"` // a network that came back so often is not asked again
}

// span is a duration in JSON: "48h".
type span time.Duration

// UnmarshalJSON reads "48h".
func (d *span) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	*d = span(v)
	return err
}

// greylist puts off the first message of a triple of network, sender and recipient
// (RFC 6647). Who comes back is let in at once from then on, and a network that did
// so some times is trusted with every triple.
type greylist struct {
	store *store.Store
	times greyTimes
}

// Name is "greylist".
func (*greylist) Name() string { return "greylist" }

// Decide asks the memory. Without one, or when it fails, nobody is put off.
func (g *greylist) Decide(ctx context.Context, s *Session) Verdict {
	if g.store == nil || s.has("welcome") {
		return Verdict{}
	}
	var first bool
	err := g.store.Write(ctx, func(tx *store.Tx) (err error) {
		first, err = g.meet(tx, s)
		return err
	})
	if err != nil || !first {
		return Verdict{}
	}
	return postpone(451, laterPolicy, "greylist.first",
		fmt.Sprintf("welcome; try again in %s", time.Duration(g.times.Wait)))
}

// meet notes the triple and says whether it has to come again.
func (g *greylist) meet(tx *store.Tx, s *Session) (putOff bool, err error) {
	net := digest(network(s.IP).String())
	if came, err := g.seen(tx, net, s.Now); err != nil || came != nil && came.times >= g.times.White {
		return false, err
	}
	triple := digest(network(s.IP).String(), strings.ToLower(s.ReversePath.String()), strings.ToLower(s.Recipient.To.String()))
	known, err := g.seen(tx, triple, s.Now)
	switch {
	case err != nil:
		return false, err
	case known == nil:
		return true, g.note(tx, triple, s.Now, s.Now.Add(time.Duration(g.times.Retry)), 0)
	case s.Now.Before(known.first.Add(time.Duration(g.times.Wait))):
		return true, nil
	}
	keep := s.Now.Add(time.Duration(g.times.Keep))
	if known.times == 0 { // it came back: its network earns trust
		if err := g.note(tx, net, s.Now, keep, 1); err != nil {
			return false, err
		}
	}
	return false, g.note(tx, triple, known.first, keep, 1)
}

// meeting is one row.
type meeting struct {
	first time.Time
	times int
}

// seen is what is remembered of a digest; nil: nothing that still counts.
func (g *greylist) seen(tx *store.Tx, id int64, now time.Time) (*meeting, error) {
	var first, times int64
	err := tx.Row(`SELECT first, times FROM policy_greylist WHERE id = $1 AND until > $2`, id, store.Micros(now)).Scan(&first, &times)
	switch {
	case errors.Is(err, store.ErrNoRow):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &meeting{store.FromMicros(first), int(times)}, nil
}

// note writes a digest down, or counts it once more.
func (g *greylist) note(tx *store.Tx, id int64, first, until time.Time, times int) error {
	_, err := tx.Exec(`INSERT INTO policy_greylist (id, first, until, times) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET until = excluded.until, times = policy_greylist.times + excluded.times,
		first = CASE WHEN policy_greylist.until < $5 THEN excluded.first ELSE policy_greylist.first END`,
		id, store.Micros(first), store.Micros(until), times, store.Micros(first))
	return err
}

// ForgetMeetings drops what greylisting need not remember any more, a bite at a
// time, and says how much that was.
func ForgetMeetings(ctx context.Context, st *store.Store, now time.Time) (n int64, err error) {
	const bite = 1000
	err = st.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Exec(`DELETE FROM policy_greylist WHERE id IN (SELECT id FROM policy_greylist WHERE until < $1 LIMIT $2)`, store.Micros(now), bite)
		return err
	})
	return n, err
}

// digest is 63 bits of who it is: no addresses are kept.
func digest(parts ...string) int64 {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}
