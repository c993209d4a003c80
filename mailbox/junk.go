package mailbox

import (
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// JunkTopic is what to Watch for new junk moves of all accounts.
const JunkTopic = "mailbox/junk"

// KeepJunkMoves is for how long there is something to learn from a move.
const KeepJunkMoves = 30 * 24 * time.Hour

// JunkMove is somebody's word that a message is junk or is none: it was moved or copied
// into Junk or out of it (but not into Trash). Its body stays as long as it does.
type JunkMove struct {
	ID       int64 // rises
	Account  int64
	Body     store.BodyID
	Was, Now Role // one of them is Junk; zero: an ordinary folder
	Time     time.Time
}

// JunkMoves gives up to limit moves behind the one of an ID. On PostgreSQL moves that
// happen at once may become visible out of their order: look at the time, too, where one
// that is missed would matter.
func JunkMoves(tx *store.Tx, after int64, limit int) ([]JunkMove, error) {
	rows, err := tx.Rows(`SELECT id, account, body, was, now, time FROM mailbox_junk_move WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("junk moves: %w", err)
	}
	defer rows.Close()
	var all []JunkMove
	for rows.Next() {
		var m JunkMove
		if err := rows.Scan(&m.ID, &m.Account, &m.Body, &m.Was, &m.Now, &m.Time); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

func noteJunk(tx *store.Tx, account int64, bodies []store.BodyID, was, now Role) error {
	tx.Wake(JunkTopic)
	return bites(bodies, func(some []store.BodyID) error {
		args := []any{account, string(was), string(now), store.Micros(tx.Now())}
		for _, body := range some {
			args = append(args, int64(body))
		}
		_, err := tx.Exec(`INSERT INTO mailbox_junk_move (account, was, now, time, body) VALUES `+values(len(some), 4, 1), args...)
		return err
	})
}

// sweepJunkMoves removes some old moves and releases their bodies.
func sweepJunkMoves(tx *store.Tx) (n int, more bool, err error) {
	rows, err := tx.Rows(`DELETE FROM mailbox_junk_move WHERE id IN (
		SELECT id FROM mailbox_junk_move WHERE time < $1 ORDER BY id LIMIT $2) RETURNING body`,
		store.Micros(tx.Now().Add(-KeepJunkMoves)), expungeRows)
	if err != nil {
		return 0, false, err
	}
	bodies, err := bodiesOf(rows)
	for _, body := range bodies {
		if err == nil {
			err = tx.ReleaseBody(body)
		}
	}
	return 0, len(bodies) > 0, err
}

func bodiesOf(rows *store.Rows) (all []store.BodyID, err error) {
	defer rows.Close()
	for rows.Next() {
		var body store.BodyID
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		all = append(all, body)
	}
	return all, rows.Err()
}
