package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab/authority"
	"github.com/allgreen-mail/allgreen/lab/ca"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/world"
)

// Lab is a running Internet.
type Lab struct {
	ports     map[uint16]uint16
	authority *authority.Authority
	ca        *ca.CA
	town      *host.Town
	mailroom  host.Mailroom

	names     map[netip.Addr]*authority.Socket // name servers and the resolver
	residents []*resident
	mirror    mirror

	stop    context.CancelFunc
	running sync.WaitGroup
}

// resident is a server of the lab with the sockets it answers on.
type resident struct {
	addr      netip.Addr
	ports     []uint16 // of the lab's world
	listeners map[uint16]net.Listener
	serve     serveFunc
}

// serveFunc runs a server until the context ends.
type serveFunc func(context.Context, *host.Town, map[uint16]net.Listener)

// resolverName is the host at whose address the recursive resolver answers.
const resolverName = "resolver.nameserver.example."

// probeHost is the MX of the probe domain, at which nothing of the lab listens.
const (
	probeDomain = "probe.example"
	probeHost   = "mx.probe.example."
)

// Start builds the Internet and returns when all of it answers. It lives until
// Close, or until the context ends.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	l := &Lab{names: map[netip.Addr]*authority.Socket{}}
	if err := l.build(o); err != nil {
		return nil, fmt.Errorf("building the lab: %w", err)
	}
	if err := l.bindAll(o.FixedPorts); err != nil {
		return nil, err
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.run(ctx)
	return l, nil
}

func (l *Lab) build(o Options) error {
	var err error
	if l.ca, err = ca.New(o.Now); err != nil {
		return err
	}
	zones, err := texts(o, l.ca)
	if err != nil {
		return err
	}
	if o.Join != nil {
		joined, err := o.Join(l.ca)
		if err != nil {
			return fmt.Errorf("a server that joins: %w", err)
		}
		zones = append(zones, joined...)
	}
	if l.authority, err = authority.Load(o.Now, zones...); err != nil {
		return err
	}
	l.town = &host.Town{CA: l.ca, Mailroom: &l.mailroom, Route: l.route}
	for _, ip := range append(l.authority.NameServers(), l.authority.Addresses(resolverName)...) {
		l.names[ip] = nil
	}
	return l.settle(o)
}

// run starts every server. Each ends with the context.
func (l *Lab) run(ctx context.Context) {
	resolver := l.authority.Addresses(resolverName)
	for ip, socket := range l.names {
		responder := l.authority.Server(ip)
		if slices.Contains(resolver, ip) {
			responder = l.authority.Resolver()
		}
		l.running.Go(func() { socket.Serve(ctx, responder) })
	}
	if l.mirror.UDPConn != nil {
		l.running.Go(func() { l.mirror.serve(ctx) })
	}
	for _, r := range l.residents {
		l.running.Go(func() { r.serve(ctx, l.town, r.listeners) })
	}
}

// Close ends all servers and waits for them. It may be called again.
func (l *Lab) Close() error {
	l.stop()
	l.running.Wait()
	l.town.Wait()
	return nil
}

// File describes the lab for world.File.World and for other processes.
func (l *Lab) File() *world.File {
	f := &world.File{
		Roots:    l.ca.Roots(),
		PID:      os.Getpid(),
		Probe:    world.Probe{Domain: probeDomain},
		Greeters: []string{"green.example"},
		Mirrors:  []string{mirrorName},
		Map: world.Map{
			Ports: l.ports,
			Nets: []world.NetMap{
				{From: netip.MustParsePrefix("2001:db8::/96")},
				{From: netip.MustParsePrefix("2001:db8:20::/96")},
			},
			Public: []netip.Prefix{
				netip.MustParsePrefix("127.0.0.0/8"),
				netip.MustParsePrefix("2001:db8::/32"),
			},
		},
	}
	for _, ip := range l.authority.Addresses(resolverName) {
		f.Resolvers = append(f.Resolvers, l.socket(ip, 53))
	}
	for _, ip := range l.authority.Addresses(probeHost) {
		f.Probe.Listen = ip
	}
	if anchor := l.authority.Anchor(); anchor != "" {
		f.TrustAnchors = []string{anchor}
	}
	return f
}

// World is the door into the lab. Each call opens one with an empty cache.
func (l *Lab) World() *world.World {
	w, err := l.File().World(world.Options{})
	if err != nil {
		panic("lab: its own world file is none: " + err.Error())
	}
	return w
}

// Certificate is one of the lab's certification authority, for servers that are
// not the lab's own; the first name has the key that its TLSA record pins.
func (l *Lab) Certificate(q ca.Quality, names ...string) (*tls.Certificate, error) {
	return l.ca.Certificate(q, names...)
}

// Addr is the IPv4 address of a host of the lab: the A record of its name.
func (l *Lab) Addr(name string) (netip.Addr, error) {
	ips := l.authority.Addresses(name)
	if len(ips) == 0 {
		return netip.Addr{}, fmt.Errorf("the lab has no host %s", name)
	}
	return ips[0], nil
}

// Questions tells how often the resolver was asked each question since the lab
// started or ForgetQuestions was called.
func (l *Lab) Questions() map[authority.Question]int { return l.authority.Questions() }

// ForgetQuestions sets the counts of Questions to nothing.
func (l *Lab) ForgetQuestions() { l.authority.Forget() }

// Mail is every message that the lab's hosts took, in order.
func (l *Lab) Mail() []host.Message { return l.mailroom.Messages() }

// WaitForMail gives the first message that fits, as soon as there is one.
func (l *Lab) WaitForMail(ctx context.Context, fits func(host.Message) bool) (host.Message, error) {
	return l.mailroom.Wait(ctx, fits)
}

// Settled returns when no host has anything more to send of its own accord:
// relayed mail, bounces, challenges. Clients must have hung up before.
func (l *Lab) Settled() { l.town.Wait() }

// route gives the sockets of a domain's mail servers, best first; none for a null
// MX or an unknown domain. An address literal is its own route.
func (l *Lab) route(domain string) []netip.AddrPort {
	var sockets []netip.AddrPort
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		if ip, err := netip.ParseAddr(strings.TrimSuffix(literal, "]")); err == nil && ip.IsLoopback() && ip.Is4() {
			sockets = append(sockets, l.socket(ip, 25))
		}
		return sockets
	}
	records := slices.Clone(l.authority.Records(domain, dns.TypeMX))
	slices.SortFunc(records, func(a, b dns.RR) int {
		return cmp.Compare(a.(*dns.MX).Preference, b.(*dns.MX).Preference)
	})
	hosts := []string{domain} // RFC 5321 section 5.1: without MX, the domain itself
	if len(records) > 0 {
		hosts = nil
	}
	for _, rr := range records {
		hosts = append(hosts, rr.(*dns.MX).Mx)
	}
	for _, name := range hosts {
		for _, ip := range l.authority.Addresses(name) {
			sockets = append(sockets, l.socket(ip, 25))
		}
	}
	return sockets
}
