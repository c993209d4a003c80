package mailbox

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/allgreen-mail/allgreen/store"
)

// The errors that callers tell apart.
var (
	// ErrNoFolder: the account has no such folder, or there is no such account.
	ErrNoFolder = errors.New("no such folder")
	// ErrFolderExists: the account has a folder of that name or role.
	ErrFolderExists = errors.New("the folder exists")
	// ErrFolderName: the name cannot be a folder's.
	ErrFolderName = errors.New("not a name for a folder")
	// ErrSealed: the folder takes nothing in.
	ErrSealed = errors.New("the folder takes nothing in")
	// ErrNoMessage: the folder has no message of that UID.
	ErrNoMessage = errors.New("no such message")
	// ErrQuota: the account's room is used up.
	ErrQuota = errors.New("mailbox full")
)

// Role is the special use of a folder (RFC 6154). The zero value is an ordinary
// folder; in a Delivery it is the INBOX.
type Role string

// The roles.
const (
	Inbox   Role = "inbox"
	Sent    Role = "sent"
	Drafts  Role = "drafts"
	Junk    Role = "junk"
	Trash   Role = "trash"
	Archive Role = "archive"
)

// FolderID names a folder for ever; it is never used again.
type FolderID int64

// Folder is one folder and its counters.
type Folder struct {
	ID          FolderID
	Account     int64
	Name        string // full, levels divided by "/"; the inbox is "INBOX"
	Role        Role
	Subscribed  bool
	UIDValidity uint32
	UIDNext     UID
	ModSeq      int64 // the highest given to a message here
	Messages    int64
	Unseen      int64
	Bytes       int64
	Uncounted   bool // outside of the quota
	Sealed      bool // takes nothing in
	Created     time.Time
	Expires     time.Time // zero: never
}

// first are the folders of a new account, in this order.
var first = []struct {
	name string
	role Role
}{{"INBOX", Inbox}, {"Sent", Sent}, {"Drafts", Drafts}, {"Junk", Junk}, {"Trash", Trash}, {"Archive", Archive}}

// Topic is what to Watch for changes in an account's folders.
func Topic(account int64) string { return "mailbox/" + strconv.FormatInt(account, 10) }

