package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/receive"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/submit"
	"github.com/allgreen-mail/allgreen/suppression"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/web/pages"
)

// generation is everything that follows from one reading of the configuration. It
// answers on the open sockets until the next one does, then finishes the sessions it
// has.
type generation struct {
	server   *server
	settings *config.Config
	log      *slog.Logger
	receive  *receive.Receiver
	lists    *reputation.Directory
	submit   *submit.Submitter

	doors   []*door
	smtp    []*smtp.Server
	running sync.WaitGroup
	ctx     context.Context // of web requests; sessions end by Shutdown
	cancel  context.CancelFunc
}

// door is a service on its sockets.
type door struct {
	service string
	sockets []config.Socket
	serve   func(net.Listener) error // until the listener is closed or the server shut down
	lines   []*line
}

// newGeneration builds everything and takes the sockets that are not open yet.
// Nobody is answered before connect.
func (s *server) newGeneration(ctx context.Context, c *config.Config) (*generation, error) {
	g := &generation{server: s, settings: c, log: s.log}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := g.build(); err != nil {
		g.cancel()
		return nil, err
	}
	if err := g.open(ctx); err != nil {
		g.cancel()
		g.receive.Close()
		return nil, err
	}
	return g, nil
}

func (g *generation) build() (err error) {
	s, c := g.server, g.settings
	o := receive.Options{
		Store: s.store, World: s.world, Accounts: s.accounts, Accept: s.accept, Hostname: c.Hostname, Domains: c.Domains,
		SRS: s.identity.SRS(), Marks: s.identity.Secret("marks"), MaxSize: int64(c.Receive.MaxSize), Help: c.Receive.Help,
		Tests: s.tests, Strict: c.Receive.Strict, Greylist: c.Receive.Greylist, ListKeys: listKeys(c), Log: g.log,
	}
	g.lists = reputation.NewDirectory(reputation.Options{Keys: o.ListKeys, Now: s.world.Now})
	o.Directory = g.lists
	o.Blocklists = blocklists(c, o.Directory.Lists())
	if !c.Receive.LMTP.IsZero() {
		if o.LMTP, err = receive.ParseElsewhere(c.Receive.LMTP.String()); err != nil {
			return err
		}
	}
	if g.receive, err = receive.New(o); err != nil {
		return err
	}
	g.submit = submit.New(submit.Options{
		Store: s.store, Accounts: s.accounts, Keys: s.identity, Accept: s.accept, Queue: s.queue, World: s.world,
		Hostname: c.Hostname, MaxSize: int64(c.Receive.MaxSize), Watch: watch(c), Alert: s.alertHeld, Gate: s.gate.onSubmit, Log: g.log, Unsubscribe: unsubscribeLink(c, s.identity.Secret(unsubscribePurpose)),
	})
	g.doors = slices.Concat(g.mailDoors(), g.readingDoors(), g.webDoors())
	return nil
}

// unsubscribeLink makes the links of bulk mail; nil where nobody could follow them.
func unsubscribeLink(c *config.Config, secret []byte) func(stream string, to mail.Address) string {
	if len(c.Listen.HTTPS) == 0 {
		return nil
	}
	return func(stream string, to mail.Address) string {
		return "https://" + webName(c).String() + web.UnsubscribePath + suppression.Link(secret, stream, to)
	}
}

// watch is when a sender is held, with the limits of the configuration.
func watch(c *config.Config) *submit.Watch {
	w := submit.DefaultWatch()
	w.Limits = maps.Clone(w.Limits)
	w.Limits["login"] = submit.Rate{Hour: c.Submit.RecipientsPerHour, Day: c.Submit.RecipientsPerDay}
	return &w
}

// mailDoors are the listeners that speak SMTP.
func (g *generation) mailDoors() []*door {
	c, id := g.settings, g.server.identity
	base := smtp.ServerOptions{Name: c.Hostname, MaxSize: int64(c.Receive.MaxSize), ProxyFrom: c.Listen.ProxyFrom, RequireTLSExt: true, Log: g.log, IsSelf: g.isSelf}
	inbound, submission, submissions, front, device := base, base, base, base, base
	inbound.TLS, inbound.Open = id.TLS(identity.SMTP), g.receive.Open

	submission.TLS, submission.Submission, submission.DSN = id.TLS(identity.Submission), true, true
	submission.Mechanisms = []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
	submission.Open = g.submit.Open
	if n := c.Names.Submission; !n.IsZero() {
		submission.Name = n
	}
	submissions = submission
	submissions.ImplicitTLS = true

	front.LMTP, front.Open, front.ProxyFrom = true, g.receive.OpenLMTP, nil
	device.TLS, device.Normalize, device.DSN, device.Open = id.TLS(identity.Submission), true, true, g.submit.OpenDevice
	device.RequireTLSExt = false

	l := c.Listen
	return []*door{
		g.mailDoor("smtp", l.SMTP, inbound),
		g.mailDoor("submission", l.Submission, submission),
		g.mailDoor("submissions", l.Submissions, submissions),
		g.mailDoor("lmtp", l.LMTP, front),
		g.mailDoor("device", l.Device, device),
	}
}

