package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/sieve"
	"github.com/allgreen-mail/allgreen/web"
)

// sieveCommand keeps the filters of an account without ManageSieve.
type sieveCommand struct {
	Check    sieveCheckCommand    `cmd:"" help:"Say whether a filter can be understood; it is kept nowhere."`
	Put      sievePutCommand      `cmd:"" help:"Keep a filter, in place of the one of its name."`
	List     sieveListCommand     `cmd:"" help:"List an account's filters."`
	Show     sieveShowCommand     `cmd:"" help:"Print a filter."`
	Activate sieveActivateCommand `cmd:"" help:"Make a filter the one that counts, or none."`
	Remove   sieveRemoveCommand   `cmd:"" help:"Remove a filter that is not active."`
}

// Examples end the help text.
func (sieveCommand) Examples() string {
	return `allgreen account sieve put anna@example.com filter.sieve --activate
allgreen account sieve list anna@example.com
allgreen account sieve activate anna@example.com --none`
}

// readSieve reads a filter from a file, or with "-" from standard input, and not more
// than may be kept.
func readSieve(path string, in io.Reader) (string, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", noInput(err, "name a file with a filter, or - for standard input")
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mailbox.MaxScriptSize+1))
	if err != nil {
		return "", noInput(err, "")
	}
	return string(text), nil
}

type sieveCheckCommand struct {
	File string `arg:"" help:"The file, or - for standard input."`
}

// Examples end the help text.
func (sieveCheckCommand) Examples() string { return "allgreen account sieve check filter.sieve" }

// Run parses.
func (c *sieveCheckCommand) Run(streams streams) error {
	text, err := readSieve(c.File, streams.in)
	if err != nil {
		return err
	}
	if _, err := sieve.Parse(text, sieve.Limits{Size: mailbox.MaxScriptSize}); err != nil {
		return &failure{exitFailed, fmt.Errorf("%s: %w", c.File, err), "docs/sieve.md says what filters can do"}
	}
	_, err = fmt.Fprintf(streams.out, "%s can be understood\n", c.File)
	return err
}

type sievePutCommand struct {
	adminFlags
	Address  string `arg:"" help:"The address of the account."`
	File     string `arg:"" help:"The file, or - for standard input."`
	Name     string `help:"What the filter is called." default:"main" placeholder:"NAME"`
	Activate bool   `help:"Make it the one that counts."`
}

// Examples end the help text.
func (sievePutCommand) Examples() string {
	return "allgreen account sieve put anna@example.com filter.sieve --activate"
}

// Run keeps it.
func (c *sievePutCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	text, err := readSieve(c.File, streams.in)
	if err != nil {
		return err
	}
	_, err = ask(ctx, c.adminFlags, common, web.SievePut, web.SieveScript{Address: c.Address, Name: c.Name, Text: text, Active: c.Activate})
	what := fmt.Sprintf("%s has the filter %s", c.Address, c.Name)
	if c.Activate {
		what += ", and it counts from now on"
	}
	return c.done(streams, err, what)
}

type sieveListCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
}

// Examples end the help text.
func (sieveListCommand) Examples() string { return "allgreen account sieve list anna@example.com" }

// Run lists.
func (c *sieveListCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.SieveList, web.AccountName{Address: c.Address})
	if err != nil {
		return err
	}
	return listing[web.SieveScript]{
		none:  "there is no filter yet; keep one with: allgreen account sieve put " + c.Address + " FILE",
		heads: []show.Column{{Title: "filter", Keep: true}, {Title: "state"}, {Title: "changed"}},
		rows: row(func(s web.SieveScript) []string {
			state := ""
			if s.Active {
				state = "active"
			}
			return []string{s.Name, state, moment(s.Changed)}
		}),
	}.print(streams, c.JSON, all)
}

type sieveShowCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
	Name    string `arg:"" optional:"" help:"The filter; without a name the active one."`
}

// Examples end the help text.
func (sieveShowCommand) Examples() string { return "allgreen account sieve show anna@example.com" }

// Run prints the text as it was kept.
func (c *sieveShowCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	s, err := ask(ctx, c.adminFlags, common, web.SieveShow, web.SieveScript{Address: c.Address, Name: c.Name})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(streams.out, s)
	}
	_, err = io.WriteString(streams.out, s.Text)
	return err
}

type sieveActivateCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
	Name    string `arg:"" optional:"" help:"The filter."`
	None    bool   `help:"No filter counts any more."`
}

// Examples end the help text.
func (sieveActivateCommand) Examples() string {
	return `allgreen account sieve activate anna@example.com main
allgreen account sieve activate anna@example.com --none`
}

// Run activates.
func (c *sieveActivateCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	if (c.Name == "") != c.None {
		return usage(fmt.Errorf("name a filter, or say --none"), "allgreen account sieve list "+c.Address)
	}
	_, err := ask(ctx, c.adminFlags, common, web.SieveActivate, web.SieveScript{Address: c.Address, Name: c.Name})
	what := fmt.Sprintf("the filter %s of %s counts from now on", c.Name, c.Address)
	if c.None {
		what = "no filter of " + c.Address + " counts any more"
	}
	return c.done(streams, err, what)
}

type sieveRemoveCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
	Name    string `arg:"" help:"The filter."`
}

// Examples end the help text.
func (sieveRemoveCommand) Examples() string {
	return "allgreen account sieve remove anna@example.com old"
}

// Run removes.
func (c *sieveRemoveCommand) Run(ctx context.Context, streams streams, common commonFlags) error {
	_, err := ask(ctx, c.adminFlags, common, web.SieveRemove, web.SieveScript{Address: c.Address, Name: c.Name})
	return c.done(streams, err, fmt.Sprintf("the filter %s of %s is gone", c.Name, c.Address))
}
