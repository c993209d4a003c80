package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
)

// accountCommand knows who has a mailbox and who may send.
type accountCommand struct {
	Add         accountAddCommand    `cmd:"" help:"Make an account. Asks for a password, or makes one."`
	List        accountListCommand   `cmd:"" help:"List the accounts."`
	Show        accountShowCommand   `cmd:"" help:"Show one account and all that belongs to it."`
	Quota       accountQuotaCommand  `cmd:"" help:"Give a mailbox more room or less."`
	Passwd      accountPasswdCommand `cmd:"" help:"Change a password."`
	AppPassword appPasswordCommand   `cmd:"" name:"app-password" help:"Make a password for one program, or remove it."`
	Alias       aliasCommand         `cmd:"" help:"Have an address lead to others; list and remove such addresses."`
	Token       tokenCommand         `cmd:"" help:"Let a program send over HTTP; list and remove tokens."`
	Device      deviceCommand        `cmd:"" help:"Let a device send by its network; list and remove devices."`
	Sieve       sieveCommand         `cmd:"" help:"Keep an account's mail filters (Sieve): check, put, list, show, activate, remove."`
	Held        accountHeldCommand   `cmd:"" help:"List the senders whose mail waits."`
	Hold        accountHoldCommand   `cmd:"" help:"Have all mail of a sender wait."`
	Free        accountFreeCommand   `cmd:"" help:"Let a sender go on: what waited goes out, or is dropped."`
	Remove      accountRemoveCommand `cmd:"" help:"Remove an account with its mailbox."`
}

// Examples end the help text.
func (accountCommand) Examples() string {
	return `allgreen account add anna@example.com
allgreen account alias add sales@example.com --to anna@example.com
allgreen account app-password anna@example.com phone
allgreen account free bob@example.com --drop`
}

// passwordFlags say where a password comes from.
type passwordFlags struct {
	PasswordStdin bool `help:"Read the password from standard input."`
}

// password asks on a terminal; without one, or when nothing is typed, it makes one,
// and made tells that it must be shown.
func (f passwordFlags) password(io streams) (text string, made bool, err error) {
	if f.PasswordStdin {
		line, err := bufio.NewReader(io.in).ReadString('\n')
		if text = strings.TrimRight(line, "\r\n"); text == "" {
			return "", false, noInput(errors.New("there is no password on standard input"), "echo it, or leave --password-stdin out")
		}
		if len(line) > 0 {
			err = nil // a last line needs no end
		}
		return text, false, err
	}
	if f, ok := io.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if text, err = askPassword(f, io.err); err != nil || text != "" {
			return text, false, err
		}
	}
	return makePassword(), true, nil
}

func askPassword(terminal *os.File, prompt io.Writer) (string, error) {
	ask := func(what string) (string, error) {
		fmt.Fprint(prompt, what)
		text, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(prompt)
		return string(text), err
	}
	first, err := ask("Password (empty: make one): ")
	if err != nil || first == "" {
		return "", err
	}
	second, err := ask("Once more: ")
	if err == nil && first != second {
		err = usage(errors.New("the two passwords differ"), "nothing was changed; try again")
	}
	return first, err
}

// makePassword is 120 random bits that can be read out and typed.
func makePassword() string {
	text := strings.ToLower(rand.Text())[:24]
	return text[:6] + "-" + text[6:12] + "-" + text[12:18] + "-" + text[18:]
}

type accountAddCommand struct {
	adminFlags
	passwordFlags
	Address string `arg:"" help:"The address, which is also the login."`
	Quota   string `help:"The room of the mailbox, as 5GB; without it there is no limit." placeholder:"SIZE"`
}

// Examples end the help text.
func (accountAddCommand) Examples() string {
	return `allgreen account add anna@example.com
allgreen account add bob@example.com --quota 5GB --password-stdin < password`
}

// made is an account that was made, with its password when nobody knows it yet.
type made struct {
	web.Account
	Password string `json:"password,omitempty"`
}

