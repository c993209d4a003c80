package identity

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// EdgeSources are those whom FindEdge asks which address they see. Ask none that did
// not agree to be asked, or that one would not send mail to anyway.
type EdgeSources struct {
	SMTP []mail.Domain // whose best MX host is greeted: many say in their EHLO answer whom they see
	STUN []STUNServer
}

// STUNServer is a server of RFC 8489.
type STUNServer struct {
	Host mail.Domain
	Port uint16 // zero: 3478
}

// ParseSTUNServer reads "stun.example.net" or "stun.example.net:3478".
func ParseSTUNServer(s string) (server STUNServer, err error) {
	if host, port, found := strings.Cut(s, ":"); found {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return server, fmt.Errorf("%.60q has no port behind the colon", s)
		}
		s, server.Port = host, uint16(n)
	}
	server.Host, err = mail.ParseDomain(s)
	return server, err
}

// edgePatience bounds one question.
const edgePatience = 20 * time.Second

// Edge is what is known of the addresses that other servers see us by.
type Edge struct {
	Configured []netip.Addr
	Local      []netip.Addr // of those, the ones that this machine has itself
	Sightings  []Sighting
	Problems   []EdgeProblem // none: all agree
}

// Sighting is one answer.
type Sighting struct {
	By   string     // "mx.example.net (EHLO)", "stun.example.net (STUN)"
	From netip.Addr // the address of ours that was used; not valid: the system's choice
	Seen netip.Addr // not valid: none was named
	Err  error      // why there was no answer; nil also for one that names none
}

// EdgeProblem is a disagreement, and what to do.
type EdgeProblem struct{ Text, Fix string }

