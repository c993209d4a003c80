package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/allgreen-mail/allgreen/transfer"
	"github.com/allgreen-mail/allgreen/web"
)

// exportCommand brings a mailbox out.
type exportCommand struct {
	Maildir exportMaildirCommand `cmd:"" help:"Write a mailbox as a Maildir; a second run adds what is new."`
	Mbox    exportMboxCommand    `cmd:"" help:"Write a mailbox as mbox files, one for each folder."`
}

// Examples end the help text.
func (exportCommand) Examples() string {
	return `allgreen export maildir /srv/anna --of anna@example.com
allgreen export mbox /srv/anna --of anna@example.com --folder Archive`
}

// exportFlags say whose mailbox, and where to.
type exportFlags struct {
	transferFlags
	Of  string `required:"" help:"The account, by its address." placeholder:"ADDRESS"`
	Dir string `arg:"" help:"The directory to write into; it is made."`
}

func (f exportFlags) copyOut(ctx context.Context, io streams, common commonFlags, to transfer.Target, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return &failure{exitFailed, err, "choose a directory that can be written"}
	}
	client, err := f.client(common)
	if err != nil {
		return err
	}
	return f.copy(ctx, io, web.NewMailbox(client, f.Of), to)
}

type exportMaildirCommand struct{ exportFlags }

// Examples end the help text.
func (exportMaildirCommand) Examples() string {
	return "allgreen export maildir /srv/anna --of anna@example.com"
}

// Run exports.
func (c *exportMaildirCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	to, err := transfer.NewMaildir(c.Dir)
	return c.copyOut(ctx, io, common, to, err)
}

type exportMboxCommand struct{ exportFlags }

// Examples end the help text.
func (exportMboxCommand) Examples() string {
	return "allgreen export mbox /srv/anna --of anna@example.com"
}

// Run exports.
func (c *exportMboxCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	to, err := transfer.NewMbox(c.Dir)
	return c.copyOut(ctx, io, common, to, err)
}
