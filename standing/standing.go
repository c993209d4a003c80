package standing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/store"
)

// Row is how one check stands.
type Row struct {
	Target  string          `json:"target"`
	Check   string          `json:"check"`
	Subject string          `json:"subject"`
	Status  finding.Status  `json:"status"` // the colour last confirmed, or the first seen; Unknown: never seen
	Since   time.Time       `json:"since"`  // it has that colour
	Seen    time.Time       `json:"seen"`   // the last run that looked
	Runs    int             `json:"runs"`   // that saw this colour one after the other, up to a hundred
	Blind   time.Time       `json:"blind,omitzero"`
	Unseen  string          `json:"unseen,omitempty"` // why nothing could be seen
	Finding finding.Finding `json:"finding"`          // of the last run that saw the colour
	Trial   finding.Status  `json:"trial,omitzero"`   // a colour that was seen since, and does not count yet; Unknown: none

	nextRuns int       // that saw Trial one after the other
	nextAt   time.Time // when it was seen first
	told     finding.Status
	toldOf   bool // that it is blind
	missed   int  // runs that said nothing about it
	isNew    bool
}

// OnTrial reports whether something was seen that does not count yet, after so many runs:
// another colour, a first one that is bad, or that the subject is gone. Then the next
// look should not be far.
func (r *Row) OnTrial(confirm int) bool {
	isBad := r.Status == finding.Red || r.Status == finding.Yellow
	return r.Trial != finding.Unknown || r.missed > 0 && !isQuiet(r.told) || isBad && !r.Confirmed(confirm)
}

// Confirmed reports whether the colour was seen in so many runs.
func (r *Row) Confirmed(runs int) bool { return r.Runs >= runs }

// Run is what one look at a target found.
type Run struct {
	Target   string
	Findings []finding.Finding
	Confirm  int      // runs until a colour counts; below one: one
	Only     []string // the checks that were run; empty: all
	Silent   []string // checks that did not speak of everybody this time: who is missing may be there
}

// Kind is what changed.
type Kind string

// The kinds of a Change.
const (
	Turned Kind = "turned" // into another colour
	Blind  Kind = "blind"  // nothing was seen for a day
	Sees   Kind = "sees"   // again, after Blind
)

// Change is something that somebody should be told.
type Change struct {
	ID      int64           `json:"id"`
	Time    time.Time       `json:"time"`
	Since   time.Time       `json:"since"` // it was seen first, or, for Blind, last
	Kind    Kind            `json:"kind"`
	Target  string          `json:"target"`
	Check   string          `json:"check"`
	Subject string          `json:"subject"`
	From    finding.Status  `json:"from"`
	To      finding.Status  `json:"to"`
	Finding finding.Finding `json:"finding"`
}

// blindAfter is when not seeing anything is news.
const blindAfter = 24 * time.Hour

// maxRuns is where counting ends.
const maxRuns = 100

type key struct{ check, subject string }

// Record takes in a run, and returns what changed by it.
func Record(tx *store.Tx, run Run) ([]Change, error) {
	run.Confirm = max(run.Confirm, 1)
	if err := tx.Lock("standing/" + run.Target); err != nil {
		return nil, fmt.Errorf("record the standing of %s: %w", run.Target, err)
	}
	rows, err := Rows(tx, Query{Target: run.Target})
	if err != nil {
		return nil, err
	}
	known := map[key]*Row{}
	for i := range rows {
		known[key{rows[i].Check, rows[i].Subject}] = &rows[i]
	}
	var changes []Change
	hidden := map[string]bool{} // checks that could not see everything: who is missing may be there
	for _, f := range worstOfEach(run.Findings) {
		hidden[f.Check] = hidden[f.Check] || f.Status == finding.Unknown
		row := known[key{f.Check, f.Subject}]
		delete(known, key{f.Check, f.Subject})
		if row == nil {
			row = &Row{Target: run.Target, Check: f.Check, Subject: f.Subject, isNew: true, Since: tx.Now()}
		}
		changes = append(changes, row.see(f, tx.Now(), run.Confirm)...)
		if err := row.write(tx); err != nil {
			return nil, fmt.Errorf("record %s of %s: %w", f.Check, run.Target, err)
		}
	}
	for _, id := range run.Silent {
		hidden[id] = true
	}
	for _, row := range known {
		if hidden[row.Check] || len(run.Only) > 0 && !slices.Contains(run.Only, row.Check) {
			continue
		}
		more, err := row.miss(tx, run.Confirm)
		if err != nil {
			return nil, fmt.Errorf("record %s of %s: %w", row.Check, run.Target, err)
		}
		changes = append(changes, more...)
	}
	return changes, remember(tx, changes)
}

