package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
	"github.com/allgreen-mail/allgreen/zone"
)

// The packages know nothing of the configuration: here its values become theirs.

func statement(c *config.Config) identity.Statement {
	s := identity.Statement{
		Hostname: c.Hostname, Domains: c.Domains, Admin: c.Admin,
		Names: identity.Names{Submission: c.Names.Submission, IMAP: c.Names.IMAP, POP3: c.Names.POP3, Web: c.Names.Web},
	}
	l := c.Listen
	s.Offers = identity.Offers{POP3: len(l.POP3) > 0, POP3S: len(l.POP3S) > 0, Sieve: len(l.ManageSieve) > 0}
	for _, a := range c.Egress() {
		s.Egress = append(s.Egress, identity.Egress{IP: a.IP, Name: a.Name})
	}
	return s
}

// certificates are where certificates come from.
func (s *server) certificates(c *config.Config) identity.Certificates {
	if s.certs != nil {
		return *s.certs
	}
	return certificates(c, s.world)
}

func certificates(c *config.Config, w *world.World) (from identity.Certificates) {
	switch c.TLS.Source() {
	case config.FromFiles:
		for _, p := range c.TLS.Pairs() {
			from.Files = append(from.Files, identity.CertificateFile{Certificate: p.Certificate, Key: p.Key})
		}
	case config.FromACME:
		from.ACME = &identity.ACME{Directory: c.TLS.ACME.Directory, Email: c.TLS.ACME.Email}
		if c.TLS.ACME.DNS {
			from.ACME.DNS = publisher(c.DNS, w)
		}
	}
	return from
}

// publisher is who publishes DNS records; nil where nobody does.
func publisher(c config.DNS, w *world.World) zone.Provider {
	secret := string(c.Secret)
	switch c.Provider {
	case "rfc2136":
		u := &zone.Update{World: w, Server: c.Server}
		if c.Key != "" {
			u.Key = zone.Key{Name: world.Name(c.Key), Algorithm: c.Algorithm, Secret: secret}
		}
		return u
	case "cloudflare":
		return zone.NewCloudflare(w, secret)
	case "desec":
		return zone.NewDeSEC(w, secret)
	case "gandi":
		return zone.NewGandi(w, secret)
	case "hetzner":
		return zone.NewHetzner(w, secret)
	case "porkbun":
		return zone.NewPorkbun(w, c.Key, secret)
	}
	return nil
}

// greeted are domains whose MX hosts greet everybody and name their client's address;
// mirrors are STUN servers that are offered to everybody. A made world names its own.
var (
	greeted = []string{"gmail.com", "outlook.com"}
	mirrors = []string{"stun.cloudflare.com"}
)

// edgeSources are whom to ask at which address they see this server. Behind a smarthost
// nobody greets us, so only an explicit wish greets others.
func edgeSources(c *config.Config, w *world.World) (from identity.EdgeSources) {
	hosts, servers := greeted, mirrors
	if w.IsMade() {
		hosts, servers = w.Greeters, w.Mirrors
	}
	from.SMTP = c.Edge.Greet
	if from.SMTP == nil && c.Deliver.Smarthost.Host == "" {
		for _, name := range hosts {
			from.SMTP = append(from.SMTP, mail.MustParseDomain(name))
		}
	}
	if c.Edge.STUN != nil {
		servers = c.Edge.STUN
	}
	for _, text := range servers {
		if server, err := identity.ParseSTUNServer(text); err == nil { // config has judged them
			from.STUN = append(from.STUN, server)
		}
	}
	return from
}

func devices(c *config.Config) []account.Device {
	var all []account.Device
	for _, d := range c.Devices {
		dev := account.Device{
			Name: d.Name, Networks: d.Networks, Owner: d.Owner, LocalOnly: d.LocalOnly,
			Limits: account.Limits{PerHour: d.RecipientsPerHour, PerDay: d.RecipientsPerDay},
		}
		for _, text := range d.From {
			if s, err := account.ParseSender(text); err == nil { // config has judged them
				dev.Senders = append(dev.Senders, s)
			}
		}
		all = append(all, dev)
	}
	return all
}

// listKeys are the keys of blocklists that want one.
func listKeys(c *config.Config) map[string]string {
	if c.Receive.DQSKey == "" {
		return nil
	}
	return map[string]string{"spamhaus-dqs": string(c.Receive.DQSKey)}
}

// blocklists are the ids of the lists that the configuration names by their zones,
// as people know them, or by id. Nil stays nil, which is not the empty list. What is
// none is handed on: policy says so.
func blocklists(c *config.Config, known []*reputation.List) []string {
	if c.Receive.Blocklists == nil {
		return nil
	}
	ids := []string{}
	for _, d := range c.Receive.Blocklists {
		id := d.String()
		for _, l := range known {
			if l.Zone == id {
				id = l.ID
			}
		}
		ids = append(ids, id)
	}
	return ids
}

// checkNetworks refuses a server that would trust strangers: behind a gateway, a
// container bridge or a proxy all of them look local.
func checkNetworks(c *config.Config, w *world.World) error {
	var all []netip.Prefix
	for _, d := range c.Devices {
		all = append(all, d.Networks...)
	}
	return checkPrefixes(all, c, w)
}

func checkPrefixes(networks []netip.Prefix, c *config.Config, w *world.World) error {
	if len(networks) == 0 {
		return nil
	}
	own, gateways, err := w.Surroundings()
	if err != nil {
		return fmt.Errorf("look for gateways: %w", err)
	}
	for _, p := range c.Listen.ProxyFrom {
		for _, n := range networks {
			if n.Overlaps(p) {
				return errors.Join(account.ErrNetwork, fmt.Errorf("%s holds the proxy %s, and through it every stranger", n, p))
			}
		}
	}
	return account.CheckNetworks(networks, own, gateways)
}

// localSocket is where the programs of this machine send; none where it is switched
// off.
func (s *server) localSocket(c *config.Config) []config.Socket {
	path := cmp.Or(s.local, c.Submit.Socket)
	if path == "" {
		return nil
	}
	return []config.Socket{{Path: path}}
}
