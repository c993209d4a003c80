// Command allgreen is a mail server, and audits mail domains and servers, its own
// and any other: it shows what is wrong and how to mend it.
//
//	allgreen check example.com                  is this domain all right for receivers?
//	allgreen explain rdns.forward-confirmed     what does this check mean?
//	allgreen serve                              the server that passes
//	allgreen queue why ID                       why does this message wait?
//	allgreen lab                                an Internet on loopback to try it all in
//
// The files beside this one are a command each, or a part of what runs behind serve
// (server.go assembles it, generation.go is one reading of the configuration,
// switchboard.go owns the sockets) and lab. They wire packages together and hold no
// knowledge of mail.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"
)

// commandLine is every command with its flags.
type commandLine struct {
	commonFlags
	Check    checkCommand    `cmd:"" help:"Audit a domain, a host, an address, a message (-), or this machine's way out (egress)."`
	Explain  explainCommand  `cmd:"" help:"Show the manual page of a check, or what a server's reply means."`
	Classify classifyCommand `cmd:"" name:"classify-reply" help:"Say what the reply of a mail server means, also in a pasted log line."`
	Provider providerCommand `cmd:"" help:"Show the big receivers: what they want, their limits, their pages."`
	SPF      spfCommand      `cmd:"" name:"spf" help:"Evaluate SPF for an address, a sender and a HELO name, with every step."`
	Verify   verifyCommand   `cmd:"" help:"Verify the message on standard input: iprev, SPF, DKIM, DMARC, ARC."`
	Sign     signCommand     `cmd:"" help:"Sign the message on standard input with DKIM."`
	Lab      labCommand      `cmd:"" help:"Start an Internet on loopback with our server in it, and show both."`
	Bench    benchCommand    `cmd:"" help:"Measure a mail server of yours, and what the machine could do."`
	Setup    setupCommand    `cmd:"" help:"Take this machine and a domain from nothing to all green."`
	Serve    serveCommand    `cmd:"" help:"Run the mail server."`
	Account  accountCommand  `cmd:"" help:"Make and change accounts, aliases, devices and tokens of the running server."`
	DNS      dnsCommand      `cmd:"" name:"dns" help:"Show the records that the domains want, what differs from what is there, and publish them."`
	DKIM     dkimCommand     `cmd:"" name:"dkim" help:"Show the DKIM keys of the running server, and rotate them without a gap."`
	Watch    watchCommand    `cmd:"" help:"Show how the server's own domains and addresses stand, and since when; look again."`
	Queue    queueCommand    `cmd:"" help:"Look at the messages that wait, tell why, and decide about them."`
	Send     sendCommand     `cmd:"" help:"Write a message: the text comes from standard input."`
	Sendmail sendmailCommand `cmd:"" passthrough:"" help:"Send the message on standard input, as programs expect of sendmail."`
	Backup   backupCommand   `cmd:"" help:"Make, list, verify and thin out backups of everything."`
	Restore  restoreCommand  `cmd:"" help:"Bring a user's folders back into a place of their own, or a whole server."`
	Log      logCommand      `cmd:"" help:"Tell what happened to a message; find messages."`
	Import   importCommand   `cmd:"" help:"Bring mail from a Maildir, an mbox or another IMAP server into a mailbox."`
	Export   exportCommand   `cmd:"" help:"Write a mailbox as a Maildir or as mbox files."`
	MCP      mcpCommand      `cmd:"" name:"mcp" help:"Let an assistant look: the Model Context Protocol on standard input and output."`
	Version  versionCommand  `cmd:"" help:"Print the version."`

	Domain    domainCommand    `cmd:"" help:"Add domains and sending subdomains, list them, remove them."`
	DMARC     dmarcCommand     `cmd:"" name:"dmarc" help:"Show where each domain stands on the way to p=reject, and take a step."`
	Checklist checklistCommand `cmd:"" help:"Show what only a person can do for good delivery, and tick it off."`

	TestAddress testAddressCommand `cmd:"" name:"test-address" help:"Make an address; send a message to it from any system, and see the verdict on it."`

	Suppression suppressionCommand `cmd:"" help:"Show and change who wants no more of which bulk stream."`

	Web webCommand `cmd:"" help:"Log in to the pages of the running server, and let programs use its API."`
}

// commonFlags are what every command takes.
type commonFlags struct {
	Config  string `help:"The configuration file (/etc/allgreen/allgreen.toml)." placeholder:"FILE" env:"ALLGREEN_CONFIG"`
	Verbose bool   `short:"v" help:"Say more, where a command has more to say."`
}

// streams are the program's standard streams; tests hand in their own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, byName(os.Args), streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// byName is the arguments of a program that may have been called by another name:
// as /usr/sbin/sendmail it is the command sendmail.
func byName(args []string) []string {
	if filepath.Base(args[0]) == "sendmail" {
		return append([]string{"sendmail"}, args[1:]...)
	}
	return args[1:]
}

// run is the whole program: arguments in, exit code out.
func run(ctx context.Context, args []string, io streams) int {
	var cli commandLine
	parser, exited := newParser(&cli, io)
	args = inWords(args)
	parsed, err := parser.Parse(args)
	if *exited {
		return exitOK
	}
	if err != nil {
		return report(io.err, usage(err, "allgreen --help shows the commands"))
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(io, cli.commonFlags)
	if err := cli.checkConfig(parsed.Command()); err != nil {
		return report(io.err, err)
	}
	return report(io.err, parsed.Run())
}

// inWords lets people say what they mean: nothing and "help" ask for help, and
// --version for the version.
func inWords(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	case args[0] == "--version":
		return []string{"version"}
	case len(args) == 2 && args[0] == "sendmail" && args[1] == "--help":
		return []string{"--help", "sendmail"} // everything behind sendmail is sendmail's
	}
	return args
}

// newParser builds the parser; exited becomes true when it printed help.
func newParser(cli *commandLine, io streams) (*kong.Kong, *bool) {
	exited := new(bool)
	parser, err := kong.New(cli,
		kong.Name("allgreen"),
		kong.Description("A mail server that does everything receivers demand, and proves it."),
		kong.Writers(io.out, io.err),
		kong.Exit(func(int) { *exited = true }),
		kong.UsageOnError(),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80}),
	)
	if err != nil {
		panic(fmt.Sprintf("the command line is built wrong: %v", err))
	}
	return parser, exited
}
