package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// home is our server in the lab, with two domains of its own on one host. It is the
// server of `serve`, in this process.
type home struct {
	dir      string
	settings *config.Config
	certs    *identity.Certificates
	server   *server
	password string // of everybody in it
}

// homeConfig is all that our server in the lab is told: five lines.
const homeConfig = `hostname  = "mx.allgreen.example"
domains   = ["allgreen.example", "evergreen.example"]
admin     = "anna@allgreen.example"
data      = "data"
addresses = ["127.11.0.10", "2001:db8::7f0b:a"]
`

// The web sites of the domains are elsewhere, as they mostly are.
var (
	homeWeb  = netip.MustParseAddr("127.11.0.80")
	homeWeb6 = netip.MustParseAddr("2001:db8::7f0b:50")
)

// newHome makes the folder with the configuration. The certificates are those of
// the authority at hand; more are further lines of the configuration.
func newHome(dir, more string, issue func(name string) (*tls.Certificate, error)) (*home, error) {
	path := filepath.Join(dir, "allgreen.toml")
	if err := os.WriteFile(path, []byte(homeConfig+more), 0o600); err != nil {
		return nil, err
	}
	settings, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	return &home{dir: dir, settings: settings, password: makePassword(), certs: &identity.Certificates{
		Given: func(name mail.Domain) (*tls.Certificate, error) { return issue(name.String()) },
	}}, nil
}

func (h *home) config() string { return filepath.Join(h.dir, "allgreen.toml") }

// zones are what our domains publish: the records that identity wants, and those of
// the name servers and web sites, which are not ours to run. The keys are made now
// and found again when the server starts.
func (h *home) zones(ctx context.Context) (zones []string, err error) {
	id, closed, err := openIdentity(ctx, h.settings, *h.certs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	for _, d := range h.settings.Domains {
		zones = append(zones, homeZone(d, id.Records(d)))
	}
	return zones, nil
}

// homeZone is the zone of one domain, in master-file format.
func homeZone(d mail.Domain, records []finding.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, `$ORIGIN %[1]s.
$TTL 3600
;lab sign %[1]s.
@ SOA ns1.nameserver.example. hostmaster 2026112101 7200 1800 1814400 3600
@ NS ns1.nameserver.example.
@ NS ns2.nameserver.example.
@ A %[2]s
@ AAAA %[3]s
www A %[2]s
www AAAA %[3]s
www TXT "v=spf1 -all"
`, d, homeWeb, homeWeb6)
	for _, r := range records {
		fmt.Fprintf(&b, "%s %s %s\n", r.Name, r.Type, r.Value)
	}
	return b.String()
}

// start has the server answer in this world, and gives the administrator a mailbox.
func (h *home) start(ctx context.Context, w *world.World, log io.Writer) (err error) {
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = newLog(log, h.settings.Log)
	}
	h.server, err = startServer(ctx, h.settings, serverOptions{
		world: w, log: logger, path: h.config(), certs: h.certs, local: filepath.Join(h.dir, "submit.sock"),
	})
	if err != nil {
		return err
	}
	for _, name := range []mail.Address{h.settings.Admin, {Local: "eve", Domain: h.settings.Domains[1]}} {
		if _, err := h.server.accounts.Create(ctx, account.New{Address: name, Password: h.password}); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the server.
func (h *home) stop(ctx context.Context) error {
	if h.server == nil {
		return nil
	}
	return h.server.close(ctx)
}

// address is the IPv4 address of the server.
func (h *home) address(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.settings.Addresses[0], port)
}
