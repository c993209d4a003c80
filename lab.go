package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/web/pages"
	"github.com/allgreen-mail/allgreen/world"
)

// labCommand starts an Internet on loopback with our server in it, and shows both.
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

// Run starts the lab with our server in it, takes the tour, and stays up.
func (c *labCommand) Run(ctx context.Context, io streams, common commonFlags) (err error) {
	if err := c.mayStart(); err != nil {
		return err
	}
	town, err := c.start(ctx, io, common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, town.close(ctx)) }()
	file := town.lab.File()
	file.Server = town.home.settings.Data
	ctx, leave := context.WithCancel(ctx)
	url, closed, err := newLabPage(town.lab.World(), town.home, pageDomains(town.home)).open(ctx)
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
	t := &tour{command: c, out: io.out, home: town.home, world: town.lab.World(), taken: town.taken}
	if err := t.run(ctx); err != nil {
		return err
	}
	switch {
	case !c.Once:
		return c.stay(ctx, file, town.home, io)
	case !t.holds():
		return exit(exitFailed)
	}
	return nil
}

// town is the lab with our server in it.
type town struct {
	lab  *lab.Lab
	home *home
}

// start builds the Internet around our server: the certificates first, for the names
// that are published pin them, then the names, then the server.
func (c *labCommand) start(ctx context.Context, io streams, common commonFlags) (_ *town, err error) {
	dir, err := os.MkdirTemp("", "allgreen-lab-")
	if err != nil {
		return nil, noInput(err, "set TMPDIR to a folder that can be written")
	}
	t := &town{}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir) // the first error is the one to tell
		}
	}()
	t.lab, t.home, err = joinLab(ctx, dir, "", lab.Options{FixedPorts: true})
	if err != nil {
		return nil, unreachable(err, "another lab may be running on this machine; stop it with Ctrl-C")
	}
	log := io.err
	if !common.Verbose {
		log = nil
	}
	if err = t.home.start(ctx, t.lab.World(), log); err != nil {
		_ = t.lab.Close() // it never fails
		return nil, whyNotServing(err, t.home.settings)
	}
	return t, nil
}

// joinLab starts a lab that our server is to live in, in a folder; more are further
// lines of its configuration.
func joinLab(ctx context.Context, dir, more string, o lab.Options) (*lab.Lab, *home, error) {
	var h *home
	o.Join = func(authority *ca.CA) (zones []string, err error) {
		h, err = newHome(dir, more, func(name string) (*tls.Certificate, error) { return authority.Certificate(ca.Good, name) })
		if err != nil {
			return nil, err
		}
		return h.zones(ctx)
	}
	o.Web = append(o.Web, homeSites())
	l, err := lab.Start(ctx, o)
	return l, h, err
}

// neighbourhood is a lab for who only lives in it.
type neighbourhood interface {
	File() *world.File
	World() *world.World
	Close() error
}

// settleInLab is joinLab for the default lab and a few zones more.
func settleInLab(ctx context.Context, dir, more string, zones ...string) (neighbourhood, *home, error) {
	return joinLab(ctx, dir, more, lab.Options{Zones: zones})
}

// labSigner signs for a domain of the lab with RSA and 2048 bits.
func labSigner(d mail.Domain) (*dkim.Signer, error) {
	keys, err := lab.Selectors()
	if err != nil {
		return nil, err
	}
	return &dkim.Signer{Domain: d, Selector: keys[0].Name, Key: keys[0].Key}, nil
}

// homeSites are the web sites of our domains, which somebody else runs.
func homeSites() host.Web {
	w := host.Web{Addr: homeWeb}
	for _, d := range []string{"allgreen.example", "evergreen.example"} {
		pages := map[string]host.Page{
			"/":        {Type: "text/html; charset=utf-8", Body: "<!doctype html><title>" + d + "</title><h1>" + d + "</h1><a href=\"/imprint\">Imprint and contact</a>"},
			"/imprint": {Type: "text/html; charset=utf-8", Body: "<!doctype html><title>Imprint</title><p>Write to <a href=\"mailto:postmaster@" + d + "\">postmaster</a>."},
		}
		w.Sites = append(w.Sites, host.Site{Name: d, Pages: pages}, host.Site{Name: "www." + d, Pages: pages})
	}
	return w
}

// taken waits for a message that a host of the lab took from us.
func (t *town) taken(ctx context.Context, to string) (letterTaken, error) {
	m, err := t.lab.WaitForMail(ctx, func(m host.Message) bool { return slices.Contains(m.To, to) })
	return letterTaken{by: m.Host, from: m.From, tls: m.TLS, data: m.Data}, err
}

func (t *town) close(ctx context.Context) error {
	err := t.home.stop(ctx)
	return errors.Join(err, t.lab.Close(), os.RemoveAll(t.home.dir))
}

// pageDomains are the domains of the lab, with a word on each.
func pageDomains(h *home) []pages.LabDomain {
	var rows []pages.LabDomain
	for _, d := range h.settings.Domains {
		rows = append(rows, pages.LabDomain{Name: d.String(), About: "our own server"})
	}
	for _, d := range lab.Domains() {
		rows = append(rows, pages.LabDomain{Name: d.Name, About: d.About})
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

// stay tells what to try and waits for the end.
func (c *labCommand) stay(ctx context.Context, file *world.File, h *home, io streams) error {
	if !c.JSON {
		if err := invite(io.out, file, h); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func invite(w io.Writer, file *world.File, h *home) error {
	resolver := file.Resolvers[0]
	fmt.Fprintf(w, "\nThe domains of this Internet to begin with (the page shows all %d):\n\n", len(lab.Domains()))
	for _, d := range lab.Domains() {
		if !d.More {
			fmt.Fprintf(w, "  %-22s %s\n", d.Name, d.About)
		}
	}
	_, err := fmt.Fprintf(w, `
Try, in another terminal:

  %[1]s check --lab --battery allgreen.example red.example
  swaks --server 127.11.0.10 --port %[4]d --to %[6]s --from joe@green.example
  %[1]s queue why --lab
  %[1]s log search --lab --since 1h
  %[1]s check --lab --html report.html green.example open-relay.example
  %[1]s spf --lab --ip 192.0.2.1 --from joe@green.example
  dig @%[2]s -p %[3]d green.example MX

or look at it in a browser: %[5]s

It runs until Ctrl-C.
`, calledAs(), resolver.Addr(), resolver.Port(), file.Ports[25], file.Page, h.settings.Admin)
	return err
}
