package main

import (
	"context"
	"fmt"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// webCommand is about the pages and the API of the running server.
type webCommand struct {
	Login webLoginCommand `cmd:"" help:"Print a link that lets whoever opens it first into the pages, to add a passkey or an app for codes."`
	Token webTokenCommand `cmd:"" help:"Let programs administer over the API, or only look."`
}

// Examples end the help text.
func (webCommand) Examples() string {
	return `allgreen web login
allgreen web token add monitor --read-only`
}

// webTokenCommand is about programs that use the API.
type webTokenCommand struct {
	Add    webTokenAddCommand    `cmd:"" help:"Make a token."`
	List   webTokenListCommand   `cmd:"" help:"List the tokens."`
	Remove webTokenRemoveCommand `cmd:"" help:"Remove a token."`
}

// Examples end the help text.
func (webTokenCommand) Examples() string {
	return `allgreen web token add monitor --read-only
allgreen web token list`
}

type webTokenAddCommand struct {
	nameFlags
	ReadOnly bool `help:"Let it look, and change nothing."`
}

// Examples end the help text.
func (webTokenAddCommand) Examples() string { return "allgreen web token add monitor --read-only" }

// Run makes a token and shows it, once.
func (c *webTokenAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	secret, err := ask(ctx, c.adminFlags, common, web.APITokenAdd, web.APIToken{Name: c.Name, ReadOnly: c.ReadOnly})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, secret)
	}
	_, err = fmt.Fprintf(io.out, "%s\nIt is the secret of the token, and it is shown this once.\n", secret.Secret)
	return err
}

type webTokenListCommand struct{ adminFlags }

// Examples end the help text.
func (webTokenListCommand) Examples() string { return "allgreen web token list" }

// Run lists.
func (c *webTokenListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.APITokenList, web.None{})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(io.out, "there is no token")
		return err
	}
	var rows [][]string
	for _, t := range all {
		may := "changes"
		if t.ReadOnly {
			may = "looks"
		}
		rows = append(rows, []string{t.Name, may, t.Created.Format("2006-01-02")})
	}
	return show.Table(io.out, []show.Column{{Title: "token", Keep: true}, {Title: "may"}, {Title: "made"}}, rows, width(io.out))
}

type webTokenRemoveCommand struct{ nameFlags }

// Examples end the help text.
func (webTokenRemoveCommand) Examples() string { return "allgreen web token remove monitor" }

// Run removes.
func (c *webTokenRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.APITokenRemove, web.SenderName{Name: c.Name})
	return c.done(io, err, c.Name+" opens nothing any more")
}
