package main

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/imap"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/managesieve"
	"github.com/allgreen-mail/allgreen/pop3"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/web"
)

// reading is where mail programs read. It lives as long as the process and not as a
// generation: programs stay connected for days, and nothing of what a reload changes is
// a reason to end that.
type reading struct {
	imap, imaps              *imap.Server
	pop3, pop3s, managesieve *dialogue.Server
}

func newReading(s *server, c *config.Config) *reading {
	o := imap.Options{
		Name: imapName(c), TLS: s.identity.TLS(identity.IMAP), MaxMessage: int64(c.Receive.MaxSize),
		Store: s.store, Accounts: s.accounts, World: s.world, Index: s.index, Log: s.log,
	}
	implicit := o
	implicit.ImplicitTLS = true
	r := &reading{imap: imap.NewServer(o), imaps: imap.NewServer(implicit)}
	fetch := pop3.Options{Name: s.named(c, pop3Name), TLS: s.identity.TLS(identity.POP3), Store: s.store, Accounts: s.accounts, Log: s.log}
	r.pop3 = pop3.NewServer(fetch)
	fetch.ImplicitTLS = true
	r.pop3s = pop3.NewServer(fetch)
	r.managesieve = managesieve.NewServer(managesieve.Options{
		Name: s.named(c, imapName), TLS: s.identity.TLS(identity.IMAP), Store: s.store, Accounts: s.accounts, Log: s.log,
	})
	return r
}

// named gives a name by the configuration that counts now; before there is one, by c.
func (s *server) named(c *config.Config, name func(*config.Config) mail.Domain) func() mail.Domain {
	return func() mail.Domain {
		if now := s.now.Load(); now != nil {
			return name(now.settings)
		}
		return name(c)
	}
}

// pop3Name is the name under which mail programs fetch.
func pop3Name(c *config.Config) mail.Domain {
	if c.Names.POP3.IsZero() {
		return imapName(c)
	}
	return c.Names.POP3
}

// imapName is the name under which mail programs read.
func imapName(c *config.Config) mail.Domain {
	if c.Names.IMAP.IsZero() {
		return c.Hostname
	}
	return c.Names.IMAP
}

func (r *reading) servers() []*imap.Server { return []*imap.Server{r.imap, r.imaps} }

// readingDoors are the listeners for mail programs that read.
func (g *generation) readingDoors() []*door {
	r, l := g.server.reading, g.settings.Listen
	for _, s := range r.servers() {
		s.Restate(imapName(g.settings), int64(g.settings.Receive.MaxSize))
	}
	return []*door{
		g.readingDoor("imap", l.IMAP, r.imap), g.readingDoor("imaps", l.IMAPS, r.imaps),
		g.readingDoor("pop3", l.POP3, r.pop3), g.readingDoor("pop3s", l.POP3S, r.pop3s),
		g.readingDoor("managesieve", l.ManageSieve, r.managesieve),
	}
}

// mailServer is what serves mail programs.
type mailServer interface {
	Serve(ctx context.Context, l net.Listener) error
	Guard(ctx context.Context) error
	Shutdown(ctx context.Context) error
}

func (r *reading) all() []mailServer {
	return []mailServer{r.imap, r.imaps, r.pop3, r.pop3s, r.managesieve}
}

func (g *generation) readingDoor(service string, sockets []config.Socket, s mailServer) *door {
	return &door{service: service, sockets: sockets, serve: func(l net.Listener) error {
		return s.Serve(context.WithoutCancel(g.ctx), smtp.Behind(l, g.settings.Listen.ProxyFrom, g.log))
	}}
}

// shutdown says goodbye to all programs. It may be called when nothing was opened.
func (r *reading) shutdown(ctx context.Context) error {
	if r == nil {
		return nil
	}
	var ending sync.WaitGroup
	errs := make([]error, len(r.all()))
	for i, s := range r.all() {
		ending.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// figures are what the programs do.
func (r *reading) figures() []web.Family {
	each := func(emit func(float64, ...string), read func(imap.Stats) float64, more ...string) {
		for i, s := range r.servers() {
			emit(read(s.Stats()), append([]string{[]string{"imap", "imaps"}[i]}, more...)...)
		}
	}
	return []web.Family{
		{Name: "imap_sessions", Help: "Mail programs connected by IMAP now.", Shape: web.Gauge, Labels: []string{"listener"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Open) })
		}},
		{Name: "imap_logins_total", Help: "Logins by IMAP.", Labels: []string{"listener", "outcome"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Logins) }, "accepted")
			each(emit, func(t imap.Stats) float64 { return float64(t.FailedLogins) }, "refused")
		}},
		{Name: "imap_commands_total", Help: "Commands of IMAP.", Labels: []string{"listener", "outcome"}, Read: func(emit func(float64, ...string)) {
			each(emit, func(t imap.Stats) float64 { return float64(t.Commands - t.Refused - t.Faults) }, "done")
			each(emit, func(t imap.Stats) float64 { return float64(t.Refused) }, "refused")
			each(emit, func(t imap.Stats) float64 { return float64(t.Faults) }, "not understood")
		}},
		{Name: "mail_program_sessions", Help: "Mail programs connected by POP3 and ManageSieve now.", Shape: web.Gauge, Labels: []string{"listener"}, Read: func(emit func(float64, ...string)) {
			for i, s := range r.talking() {
				emit(float64(s.Stats().Open), talkingNames[i])
			}
		}},
		{Name: "mail_program_logins_total", Help: "Logins by POP3 and ManageSieve.", Labels: []string{"listener", "outcome"}, Read: func(emit func(float64, ...string)) {
			for i, s := range r.talking() {
				emit(float64(s.Stats().Logins), talkingNames[i], "accepted")
				emit(float64(s.Stats().FailedLogins), talkingNames[i], "refused")
			}
		}},
	}
}

func (r *reading) talking() []*dialogue.Server {
	return []*dialogue.Server{r.pop3, r.pop3s, r.managesieve}
}

// talkingNames are the listeners of those, in their order.
var talkingNames = []string{"pop3", "pop3s", "managesieve"}
