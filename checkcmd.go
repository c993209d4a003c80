package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
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
	Watch    time.Duration `help:"Check again and again, this long apart." placeholder:"DUR"`
	Battery  bool          `help:"Ask for every relay and recipient probe; needs proof of control."`
	Allowed  bool          `name:"i-am-allowed" help:"Say that the audited hosts are yours to probe."`
	Token    string        `help:"Prove control: the secret whose record stands at _allgreen-audit.<PTR name>." placeholder:"SECRET"`
	ListKey  []string      `help:"A key for a blocklist that wants one. Repeatable." placeholder:"LIST=KEY" env:"ALLGREEN_LIST_KEY" sep:","`
	JSON     bool          `name:"json" help:"Print JSON, one document a target."`
	Verbose  bool          `short:"v" help:"Show the green and skipped rows too, and what was asked."`

	ProbeDomain   string     `name:"probe-domain" help:"A domain whose MX is this machine, where --battery watches for what a relay lets out." placeholder:"DOMAIN"`
	ProbeListener netip.Addr `name:"probe-listener" help:"The address of this machine on whose port 25 mail for the probe domain comes in." placeholder:"IP"`
}

// Help ends the help text with examples.
func (checkCommand) Help() string {
	return `Examples:
  allgreen check example.com
  allgreen check --only dmarc,spf example.com example.net
  allgreen check 192.0.2.1 --as address --json
  allgreen check - --ip 192.0.2.1 < message.eml
  allgreen check --battery --token SECRET --probe-domain probe.example.net --probe-listener 192.0.2.9 example.com`
}

// Run audits, prints, and exits with the worst verdict.
func (c *checkCommand) Run(ctx context.Context, io streams) error {
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
	for {
		code, err := c.once(ctx, w, o, targets, bad, io)
		if err != nil {
			return err
		}
		if c.Watch <= 0 || !pause(ctx, c.Watch) {
			return exitWith(code)
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

// nonsense is a target that cannot be checked, as JSON has it.
type nonsense struct {
	Target string `json:"target"`
	Error  string `json:"error"`
}

// once is one round over all targets; it returns the exit code.
func (c *checkCommand) once(ctx context.Context, w *world.World, o check.Options, targets []check.Target, bad []nonsense, io streams) (int, error) {
	for _, n := range bad {
		c.complain(io, n)
	}
	audit := check.NewAudit(w, o)
	line := newProgressLine(io.err)
	verdict := finding.Skip
	var reports []*finding.Report
	keep := c.HTML != "" || c.JUnit != ""
	var failed error
	each := func(r *finding.Report) {
		line.clear()
		verdict = finding.Worse(verdict, r.Verdict)
		if keep {
			reports = append(reports, r)
		}
		failed = errors.Join(failed, c.print(io.out, r))
	}
	c.audit(ctx, audit, targets, line, each)
	line.clear()
	if err := errors.Join(failed, c.writeFiles(reports)); err != nil {
		return 0, err
	}
	if len(bad) > 0 {
		return exitUsage, nil
	}
	return verdict.ExitCode(), nil
}

// audit runs the targets, showing how far it is.
func (c *checkCommand) audit(ctx context.Context, audit *check.Audit, targets []check.Target, line *progressLine, each func(*finding.Report)) {
	if len(targets) == 1 {
		each(audit.Run(ctx, targets[0], func(done, all int) {
			line.show("%s: %d of %d checks", targets[0].Text, done, all)
		}))
		return
	}
	done := 0
	audit.RunAll(ctx, targets, func(r *finding.Report) {
		each(r)
		done++
		line.show("%d of %d targets", done, len(targets))
	})
}

func (c *checkCommand) complain(io streams, n nonsense) {
	if c.JSON {
		_ = json.NewEncoder(io.out).Encode(n)
		return
	}
	fmt.Fprintf(io.err, "allgreen: %s\nhint: a target is a domain, a host name, an IP address, - or egress\n", n.Error)
}

func (c *checkCommand) print(w io.Writer, r *finding.Report) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	return show.Text(w, []*finding.Report{r}, show.Options{Width: width(w), Color: wantsColor(w), Verbose: c.Verbose})
}

func (c *checkCommand) writeFiles(reports []*finding.Report) error {
	err := writeReport(c.HTML, reports, show.HTML)
	return errors.Join(err, writeReport(c.JUnit, reports, show.JUnit))
}

func writeReport(path string, reports []*finding.Report, render func(io.Writer, []*finding.Report) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return noInput(err, "name a file that can be written")
	}
	return errors.Join(render(f, reports), f.Close())
}

// targets are what the arguments and the file name, the nonsense among them apart.
func (c *checkCommand) targets(io streams) (targets []check.Target, bad []nonsense, err error) {
	as, err := check.ParseKind(c.As)
	if err != nil {
		return nil, nil, usage(err, "leave --as away to have it found out")
	}
	words, err := c.words()
	if err != nil {
		return nil, nil, err
	}
	if len(words) == 0 {
		return nil, nil, usage(errors.New("there is no target"), "name a domain: allgreen check example.com")
	}
	for _, word := range words {
		t, err := check.ParseTarget(word, as)
		if err != nil {
			bad = append(bad, nonsense{word, err.Error()})
			continue
		}
		if t.Kind == check.Message {
			if t.Raw, err = readMessage(io.in); err != nil {
				return nil, nil, err
			}
		}
		targets = append(targets, t)
	}
	return targets, bad, nil
}

// words are the arguments and the lines of the file; # begins a comment.
func (c *checkCommand) words() ([]string, error) {
	words := c.Targets
	if c.FromFile == "" {
		return words, nil
	}
	f, err := os.Open(c.FromFile)
	if err != nil {
		return nil, noInput(err, "--from-file names a file with one target a line")
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, line)
		}
	}
	return words, lines.Err()
}

// maxMessage bounds a message on standard input.
const maxMessage = 64 << 20

func readMessage(in io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
	switch {
	case err != nil:
		return nil, noInput(err, "the message is read from standard input")
	case len(raw) == 0:
		return nil, noInput(errors.New("there is no message on standard input"), "use: allgreen check - < message.eml")
	case len(raw) > maxMessage:
		return nil, noInput(errors.New("the message is larger than 64 MB"), "")
	}
	return raw, nil
}