func (g *generation) mailDoor(service string, sockets []config.Socket, o smtp.ServerOptions) *door {
	o.Open = g.server.metrics.Observe(service, o.Open)
	server := smtp.NewServer(o)
	g.smtp = append(g.smtp, server)
	return &door{service: service, sockets: sockets, serve: func(l net.Listener) error {
		return server.Serve(context.WithoutCancel(g.ctx), l)
	}}
}

// unsubscribePurpose names the secret of the links of List-Unsubscribe. It never changes:
// links in old messages must work.
const unsubscribePurpose = "unsubscribe"

// webDoors are the listeners that speak HTTP.
func (g *generation) webDoors() []*door {
	s, l := g.server, g.settings.Listen
	public := web.Public{
		Hostname: g.settings.Hostname, Domains: g.settings.Domains, Now: s.world.Now,
		Policy:      func(d mail.Domain) (string, bool) { _, text := s.identity.MTASTS(d); return text, text != "" },
		Messages:    web.NewMessages(g.submit, s.accounts),
		Unsubscribe: web.NewUnsubscribing(s.store, s.identity.Secret(unsubscribePurpose), s.world.Now, g.log),
		Servers:     mailServers(g.settings), Operator: g.settings.Web.Operator, Egress: egressOf(g.settings), Style: pages.Style(),
	}
	admin := web.Administration{
		Store: s.store, Accounts: s.accounts, Queue: s.queue, Now: s.world.Now, Networks: func(n []netip.Prefix) error { return checkPrefixes(n, g.settings, s.world) },
		Status: s.status, Reload: s.reload, Records: func() []web.DomainRecords { return recordsOf(s.identity) }, Questions: s.questions(), Metrics: s.metrics,
		Backups: s.backups, Jobs: s.jobs, Login: g.loginLink, Keyring: keyring{s}, Compare: compareWith(g.settings, s.world), Checklist: checklist{s}, Ladder: climber{s}, Watch: watcher{s},
		Tests: s.tests,
	}
	return []*door{
		g.webDoor("http", l.HTTP, s.identity.ChallengeHandler(http.HandlerFunc(web.Redirect)), nil),
		g.webDoor("https", l.HTTPS, g.pages(admin.Handler(), public.Handler()), s.identity.TLS(identity.HTTPS)),
		g.webDoor("metrics", l.Metrics, web.Monitoring(s.questions(), s.metrics), nil),
		g.webDoor(adminService, s.adminSockets(g.settings), admin.Handler(), nil),
		g.webDoor(localService, s.localSocket(g.settings), web.Local(g.submit), nil),
	}
}

// Services on sockets of the file system, which are nobody's ports.
const (
	adminService = "admin" // for the administrator
	localService = "local" // for the programs of this machine that send
)

// webGrace is what a request in flight may still take when the server stops.
const webGrace = 5 * time.Second

func (g *generation) webDoor(service string, sockets []config.Socket, handler http.Handler, c *tls.Config) *door {
	return &door{service: service, sockets: sockets, serve: func(l net.Listener) error {
		if c != nil {
			l = tls.NewListener(l, c)
		}
		if service == adminService {
			l = web.OnlyOurs(l, g.log)
		}
		return web.Serve(g.ctx, []net.Listener{l}, handler, webGrace, g.log)
	}}
}

// open takes the sockets of all doors. Sockets of the service manager count instead
// of those of the configuration.
func (g *generation) open(ctx context.Context) error {
	var opened []string
	for _, d := range g.doors {
		for _, name := range g.socketNames(d) {
			isNew, err := g.server.board.open(name, func() ([]net.Listener, error) { return g.listen(ctx, d, name) })
			if isNew {
				opened = append(opened, name)
			}
			if err != nil {
				for _, name := range opened {
					g.server.board.close(name)
				}
				return fmt.Errorf("listen for %s: %w", d.service, err)
			}
			d.lines = append(d.lines, g.server.board.lines(name)...)
		}
	}
	return nil
}

// inherited is the socket of a service that the service manager opened.
const inherited = "from the service manager"

func (g *generation) socketNames(d *door) []string {
	s := g.server
	if slices.Contains(s.service.Names(), d.service) || len(s.board.ports[d.service+" "+inherited]) > 0 {
		return []string{d.service + " " + inherited}
	}
	var names []string
	for _, socket := range d.sockets {
		names = append(names, d.service+" "+socket.String())
	}
	return names
}

