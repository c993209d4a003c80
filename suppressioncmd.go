package main

import (
	"context"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// suppressionCommand is about who wants no more of a bulk stream.
type suppressionCommand struct {
	List   suppressionListCommand   `cmd:"" help:"List who wants no more of which stream, and why."`
	Add    suppressionAddCommand    `cmd:"" help:"Stop a stream to an address."`
	Remove suppressionRemoveCommand `cmd:"" help:"Let a stream go to an address again."`
}

// Examples end the help text.
func (suppressionCommand) Examples() string {
	return `allgreen suppression list
allgreen suppression remove joe@example.net --stream token:news`
}

type suppressionListCommand struct {
	adminFlags
	Text   string `arg:"" optional:"" help:"A part of the address."`
	Stream string `help:"Of this stream only." placeholder:"STREAM"`
	Limit  int    `help:"So many at the most (100)." default:"100" placeholder:"N"`
}

// Examples end the help text.
func (suppressionListCommand) Examples() string {
	return `allgreen suppression list
allgreen suppression list example.net --stream token:news --json`
}

// Run lists.
func (c *suppressionListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.SuppressionList, web.SuppressionQuery{Stream: c.Stream, Text: c.Text, Limit: c.Limit})
	if err != nil {
		return err
	}
	return listing[web.Suppressed]{
		none:  "nobody stopped anything",
		heads: []show.Column{{Title: "address", Keep: true}, {Title: "stream", Keep: true}, {Title: "because"}, {Title: "since", Keep: true}},
		rows: row(func(s web.Suppressed) []string {
			because := s.Kind
			if s.Why != "" {
				because += ": " + s.Why
			}
			return []string{s.Address, s.Stream, because, clock(s.Since)}
		}),
	}.print(io, c.JSON, all)
}

type suppressionAddCommand struct {
	adminFlags
	Address string `arg:"" help:"Who gets no more of it."`
	Stream  string `required:"" help:"The stream, named like the token that writes it: token:news." placeholder:"STREAM"`
	Why     string `help:"The reason, for those who look later." placeholder:"TEXT"`
}

// Examples end the help text.
func (suppressionAddCommand) Examples() string {
	return "allgreen suppression add joe@example.net --stream token:news --why asked"
}

// Run stops a stream.
func (c *suppressionAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.SuppressionAdd, web.Suppressed{Stream: c.Stream, Address: c.Address, Why: c.Why})
	return c.done(io, err, c.Stream+" does not go to "+c.Address+" any more")
}

type suppressionRemoveCommand struct {
	adminFlags
	Address string `arg:"" help:"Who may get it again."`
	Stream  string `required:"" help:"The stream." placeholder:"STREAM"`
}

// Examples end the help text.
func (suppressionRemoveCommand) Examples() string {
	return "allgreen suppression remove joe@example.net --stream token:news"
}

// Run lifts all that stops a stream.
func (c *suppressionRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.SuppressionRemove, web.SuppressionName{Stream: c.Stream, Address: c.Address})
	return c.done(io, err, c.Stream+" may go to "+c.Address+" again")
}
