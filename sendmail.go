package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/allgreen-mail/allgreen/web"
)

// sendmailCommand is what cron, mailx and every program of the last forty years
// expect at /usr/sbin/sendmail.
type sendmailCommand struct {
	Arguments []string `arg:"" optional:"" help:"-t (recipients from the header), -i, -f ADDRESS, -F NAME, -bs (SMTP), -N, -R, -V (DSN), and recipients."`
}

// Examples end the help text.
func (sendmailCommand) Examples() string {
	return `allgreen sendmail -t -i < message.eml
allgreen sendmail -f anna@example.com -- b@example.net < message.eml`
}

// sendmailCall is what the arguments mean.
type sendmailCall struct {
	web.Envelope
	dots bool // a line with a dot alone is text (-i)
	smtp bool // -bs
	none bool // nothing to do here: -bi, -q
}

// Flags of the classic sendmail. Those that take a value may have it in the same
// argument or in the next.
const (
	valueFlags  = "fFrNRVBOohpXLCDd"
	plainFlags  = "tivnUGmsx"
	attachedTo  = "oqdbeA" // their value, if any, stands in the same argument
	modeSMTP    = "s"
	modeDeliver = "m"
)

// parseSendmail reads arguments in the classic way.
func parseSendmail(args []string) (sendmailCall, error) {
	var call sendmailCall
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			call.To = append(call.To, splitRecipients(args)...)
			return call, nil
		case len(arg) < 2 || arg[0] != '-':
			call.To = append(call.To, splitRecipients([]string{arg})...)
			continue
		}
		flag, value := arg[1], arg[2:]
		if strings.IndexByte(valueFlags, flag) >= 0 && value == "" && strings.IndexByte(attachedTo, flag) < 0 {
			if len(args) == 0 {
				return call, fmt.Errorf("-%c needs a value", flag)
			}
			value, args = args[0], args[1:]
		}
		if err := call.set(flag, value); err != nil {
			return call, err
		}
	}
	return call, nil
}

// splitRecipients takes lists apart: programs write "a@b, c@d" as one argument.
func splitRecipients(args []string) (all []string) {
	for _, arg := range args {
		for to := range strings.SplitSeq(arg, ",") {
			if to = strings.TrimSpace(to); to != "" {
				all = append(all, to)
			}
		}
	}
	return all
}

func (c *sendmailCall) set(flag byte, value string) error {
	switch flag {
	case 'f', 'r':
		c.From = value
		if value == "" || value == "<>" {
			c.From = "<>"
		}
	case 'F':
		c.Name = value
	case 'N':
		c.Notify = value
	case 'R':
		c.Return = value
	case 'V':
		c.EnvelopeID = value
	case 't':
		c.HeaderRecipients = true
	case 'i':
		c.dots = true
	case 'o':
		c.dots = c.dots || value == "i"
	case 'b':
		return c.mode(value)
	case 'q':
		c.none = true // the server runs its queue by itself
	default:
		if strings.IndexByte(valueFlags+plainFlags+attachedTo, flag) < 0 {
			return fmt.Errorf("-%c is no flag of sendmail", flag)
		}
	}
	return nil
}

func (c *sendmailCall) mode(value string) error {
	switch value {
	case modeSMTP:
		c.smtp = true
	case modeDeliver, "":
	case "i":
		c.none = true // newaliases: aliases are no file here
	case "p":
		return errors.New("-bp is: allgreen queue list")
	case "v", "t", "d", "D", "h", "H", "P":
		return fmt.Errorf("-b%s is not for this server", value)
	}
	return nil
}

// Run sends standard input.
func (c *sendmailCommand) Run(ctx context.Context, io streams, common commonFlags) error {
	call, err := parseSendmail(c.Arguments)
	if err != nil {
		return usage(err, "allgreen sendmail --help shows the flags")
	}
	flags := sendFlags{Socket: os.Getenv("ALLGREEN_SOCKET")}
	switch {
	case call.none:
		return nil
	case call.smtp:
		return speakSMTP(ctx, flags, common, io)
	case len(call.To) == 0 && !call.HeaderRecipients:
		return usage(errors.New("there are no recipients"), "name them, or say -t to take those of the header")
	}
	raw := io.in
	if !call.dots {
		raw = untilDot(raw)
	}
	_, err = flags.post(ctx, common, call.Envelope, raw)
	return sendFailure(err, exitTemporary)
}

// untilDot ends at a line with a dot alone, as without -i.
func untilDot(r io.Reader) io.Reader {
	return &dotReader{r: bufio.NewReaderSize(r, 64<<10), start: true}
}

type dotReader struct {
	r     *bufio.Reader
	line  []byte // what was read of it and not taken yet
	start bool   // at the beginning of a line
}

func (d *dotReader) Read(p []byte) (int, error) {
	if len(d.line) == 0 {
		line, err := d.r.ReadSlice('\n')
		if d.start && string(bytes.TrimRight(line, "\r\n")) == "." {
			return 0, io.EOF
		}
		if len(line) == 0 {
			return 0, err
		}
		d.start = line[len(line)-1] == '\n'
		d.line = line
	}
	n := copy(p, d.line)
	d.line = d.line[n:]
	return n, nil
}
