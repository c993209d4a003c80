package main

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// webLoginCommand makes the first way into the pages, and the last when all others are
// lost.
type webLoginCommand struct{ adminFlags }

// Examples end the help text.
func (webLoginCommand) Examples() string { return "allgreen web login" }

// Run makes a link and prints it.
func (c *webLoginCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	link, err := ask(ctx, c.adminFlags, common, web.WebLogin, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, link)
	}
	use := fmt.Sprintf("It lets one browser in, once, until %s UTC, to add a passkey or an app for codes as %s.", clock(link.Expires), link.Who)
	_, err = fmt.Fprintf(io.out, "%s\n%s\n", link.URL, show.Paragraph(use, 0, width(io.out)))
	return err
}
