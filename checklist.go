package main

import (
	"context"
	"errors"

	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// checklist answers the calls about what only a person can do.
type checklist struct{ *server }

// facts are what the list follows from, without what is to be looked up.
func (c checklist) facts(ctx context.Context) (setup.Facts, error) {
	settings, said := c.now.Load().settings, c.identity.Statement()
	f := setup.Facts{Hostname: said.Hostname, Domains: said.Domains, DQSKey: settings.Receive.DQSKey != "", Now: c.world.Now()}
	for _, e := range said.Egress {
		f.Addresses = append(f.Addresses, setup.Address{IP: e.IP, Name: e.Name})
	}
	err := c.store.Read(ctx, func(tx *store.Tx) (err error) {
		f.Ticks, err = setup.Ticks(tx)
		return err
	})
	return f, err
}

// Items are all of them, after a look.
func (c checklist) Items(ctx context.Context) ([]setup.Item, error) {
	f, err := c.facts(ctx)
	if err != nil {
		return nil, err
	}
	f.Sights = setup.Look(ctx, c.world, f)
	return setup.Checklist(f), nil
}

// Mark keeps the word of a person.
func (c checklist) Mark(ctx context.Context, in web.ChecklistTick) ([]setup.Item, error) {
	return c.change(ctx, func(tx *store.Tx, f setup.Facts) error { return setup.Mark(tx, f, in.ID, in.Subject, in.Note) })
}

// Unmark takes it back.
func (c checklist) Unmark(ctx context.Context, in web.ChecklistTick) ([]setup.Item, error) {
	return c.change(ctx, func(tx *store.Tx, f setup.Facts) error { return setup.Unmark(tx, f, in.ID, in.Subject) })
}

func (c checklist) change(ctx context.Context, do func(*store.Tx, setup.Facts) error) ([]setup.Item, error) {
	f, err := c.facts(ctx)
	if err != nil {
		return nil, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error { return do(tx, f) })
	if errors.Is(err, setup.ErrNoItem) {
		err = &web.Error{Kind: web.Invalid, Text: err.Error(), Hint: "allgreen checklist shows the ids, and for whom"}
	}
	if err != nil {
		return nil, err
	}
	return c.Items(ctx)
}
