package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/show"
	"github.com/allgreen-mail/allgreen/world"
)

// labCommand starts an Internet on loopback and shows an audit in it.
type labCommand struct {
	Once bool `help:"Take the tour, then leave; exit 1 when a step did not hold."`
	JSON bool `name:"json" help:"Print the steps of the tour as JSON."`
}

// Examples end the help text.
func (labCommand) Examples() string {
	return `allgreen lab              start it, take the tour, stay up until Ctrl-C
allgreen lab --once       take the tour and leave
allgreen check --lab no-ptr.example    in another terminal, while it runs`
}

// step is one step of the tour.
type step struct {
	Step    string          `json:"step"`
	Target  string          `json:"target"`
	About   string          `json:"about"`
	Verdict finding.Status  `json:"verdict"`
	Wanted  finding.Status  `json:"wanted"`
	Holds   bool            `json:"holds"`
	Report  *finding.Report `json:"report"`
}

// Run starts the lab, takes the tour, and stays up.
func (c *labCommand) Run(ctx context.Context, io streams) error {
	if err := c.mayStart(); err != nil {
		return err
	}
	l, err := lab.Start(ctx, lab.Options{FixedPorts: true})
	if err != nil {
		return unreachable(err, "another lab may be running on this machine; stop it with Ctrl-C")
	}
	defer l.Close()
	file := l.File()
	ctx, leave := context.WithCancel(ctx)
	url, closed, err := labPage{l.World(), pageDomains()}.open(ctx)
	if err != nil {
		leave()
		return unreachable(err, "")
	}
	defer func() { leave(); <-closed }()
	file.Page = url
	if !c.Once {
		if err := c.publish(file); err != nil {
			return err
		}
		defer os.Remove(labFile())
	}
	steps, err := c.tour(ctx, file, io)
	if err != nil {
		return err
	}
	if !c.Once {
		return c.stay(ctx, file, io)
	}
	for _, s := range steps {
		if !s.Holds {
			return exit(exitFailed)
		}
	}
	return nil
}

func pageDomains() []pageDomain {
	var rows []pageDomain
	for _, d := range lab.Domains() {
		rows = append(rows, pageDomain{d.Name, d.About})
	}
	return rows
}

// mayStart refuses a second lab that would take the place of a living one. A tour
// that ends by itself takes no place.
func (c *labCommand) mayStart() error {
	file, err := world.ReadFile(labFile())
	if c.Once || err != nil || !isAlive(file.PID) {
		return nil
	}
	return unreachable(fmt.Errorf("a lab is running already, as process %d", file.PID),
		"use it with --lab, stop it with Ctrl-C, or set ALLGREEN_LAB to another file")
}

// isAlive reports whether a process exists, ours or somebody else's.
func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || pid <= 0 {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// calledAs is how a person starts this program: from its source, or by its name.
func calledAs() string {
	path, err := os.Executable()
	if err == nil && strings.Contains(path, "go-build") {
		return "go run ."
	}
	return "allgreen"
}

// publish leaves the world where --lab finds it.
func (c *labCommand) publish(file *world.File) error {
	path := labFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return noInput(err, "set ALLGREEN_LAB to a file that can be written")
	}
	file.PID = os.Getpid()
	if err := file.Write(path); err != nil {
		return noInput(err, "set ALLGREEN_LAB to a file that can be written")
	}
	return nil
}

// tourStops are the domains that the tour shows: the best, and what a common
// mistake looks like.
var tourStops = []struct {
	name   string
	wanted finding.Status
}{
	{"green.example", finding.Green},
	{"no-ptr.example", finding.Red},
}

func (c *labCommand) tour(ctx context.Context, file *world.File, io streams) ([]step, error) {
	w, err := file.World(world.Options{})
	if err != nil {
		return nil, badConfig(err, "")
	}
	if !c.JSON {
		fmt.Fprintf(io.out, "An Internet on loopback is up: %d domains, each with its own hosts.\n", len(lab.Domains()))
	}
	var steps []step
	for i, stop := range tourStops {
		s := c.visit(ctx, w, stop.name, stop.wanted)
		s.Step = fmt.Sprintf("%d of %d", i+1, len(tourStops))
		steps = append(steps, s)
		if err := c.tell(io.out, s); err != nil {
			return nil, err
		}
	}
	if c.JSON {
		return steps, printJSON(io.out, map[string]any{"steps": steps, "holds": allHold(steps)})
	}
	_, err = fmt.Fprintf(io.out, "\n%s\n", show.Paragraph("The difference: "+difference(steps), 0, width(io.out)))
	return steps, err
}

func allHold(steps []step) bool {
	for _, s := range steps {
		if !s.Holds {
			return false
		}
	}
	return true
}

// visit audits one domain of the lab with every probe: its hosts are ours.
func (c *labCommand) visit(ctx context.Context, w *world.World, name string, wanted finding.Status) step {
	s := step{Target: name, About: aboutDomain(name), Wanted: wanted}
	target, err := check.ParseTarget(name, check.Domain)
	if err != nil {
		return s
	}
	s.Report = check.NewAudit(w, check.Options{Battery: true}).Run(ctx, target, nil)
	s.Verdict = s.Report.Verdict
	s.Holds = s.Verdict == wanted
	return s
}

func aboutDomain(name string) string {
	for _, d := range lab.Domains() {
		if d.Name == name {
			return d.About
		}
	}
	return ""
}

func (c *labCommand) tell(w io.Writer, s step) error {
	if c.JSON {
		return nil
	}
	fmt.Fprintf(w, "\n%s  %s check --lab --battery %s\n        %s\n\n", s.Step, calledAs(), s.Target, s.About)
	if s.Report == nil {
		return errors.New("the lab has no domain " + s.Target)
	}
	return show.Text(w, []*finding.Report{s.Report}, show.Options{Width: width(w), Color: wantsColor(w)})
}

// difference names what the last stop shows and the first does not.
func difference(steps []step) string {
	var bad []string
	for _, f := range steps[len(steps)-1].Report.WorstFirst() {
		if f.Status == finding.Red {
			bad = append(bad, f.Summary)
		}
	}
	if len(bad) == 0 {
		return "none was found"
	}
	return strings.Join(bad, "; ")
}

// stay tells what to try and waits for the end.
func (c *labCommand) stay(ctx context.Context, file *world.File, io streams) error {
	if !c.JSON {
		if err := invite(io.out, file); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func invite(w io.Writer, file *world.File) error {
	resolver := file.Resolvers[0]
	fmt.Fprintf(w, "\nThe domains of this Internet to begin with (the page shows all %d):\n\n", len(lab.Domains()))
	for _, d := range lab.Domains() {
		if !d.More {
			fmt.Fprintf(w, "  %-22s %s\n", d.Name, d.About)
		}
	}
	_, err := fmt.Fprintf(w, `
Try, in another terminal:

  %[1]s check --lab red.example
  %[1]s check --lab --battery open-relay.example
  %[1]s check --lab --html report.html green.example red.example
  %[1]s spf --lab --ip 192.0.2.1 --from joe@green.example
  dig @%[2]s -p %[3]d green.example MX
  swaks --server 127.10.1.10 --port %[4]d --to postmaster@green.example --quit RCPT

or look at it in a browser: %[5]s

It runs until Ctrl-C.
`, calledAs(), resolver.Addr(), resolver.Port(), file.Ports[25], file.Page)
	return err
}
