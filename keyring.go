package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/web"
)

// keyring lets an administrator rotate the DKIM keys of the server.
type keyring struct{ *server }

func (k keyring) domain(name string) (mail.Domain, error) {
	d, err := mail.ParseDomain(name)
	if err != nil {
		return d, &web.Error{Kind: web.Invalid, Text: err.Error()}
	}
	for _, ours := range k.identity.Statement().Domains {
		if d == ours {
			return d, nil
		}
	}
	return d, &web.Error{Kind: web.Invalid, Text: name + " is no domain of this server", Hint: "domains of the configuration names them"}
}

func keysOf(keys []identity.Key) []web.DKIMKey {
	all := []web.DKIMKey{}
	for _, key := range keys {
		all = append(all, web.DKIMKey{
			Domain: key.Domain.String(), Selector: key.Selector, Algorithm: string(key.Algorithm), State: string(key.State),
			Created: key.Created.UTC(), Since: key.Changed.UTC(), Next: setup.NextRotation(key).UTC(),
		})
	}
	return all
}

// Keys are those of a domain, or of all.
func (k keyring) Keys(in web.DomainName) ([]web.DKIMKey, error) {
	if in.Domain != "" {
		d, err := k.domain(in.Domain)
		return keysOf(k.identity.Keys(d)), err
	}
	var all []identity.Key
	for _, d := range k.identity.Statement().Domains {
		all = append(all, k.identity.Keys(d)...)
	}
	return keysOf(all), nil
}

// Plan makes the next keys.
func (k keyring) Plan(ctx context.Context, in web.DomainName) ([]web.DKIMKey, error) {
	d, err := k.domain(in.Domain)
	if err != nil {
		return nil, err
	}
	keys, err := k.identity.PlanKeys(ctx, d)
	return keysOf(keys), err
}

// Switch signs with the next keys.
func (k keyring) Switch(ctx context.Context, in web.DomainName) ([]web.DKIMKey, error) {
	d, err := k.domain(in.Domain)
	if err != nil {
		return nil, err
	}
	err = k.identity.SwitchKeys(ctx, d)
	if errors.Is(err, identity.ErrNoPlan) {
		err = &web.Error{Kind: web.Conflict, Text: err.Error(), Hint: "begin with: allgreen dkim rotate " + d.String()}
	}
	return keysOf(k.identity.Keys(d)), err
}

// before is the time that an age leads back to.
func (k keyring) before(in web.DKIMAge) (mail.Domain, time.Time, error) {
	d, err := k.domain(in.Domain)
	if err == nil && in.Age < 0 {
		err = &web.Error{Kind: web.Invalid, Text: fmt.Sprintf("an age of %d seconds", in.Age)}
	}
	return d, k.world.Now().Add(-time.Duration(in.Age) * time.Second), err
}

// Revoke empties the records of keys that were retired so long ago.
func (k keyring) Revoke(ctx context.Context, in web.DKIMAge) ([]web.DKIMKey, error) {
	d, before, err := k.before(in)
	if err != nil {
		return nil, err
	}
	keys, err := k.identity.RevokeKeys(ctx, d, before)
	return keysOf(keys), err
}

// Forget drops keys that were revoked so long ago.
func (k keyring) Forget(ctx context.Context, in web.DKIMAge) ([]web.DKIMKey, error) {
	d, before, err := k.before(in)
	if err != nil {
		return nil, err
	}
	err = k.identity.ForgetKeys(ctx, d, before)
	return keysOf(k.identity.Keys(d)), err
}
