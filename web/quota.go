package web

import (
	"context"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// AccountQuota gives an account its room.
var AccountQuota = Call[NewQuota, Account]{"account.quota"}

// NewQuota is the room of an account. Zero is no limit. What is there already stays,
// however much it is.
type NewQuota struct {
	Address  string `json:"address"`
	Octets   int64  `json:"octets,omitempty"`
	Messages int64  `json:"messages,omitempty"`
}

func (p people) setQuota(ctx context.Context, in NewQuota) (Account, error) {
	if in.Octets < 0 || in.Messages < 0 {
		return Account{}, &Error{Kind: Invalid, Text: "a mailbox has no room below nothing", Hint: "zero is no limit"}
	}
	_, err := p.with(ctx, in.Address, func(id account.ID) error {
		return p.store.Write(ctx, func(tx *store.Tx) error {
			return mailbox.SetQuota(tx, int64(id), mailbox.Quota{Bytes: in.Octets, Messages: in.Messages})
		})
	})
	if err != nil {
		return Account{}, err
	}
	a, err := p.find(ctx, in.Address)
	if err != nil {
		return Account{}, err
	}
	return p.describe(ctx, a, nil)
}
