package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// spfCommand evaluates SPF and tells why.
type spfCommand struct {
	worldFlags
	IP   netip.Addr `name:"ip" required:"" help:"The client's address."`
	From string     `help:"The reverse-path; <> or nothing for the null one." placeholder:"ADDR"`
	HELO string     `name:"helo" help:"The name that the client said in HELO or EHLO." placeholder:"NAME"`
	JSON bool       `name:"json" help:"Print JSON."`
}

// Examples end the help text.
func (spfCommand) Examples() string {
	return "allgreen spf --ip 192.0.2.1 --from joe@example.com --helo mail.example.com"
}

// Run evaluates and prints; it exits 0 whatever the result is.
func (c *spfCommand) Run(ctx context.Context, io streams) error {
	sender, err := parseReversePath(c.From)
	if err != nil {
		return usage(err, "--from takes an address, as joe@example.com")
	}
	if sender.IsZero() && c.HELO == "" {
		return usage(errors.New("there is neither a sender nor a HELO name"), "give --from ADDR, --helo NAME, or both")
	}
	w, err := c.open()
	if err != nil {
		return err
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	e := spf.Evaluate(ctx, w, spf.Request{IP: c.IP, Sender: sender, HELO: c.HELO, Now: w.Now()})
	if c.JSON {
		return printJSON(io.out, e)
	}
	_, err = fmt.Fprint(io.out, e.Text())
	return err
}

// parseReversePath reads an address with or without angle brackets; a domain
// alone means postmaster there.
func parseReversePath(text string) (mail.Address, error) {
	if text == "" || text == "<>" {
		return mail.Address{}, nil
	}
	if text[0] == '<' {
		return mail.ParsePath(text)
	}
	if d, err := mail.ParseDomain(text); err == nil {
		return mail.Address{Local: "postmaster", Domain: d}, nil
	}
	return mail.ParseAddress(text)
}
