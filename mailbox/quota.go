package mailbox

import (
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// Quota is the room of an account. Zero: no limit.
type Quota struct {
	Bytes    int64
	Messages int64
}

// SetQuota gives an account its room. What is there already stays, however much it is.
func SetQuota(tx *store.Tx, account int64, q Quota) error {
	n, err := tx.Exec(`UPDATE mailbox_account SET quota_bytes = $2, quota_messages = $3 WHERE account = $1`, account, q.Bytes, q.Messages)
	if err == nil && n == 0 {
		err = ErrNoFolder
	}
	if err != nil {
		return fmt.Errorf("set the quota of account %d: %w", account, err)
	}
	return nil
}

// Usage gives the room of an account and how much of it is taken. Folders that are
// Uncounted take none.
func Usage(tx *store.Tx, account int64) (room, used Quota, err error) {
	err = tx.Row(`SELECT quota_bytes, quota_messages,
			CAST((SELECT COALESCE(SUM(bytes), 0) FROM mailbox_folder f WHERE f.account = a.account AND uncounted = 0) AS BIGINT),
			CAST((SELECT COALESCE(SUM(messages), 0) FROM mailbox_folder f WHERE f.account = a.account AND uncounted = 0) AS BIGINT)
		FROM mailbox_account a WHERE a.account = $1`, account).Scan(&room.Bytes, &room.Messages, &used.Bytes, &used.Messages)
	if errors.Is(err, store.ErrNoRow) {
		err = fmt.Errorf("%w: account %d has no mailbox", ErrNoFolder, account)
	}
	return room, used, err
}

// Room says whether a message of this size still fits: ErrQuota when not. Ask at RCPT
// with the size announced and after DATA with the real one; messages that arrive at
// the same moment may together go over by their sizes, as quotas allow.
func Room(tx *store.Tx, account, size int64) error {
	room, used, err := Usage(tx, account)
	switch {
	case err != nil:
		return fmt.Errorf("room of account %d: %w", account, err)
	case room.Bytes > 0 && used.Bytes+size > room.Bytes, room.Messages > 0 && used.Messages >= room.Messages:
		return ErrQuota
	}
	return nil
}
