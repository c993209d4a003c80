package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/mail"
)

// options are what the flags say about the audit.
func (c *checkCommand) options() (check.Options, error) {
	for _, only := range c.Only {
		_, known := check.Find(only)
		if !known && len(check.Group(only)) == 0 {
			return check.Options{}, usage(fmt.Errorf("there is no group or check %q", only), nearest(only))
		}
	}
	if _, err := parseReversePath(c.From); err != nil {
		return check.Options{}, usage(err, "--from takes an address, as joe@example.com, or <> for the null reverse-path")
	}
	o := check.Options{
		IPs:        c.IP,
		HELO:       c.HELO,
		Selectors:  c.Selector,
		Only:       c.Only,
		Timeout:    c.Timeout,
		Battery:    c.Battery,
		Allowed:    c.Allowed,
		Token:      c.Token,
		ClientHELO: c.HELO,
		MailFrom:   c.From,
	}
	if err := c.setProbe(&o); err != nil {
		return check.Options{}, err
	}
	if o.HELO == "" || c.isOfMessage() {
		// What the client of a message said is not ours to say.
		o.HELO = ownName()
	}
	if len(c.IP) > 0 {
		o.ClientIP = c.IP[0]
	}
	return o, nil
}

// isOfMessage reports whether a message is among the targets.
func (c *checkCommand) isOfMessage() bool {
	return c.As == check.Message.String() || c.As == "" && slices.Contains(c.Targets, "-")
}

// ownName is this machine's name where it is a full host name, else "".
func ownName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	if d, err := mail.ParseDomain(name); err == nil && d.Labels() > 1 {
		return d.String()
	}
	return ""
}

// setProbe says where probe mail arrives.
func (c *checkCommand) setProbe(o *check.Options) (err error) {
	o.ProbeListener = c.ProbeListener
	if c.ProbeDomain == "" {
		return nil
	}
	if o.ProbeDomain, err = mail.ParseDomain(c.ProbeDomain); err != nil {
		return usage(err, "--probe-domain takes a domain whose MX is this machine")
	}
	return nil
}
