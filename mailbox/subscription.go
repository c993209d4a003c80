package mailbox

import (
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// Subscribe subscribes a name or ends its subscription. Only what is a folder can be
// subscribed, ErrNoFolder; but a subscription outlives its folder (RFC 9051 section
// 6.3.7).
func Subscribe(tx *store.Tx, account int64, name string, on bool) error {
	name = canonical(name)
	if !on {
		if _, err := tx.Exec(`DELETE FROM mailbox_subscription WHERE account = $1 AND name = $2`, account, name); err != nil {
			return fmt.Errorf("unsubscribe %q: %w", name, err)
		}
	}
	n, err := tx.Exec(`UPDATE mailbox_folder SET subscribed = $3 WHERE account = $1 AND name = $2`, account, name, on)
	if err == nil && n == 0 && on {
		err = ErrNoFolder
	}
	if err != nil {
		return fmt.Errorf("subscribe %q: %w", name, err)
	}
	tx.Wake(Topic(account))
	return nil
}

// LostSubscriptions gives the names that are subscribed and are no folder any more, in
// their order. Folder.Subscribed has the others.
func LostSubscriptions(tx *store.Tx, account int64) (names []string, err error) {
	rows, err := tx.Rows(`SELECT name FROM mailbox_subscription WHERE account = $1 ORDER BY name`, account)
	if err != nil {
		return nil, fmt.Errorf("subscriptions of account %d: %w", account, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// bequeathSubscription keeps the subscription of a folder that goes.
func bequeathSubscription(tx *store.Tx, f Folder) error {
	if !f.Subscribed {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO mailbox_subscription (account, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, f.Account, f.Name)
	return err
}

// takeSubscription gives a folder the subscription that its name has already.
func takeSubscription(tx *store.Tx, account int64, folder FolderID, name string) error {
	n, err := tx.Exec(`DELETE FROM mailbox_subscription WHERE account = $1 AND name = $2`, account, name)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec(`UPDATE mailbox_folder SET subscribed = 1 WHERE id = $1`, int64(folder))
	return err
}
