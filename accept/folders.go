package accept

import (
	"context"
	"errors"
	"strings"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// folders are those of one account, read when a script asks.
type folders struct {
	ctx     context.Context
	store   *store.Store
	account int64
	all     []mailbox.Folder
	read    bool
}

func (f *folders) list() ([]mailbox.Folder, error) {
	if f.read {
		return f.all, nil
	}
	err := f.store.Read(f.ctx, func(tx *store.Tx) (err error) {
		f.all, err = mailbox.Folders(tx, f.account)
		return err
	})
	f.read = err == nil
	return f.all, err
}

// has reports whether there is a folder of a name that takes messages in.
func (f *folders) has(name string) (bool, error) {
	var err error
	readErr := f.store.Read(f.ctx, func(tx *store.Tx) error {
		var folder mailbox.Folder
		if folder, err = mailbox.FolderNamed(tx, f.account, name); err == nil && folder.Sealed {
			err = mailbox.ErrNoFolder
		}
		return nil
	})
	switch {
	case readErr != nil:
		return false, readErr
	case errors.Is(err, mailbox.ErrNoFolder), errors.Is(err, mailbox.ErrFolderName):
		return false, nil
	}
	return err == nil, err
}

// role is the role behind a special use (RFC 6154), if a folder of the account has it.
func (f *folders) role(use string) (mailbox.Role, bool, error) {
	if use == "" {
		return "", false, nil
	}
	all, err := f.list()
	if err != nil {
		return "", false, err
	}
	role := mailbox.Role(strings.ToLower(strings.TrimPrefix(use, `\`)))
	for i := range all {
		if all[i].Role == role && !all[i].Sealed {
			return role, true, nil
		}
	}
	return "", false, nil
}

func (f *folders) hasUse(use string) (bool, error) {
	_, ok, err := f.role(use)
	return ok, err
}

// maxFolders is up to how many folders scripts make new ones: strangers write what
// their names are made of.
const maxFolders = 1000

// mayCreate reports whether a folder is missing and may be made.
func (f *folders) mayCreate(name string) (bool, error) {
	if there, err := f.has(name); there || err != nil {
		return false, err
	}
	all, err := f.list()
	return len(all) < maxFolders, err
}

// create makes the folders that scripts ask for; one whose name is none is not made,
// and the message goes where it would have gone.
func (p *plan) createFolders(tx *store.Tx) error {
	for _, f := range p.create {
		_, err := mailbox.FolderNamed(tx, f.Account, f.Name)
		if errors.Is(err, mailbox.ErrNoFolder) {
			_, err = mailbox.NewFolder(tx, f)
		}
		if err != nil && !errors.Is(err, mailbox.ErrFolderName) && !errors.Is(err, mailbox.ErrFolderExists) && !errors.Is(err, mailbox.ErrSealed) {
			return err
		}
	}
	return nil
}
