package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/world"
)

// checkCommand audits targets and reports.
type checkCommand struct {
	worldFlags
	Targets  []string      `arg:"" optional:"" name:"target" help:"Domains, hosts, addresses; - for a message on standard input; egress for this machine's way out."`
	As       string        `help:"Take the targets for this: domain, host, address, message or egress." placeholder:"KIND"`
	IP       []netip.Addr  `name:"ip" help:"A further sending address; for a message, the client it came from. Repeatable." sep:","`
	HELO     string        `name:"helo" help:"The name to say in EHLO; for a message, the name its client said."`
	From     string        `help:"For a message: its reverse-path; <> for the null one." placeholder:"ADDR"`
	Selector []string      `help:"A DKIM selector to look at. Repeatable." sep:","`
	Only     []string      `help:"Only this group of checks, or this check. Repeatable." placeholder:"GROUP|ID" sep:","`
	FromFile string        `help:"Read further targets from this file, one a line." placeholder:"FILE"`
	HTML     string        `name:"html" help:"Write the report as one HTML file as well." placeholder:"FILE"`
	JUnit    string        `name:"junit" help:"Write the report as JUnit XML as well." placeholder:"FILE"`
	Watch    time.Duration `help:"Check again and again, this long apart; after the first report show what changed, once it was seen three times." placeholder:"DUR"`
	Battery  bool          `help:"Ask for every relay and recipient probe; needs proof of control."`
	Allowed  bool          `name:"i-am-allowed" help:"Say that the audited hosts are yours to probe."`
	Token    string        `help:"Prove control: the secret whose record stands at _allgreen-audit.<PTR name>." placeholder:"SECRET"`
	ListKey  []string      `help:"A key for a blocklist that wants one. Repeatable." placeholder:"LIST=KEY" env:"ALLGREEN_LIST_KEY" sep:","`
	JSON     bool          `name:"json" help:"Print JSON, one document a target."`
	Verbose  bool          `kong:"-"` // the common -v: the green and skipped rows too
	seen     rounds

	ProbeDomain   string     `name:"probe-domain" help:"A domain whose MX is this machine, where --battery watches for what a relay lets out." placeholder:"DOMAIN"`
	ProbeListener netip.Addr `name:"probe-listener" help:"The address of this machine on whose port 25 mail for the probe domain comes in." placeholder:"IP"`
}

// Examples end the help text.
func (checkCommand) Examples() string {
	return `allgreen check example.com
allgreen check --only dmarc,spf example.com example.net
allgreen check 192.0.2.1 --as address --json
allgreen check --watch 1h example.com
allgreen check - --ip 192.0.2.1 < message.eml
allgreen check --battery --token SECRET --probe-domain probe.example.net \
  --probe-listener 192.0.2.9 example.com`
}

// Run audits, prints, and exits with the worst verdict.
func (c *checkCommand) Run(ctx context.Context, io streams, common commonFlags) (err error) {
	c.Verbose = common.Verbose
	if err := c.checkWatchFlag(); err != nil {
		return err
	}
	targets, bad, err := c.targets(io)
	if err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	w, err := c.open()
	if err != nil {
		return err
	}
	if o.Lists, err = c.directory(w); err != nil {
		return err
	}
	files, err := c.openFiles()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.close()) }()
	last := exitInterrupted
	for {
		code, err := c.once(ctx, w.Fresh(), o, targets, bad, files, io)
		if err != nil {
			return err
		}
		if code != exitInterrupted {
			last = code // who stops a watch in the middle of a round hears of the one before
		}
		if c.Watch <= 0 || !pause(ctx, c.Watch) {
			return exitWith(last)
		}
	}
}

func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return exit(code)
}

// pause waits between two rounds and reports whether there is another.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once is one round over all targets; it returns the exit code.
func (c *checkCommand) once(ctx context.Context, w *world.World, o check.Options, targets []check.Target, bad []nonsense, files reportFiles, io streams) (int, error) {
	for _, n := range bad {
		c.complain(io, n)
	}
	audit := check.NewAudit(w, o)
	line := newProgressLine(io.err)
	verdict := finding.Skip
	var reports []*finding.Report
	var failed error
	var interrupted bool
	each := func(r *finding.Report) {
		line.clear()
		if interrupted = interrupted || ctx.Err() != nil; interrupted {
			return // what was not finished is no verdict
		}
		verdict = finding.Worse(verdict, r.Verdict)
		if len(files) > 0 {
			reports = append(reports, r)
		}
		failed = errors.Join(failed, c.printRound(io.out, r))
	}
	if err := c.audit(ctx, audit, targets, line, each); err != nil {
		verdict = finding.Worse(verdict, finding.Unknown) // some targets were not begun
	}
	line.clear()
	if interrupted {
		fmt.Fprintln(io.err, "allgreen: interrupted")
		return exitInterrupted, nil
	}
	if err := errors.Join(failed, files.write(reports)); err != nil {
		return 0, err
	}
	if len(bad) > 0 {
		return exitUsage, nil
	}
	return verdict.ExitCode(), nil
}

// audit runs the targets, showing how far it is. The error says why some were not
// begun.
func (c *checkCommand) audit(ctx context.Context, audit *check.Audit, targets []check.Target, line *progressLine, each func(*finding.Report)) error {
	if len(targets) == 1 {
		each(audit.Run(ctx, targets[0], func(done, all int) {
			line.show("%s: %d of %d checks", targets[0].Text, done, all)
		}))
		return nil
	}
	done := 0
	return audit.RunAll(ctx, targets, func(r *finding.Report) {
		each(r)
		done++
		line.show("%d of %d targets", done, len(targets))
	})
}

func (c *checkCommand) complain(io streams, n nonsense) {
	if c.JSON {
		_ = printJSON(io.out, n)
		return
	}
	fmt.Fprintf(io.err, "allgreen: %s\nhint: a target is a domain, a host name, an IP address, - or egress\n", n.Error)
}

func (c *checkCommand) print(w io.Writer, r *finding.Report) error {
	if c.JSON {
		return printJSON(w, r)
	}
	return show.Text(w, []*finding.Report{r}, show.Options{Width: width(w), Color: wantsColor(w), Verbose: c.Verbose})
}
