package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// aliasCommand is about addresses that lead to others.
type aliasCommand struct {
	Add    aliasAddCommand    `cmd:"" help:"Have an address lead to others; @example.com catches every unknown one."`
	List   aliasListCommand   `cmd:"" help:"List the aliases."`
	Remove aliasRemoveCommand `cmd:"" help:"Remove an alias."`
}

// Examples end the help text.
func (aliasCommand) Examples() string {
	return `allgreen account alias add sales@example.com --to anna@example.com
allgreen account alias list`
}

type aliasAddCommand struct {
	adminFlags
	From  string   `arg:"" help:"The address, or @DOMAIN for every address of it that nobody has."`
	To    []string `required:"" help:"Where its mail goes. Repeatable." placeholder:"ADDRESS" sep:","`
	Owner string   `help:"The account that gets its failures; without it the domain's admin." placeholder:"ADDRESS"`

	Instead bool `help:"Take the mail away from the account that has this address."`
	Replace bool `help:"Change where an alias leads that there is."`
}

// Examples end the help text.
func (aliasAddCommand) Examples() string {
	return "allgreen account alias add sales@example.com --to anna@example.com"
}

// Run makes the alias. A catch-all takes the mail of every spammer who guesses.
func (c *aliasAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.AliasAdd, web.Alias{From: c.From, To: c.To, Owner: c.Owner, Instead: c.Instead, Replace: c.Replace})
	if err == nil && strings.HasPrefix(c.From, "@") {
		fmt.Fprintf(io.err, "allgreen: every made-up address of %s now takes mail; spammers make up many\n", c.From[1:])
	}
	return c.done(io, err, fmt.Sprintf("mail for %s goes to %s", c.From, strings.Join(c.To, ", ")))
}

type aliasListCommand struct{ adminFlags }

// Examples end the help text.
func (aliasListCommand) Examples() string { return "allgreen account alias list" }

// Run lists.
func (c *aliasListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.AliasList, web.None{})
	if err != nil {
		return err
	}
	return listing[web.Alias]{
		none:  "there is no alias; postmaster, abuse and the like need none",
		heads: []show.Column{{Title: "alias", Keep: true}, {Title: "to"}, {Title: "owner"}},
		rows: row(func(a web.Alias) []string {
			return []string{a.From, strings.Join(a.To, ", "), a.Owner}
		}),
	}.print(io, c.JSON, all)
}

type aliasRemoveCommand struct {
	adminFlags
	From string `arg:"" help:"The address, or @DOMAIN."`
}

// Examples end the help text.
func (aliasRemoveCommand) Examples() string {
	return "allgreen account alias remove sales@example.com"
}

// Run removes.
func (c *aliasRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.AliasRemove, web.Alias{From: c.From})
	return c.done(io, err, c.From+" leads nowhere any more")
}

// senderFlags are what devices and tokens have in common.
type senderFlags struct {
	Name      string   `arg:"" help:"Its name in the log."`
	From      []string `help:"The addresses or domains it may write as. Repeatable." placeholder:"ADDRESS" sep:","`
	LocalOnly bool     `help:"Let it write to the domains of this server only."`
	PerHour   int      `help:"Recipients per hour; without it the default." placeholder:"N"`
	PerDay    int      `help:"Recipients per day; without it the default." placeholder:"N"`
}

// nameFlags name a device or token.
type nameFlags struct {
	adminFlags
	Name string `arg:"" help:"Its name."`
}

// tokenCommand is about programs that send over HTTP.
type tokenCommand struct {
	Add    tokenAddCommand    `cmd:"" help:"Make a token."`
	List   tokenListCommand   `cmd:"" help:"List the tokens."`
	Remove tokenRemoveCommand `cmd:"" help:"Remove a token."`
}

// Examples end the help text.
func (tokenCommand) Examples() string {
	return `allgreen account token add crm --owner anna@example.com --from crm@example.com
allgreen account token list`
}

type tokenAddCommand struct {
	adminFlags
	senderFlags
	Owner string `help:"The account that gets its failures." placeholder:"ADDRESS"`
	Bulk  bool   `help:"It writes to many, one message each: with a link to unsubscribe, and never to who used it."`
}

// Examples end the help text.
func (tokenAddCommand) Examples() string {
	return "allgreen account token add crm --owner anna@example.com --from crm@example.com"
}

// Run makes a token and shows it, once.
func (c *tokenAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	if c.Owner == "" || len(c.From) == 0 {
		return usage(errors.New("a token needs an owner and what it may write as"), "name them with --owner and --from")
	}
	secret, err := ask(ctx, c.adminFlags, common, web.TokenAdd, web.Token{
		Name: c.Name, Bulk: c.Bulk, Owner: c.Owner, From: c.From, LocalOnly: c.LocalOnly, RecipientsPerHour: c.PerHour, RecipientsPerDay: c.PerDay,
	})
	if err != nil {
		return err
	}
	return tellSecret(io, c.JSON, secret)
}

