package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Alias is an address that leads to others; "@example.com" is a catch-all.
type Alias struct {
	From  string   `json:"from"`
	To    []string `json:"to,omitempty"`
	Owner string   `json:"owner,omitempty"` // gets the failures; absent: the domain's admin

	// Instead says that the account which has the address shall get its mail no more.
	Instead bool `json:"instead,omitempty"`
	// Replace says that an alias which leads elsewhere is to be changed.
	Replace bool `json:"replace,omitempty"`
}

// aliasName is the address of an alias, "@example.com" for a catch-all.
func aliasName(from mail.Address) string {
	if from.Local == "" {
		return "@" + from.Domain.String()
	}
	return from.String()
}

func (p people) addAlias(ctx context.Context, in Alias) (None, error) {
	var owner account.ID
	if in.Owner != "" {
		a, err := p.find(ctx, in.Owner)
		if err != nil {
			return None{}, err
		}
		owner = a.ID
	}
	var to []mail.Address
	for _, text := range in.To {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return None{}, peopleError(err)
		}
		to = append(to, a)
	}
	from, domain, err := parseAlias(in.From)
	if err == nil {
		err = p.checkTargets(ctx, from, to)
	}
	if err == nil && !in.Replace {
		err = p.checkNew(ctx, cmp.Or(from, mail.Address{Domain: domain}), to)
	}
	switch {
	case err != nil:
	case !domain.IsZero():
		err = p.dir.SetCatchAll(ctx, domain, to, owner)
	case !in.Instead && !slices.Contains(to, from) && p.isAccount(ctx, from):
		return None{}, &Error{
			Kind: Conflict, Text: fmt.Sprintf("%s has a mailbox, which would get nothing any more", from),
			Hint: fmt.Sprintf("keep a copy there with --to %s as well, or say --instead", from),
		}
	default:
		err = p.dir.AddAlias(ctx, account.Alias{From: from, To: to, Owner: owner})
	}
	return None{}, peopleError(err)
}

// checkTargets wants every target of ours to exist. An account may keep a copy of what its
// address gets; any other address leads to others.
func (p people) checkTargets(ctx context.Context, from mail.Address, to []mail.Address) error {
	return p.store.Read(ctx, func(tx *store.Tx) error {
		for _, a := range to {
			if account.Normal(a) == account.Normal(from) && p.isAccount(ctx, from) {
				continue
			}
			found, err := p.dir.Resolve(tx, a)
			circle := !from.IsZero() && account.Normal(a) == account.Normal(from)
			switch {
			case circle, err == nil && found.CatchAll, errors.Is(err, account.ErrNoMailbox):
				return &Error{
					Kind: Invalid, Text: fmt.Sprintf("%s would lead to %s: no such mailbox", aliasOrCatchAll(from), a),
					Hint: "make it first, with: allgreen account add, or: allgreen account alias add",
				}
			case err != nil && !errors.Is(err, account.ErrNotLocal) && !errors.Is(err, account.ErrNoAdmin) && !errors.Is(err, account.ErrDisabled):
				return err
			}
		}
		return nil
	})
}

func aliasOrCatchAll(from mail.Address) string {
	if from.IsZero() {
		return "the catch-all"
	}
	return from.String()
}

// checkNew refuses to change what an address leads to without having been told to.
func (p people) checkNew(ctx context.Context, from mail.Address, to []mail.Address) error {
	all, err := p.dir.Aliases(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a account.Alias) bool { return a.From == account.Normal(from) })
	if i < 0 || slices.Equal(all[i].To, to) {
		return nil
	}
	var have []string
	for _, a := range all[i].To {
		have = append(have, a.String())
	}
	return &Error{
		Kind: Conflict, Text: fmt.Sprintf("%s leads to %s already", aliasName(from), strings.Join(have, ", ")),
		Hint: "say --replace to change that, and name all whom it shall lead to",
	}
}

func (p people) isAccount(ctx context.Context, address mail.Address) bool {
	_, err := p.dir.Get(ctx, address)
	return err == nil
}

// parseAlias reads an address, or "@example.com" for all of a domain.
func parseAlias(text string) (from mail.Address, catchAll mail.Domain, err error) {
	if len(text) > 0 && text[0] == '@' {
		catchAll, err = mail.ParseDomain(text[1:])
		return from, catchAll, err
	}
	from, err = mail.ParseAddress(text)
	return from, catchAll, err
}

func (p people) removeAlias(ctx context.Context, in Alias) (None, error) {
	from, domain, err := parseAlias(in.From)
	switch {
	case err != nil:
	case !domain.IsZero():
		err = p.dir.RemoveCatchAll(ctx, domain)
	default:
		err = p.dir.RemoveAlias(ctx, from)
	}
	return None{}, peopleError(err)
}

func (p people) aliases(ctx context.Context, _ None) ([]Alias, error) {
	found, err := p.dir.Aliases(ctx)
	if err != nil {
		return nil, peopleError(err)
	}
	names, err := p.names(ctx)
	all := make([]Alias, 0, len(found))
	for _, l := range found {
		a := Alias{From: aliasName(l.From), Owner: names[l.Owner]}
		for _, to := range l.To {
			a.To = append(a.To, to.String())
		}
		all = append(all, a)
	}
	return all, err
}
