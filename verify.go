package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/message"
)

// verifyCommand authenticates a message.
type verifyCommand struct {
	worldFlags
	IP   netip.Addr `name:"ip" help:"The address of the client that handed the message over."`
	HELO string     `name:"helo" help:"The name that the client said." placeholder:"NAME"`
	From string     `help:"The reverse-path." placeholder:"ADDR"`
	Now  int64      `help:"Verify as if it were this time, in seconds since 1970." placeholder:"UNIX"`
	JSON bool       `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (verifyCommand) Examples() string {
	return "allgreen verify --ip 192.0.2.1 --helo mail.example.com \\\n  --from joe@example.com < message.eml"
}

// Run verifies and prints; it exits 0 whatever the result is.
func (c *verifyCommand) Run(ctx context.Context, io streams) error {
	sender, err := parseReversePath(c.From)
	if err != nil {
		return usage(err, "--from takes an address, as joe@example.com")
	}
	raw, err := readMessage(io.in)
	if err != nil {
		return err
	}
	w, err := c.open()
	if err != nil {
		return err
	}
	if c.Now != 0 {
		w.Clock = func() time.Time { return time.Unix(c.Now, 0) }
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	m, err := message.Read(bytes.NewReader(raw), message.Limits{})
	if err != nil {
		return noInput(err, "the message is read from standard input")
	}
	results, err := mailauth.Verify(ctx, w, mailauth.Envelope{IP: c.IP, HELO: c.HELO, ReversePath: sender, Receiver: receiverName()}, m)
	if err != nil {
		return noInput(err, "the message is read from standard input")
	}
	if c.JSON {
		return printJSON(io.out, results)
	}
	return tellResults(io.out, results)
}

// receiverName is who speaks in Authentication-Results: this machine.
func receiverName() string {
	if name := ownName(); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

// tellResults prints a line for each method, and the header field at the end.
func tellResults(w io.Writer, r mailauth.Results) error {
	fmt.Fprintf(w, "%-7s %-10s %s\n", "iprev", r.IPRev.Result, r.IPRev.Reason)
	fmt.Fprintf(w, "%-7s %-10s %s\n", "spf", r.SPF.MailFrom.Result, r.SPF.MailFrom.Domain)
	fmt.Fprintf(w, "%-7s %-10s %s\n", "helo", r.SPF.HELO.Result, r.SPF.HELO.Domain)
	for _, d := range r.DKIM {
		fmt.Fprintf(w, "%-7s %-10s d=%s s=%s %s\n", "dkim", d.Result, d.Domain, d.Selector, d.Reason)
	}
	if len(r.DKIM) == 0 {
		fmt.Fprintf(w, "%-7s %-10s there is no signature\n", "dkim", "none")
	}
	fmt.Fprintf(w, "%-7s %-10s %s\n", "dmarc", r.DMARC.Result, strings.Join(r.DMARC.Reasons, "; "))
	_, err := fmt.Fprintf(w, "\nAuthentication-Results: %s\n", r.Field())
	return err
}
