package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/transfer"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// setupHouse is our server and its configuration as setup sees them: over the
// administration socket, whoever runs the server.
type setupHouse struct {
	path    string // of the configuration
	lab     bool
	log     io.Writer
	verbose bool
	confirm func(question string) (bool, error)
	server  *server // in this process; nil: none, or elsewhere
}

// open is the world with an empty memory.
func (h *setupHouse) open() (*world.World, error) { return serverWorld(h.lab, h.settings()) }

// settings are those of the configuration, or the defaults.
func (h *setupHouse) settings() *config.Config {
	if c, err := config.Read(h.path); err == nil {
		return c
	}
	return config.Defaults()
}

// data is the folder that the configuration names; before there is one, the wish.
func (h *setupHouse) data(wish string) string {
	if c, err := config.Read(h.path); err == nil {
		return c.Data
	}
	if wish == "" {
		return config.Defaults().Data
	}
	if path, err := filepath.Abs(wish); err == nil {
		return path
	}
	return wish
}

func (h *setupHouse) client() *web.Client {
	return web.NewClient(&world.World{Network: world.Machine()}, filepath.Join(h.settings().Data, socketName))
}

// Path implements setup.House.
func (h *setupHouse) Path() string { return h.path }

// Settings implements setup.House.
func (h *setupHouse) Settings() (setup.Settings, error) {
	c, err := config.Read(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return setup.Settings{}, setup.ErrNoConfiguration
	}
	if err != nil {
		_, err = commonFlags{Config: h.path}.readConfig()
		return setup.Settings{}, err
	}
	s := setup.Settings{
		Hostname: c.Hostname, Domains: c.Domains, Admin: c.Admin, Data: c.Data,
		Publisher: c.DNS.Provider, ACME: c.TLS.Source() == config.FromACME,
	}
	if c.Deliver.Smarthost.Host != "" {
		s.Smarthost, _ = mail.ParseDomain(c.Deliver.Smarthost.Host) // config has judged it
	}
	for _, a := range c.Egress() {
		s.Addresses = append(s.Addresses, a.IP)
	}
	for _, sockets := range [][]config.Socket{c.Listen.SMTP, c.Listen.Submission, c.Listen.Submissions, c.Listen.IMAP, c.Listen.IMAPS, c.Listen.HTTP, c.Listen.HTTPS} {
		for _, socket := range sockets {
			if at, err := netip.ParseAddrPort(anywhere(socket)); err == nil && !slices.Contains(s.Ports, at.Port()) {
				s.Ports = append(s.Ports, at.Port())
			}
		}
	}
	s.Submit = h.submission(c)
	return s, nil
}

// anywhere writes a socket with an address: ":25" has none.
func anywhere(socket config.Socket) string {
	if text := socket.String(); strings.HasPrefix(text, ":") {
		return "0.0.0.0" + text
	} else {
		return text
	}
}

// submission is where a mail program on this machine reaches the server: at the address
// that the socket says, or at loopback; in a made world at our own address.
func (h *setupHouse) submission(c *config.Config) netip.AddrPort {
	for _, socket := range c.Listen.Submission {
		at, err := netip.ParseAddrPort(anywhere(socket))
		switch {
		case err != nil:
			continue
		case !at.Addr().IsUnspecified():
			return at
		case h.lab && len(c.Addresses) > 0:
			return netip.AddrPortFrom(c.Addresses[0], at.Port())
		}
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
	}
	return netip.AddrPort{}
}

// Configure implements setup.House. The text is read before it is written.
func (h *setupHouse) Configure(text, secret string) error {
	dir := filepath.Dir(h.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return noInput(err, "run it as root, or name another place with --config")
	}
	if secret != "" {
		if err := os.WriteFile(filepath.Join(dir, setup.SecretName), []byte(secret+"\n"), 0o600); err != nil {
			return noInput(err, "run it as root, or name another place with --config")
		}
	}
	if _, err := config.Parse(h.path, dir, []byte(text)); err != nil {
		var wrong config.Problems
		if errors.As(err, &wrong) {
			return badConfig(firstOf(wrong), "say it in another way with the flags of setup")
		}
		return err
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return noInput(err, "run it as root, or name another place with --config")
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Sync(), f.Close())
}

// AddDomain implements setup.House.
func (h *setupHouse) AddDomain(ctx context.Context, domain mail.Domain) error {
	_, err := domainEdit{}.edit(ctx, commonFlags{Config: h.path}, func(dir string, document []byte) ([]byte, error) {
		return config.AddDomain(dir, document, domain)
	})
	return err
}

// IsServing implements setup.House.
func (h *setupHouse) IsServing(ctx context.Context) bool {
	if _, err := config.Read(h.path); err != nil {
		return false
	}
	_, err := web.Status.Do(ctx, h.client(), web.None{})
	return err == nil
}