// worstOfEach leaves one finding for each check and subject.
func worstOfEach(findings []finding.Finding) []finding.Finding {
	at := map[key]int{}
	var out []finding.Finding
	for _, f := range findings {
		k := key{f.Check, f.Subject}
		i, ok := at[k]
		switch {
		case !ok:
			at[k] = len(out)
			out = append(out, f)
		case out[i].Status != f.Status && finding.Worse(out[i].Status, f.Status) == f.Status:
			out[i] = f
		}
	}
	return out
}

// see takes in one finding.
func (r *Row) see(f finding.Finding, now time.Time, confirm int) []Change {
	r.Seen, r.missed = now, 0
	if f.Status == finding.Unknown {
		return r.seeNothing(f, now)
	}
	var changes []Change
	if r.toldOf {
		changes = append(changes, r.change(Sees, now, now, r.Status, f))
	}
	r.Blind, r.Unseen, r.toldOf = time.Time{}, "", false
	switch {
	case r.Status == finding.Unknown:
		r.Status, r.Runs, r.Since, r.Finding = f.Status, 1, now, f
	case f.Status == r.Status:
		r.Runs, r.Finding, r.Trial, r.nextRuns = min(r.Runs+1, maxRuns), f, finding.Unknown, 0
	case f.Status == r.Trial:
		r.nextRuns++
	default:
		r.Trial, r.nextRuns, r.nextAt = f.Status, 1, now
	}
	if r.nextRuns >= confirm && r.Trial != finding.Unknown {
		r.Status, r.Runs, r.Since, r.Finding = r.Trial, r.nextRuns, r.nextAt, f
		r.Trial, r.nextRuns = finding.Unknown, 0
	}
	if r.Confirmed(confirm) && r.told != r.Status {
		if !isNoNews(r.told, r.Status) {
			changes = append(changes, r.change(Turned, now, r.Since, r.Status, f))
		}
		r.told = r.Status
	}
	return changes
}

// isNoNews: all was well from the start, or nothing is there to be well any more.
func isNoNews(from, to finding.Status) bool {
	return isQuiet(from) && isQuiet(to)
}

func isQuiet(s finding.Status) bool {
	return s == finding.Unknown || s == finding.Skip || s == finding.Green
}

func (r *Row) seeNothing(f finding.Finding, now time.Time) []Change {
	r.Unseen = f.Summary
	if r.isNew {
		r.Finding = f
	}
	if r.Blind.IsZero() {
		r.Blind = now
	}
	if r.toldOf || now.Sub(r.Blind) < blindAfter {
		return nil
	}
	r.toldOf = true
	return []Change{r.change(Blind, now, r.Blind, finding.Unknown, f)}
}

func (r *Row) change(kind Kind, now, since time.Time, to finding.Status, f finding.Finding) Change {
	from := r.Status
	if kind == Turned {
		from = r.told
	}
	return Change{Time: now, Since: since, Kind: kind, Target: r.Target, Check: r.Check, Subject: r.Subject, From: from, To: to, Finding: f}
}

// miss counts a run that said nothing about the row any more: the address is gone, say.
// Then the row goes, and whoever was told of its red is told of the end.
func (r *Row) miss(tx *store.Tx, confirm int) ([]Change, error) {
	if r.missed++; r.missed < confirm {
		return nil, r.write(tx)
	}
	_, err := tx.Exec(`DELETE FROM standing_row WHERE target = $1 AND check_id = $2 AND subject = $3`, r.Target, r.Check, r.Subject)
	if err != nil || isQuiet(r.told) {
		return nil, err
	}
	f := finding.Finding{Check: r.Check, Group: r.Finding.Group, Status: finding.Skip, Code: "gone", Subject: r.Subject, Summary: r.Subject + " is not looked at any more"}
	return []Change{r.change(Turned, tx.Now(), tx.Now(), finding.Skip, f)}, nil
}