// Addresses are the addresses seen, each once, IPv4 first.
func (e Edge) Addresses() []netip.Addr {
	var all []netip.Addr
	for _, s := range e.Sightings {
		if s.Seen.IsValid() && !slices.Contains(all, s.Seen) {
			all = append(all, s.Seen)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// FindEdge asks the sources, and compares what the configuration says with what they
// see. The error is the context's; everything else is in the Edge.
func (i *Identity) FindEdge(ctx context.Context, sources EdgeSources) (Edge, error) {
	var e Edge
	for _, egress := range i.Egress() {
		e.Configured = append(e.Configured, egress.IP)
		if !i.world.IsElsewhere(ctx, egress.IP) {
			e.Local = append(e.Local, egress.IP)
		}
	}
	e.Sightings = edgeLook{i.world, i.HELO}.askAll(ctx, e, sources)
	e.compare()
	return e, ctx.Err()
}

// LookForEdge asks the sources where there is no identity yet: how this machine is seen
// when it says this name, from these addresses of its own or, where there are none, from
// the one that the system takes. Problems are told only where addresses are given.
func LookForEdge(ctx context.Context, w *world.World, hello mail.Domain, own []netip.Addr, sources EdgeSources) (Edge, error) {
	e := Edge{Configured: own}
	for _, ip := range own {
		if !w.IsElsewhere(ctx, ip) {
			e.Local = append(e.Local, ip)
		}
	}
	e.Sightings = edgeLook{w, func(netip.Addr) mail.Domain { return hello }}.askAll(ctx, e, sources)
	if len(own) > 0 {
		e.compare()
	}
	return e, ctx.Err()
}

// edgeLook asks others.
type edgeLook struct {
	world *world.World
	hello func(from netip.Addr) mail.Domain
}

// IsNews reports whether the disagreements are others than those that KeepEdge kept.
func (i *Identity) IsNews(e Edge) bool { return (*i.facts.Load())[i.edgeFact()] != e.text() }

// KeepEdge remembers the disagreements beyond a restart, so that a person is told of
// each change once.
func (i *Identity) KeepEdge(ctx context.Context, e Edge) error {
	if err := i.keepFact(ctx, i.edgeFact(), e.text()); err != nil {
		return err
	}
	return i.loadFacts(ctx)
}

// edgeFact is of this node: others of the same database have addresses of their own.
func (i *Identity) edgeFact() string { return "edge " + i.said.Load().Hostname.String() }

func (e *Edge) text() string {
	var texts []string
	for _, p := range e.Problems {
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n")
}

// askAll asks everybody at once, from each address of ours in the family of theirs.
func (l edgeLook) askAll(ctx context.Context, e Edge, sources EdgeSources) []Sighting {
	var asks []func() Sighting
	for _, domain := range sources.SMTP {
		asks = append(asks, l.asks(ctx, e, l.exchangerOf(ctx, domain), "EHLO", 25, l.askEHLO)...)
	}
	for _, server := range sources.STUN {
		port := server.Port
		if port == 0 {
			port = 3478
		}
		asks = append(asks, l.asks(ctx, e, server.Host, "STUN", port, func(ctx context.Context, from netip.Addr, to netip.AddrPort) (netip.Addr, error) {
			return askSTUN(ctx, l.world, from, to)
		})...)
	}
	sightings := make([]Sighting, len(asks))
	var wait sync.WaitGroup
	for n, ask := range asks {
		wait.Go(func() { sightings[n] = ask() })
	}
	wait.Wait()
	return sightings
}

// exchangerOf is the host to greet for a domain: its best MX, or itself (RFC 5321
// section 5.1). What cannot be found shows when its address is looked for.
func (l edgeLook) exchangerOf(ctx context.Context, d mail.Domain) mail.Domain {
	all, _, err := world.LookupMX(ctx, l.world, world.NameOf(d))
	if err != nil || len(all) == 0 {
		return d
	}
	if host, err := all[0].Host.Domain(); err == nil {
		return host
	}
	return d
}

// question asks one server from one address.
type question func(ctx context.Context, from netip.Addr, to netip.AddrPort) (netip.Addr, error)

// asks are the questions for one host: one in each family that it has and that mail
// leaves over.
func (l edgeLook) asks(ctx context.Context, e Edge, host mail.Domain, how string, port uint16, q question) (asks []func() Sighting) {
	by := fmt.Sprintf("%s (%s)", host, how)
	ips, err := world.LookupHost(ctx, l.world, host)
	if err != nil {
		return []func() Sighting{func() Sighting { return Sighting{By: by, Err: err} }}
	}
	seen := map[bool]bool{}
	for _, ip := range ips {
		if seen[ip.Is4()] || !e.sendsOver(ip.Is4()) {
			continue // one server of each family is enough
		}
		seen[ip.Is4()] = true
		for _, from := range e.origins(ip.Is4()) {
			asks = append(asks, func() Sighting {
				ctx, cancel := context.WithTimeout(ctx, edgePatience)
				defer cancel()
				at, err := q(ctx, from, netip.AddrPortFrom(ip, port))
				if from.IsValid() && at.IsValid() && l.world.IsSame(from, at) {
					at = from // the other name of one address in a made world
				}
				return Sighting{By: by, From: from, Seen: at, Err: err}
			})
		}
	}
	return asks
}

// sendsOver reports whether mail leaves over a family: over those of the addresses
// configured, and over any where there are none.
func (e Edge) sendsOver(four bool) bool {
	return len(e.Configured) == 0 || slices.ContainsFunc(e.Configured, func(ip netip.Addr) bool { return ip.Is4() == four })
}

// origins are the addresses to ask from in one family: our own, or else whatever the
// system takes.
func (e Edge) origins(four bool) []netip.Addr {
	var all []netip.Addr
	for _, ip := range e.Local {
		if ip.Is4() == four {
			all = append(all, ip)
		}
	}
	if len(all) == 0 {
		return []netip.Addr{{}}
	}
	return all
}

// askEHLO greets a server as we would before sending, reads what it sees, and leaves.
func (l edgeLook) askEHLO(ctx context.Context, from netip.Addr, to netip.AddrPort) (netip.Addr, error) {
	c, err := smtp.Dial(ctx, l.world, to, smtp.ClientOptions{Name: l.hello(from).String(), From: from, Timeout: edgePatience})
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	if banner, err := c.Greet(ctx); err != nil || !banner.IsPositive() {
		return netip.Addr{}, errors.Join(err, refusal(banner))
	}
	hello, err := c.Hello(ctx)
	if err != nil || !hello.IsPositive() {
		return netip.Addr{}, errors.Join(err, refusal(hello))
	}
	c.Quit(ctx)
	return SeenIn(hello), nil
}

func refusal(r mail.Reply) error {
	if r.IsZero() || r.IsPositive() {
		return nil
	}
	return r
}

// SeenIn is the address that a server's answer to EHLO says it sees, as "250-mx.example
// at your service, [203.0.113.7]"; not valid where it says none. Only the first line
// is free text (RFC 5321 section 4.1.1.1), and its first word is the server's own name.
func SeenIn(hello mail.Reply) netip.Addr {
	if len(hello.Lines) == 0 {
		return netip.Addr{}
	}
	words := strings.Fields(hello.Lines[0])
	for _, word := range words[min(1, len(words)):] {
		word = strings.Trim(word, "[]()<>,;.!")
		if len(word) > 5 && strings.EqualFold(word[:5], "IPv6:") {
			word = word[5:] // RFC 5321 section 4.1.3
		}
		if ip, err := netip.ParseAddr(word); err == nil && ip.Zone() == "" {
			return ip.Unmap()
		}
	}
	return netip.Addr{}
}

// compare finds the disagreements.
func (e *Edge) compare() {
	for _, four := range []bool{true, false} {
		var seen []netip.Addr
		for _, s := range e.Sightings {
			if s.Seen.IsValid() && s.Seen.Is4() == four {
				e.compareOne(s)
				if !slices.Contains(seen, s.Seen) {
					seen = append(seen, s.Seen)
				}
			}
		}
		e.compareFamily(four, seen)
	}
}

func (e *Edge) problem(fix, format string, args ...any) {
	p := EdgeProblem{fmt.Sprintf(format, args...), fix}
	if !slices.Contains(e.Problems, p) {
		e.Problems = append(e.Problems, p)
	}
}

// compareOne looks for mail that leaves under another address than it was bound to.
func (e *Edge) compareOne(s Sighting) {
	if s.From.IsValid() && s.Seen != s.From {
		e.problem(fmt.Sprintf("let the router leave %s as it is, or write %s into addresses and give that one the PTR record", s.From, s.Seen),
			"mail from %s arrives as %s: something on the way rewrites addresses; %s saw it", s.From, s.Seen, s.By)
	}
}

// compareFamily looks for addresses seen that are not configured, and configured ones
// that nobody saw.
func (e *Edge) compareFamily(four bool, seen []netip.Addr) {
	family := map[bool]string{true: "IPv4", false: "IPv6"}[four]
	configured := slices.DeleteFunc(slices.Clone(e.Configured), func(ip netip.Addr) bool { return ip.Is4() != four })
	for _, ip := range seen {
		if len(configured) == 0 {
			e.problem(fmt.Sprintf("write %s into addresses", ip), "other servers see this one by %s at %s, and the configuration names no %s address", family, ip, family)
		} else if !slices.Contains(configured, ip) {
			e.problem(fmt.Sprintf("write %s into addresses, or ask the provider for a fixed one", ip), "other servers see this one at %s, and the configuration says %s", ip, join(configured))
		}
	}
	if len(seen) > 1 && len(seen) > len(configured) {
		e.problem("ask the provider for one fixed address for each that sends", "other servers see this one at different %s addresses: %s", family, join(seen))
	}
	for _, ip := range configured {
		if len(seen) > 0 && !slices.Contains(seen, ip) {
			e.problem(fmt.Sprintf("take %s out of addresses, or put it on this machine", ip), "nobody saw %s, which the configuration names", ip)
		}
	}
}

func join(ips []netip.Addr) string {
	words := make([]string, len(ips))
	for i, ip := range ips {
		words[i] = ip.String()
	}
	return strings.Join(words, ", ")
}
