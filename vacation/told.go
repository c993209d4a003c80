package vacation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Topic is what to Watch for answers that wait.
const Topic = "vacation"

// Bounds of what is remembered.
const (
	maxTold  = 10_000           // senders of one account, for strangers choose how many there are
	minAgain = 10 * time.Minute // RFC 6131 section 2: a site may have a least time
)

// Put notes that somebody gets an answer, and has it wait to be sent. It reports whether
// one was due: false when this sender was told before, or too many were.
func Put(tx *store.Tx, r Reply) (bool, error) {
	due, err := Tell(tx, r.Account, key(r.To), r.What, max(r.Again, minAgain))
	if err != nil || !due {
		return false, err
	}
	text, err := json.Marshal(kept{r, r.To.String(), r.From.String()})
	if err != nil {
		return false, fmt.Errorf("keep an answer: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO vacation_reply (account, made, reply) VALUES ($1, $2, $3)`, r.Account, tx.Now(), string(text)); err != nil {
		return false, fmt.Errorf("keep an answer: %w", err)
	}
	tx.Wake(Topic)
	return true, nil
}

// key is the normal form of an address: the spelling of its letters is no other sender.
func key(a mail.Address) string { return strings.ToLower(a.String()) }

// Tell notes that an account told somebody something, and reports whether it was due:
// false when that was told within its time. Nobody else ("") is the account itself.
func Tell(tx *store.Tx, account int64, whom, what string, again time.Duration) (bool, error) {
	now := tx.Now()
	n, err := tx.Exec(`INSERT INTO vacation_told (account, whom, what, until)
		SELECT $1, $2, $3, $4 WHERE $1 IN (SELECT account FROM vacation_told WHERE account = $1 AND whom = $2 AND what = $3)
			OR (SELECT COUNT(*) FROM vacation_told WHERE account = $1) < $6
		ON CONFLICT (account, whom, what) DO UPDATE SET until = excluded.until WHERE vacation_told.until <= $5`,
		account, whom, what, store.Micros(now.Add(again)), store.Micros(now), maxTold)
	if err != nil {
		return false, fmt.Errorf("note who was told: %w", err)
	}
	return n > 0, nil
}

// kept is an answer as it waits: addresses in words, for they are no JSON themselves.
type kept struct {
	Reply
	To, From string
}

// reply is the answer again.
func (k kept) reply() (r Reply, err error) {
	r = k.Reply
	if r.To, err = mail.ParseAddress(k.To); err == nil {
		r.From, err = mail.ParseAddress(k.From)
	}
	return r, err
}

// waiting is an answer and the number it waits under.
type waiting struct {
	id    int64
	made  time.Time
	reply Reply

	broken error // nobody can read it
}

// pending are the first answers that wait behind a number.
func pending(ctx context.Context, st *store.Store, after int64, limit int) (all []waiting, err error) {
	err = st.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Rows(`SELECT id, made, reply FROM vacation_reply WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var w waiting
			var text string
			if err := rows.Scan(&w.id, &w.made, &text); err != nil {
				return err
			}
			var k kept
			if err = json.Unmarshal([]byte(text), &k); err == nil {
				w.reply, err = k.reply()
			}
			w.broken = err // it must not keep the others
			all = append(all, w)
		}
		return rows.Err()
	})
	return all, err
}

// forget takes an answer away that was sent, or never can be.
func forget(ctx context.Context, st *store.Store, id int64) error {
	return st.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM vacation_reply WHERE id = $1`, id)
		return err
	})
}

// Sweep forgets who may be told again anyway.
func Sweep(ctx context.Context, st *store.Store) error {
	err := st.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM vacation_told WHERE until <= $1`, store.Micros(tx.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget who was told: %w", err)
	}
	return nil
}

// Remove forgets all of an account that is deleted.
func Remove(tx *store.Tx, account int64) error {
	var errs []error
	for _, table := range []string{"vacation_told", "vacation_reply"} {
		_, err := tx.Exec(`DELETE FROM `+table+` WHERE account = $1`, account)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
