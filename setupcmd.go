package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// setupCommand takes this machine and a domain from nothing to all green.
type setupCommand struct {
	Domain       string       `arg:"" help:"The domain whose mail is to come here."`
	Hostname     string       `help:"The name of this server; mx.DOMAIN, or the one its address has." placeholder:"NAME"`
	Admin        string       `help:"Your own address: it gets a mailbox, and the mail for postmaster." placeholder:"ADDRESS"`
	Address      []netip.Addr `help:"The address at which others see this machine; found out. Repeatable." placeholder:"IP" sep:","`
	PasswordFile string       `help:"A file with the password of the first account." placeholder:"FILE"`
	Data         string       `help:"The folder for mail and keys (/var/lib/allgreen)." placeholder:"DIR"`

	Provider      string `help:"Who publishes DNS records: rfc2136, cloudflare, desec, gandi, hetzner, porkbun." placeholder:"NAME"`
	DNSServer     string `name:"dns-server" help:"For rfc2136: the name server that takes updates." placeholder:"IP:PORT"`
	DNSKey        string `name:"dns-key" help:"For rfc2136 the name of the TSIG key, for porkbun the API key." placeholder:"NAME"`
	DNSAlgorithm  string `name:"dns-algorithm" help:"For rfc2136: the algorithm of the key (hmac-sha256)." placeholder:"NAME"`
	DNSSecretFile string `name:"dns-secret-file" help:"A file with the secret of the key, or the API token." placeholder:"FILE"`
	Print         bool   `help:"Publish nothing: print the records, and wait until they are to be seen."`

	Certificate string        `help:"A certificate of your own, as PEM; without one an authority is asked." placeholder:"FILE" and:"certificate"`
	Key         string        `help:"Its private key." placeholder:"FILE" and:"certificate"`
	TestTo      string        `help:"An address of yours elsewhere that gets one message; - for none." placeholder:"ADDRESS"`
	MoveMail    bool          `help:"Move the mail of a domain that has it elsewhere today; --yes alone does not."`
	Wait        time.Duration `default:"10m" help:"How long to wait for records and messages." placeholder:"DUR"`
	Rounds      int           `default:"3" help:"How often to ask the checks, where nobody can say when to look again." placeholder:"N"`
	Yes         bool          `help:"Do not ask: yes to everything, and what is usual for the rest."`
	Lab         bool          `help:"Do it in the world of the running lab; --config and --data name places for it."`
	JSON        bool          `name:"json" help:"Print the stages as JSON, and ask nothing."`
}

// Examples end the help text.
func (setupCommand) Examples() string {
	return `allgreen setup example.com
allgreen setup example.com --admin anna@example.com --print
allgreen setup example.com --admin anna@example.com --provider hetzner \
  --dns-secret-file token --yes`
}

// Run goes through the stages, and says what is left for people.
func (c *setupCommand) Run(ctx context.Context, io streams, common commonFlags) (err error) {
	domain, err := mail.ParseDomain(c.Domain)
	if err != nil || domain.Labels() < 2 {
		return usage(fmt.Errorf("%q is no domain", c.Domain), "name yours: allgreen setup example.com")
	}
	if c.Lab && (common.Config == "" || c.Data == "") {
		return usage(errors.New("in the lab, setup needs a place of its own"), "say --config DIR/allgreen.toml --data DIR/data")
	}
	answers, err := c.answers()
	if err != nil {
		return err
	}
	h := &setupHouse{path: common.configPath(), lab: c.Lab, log: io.err, verbose: common.Verbose}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	w, err := h.open()
	if err != nil {
		return err
	}
	desk := newSetupDesk(ctx, io, c.Yes || c.JSON, c.JSON)
	h.confirm = desk.Confirm
	s, err := setup.New(c.options(domain, w, h, desk, answers))
	if err != nil {
		return noInput(err, "run it as root, or as the user of the server")
	}
	steps, err := s.Run(ctx)
	if c.JSON {
		err = errors.Join(err, printJSON(io.out, setupResult{domain.String(), steps, err == nil && allHold(steps), s.Made}))
	}
	return c.end(ctx, io, h, steps, err)
}

// setupResult is what came of it, as JSON.
type setupResult struct {
	Domain   string       `json:"domain"`
	Stages   []setup.Step `json:"stages"`
	Holds    bool         `json:"holds"`              // all checks are green
	Password string       `json:"password,omitempty"` // of the first account, when it was made: shown this once
}

// options are what the engine is made from.
func (c *setupCommand) options(domain mail.Domain, w *world.World, h *setupHouse, desk setup.Desk, answers setup.Answers) setup.Options {
	o := setup.Options{
		Domain: domain, World: w, House: h, Desk: desk, Data: h.data(c.Data), Answers: answers,
		Edge: edgeSources(h.settings(), w), Wait: c.Wait, Rounds: c.Rounds, Fresh: h.open,
		Clocks: []string{config.Defaults().TLS.ACME.Directory}, Audit: check.Options{Battery: c.Lab},
	}
	if c.Lab {
		o.Clocks = nil
		for _, name := range w.Greeters {
			o.Clocks = append(o.Clocks, "https://"+name+"/")
		}
	}
	return o
}

