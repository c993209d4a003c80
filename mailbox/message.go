package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Message is one message in a folder.
type Message struct {
	Folder   FolderID
	UID      UID
	ModSeq   int64
	Body     store.BodyID
	Size     int64
	Received time.Time
	Flags    Flags
	Keywords []string
	Trace    mail.TraceID
}

// Messages gives up to limit messages of a folder behind a UID, in their order.
func Messages(tx *store.Tx, folder FolderID, after UID, limit int) ([]Message, error) {
	rows, err := tx.Rows(`SELECT uid, modseq, body, size, received, flags, keywords, trace FROM mailbox_message
		WHERE folder = $1 AND uid > $2 ORDER BY uid LIMIT $3`, int64(folder), int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("messages of folder %d: %w", folder, err)
	}
	defer rows.Close()
	var all []Message
	for rows.Next() {
		m := Message{Folder: folder}
		var uid, body, received, flags int64
		var keywords, trace string
		if err := rows.Scan(&uid, &m.ModSeq, &body, &m.Size, &received, &flags, &keywords, &trace); err != nil {
			return nil, err
		}
		m.UID, m.Body, m.Received = UID(uid), store.BodyID(body), store.FromMicros(received)
		m.Flags, m.Keywords, m.Trace = Flags(flags), strings.Fields(keywords), mail.TraceID(trace)
		all = append(all, m)
	}
	return all, rows.Err()
}

// Structure gives what Delivery.Structure was; nil when there was none.
func Structure(tx *store.Tx, folder FolderID, uid UID) (structure []byte, err error) {
	err = tx.Row(`SELECT structure FROM mailbox_structure WHERE message = $1`, structureKey(int64(folder), int64(uid))).Scan(&structure)
	if errors.Is(err, store.ErrNoRow) {
		return nil, nil
	}
	return structure, err
}

// Open opens the body of a message.
func Open(ctx context.Context, st *store.Store, folder FolderID, uid UID) (*store.Body, error) {
	var body int64
	err := st.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT body FROM mailbox_message WHERE folder = $1 AND uid = $2`, int64(folder), int64(uid)).Scan(&body)
	})
	if errors.Is(err, store.ErrNoRow) {
		return nil, fmt.Errorf("%w: UID %d of folder %d", ErrNoMessage, uid, folder)
	}
	if err != nil {
		return nil, fmt.Errorf("open message: %w", err)
	}
	return st.OpenBody(ctx, store.BodyID(body))
}
