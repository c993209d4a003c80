package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/allgreen-mail/allgreen/store"
)

// maxName bounds the name of a folder, in octets.
const maxName = 500

// canonical is the one form of a folder's name: composed characters (RFC 5198, which
// RFC 9051 section 5.1 asks for), and INBOX, also as the top of others, in capitals.
func canonical(name string) string {
	name = norm.NFC.String(name)
	if top, rest, below := strings.Cut(name, "/"); strings.EqualFold(top, "INBOX") {
		name = "INBOX"
		if below {
			name += "/" + rest
		}
	}
	return name
}

// checkName says whether a canonical name can be that of a new folder.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%w: it has more than %d octets", ErrFolderName, maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 }):
		return fmt.Errorf("%w: %q has control characters or is not UTF-8", ErrFolderName, name)
	case name == "INBOX":
		return fmt.Errorf("%w: INBOX is there by itself", ErrFolderExists)
	}
	for level := range strings.SplitSeq(name, "/") {
		if level == "" || strings.TrimSpace(level) != level {
			return fmt.Errorf("%w: %q has an empty level or a blank at its end", ErrFolderName, name)
		}
	}
	return nil
}

// refuseBelowSealed gives ErrSealed when the nearest folder above a name takes nothing in.
func refuseBelowSealed(tx *store.Tx, account int64, name string) error {
	for {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil
		}
		name = name[:i]
		above, err := FolderNamed(tx, account, name)
		switch {
		case errors.Is(err, ErrNoFolder):
		case err != nil:
			return err
		case above.Sealed:
			return fmt.Errorf("%w: %q", ErrSealed, name)
		default:
			return nil
		}
	}
}

// Rename gives a folder another name; the folders below it go with it. Renaming the
// INBOX moves its messages into a new folder, and leaves it and what is below it where
// they are (RFC 9051 section 6.3.6). A folder keeps its UIDVALIDITY: an account never
// has one twice. What is renamed out of a sealed or uncounted tree becomes ordinary:
// open, counted (ErrQuota), and it stays.
func Rename(tx *store.Tx, account int64, from, to string) error {
	from, to = canonical(from), canonical(to)
	if err := rename(tx, account, from, to); err != nil {
		return fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	tx.Wake(Topic(account))
	return nil
}

func rename(tx *store.Tx, account int64, from, to string) error {
	if from == "INBOX" {
		return renameInbox(tx, account, to)
	}
	if err := checkName(to); err != nil {
		return err
	}
	if strings.HasPrefix(to, from+"/") || from == to {
		return fmt.Errorf("%w: it would be below itself", ErrFolderName)
	}
	if err := refuseBelowSealed(tx, account, to); err != nil {
		return err
	}
	all, err := tree(tx, account, from)
	if err != nil {
		return err
	}
	counted := false
	for _, f := range all {
		counted = counted || f.Uncounted
		if err := renameOne(tx, f, to+f.Name[len(from):]); err != nil {
			return err
		}
	}
	if counted {
		return fits(tx, account)
	}
	return nil
}

// tree gives a folder and all below it; one that is only a name above others may be
// renamed, too.
func tree(tx *store.Tx, account int64, name string) (all []Folder, err error) {
	folders, err := Folders(tx, account)
	for _, f := range folders {
		if f.Name == name || strings.HasPrefix(f.Name, name+"/") {
			all = append(all, f)
		}
	}
	if err == nil && len(all) == 0 {
		err = ErrNoFolder
	}
	return all, err
}

func renameOne(tx *store.Tx, f Folder, to string) error {
	if err := checkName(to); err != nil {
		return err
	}
	if _, err := FolderNamed(tx, f.Account, to); !errors.Is(err, ErrNoFolder) {
		if err == nil {
			err = fmt.Errorf("%w: %q", ErrFolderExists, to)
		}
		return err
	}
	// Another process may have renamed or deleted it since it was read.
	n, err := tx.Exec(`UPDATE mailbox_folder SET name = $2, uncounted = 0, sealed = 0, expires = 0 WHERE id = $1 AND account = $3 AND name = $4`,
		int64(f.ID), to, f.Account, f.Name)
	if err == nil && n == 0 {
		err = ErrNoFolder
	}
	if err != nil {
		return err
	}
	return takeSubscription(tx, f.Account, f.ID, to)
}

func renameInbox(tx *store.Tx, account int64, to string) error {
	inbox, err := FolderOf(tx, account, Inbox)
	if err != nil {
		return err
	}
	id, err := NewFolder(tx, Folder{Account: account, Name: to})
	if err != nil {
		return err
	}
	uids, err := UIDs(tx, inbox.ID)
	if err != nil {
		return err
	}
	p, err := beginPassage(tx, inbox.ID, uids.Ranges(), id)
	if err == nil {
		err = p.copy(tx, false)
	}
	if err == nil {
		err = p.leave(tx)
	}
	return err
}

// RemoveFolder deletes a folder at once; Sweep removes its messages. The folders below
// it stay, and so does its subscription. The INBOX cannot go: ErrFolderName.
func RemoveFolder(tx *store.Tx, account int64, name string) error {
	f, err := FolderNamed(tx, account, name)
	if err == nil && f.Role == Inbox {
		err = fmt.Errorf("%w: there is always an INBOX", ErrFolderName)
	}
	if err == nil {
		err = bequeathSubscription(tx, f)
	}
	if err == nil {
		err = deleteFolder(tx, f, `name = $2`, f.Name)
	}
	if err != nil {
		return fmt.Errorf("remove folder %q: %w", name, err)
	}
	return nil
}

// deleteFolder deletes a folder if a condition still holds, about $2: who read the folder
// may have been overtaken by another process. Otherwise it is ErrNoFolder.
func deleteFolder(tx *store.Tx, f Folder, still string, argument any) error {
	tx.Wake(Topic(f.Account))
	n, err := tx.Exec(`UPDATE mailbox_folder SET account = NULL WHERE id = $1 AND account IS NOT NULL AND `+still, int64(f.ID), argument)
	if err == nil && n == 0 {
		err = ErrNoFolder
	}
	return err
}