type tokenListCommand struct{ adminFlags }

// Examples end the help text.
func (tokenListCommand) Examples() string { return "allgreen account token list" }

// Run lists.
func (c *tokenListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.TokenList, web.None{})
	if err != nil {
		return err
	}
	return listing[web.Token]{
		none:  "there is no token",
		heads: []show.Column{{Title: "token", Keep: true}, {Title: "owner"}, {Title: "writes as"}, {Title: "mail"}, {Title: "to"}},
		rows: row(func(t web.Token) []string {
			return []string{t.Name, t.Owner, strings.Join(t.From, ", "), kindOf(t), reach(t.LocalOnly)}
		}),
	}.print(io, c.JSON, all)
}

// kindOf is what a token sends.
func kindOf(t web.Token) string {
	if t.Bulk {
		return "bulk"
	}
	return "single"
}

func reach(localOnly bool) string {
	if localOnly {
		return "our domains"
	}
	return "everybody"
}

type tokenRemoveCommand struct{ nameFlags }

// Examples end the help text.
func (tokenRemoveCommand) Examples() string { return "allgreen account token remove crm" }

// Run removes.
func (c *tokenRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.TokenRemove, web.SenderName{Name: c.Name})
	return c.done(io, err, c.Name+" opens nothing any more")
}

// deviceCommand is about what sends by its network.
type deviceCommand struct {
	Add    deviceAddCommand    `cmd:"" help:"Add a device."`
	List   deviceListCommand   `cmd:"" help:"List the devices."`
	Remove deviceRemoveCommand `cmd:"" help:"Remove a device."`
}

// Examples end the help text.
func (deviceCommand) Examples() string {
	return `allgreen account device add printer --network 192.168.1.20 \
  --from printer@example.com --local-only
allgreen account device list`
}

type deviceAddCommand struct {
	adminFlags
	senderFlags
	Network []string `help:"The address or network it comes from. Repeatable." placeholder:"NETWORK" sep:","`
	Owner   string   `help:"Who gets its failures; without it the admin." placeholder:"ADDRESS"`
}

// Examples end the help text.
func (deviceAddCommand) Examples() string {
	return `allgreen account device add printer --network 192.168.1.20 \
  --from printer@example.com`
}

// Run adds a device.
func (c *deviceAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	if len(c.Network) == 0 || len(c.From) == 0 {
		return usage(errors.New("a device needs its networks and what it may write as"), "name them with --network and --from")
	}
	_, err := ask(ctx, c.adminFlags, common, web.DeviceAdd, web.Device{
		Name: c.Name, Networks: c.Network, From: c.From, Owner: c.Owner, LocalOnly: c.LocalOnly,
		RecipientsPerHour: c.PerHour, RecipientsPerDay: c.PerDay,
	})
	if err == nil {
		c.tellListener(ctx, io, common)
	}
	return c.done(io, err, fmt.Sprintf("%s may send as %s", c.Name, strings.Join(c.From, ", ")))
}

// tellListener says so when nobody listens for devices yet.
func (c *deviceAddCommand) tellListener(ctx context.Context, io streams, common commonFlags) {
	status, err := ask(ctx, c.adminFlags, common, web.Status, web.None{})
	if err != nil || slices.ContainsFunc(status.Listeners, func(s web.Socket) bool { return s.Service == "device" }) {
		return
	}
	fmt.Fprintln(io.err, `allgreen: nobody listens for devices yet`)
	fmt.Fprintln(io.err, `hint: write device = [":2525"] below [listen] in the configuration, then: allgreen serve --reload`)
}

type deviceListCommand struct{ adminFlags }

// Examples end the help text.
func (deviceListCommand) Examples() string { return "allgreen account device list" }

// Run lists.
func (c *deviceListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.DeviceList, web.None{})
	if err != nil {
		return err
	}
	return listing[web.Device]{
		none:  "there is no device",
		heads: []show.Column{{Title: "device", Keep: true}, {Title: "networks"}, {Title: "writes as"}, {Title: "to"}},
		rows: row(func(d web.Device) []string {
			return []string{d.Name, strings.Join(d.Networks, ", "), strings.Join(d.From, ", "), reach(d.LocalOnly)}
		}),
	}.print(io, c.JSON, all)
}

type deviceRemoveCommand struct{ nameFlags }

// Examples end the help text.
func (deviceRemoveCommand) Examples() string { return "allgreen account device remove printer" }

// Run removes.
func (c *deviceRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.DeviceRemove, web.SenderName{Name: c.Name})
	return c.done(io, err, c.Name+" may not send any more")
}
