package lab

import (
	"fmt"
	"maps"
	"net"
	"net/netip"

	"github.com/allgreen-mail/allgreen/lab/host"
)

// settle gives every host its place.
func (l *Lab) settle(o Options) error {
	servers := map[string]host.Mail{}
	if !o.Bare {
		for name, character := range characters() {
			servers[name] = host.Mail{Name: name, Character: character}
		}
	}
	if err := l.settleDomains(o.domains(), servers); err != nil {
		return err
	}
	if o.Bulk > 0 {
		servers[bulkHost] = host.Mail{Name: bulkHost}
	}
	for _, m := range o.Hosts {
		servers[m.Name] = m
	}
	for m := range maps.Values(servers) {
		if err := l.settleMail(m); err != nil {
			return err
		}
	}
	for _, w := range o.Web {
		l.move(w.Addr, []uint16{80, 443}, w.Serve)
	}
	return nil
}

// settleDomains adds what runs for each domain: a mail server unless it has one
// with a character, one for mail programs, and a web server.
func (l *Lab) settleDomains(domains []Domain, servers map[string]host.Mail) error {
	sites, err := sites(domains)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if _, ok := servers[d.Host()]; !ok && d.runs("mx") {
			servers[d.Host()] = host.Mail{Name: d.Host()}
		}
		if d.runs("imap") {
			access := host.Access{Name: "imap." + d.Name}
			if access.Addr, err = l.Addr(access.Name); err != nil {
				return err
			}
			l.move(access.Addr, []uint16{110, 143, 993, 995}, access.Serve)
		}
		if d.runs("web") {
			web := host.Web{Addr: d.address(80), Sites: sites[d.Name]}
			l.move(web.Addr, []uint16{80, 443}, web.Serve)
		}
	}
	return nil
}

// address is a host in the domain's network.
func (d Domain) address(last byte) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 10, byte(d.Net), last})
}

func (l *Lab) settleMail(m host.Mail) error {
	if !m.Addr.IsValid() {
		addr, err := l.Addr(m.Name)
		if err != nil {
			return fmt.Errorf("a mail host without address: %w", err)
		}
		m.Addr = addr
	}
	ports := []uint16{25, 465, 587}
	if m.Character.NoSubmission {
		ports = ports[:1]
	}
	l.move(m.Addr, ports, m.Serve)
	return nil
}

func (l *Lab) move(addr netip.Addr, ports []uint16, serve serveFunc) {
	l.residents = append(l.residents, &resident{
		addr: addr, ports: ports, serve: serve, listeners: map[uint16]net.Listener{},
	})
}
