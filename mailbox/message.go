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
	Folder    FolderID
	UID       UID
	ModSeq    int64 // of its arrival here or its last change
	Body      store.BodyID
	Size      int64
	Received  time.Time
	Flags     Flags
	Keywords  []string
	Trace     mail.TraceID
	Structure []byte // as it was delivered with, when Fetch was asked for Structures
}

// Messages gives up to limit messages of a folder behind a UID, in their order.
func Messages(tx *store.Tx, folder FolderID, after UID, limit int) ([]Message, error) {
	rows, err := tx.Rows(selectMessages(Facts)+`WHERE m.folder = $1 AND m.uid > $2 ORDER BY m.uid LIMIT $3`, int64(folder), int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("messages of folder %d: %w", folder, err)
	}
	var all []Message
	err = scanMessages(rows, folder, Facts, func(m *Message) error {
		all = append(all, *m)
		*m = Message{Folder: folder} // what was given away is not used again
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("messages of folder %d: %w", folder, err)
	}
	return all, nil
}

// Structure gives what Delivery.Structure was; nil when there was none.
func Structure(tx *store.Tx, folder FolderID, uid UID) (structure []byte, err error) {
	err = tx.Row(`SELECT structure FROM mailbox_structure WHERE message = $1`, structureKey(int64(folder), int64(uid))).Scan(&structure)
	if errors.Is(err, store.ErrNoRow) {
		return nil, nil
	}
	return structure, err
}

// SetStructure keeps the structure of a message that was delivered without one, or
// with one that nobody understands any more. A message that is not there is passed over.
func SetStructure(tx *store.Tx, folder FolderID, uid UID, structure []byte) error {
	_, err := tx.Exec(`INSERT INTO mailbox_structure (message, structure)
		SELECT $1 + uid, $4 FROM mailbox_message WHERE folder = $2 AND uid = $3
		ON CONFLICT (message) DO UPDATE SET structure = excluded.structure`,
		structureKey(int64(folder), 0), int64(folder), int64(uid), structure)
	if err != nil {
		return fmt.Errorf("keep the structure of UID %d of folder %d: %w", uid, folder, err)
	}
	return nil
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

// setKeywords reads the column of keywords.
func (m *Message) setKeywords(text string) {
	m.Keywords = m.Keywords[:0]
	if text == "" {
		return
	}
	for k := range strings.SplitSeq(text, " ") {
		m.Keywords = append(m.Keywords, k)
	}
}
