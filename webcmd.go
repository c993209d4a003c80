package main

import (
	"context"

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
	return tellSecret(io, c.JSON, secret)
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
	return listing[web.APIToken]{
		none:  "there is no token",
		heads: []show.Column{{Title: "token", Keep: true}, {Title: "may"}, {Title: "made"}},
		rows: row(func(t web.APIToken) []string {
			may := "changes"
			if t.ReadOnly {
				may = "looks"
			}
			return []string{t.Name, may, t.Created.Format("2006-01-02")}
		}),
	}.print(io, c.JSON, all)
}

type webTokenRemoveCommand struct{ nameFlags }

// Examples end the help text.
func (webTokenRemoveCommand) Examples() string { return "allgreen web token remove monitor" }

// Run removes.
func (c *webTokenRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.APITokenRemove, web.SenderName{Name: c.Name})
	return c.done(io, err, c.Name+" opens nothing any more")
}