// Run makes the account.
func (c *accountAddCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	var quota config.Size
	if c.Quota != "" {
		var err error
		if quota, err = config.ParseSize(c.Quota); err != nil {
			return usage(err, "--quota takes a size, as 5GB")
		}
	}
	password, isMade, err := c.password(io)
	if err != nil {
		return err
	}
	account, err := ask(ctx, c.adminFlags, common, web.AccountAdd, web.NewAccount{Address: c.Address, Password: password, Quota: int64(quota)})
	if err != nil {
		return err
	}
	out := made{Account: account}
	if isMade {
		out.Password = password
	}
	if c.JSON {
		return printJSON(io.out, out)
	}
	fmt.Fprintf(io.out, "%s has a mailbox now\n", account.Address)
	return tellPassword(io.out, out.Password)
}

func tellPassword(w io.Writer, password string) error {
	if password == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "password: %s   (it is shown this once)\n", password)
	return err
}

type accountListCommand struct{ adminFlags }

// Examples end the help text.
func (accountListCommand) Examples() string { return "allgreen account list" }

// Run lists.
func (c *accountListCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.AccountList, web.None{})
	if err != nil {
		return err
	}
	return listing[web.Account]{
		none: "there is no account yet; make one with: allgreen account add ADDRESS",
		heads: []show.Column{
			{Title: "account", Keep: true}, {Title: "messages", Right: true}, {Title: "size", Right: true}, {Title: "quota", Right: true}, {Title: "state"},
		},
		rows: row(func(a web.Account) []string {
			return []string{a.Address, strconv.FormatInt(a.Messages, 10), octets(a.Octets), quotaWords(a.Quota), stateOf(a)}
		}),
	}.print(io, c.JSON, all)
}

func stateOf(a web.Account) string {
	switch {
	case a.Disabled:
		return "disabled"
	case a.Held != "":
		return "held: " + a.Held
	}
	return "ok"
}

func quotaWords(n int64) string {
	if n == 0 {
		return "-"
	}
	return octets(n)
}

// octets is a size for people, three figures of it.
func octets(n int64) string {
	size, unit := float64(n), 0
	for size >= 999.5 && unit < 4 {
		size, unit = size/1000, unit+1
	}
	name := []string{"B", "kB", "MB", "GB", "TB"}[unit]
	if unit > 0 && size < 9.95 {
		return fmt.Sprintf("%.1f %s", size, name)
	}
	return fmt.Sprintf("%.0f %s", size, name)
}

type accountShowCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
}

// Examples end the help text.
func (accountShowCommand) Examples() string { return "allgreen account show anna@example.com" }

// Run shows.
func (c *accountShowCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	a, err := ask(ctx, c.adminFlags, common, web.AccountShow, web.AccountName{Address: c.Address})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, a)
	}
	pairs := [][2]string{
		{"account", a.Address}, {"state", stateOf(a.Account)}, {"since", moment(a.Created)},
		{"mail", fmt.Sprintf("%d messages, %s", a.Messages, octets(a.Octets))}, {"quota", quotaWords(a.Quota)},
		{"may send", limitWords(a.RecipientsPerHour, a.RecipientsPerDay)}, {"aliases", strings.Join(a.Aliases, ", ")},
	}
	for _, p := range a.AppPasswords {
		pairs = append(pairs, [2]string{"app password", p.Label + ", since " + moment(p.Created)})
	}
	for _, f := range a.Folders {
		pairs = append(pairs, [2]string{"folder", fmt.Sprintf("%s, %d messages, %s", f.Name, f.Messages, octets(f.Octets))})
	}
	return show.Pairs(io.out, pairs, width(io.out))
}

func limitWords(hour, day int) string {
	words := func(n int, per string) string {
		if n == 0 {
			return "the usual number of recipients per " + per
		}
		return fmt.Sprintf("%d recipients per %s", n, per)
	}
	return words(hour, "hour") + ", " + words(day, "day")
}

type accountPasswdCommand struct {
	adminFlags
	passwordFlags
	Address string `arg:"" help:"The address of the account."`
}

// Examples end the help text.
func (accountPasswdCommand) Examples() string { return "allgreen account passwd anna@example.com" }

// Run changes the password.
func (c *accountPasswdCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	password, isMade, err := c.password(io)
	if err != nil {
		return err
	}
	if _, err := ask(ctx, c.adminFlags, common, web.AccountPassword, web.NewPassword{Address: c.Address, Password: password}); err != nil {
		return err
	}
	if !isMade {
		password = ""
	}
	if c.JSON {
		return printJSON(io.out, map[string]string{"address": c.Address, "password": password})
	}
	fmt.Fprintf(io.out, "%s has a new password\n", c.Address)
	return tellPassword(io.out, password)
}

type appPasswordCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
	Label   string `arg:"" help:"What the program is called: phone, laptop."`
	Remove  bool   `help:"Remove it."`
}

// Examples end the help text.
func (appPasswordCommand) Examples() string {
	return `allgreen account app-password anna@example.com phone
allgreen account app-password anna@example.com phone --remove`
}

// Run makes or removes an app password.
func (c *appPasswordCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	in := web.AppPassword{Address: c.Address, Label: c.Label}
	if c.Remove {
		_, err := ask(ctx, c.adminFlags, common, web.AppPasswordGone, in)
		return c.done(io, err, fmt.Sprintf("%s of %s opens nothing any more", c.Label, c.Address))
	}
	secret, err := ask(ctx, c.adminFlags, common, web.AppPasswordAdd, in)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, secret)
	}
	return tellPassword(io.out, secret.Secret)
}

// done ends a command that has nothing to show but that it happened.
func (f adminFlags) done(io streams, err error, text string) error {
	if err != nil {
		return err
	}
	if f.JSON {
		return printJSON(io.out, web.None{})
	}
	_, err = fmt.Fprintln(io.out, text)
	return err
}

type accountHeldCommand struct{ adminFlags }

// Examples end the help text.
func (accountHeldCommand) Examples() string { return "allgreen account held" }

// Run lists the senders on hold.
func (c *accountHeldCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	all, err := ask(ctx, c.adminFlags, common, web.PrincipalsOnHold, web.None{})
	if err != nil {
		return err
	}
	return listing[web.Held]{
		none:  "nobody is on hold",
		heads: []show.Column{{Title: "sender", Keep: true}, {Title: "since", Keep: true}, {Title: "why"}},
		rows: row(func(h web.Held) []string {
			return []string{h.Name, clock(h.Since), h.Why}
		}),
	}.print(io, c.JSON, all)
}

type accountHoldCommand struct {
	adminFlags
	Name string `arg:"" help:"A login, device:NAME or token:NAME."`
	Why  string `help:"One sentence for whoever finds it." placeholder:"TEXT"`
}

// Examples end the help text.
func (accountHoldCommand) Examples() string {
	return `allgreen account hold bob@example.com --why stolen`
}

// Run holds.
func (c *accountHoldCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	done, err := ask(ctx, c.adminFlags, common, web.PrincipalHold, web.Holding{Name: c.Name, Why: c.Why})
	return c.done(io, err, fmt.Sprintf("%s is on hold; %d messages wait", c.Name, done.Changed+done.Busy))
}

type accountFreeCommand struct {
	adminFlags
	Name string `arg:"" help:"A login, device:NAME or token:NAME."`
	Drop bool   `help:"Throw away what waited instead of sending it."`
}

// Examples end the help text.
func (accountFreeCommand) Examples() string {
	return `allgreen account free anna@example.com
allgreen account free bob@example.com --drop`
}

// Run lets a sender go on.
func (c *accountFreeCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	done, err := ask(ctx, c.adminFlags, common, web.PrincipalFree, web.Freeing{Name: c.Name, Drop: c.Drop})
	what := "go out"
	if c.Drop {
		what = "were dropped"
	}
	return c.done(io, err, fmt.Sprintf("%s may send again; %d messages %s", c.Name, done.Changed, what))
}

type accountRemoveCommand struct {
	adminFlags
	Address string `arg:"" help:"The address of the account."`
	Yes     bool   `help:"Do not ask."`
}

// Examples end the help text.
func (accountRemoveCommand) Examples() string { return "allgreen account remove bob@example.com --yes" }

// Run removes an account; its mail cannot be had back, so it asks.
func (c *accountRemoveCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	if !c.Yes {
		fmt.Fprintf(io.err, "The mailbox of %s goes with it. Type the address to go on: ", c.Address)
		line, _ := bufio.NewReader(io.in).ReadString('\n') // what is no answer is no yes
		if strings.TrimSpace(line) != c.Address {
			return usage(errors.New("nothing was removed"), "say --yes where nobody can be asked")
		}
	}
	_, err := ask(ctx, c.adminFlags, common, web.AccountRemove, web.AccountName{Address: c.Address})
	return c.done(io, err, c.Address+" is gone")
}
