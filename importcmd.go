package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/allgreen-mail/allgreen/transfer"
	"github.com/allgreen-mail/allgreen/web"
)

// importCommand brings mail from elsewhere into a mailbox.
type importCommand struct {
	Maildir importMaildirCommand `cmd:"" help:"Bring the mail of a Maildir, with all its folders."`
	Mbox    importMboxCommand    `cmd:"" help:"Bring the mail of an mbox, or of a directory of them."`
	Imap    importIMAPCommand    `cmd:"" name:"imap" help:"Bring the mail of a mailbox on another IMAP server."`
}

// Examples end the help text.
func (importCommand) Examples() string {
	return `allgreen import imap imap.example.net --user anna --to anna@example.com
allgreen import maildir /home/anna/Maildir --to anna@example.com
allgreen import mbox ~/Mail --to anna@example.com --folder Work`
}

// transferFlags are what moving mail takes.
type transferFlags struct {
	adminFlags
	Folder []string `help:"Only this folder and what lies below it. Repeatable." placeholder:"NAME" sep:"none"`
}

// importFlags say into whose mailbox.
type importFlags struct {
	transferFlags
	To string `required:"" help:"The account, by its address." placeholder:"ADDRESS"`
}

// copyInto brings everything, and says what.
func (f importFlags) copyInto(ctx context.Context, io streams, common commonFlags, from transfer.Source) error {
	client, err := f.client(common)
	if err != nil {
		return err
	}
	return f.copy(ctx, io, from, web.NewMailbox(client, f.To))
}

// copy shows progress on a terminal, and a summary in the end.
func (f transferFlags) copy(ctx context.Context, io streams, from transfer.Source, to transfer.Target) error {
	line := newProgressLine(io.err)
	sum, err := transfer.Copy(ctx, from, to, transfer.Options{Only: f.Folder, Tell: func(p transfer.Progress) {
		line.show("%s: %s", p.Folder, progressOf(p))
	}})
	line.clear()
	switch {
	case errors.Is(err, transfer.ErrFolder):
		return usage(err, "leave --folder out to bring all")
	case err != nil:
		err = inCommand(err)
		fmt.Fprintf(io.err, "%d messages are safe; the same command goes on from there\n", sum.Messages)
		return err
	case f.JSON:
		return printJSON(io.out, sum)
	}
	return summarize(io.out, sum)
}

func progressOf(p transfer.Progress) string {
	if p.Of > 0 {
		return fmt.Sprintf("%d of %d messages", p.Messages, p.Of)
	}
	return fmt.Sprintf("%d messages", p.Messages)
}

func summarize(w io.Writer, sum transfer.Summary) error {
	text := fmt.Sprintf("%d messages, %s, in %d folders", sum.Messages, octets(sum.Octets), sum.Folders)
	if sum.Known > 0 {
		text += fmt.Sprintf("; %d had been brought before", sum.Known)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

type importMaildirCommand struct {
	importFlags
	Path string `arg:"" help:"The directory that has cur and new in it, or folders that have."`
}

// Examples end the help text.
func (importMaildirCommand) Examples() string {
	return "allgreen import maildir /home/anna/Maildir --to anna@example.com"
}

// Run imports.
func (c *importMaildirCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	from, err := transfer.OpenMaildir(c.Path)
	if err != nil {
		return noInput(err, "name the directory with cur and new in it")
	}
	return c.copyInto(ctx, io, common, from)
}

type importMboxCommand struct {
	importFlags
	Path string `arg:"" help:"The file, which goes into the inbox, or a directory whose files become folders."`
}

// Examples end the help text.
func (importMboxCommand) Examples() string {
	return `allgreen import mbox /var/mail/anna --to anna@example.com
allgreen import mbox /home/anna/Mail --to anna@example.com`
}

// Run imports.
func (c *importMboxCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	from, err := transfer.OpenMbox(c.Path)
	if err != nil {
		return noInput(err, "an mbox begins with a line \"From \"")
	}
	return c.copyInto(ctx, io, common, from)
}

type importIMAPCommand struct {
	importFlags
	Host         string `arg:"" help:"The other server."`
	User         string `required:"" help:"The login there." placeholder:"NAME"`
	PasswordFile string `help:"Read the password from this file (- is standard input); without it there is a question." placeholder:"FILE"`
	Port         uint16 `default:"993" help:"993 speaks TLS from the start, 143 begins with STARTTLS."`
	Insecure     bool   `help:"Take any certificate. Whoever sits in between gets the password."`
}

// Examples end the help text.
func (importIMAPCommand) Examples() string {
	return `allgreen import imap imap.example.net --user anna --to anna@example.com
allgreen import imap 192.0.2.7 --port 143 --user anna --to anna@example.com`
}

// Run imports.
func (c *importIMAPCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	password, err := c.password(io)
	if err != nil {
		return err
	}
	w, err := worldFlags{Lab: c.Lab}.open()
	if err != nil {
		return err
	}
	from, err := transfer.DialIMAP(ctx, w, transfer.IMAPOptions{Host: c.Host, Port: c.Port, User: c.User, Password: password, Insecure: c.Insecure})
	if err != nil {
		return unreachable(err, "check the name, the login and the password; the server must speak TLS")
	}
	defer from.Close()
	return c.copyInto(ctx, io, common, from)
}

func (c *importIMAPCommand) password(io streams) (string, error) {
	switch c.PasswordFile {
	case "":
		f, ok := io.in.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return "", usage(errors.New("there is nobody to ask for the password"), "name a file with --password-file")
		}
		fmt.Fprintf(io.err, "Password of %s at %s: ", c.User, c.Host)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(io.err)
		return string(text), err
	case "-":
		line, err := bufio.NewReader(io.in).ReadString('\n')
		if line == "" {
			return "", noInput(err, "there is no password on standard input")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	text, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", noInput(err, "name a file that can be read")
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