func (g *generation) listen(ctx context.Context, d *door, name string) ([]net.Listener, error) {
	s := g.server
	where := name[len(d.service)+1:]
	switch {
	case where == inherited:
		return s.service.Sockets(d.service), nil
	case d.service == adminService:
		return g.listenAdmin(ctx, strings.TrimPrefix(where, "unix:"))
	case d.service == localService:
		return g.listenLocal(ctx, strings.TrimPrefix(where, "unix:"))
	}
	var own []netip.Addr
	for _, a := range g.settings.Egress() {
		own = append(own, a.IP)
	}
	return s.world.ListenOn(ctx, where, own)
}

// adminSockets are where commands look: in the data folder, and in the one that counts from
// the next start on, for commands read the file as well.
func (s *server) adminSockets(c *config.Config) []config.Socket {
	all := []config.Socket{{Path: filepath.Join(c.Data, socketName)}}
	if s.fileData != "" && s.fileData != c.Data {
		all = append(all, config.Socket{Path: filepath.Join(s.fileData, socketName)})
	}
	return all
}

// listenAdmin opens the socket of the administrator. That the folder of the next start
// cannot be made yet is no reason not to serve.
func (g *generation) listenAdmin(ctx context.Context, path string) ([]net.Listener, error) {
	next := filepath.Dir(path) != filepath.Clean(g.settings.Data)
	if next {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			g.log.Warn("commands do not find this server by the configuration", "data", filepath.Dir(path), "error", err)
			return nil, nil
		}
	}
	l, err := g.server.world.ListenUnix(ctx, path, 0o600)
	if err != nil && next {
		g.log.Warn("commands do not find this server by the configuration", "socket", path, "error", err)
		return nil, nil
	}
	return []net.Listener{l}, err
}

// listenLocal opens the socket of send and sendmail to everybody on this machine. In
// its usual place a folder may be missing that only root can make: that must not
// keep mail out, so it is said and left.
func (g *generation) listenLocal(ctx context.Context, path string) ([]net.Listener, error) {
	made := os.MkdirAll(filepath.Dir(path), 0o755)
	l, err := g.server.world.ListenUnix(ctx, path, 0o666)
	if err == nil {
		return []net.Listener{l}, nil
	}
	if path != config.Defaults().Submit.Socket {
		return nil, errors.Join(err, made)
	}
	g.log.Warn("programs of this machine cannot send", "socket", path, "error", err)
	return nil, nil
}

// connect answers on all sockets from now on.
func (g *generation) connect() {
	for _, d := range g.doors {
		for _, l := range d.lines {
			g.running.Go(func() {
				if err := d.serve(l); err != nil && !errors.Is(err, net.ErrClosed) && g.ctx.Err() == nil {
					g.log.Error("a listener failed", "service", d.service, "address", l.Addr().String(), "error", err)
				}
			})
			l.connect()
		}
	}
}

// sockets tells where the generation listens.
func (g *generation) sockets() []web.Socket {
	var all []web.Socket
	for _, d := range g.doors {
		for _, l := range d.lines {
			all = append(all, web.Socket{Service: d.service, Address: l.Addr().String()})
		}
	}
	return all
}

// names are those of its sockets on the switchboard.
func (g *generation) names() []string {
	var all []string
	for _, d := range g.doors {
		all = append(all, g.socketNames(d)...)
	}
	return all
}

// hangUp answers no new connections.
func (g *generation) hangUp() {
	for _, d := range g.doors {
		for _, l := range d.lines {
			_ = l.Close() // it has no error
		}
	}
}

// How long a client may still use the configuration from before a reload.
const (
	retiredIdle = time.Minute      // saying nothing
	retiredMost = 10 * time.Minute // and beginning with one message after the other
)

// retire has the generation finish what it began, and asks its clients to come again;
// when the server stops there is no more time.
func (g *generation) retire(stopping <-chan struct{}) {
	g.hangUp()
	g.cancel()
	for _, s := range g.smtp {
		s.Retire(retiredIdle, retiredMost)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for g.sessions() > 0 {
		select {
		case <-tick.C:
			continue
		case <-stopping:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if err := g.shutdown(ctx); err != nil {
		g.log.Warn("sessions from before a reload were cut", "error", err)
	}
}

func (g *generation) sessions() (open int64) {
	for _, s := range g.smtp {
		open += s.Stats().Open
	}
	return open
}

// shutdown ends the generation: sessions finish their message or are cut when the
// context ends.
func (g *generation) shutdown(ctx context.Context) error {
	g.hangUp()
	g.cancel()
	var ending sync.WaitGroup
	errs := make([]error, len(g.smtp))
	for i, s := range g.smtp {
		ending.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	ending.Wait()
	g.running.Wait()
	g.receive.Close()
	return errors.Join(errs...)
}