// Create makes the mailbox of a new account: INBOX, Sent, Drafts, Junk, Trash and
// Archive, without a quota.
func Create(tx *store.Tx, account int64) error {
	if _, err := tx.Exec(`INSERT INTO mailbox_account (account, quota_bytes, quota_messages, uidvalidity) VALUES ($1, 0, 0, 0)`, account); err != nil {
		return fmt.Errorf("create the mailbox of account %d: %w", account, err)
	}
	for _, f := range first {
		if _, err := insertFolder(tx, Folder{Account: account, Name: f.name, Role: f.role, Subscribed: true, Created: tx.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// NewFolder makes a folder as f describes it: Account, Name, Role, Subscribed,
// Uncounted, Sealed, Expires. The folders above it need not exist. Below a sealed one
// nothing can be made but what is sealed itself: ErrSealed.
func NewFolder(tx *store.Tx, f Folder) (FolderID, error) {
	f.Name = canonical(f.Name)
	if err := checkName(f.Name); err != nil {
		return 0, err
	}
	if !f.Sealed {
		if err := refuseBelowSealed(tx, f.Account, f.Name); err != nil {
			return 0, err
		}
	}
	f.Created = tx.Now()
	return insertFolder(tx, f)
}

func insertFolder(tx *store.Tx, f Folder) (FolderID, error) {
	validity, err := nextUIDValidity(tx, f.Account, f.Created)
	if err != nil {
		return 0, err
	}
	var role *string
	if f.Role != "" {
		role = (*string)(&f.Role)
	}
	var id int64
	err = tx.Row(`INSERT INTO mailbox_folder (account, name, role, subscribed, uidvalidity, uidnext, modseq,
			messages, unseen, bytes, uncounted, sealed, created, expires)
		VALUES ($1, $2, $3, $4, $5, 1, 1, 0, 0, 0, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id`,
		f.Account, f.Name, role, f.Subscribed, validity, f.Uncounted, f.Sealed, f.Created, f.Expires).Scan(&id)
	if errors.Is(err, store.ErrNoRow) {
		return 0, fmt.Errorf("%w: %q", ErrFolderExists, f.Name)
	}
	if err != nil {
		return 0, fmt.Errorf("create folder %q: %w", f.Name, err)
	}
	tx.Wake(Topic(f.Account))
	return FolderID(id), takeSubscription(tx, f.Account, FolderID(id), f.Name)
}

// nextUIDValidity is the time in seconds, or one more than the last where that is not
// later: a name used again, also after a backup came back, gets a higher one (RFC 9051
// section 2.3.1.1).
func nextUIDValidity(tx *store.Tx, account int64, now time.Time) (uint32, error) {
	var v int64
	err := tx.Row(`UPDATE mailbox_account SET uidvalidity = CASE WHEN uidvalidity < $2 THEN $2 ELSE uidvalidity + 1 END
		WHERE account = $1 RETURNING uidvalidity`, account, now.Unix()).Scan(&v)
	if errors.Is(err, store.ErrNoRow) {
		return 0, fmt.Errorf("%w: account %d has no mailbox", ErrNoFolder, account)
	}
	if err != nil {
		return 0, fmt.Errorf("next UIDVALIDITY of account %d: %w", account, err)
	}
	return uint32(v), nil
}

const folderColumns = `id, account, name, COALESCE(role, ''), subscribed, uidvalidity, uidnext, modseq,
	messages, unseen, bytes, uncounted, sealed, created, expires`

// Folders gives the folders of an account in the order of their names.
func Folders(tx *store.Tx, account int64) ([]Folder, error) {
	return foldersWhere(tx, `account = $1 ORDER BY name`, account)
}

func foldersWhere(tx *store.Tx, where string, args ...any) (all []Folder, err error) {
	rows, err := tx.Rows(`SELECT `+folderColumns+` FROM mailbox_folder WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("folders: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		f, err := scanFolder(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

func scanFolder(scan func(...any) error) (f Folder, err error) {
	var id, validity, next int64
	var role string
	err = scan(&id, &f.Account, &f.Name, &role, &f.Subscribed, &validity, &next, &f.ModSeq,
		&f.Messages, &f.Unseen, &f.Bytes, &f.Uncounted, &f.Sealed, &f.Created, &f.Expires)
	f.ID, f.Role, f.UIDValidity, f.UIDNext = FolderID(id), Role(role), uint32(validity), UID(next)
	return f, err
}

// FolderOf gives the folder of an account that has a role.
func FolderOf(tx *store.Tx, account int64, role Role) (Folder, error) {
	return oneFolder(tx, fmt.Sprintf("%s of account %d", role, account), `account = $1 AND role = $2`, account, string(role))
}

// FolderNamed gives the folder of an account that has a name; the name of the INBOX is
// taken in any case.
func FolderNamed(tx *store.Tx, account int64, name string) (Folder, error) {
	return oneFolder(tx, fmt.Sprintf("%q of account %d", name, account), `account = $1 AND name = $2`, account, canonical(name))
}

// FolderByID gives a folder that was not deleted.
func FolderByID(tx *store.Tx, id FolderID) (Folder, error) {
	return oneFolder(tx, fmt.Sprintf("number %d", id), `id = $1 AND account IS NOT NULL`, int64(id))
}

// oneFolder gives the folder of a condition, or ErrNoFolder with what was looked for.
func oneFolder(tx *store.Tx, what, where string, args ...any) (Folder, error) {
	f, err := scanFolder(tx.Row(`SELECT `+folderColumns+` FROM mailbox_folder WHERE `+where, args...).Scan)
	if errors.Is(err, store.ErrNoRow) {
		return f, fmt.Errorf("%w: %s", ErrNoFolder, what)
	}
	if err != nil {
		return f, fmt.Errorf("folder %s: %w", what, err)
	}
	return f, nil
}

// SetRole gives a folder a special use, or takes it away. ErrFolderExists when another
// folder of the account has it. The INBOX and its role stay together: ErrFolderName.
func SetRole(tx *store.Tx, folder FolderID, role Role) error {
	f, err := FolderByID(tx, folder)
	if err != nil {
		return fmt.Errorf("set a role: %w", err)
	}
	if f.Role == Inbox || role == Inbox {
		return fmt.Errorf("set a role: %w: the INBOX is the INBOX", ErrFolderName)
	}
	other, err := FolderOf(tx, f.Account, role)
	switch {
	case role != "" && err == nil && other.ID != folder:
		return fmt.Errorf("set a role: %w: %q is %s", ErrFolderExists, other.Name, role)
	case err != nil && !errors.Is(err, ErrNoFolder):
		return err
	}
	var value *string
	if role != "" {
		value = (*string)(&role)
	}
	if _, err := tx.Exec(`UPDATE mailbox_folder SET role = $2 WHERE id = $1`, int64(folder), value); err != nil {
		return fmt.Errorf("set a role: %w", err)
	}
	tx.Wake(Topic(f.Account))
	return nil
}

// Remove takes an account's mailbox away at once; Sweep removes its messages.
func Remove(tx *store.Tx, account int64) error {
	if _, err := tx.Exec(`UPDATE mailbox_folder SET account = NULL WHERE account = $1`, account); err != nil {
		return fmt.Errorf("remove the folders of account %d: %w", account, err)
	}
	for _, table := range []string{"account", "subscription", "script"} {
		if _, err := tx.Exec(`DELETE FROM mailbox_`+table+` WHERE account = $1`, account); err != nil {
			return fmt.Errorf("remove the mailbox of account %d: %w", account, err)
		}
	}
	tx.Wake(Topic(account))
	tx.Wake(ScriptsTopic)
	return nil
}