func (r *Row) write(tx *store.Tx) error {
	text, err := json.Marshal(r.Finding)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO standing_row (target, check_id, subject, status, since, seen, runs, blind, unseen, finding,
			next, next_runs, next_at, told, told_of, missed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (target, check_id, subject) DO UPDATE SET status = $4, since = $5, seen = $6, runs = $7, blind = $8, unseen = $9,
			finding = $10, next = $11, next_runs = $12, next_at = $13, told = $14, told_of = $15, missed = $16`,
		r.Target, r.Check, r.Subject, r.Status.String(), r.Since, r.Seen, r.Runs, r.Blind, r.Unseen, string(text),
		r.Trial.String(), r.nextRuns, r.nextAt, r.told.String(), r.toldOf, r.missed)
	return err
}

// Query says which rows. The zero value means all.
type Query struct {
	Target string
	Check  string
	Brief  bool // rows that are green or skipped come without their finding
}

// Rows gives the rows of a query by target, check and subject.
func Rows(tx *store.Tx, q Query) ([]Row, error) {
	rows, err := tx.Rows(`SELECT target, check_id, subject, status, since, seen, runs, blind, unseen,
			CASE WHEN CAST($3 AS BIGINT) <> 0 AND status IN ('green', 'skip') THEN '{}' ELSE finding END,
			next, next_runs, next_at, told, told_of, missed
		FROM standing_row WHERE ($1 = '' OR target = $1) AND ($2 = '' OR check_id = $2) ORDER BY target, check_id, subject`, q.Target, q.Check, q.Brief)
	if err != nil {
		return nil, fmt.Errorf("read the standing: %w", err)
	}
	defer rows.Close()
	var all []Row
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read the standing: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func scan(rows *store.Rows) (r Row, err error) {
	var status, next, told, text string
	var since, seen, blind, nextAt, toldOf int64
	if err := rows.Scan(&r.Target, &r.Check, &r.Subject, &status, &since, &seen, &r.Runs, &blind, &r.Unseen, &text,
		&next, &r.nextRuns, &nextAt, &told, &toldOf, &r.missed); err != nil {
		return r, err
	}
	r.Since, r.Seen, r.Blind, r.nextAt = store.FromMicros(since), store.FromMicros(seen), store.FromMicros(blind), store.FromMicros(nextAt)
	r.toldOf = toldOf != 0
	return r, errors.Join(r.Status.UnmarshalText([]byte(status)), r.Trial.UnmarshalText([]byte(next)),
		r.told.UnmarshalText([]byte(told)), json.Unmarshal([]byte(text), &r.Finding))
}

// Reds are the rows that are red, confirmed by so many runs, and whose check is one of
// these.
func Reds(tx *store.Tx, confirm int, checks []string) ([]Row, error) {
	all, err := Rows(tx, Query{})
	return slices.DeleteFunc(all, func(r Row) bool {
		return r.Status != finding.Red || !r.Confirmed(confirm) || !slices.Contains(checks, r.Check)
	}), err
}

// Forget removes a target that is ours no more, with its history.
func Forget(tx *store.Tx, target string) error {
	for _, table := range []string{"standing_row", "standing_change"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE target = $1`, target); err != nil {
			return fmt.Errorf("forget the standing of %s: %w", target, err)
		}
	}
	return nil
}

// Targets are all that there is something about.
func Targets(tx *store.Tx) ([]string, error) {
	rows, err := tx.Rows(`SELECT DISTINCT target FROM standing_row ORDER BY target`)
	if err != nil {
		return nil, fmt.Errorf("read the standing: %w", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var target string
		if err := rows.Scan(&target); err != nil {
			return nil, err
		}
		all = append(all, strings.Clone(target))
	}
	return all, rows.Err()
}