// end says how it went on, and how it goes on.
func (c *setupCommand) end(ctx context.Context, io streams, h *setupHouse, steps []setup.Step, err error) error {
	switch {
	case ctx.Err() != nil:
		return &failure{exitInterrupted, errors.New("interrupted"), "nothing is lost: run it again, and it goes on from here"}
	case errors.Is(err, setup.ErrStopped):
		return &failure{exitTemporary, err, "do what is said above, then run it again: it goes on from here"}
	case err != nil:
		return whyNotSetUp(err, h)
	}
	if !c.JSON {
		h.farewell(ctx, io.out)
	}
	if !allHold(steps) {
		return exit(exitFailed)
	}
	return nil
}

// allHold reports whether the last stage, the checks, found everything green.
func allHold(steps []setup.Step) bool {
	return len(steps) == len(setup.Stages()) && steps[len(steps)-1].Status.ExitCode() == exitOK
}

// whyNotSetUp gives what stops setup its exit code and its cure.
func whyNotSetUp(err error, h *setupHouse) error {
	var f *failure
	if errors.As(err, &f) {
		return err
	}
	if why := whyNotServing(err, h.settings()); errors.As(why, &f) {
		return why
	}
	return inCommand(err)
}

// answers are the flags as the engine takes them.
func (c *setupCommand) answers() (a setup.Answers, err error) {
	a = setup.Answers{Addresses: c.Address, TestTo: c.TestTo, Move: c.MoveMail, ByHand: c.Print}
	if c.Hostname != "" {
		if a.Hostname, err = mail.ParseDomain(c.Hostname); err != nil || a.Hostname.Labels() < 2 {
			return a, usage(fmt.Errorf("%q is no host name", c.Hostname), "--hostname takes a full name: mx.example.com")
		}
	}
	if c.Admin != "" {
		if a.Admin, err = mail.ParseAddress(c.Admin); err != nil {
			return a, usage(err, "--admin takes an address: anna@example.com")
		}
	}
	if a.Password, err = firstLine(c.PasswordFile); err != nil {
		return a, noInput(err, "--password-file names a file with one line")
	}
	if a.Secret, err = firstLine(c.DNSSecretFile); err != nil {
		return a, noInput(err, "--dns-secret-file names a file with one line")
	}
	a.Lines, err = c.lines()
	return a, err
}

// firstLine reads a secret; "" names no file.
func firstLine(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return strings.TrimRight(string(line), "\r"), err
}

// lines are what a new configuration says beyond the five that every one has.
func (c *setupCommand) lines() (string, error) {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %q\n", key, value)
		}
	}
	if c.Provider != "" {
		b.WriteString("\n[dns]\n")
		line("provider", c.Provider)
		line("server", c.DNSServer)
		line("key", c.DNSKey)
		line("algorithm", c.DNSAlgorithm)
		if c.DNSSecretFile != "" {
			line("secret_file", setup.SecretName)
		}
	} else if c.DNSServer+c.DNSKey+c.DNSSecretFile != "" {
		return "", usage(errors.New("--dns-server, --dns-key and --dns-secret-file need --provider"), "as --provider rfc2136")
	}
	if c.Certificate != "" {
		certificate, err := filepath.Abs(c.Certificate)
		if err != nil {
			return "", err
		}
		key, err := filepath.Abs(c.Key)
		if err != nil {
			return "", err
		}
		b.WriteString("\n[tls]\n")
		line("certificate", certificate)
		line("key", key)
	}
	return b.String(), nil
}

// farewell says how the server runs on, and where to look from now on.
func (h *setupHouse) farewell(ctx context.Context, w io.Writer) {
	settings := h.settings()
	fmt.Fprint(w, "\nWhat is left only a person can do:\n\n")
	h.tellChecklist(ctx, w)
	fmt.Fprintf(w, "\nHow, and why: %s checklist\n", h.command())
	if h.server != nil {
		fmt.Fprintf(w, "\nThe server ran in this program until now, and ends with it. To run it for ever:\n\n  %s serve\n\n", h.command())
		fmt.Fprint(w, "or let systemd do it: run setup as root, or see packaging/systemd.\n")
	}
	fmt.Fprintf(w, "\nThe pages: https://%s/ for everybody, https://%s/green for you.\n", settings.Hostname, settings.Hostname)
	fmt.Fprintf(w, "Look again at any time: %s check %s\n", calledAs(), words(settings.Domains))
}

// tellChecklist names what is open and not a matter of taste. A list that cannot be had is no
// reason to fail at the end.
func (h *setupHouse) tellChecklist(ctx context.Context, w io.Writer) {
	items, err := web.ChecklistItems.Do(ctx, h.client(), web.None{})
	if err != nil {
		return
	}
	for _, i := range items {
		if i.Need != "may" && !isDone(i) {
			fmt.Fprintln(w, show.Paragraph(strings.TrimSpace("- "+i.Title+" "+i.Subject), 2, width(w)))
		}
	}
}

// command is how a person runs further commands with this configuration.
func (h *setupHouse) command() string {
	if h.path == config.DefaultPath {
		return calledAs()
	}
	return calledAs() + " --config " + h.path
}