// Serve implements setup.House.
func (h *setupHouse) Serve(ctx context.Context) error {
	if h.server != nil || h.IsServing(ctx) {
		return nil
	}
	if installed, err := h.install(ctx); installed || err != nil {
		return err
	}
	settings, err := config.Read(h.path)
	if err != nil {
		return err
	}
	w, err := h.open()
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if h.verbose {
		log = newLog(h.log, settings.Log)
	}
	h.server, err = startServer(ctx, settings, serverOptions{
		world: w, log: log, path: h.path, local: filepath.Join(settings.Data, "submit.sock"),
	})
	return err
}

// install has systemd run the server, where it can and a person wants it.
func (h *setupHouse) install(ctx context.Context) (bool, error) {
	s, err := newSystemd()
	if err != nil || !h.mayInstall(s) {
		return false, nil // then the server runs here, for a while
	}
	yes, err := h.confirm("Have systemd run the server from now on, as the user allgreen?")
	if err != nil || !yes {
		return false, err
	}
	return true, s.install(ctx, h.path, filepath.Join(filepath.Dir(h.path), setup.SecretName))
}

// close ends a server of this process.
func (h *setupHouse) close(ctx context.Context) error {
	if h.server == nil {
		return nil
	}
	return h.server.close(ctx)
}

// Publisher implements setup.House.
func (h *setupHouse) Publisher() (*setup.Publisher, error) {
	w, err := h.open()
	if err != nil {
		return nil, err
	}
	return newPublisher(h.settings(), w, nil), nil
}

// Records implements setup.House.
func (h *setupHouse) Records(ctx context.Context, domain mail.Domain) ([]finding.Record, error) {
	all, err := web.DNSRecords.Do(ctx, h.client(), web.None{})
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Domain == domain.String() {
			return d.Records, nil
		}
	}
	return nil, fmt.Errorf("the server does not serve %s yet: start it again", domain)
}

// HasAccount implements setup.House.
func (h *setupHouse) HasAccount(ctx context.Context, address mail.Address) (bool, error) {
	_, err := web.AccountShow.Do(ctx, h.client(), web.AccountName{Address: address.String()})
	var e *web.Error
	if errors.As(err, &e) && e.Kind == web.NotFound {
		return false, nil
	}
	return err == nil, err
}

// AccountAt implements setup.House.
func (h *setupHouse) AccountAt(ctx context.Context, domain mail.Domain) (mail.Address, error) {
	all, err := web.AccountList.Do(ctx, h.client(), web.None{})
	if err != nil {
		return mail.Address{}, err
	}
	for _, a := range all {
		if address, err := mail.ParseAddress(a.Address); err == nil && address.Domain == domain && !a.Disabled {
			return address, nil
		}
	}
	return mail.Address{}, nil
}

// AddAccount implements setup.House.
func (h *setupHouse) AddAccount(ctx context.Context, address mail.Address, password string) error {
	_, err := web.AccountAdd.Do(ctx, h.client(), web.NewAccount{Address: address.String(), Password: password})
	return err
}

// NewPassword implements setup.House.
func (h *setupHouse) NewPassword() string { return makePassword() }

// Login implements setup.House: with an app password that nobody else knows.
func (h *setupHouse) Login(ctx context.Context, address mail.Address) (password string, done func() error, err error) {
	app := web.AppPassword{Address: address.String(), Label: "setup-" + strings.ToLower(rand.Text()[:8])}
	secret, err := web.AppPasswordAdd.Do(ctx, h.client(), app)
	return secret.Secret, func() error {
		_, err := web.AppPasswordGone.Do(context.WithoutCancel(ctx), h.client(), app)
		return err
	}, err
}

// Arrived implements setup.House.
func (h *setupHouse) Arrived(ctx context.Context, address mail.Address, id string) (raw []byte, err error) {
	box := web.NewMailbox(h.client(), address.String())
	folders, err := box.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		err := box.Read(ctx, f, func(string) bool { return false }, func(m transfer.Message) error {
			text, err := io.ReadAll(m.Body)
			if err != nil || raw != nil {
				return err
			}
			read, err := message.Read(bytes.NewReader(text), message.Limits{})
			if err == nil && strings.Contains(read.Header.Value("Message-ID"), id) {
				raw = text
			}
			return nil // what cannot be read is not ours
		})
		if err != nil || raw != nil {
			return raw, err
		}
	}
	return nil, nil
}

// Fate implements setup.House.
func (h *setupHouse) Fate(ctx context.Context, to mail.Address, since time.Time) (setup.Fate, error) {
	events, err := web.LogSearch.Do(ctx, h.client(), web.LogQuery{Address: to.String(), Since: since, Limit: 20})
	if err != nil {
		return setup.Fate{}, err
	}
	kinds := map[journal.Kind]string{journal.Sent: "delivered", journal.Delivered: "delivered", journal.Bounced: "bounced", journal.Deferred: "deferred"}
	for _, e := range events {
		if kind := kinds[journal.Kind(e.Kind)]; kind != "" {
			return setup.Fate{Kind: kind, Text: e.Fields["reply"]}, nil
		}
	}
	return setup.Fate{}, nil
}
