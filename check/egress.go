package check

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

func egressChecks() []Check { return []Check{egressPort, egressAddress} }

// greeters are domains whose MX hosts greet everybody. A made world names its own.
var greeters = []string{"gmail.com", "yahoo.com", "outlook.com"}

// WayOut is what trying to reach port 25 of others told about this machine.
type WayOut struct {
	Tries []Try
	Seen  []netip.Addr // our address, as the other side says in its answer to EHLO
}

// Try is one attempt on one MX host.
type Try struct {
	Host   mail.Domain
	IP     netip.Addr
	Lookup error // the host could not be found
	Shut   bool  // the connection was refused, or nobody answered in time
	Opened bool  // the connection was opened
	Err    error // no greeting came
	Banner mail.Reply
}

// isOpen reports whether a server greeted.
func (t Try) isOpen() bool { return !t.Banner.IsZero() }

// String is the attempt as a line of proof.
func (t Try) String() string {
	switch {
	case t.Lookup != nil:
		return evidenceOf(t.Lookup)
	case t.Err != nil:
		return fmt.Sprintf("%s (%s) port 25: %s", t.Host, t.IP, t.Err)
	}
	return fmt.Sprintf("%s (%s) port 25: %s", t.Host, t.IP, t.Banner)
}

// WayOut tries port 25 of hosts that greet everybody, one connection each.
func (s *Subject) WayOut(ctx context.Context) WayOut {
	return s.wayOut.get(ctx, struct{}{}, func(ctx context.Context) WayOut {
		names := greeters
		if len(s.World.Greeters) > 0 {
			names = s.World.Greeters
		}
		way := WayOut{Tries: make([]Try, len(names))}
		seen := make([]netip.Addr, len(names))
		var running sync.WaitGroup
		for i, name := range names {
			running.Go(func() { way.Tries[i], seen[i] = s.tryOut(ctx, mail.MustParseDomain(name)) })
		}
		running.Wait()
		for _, ip := range seen {
			if ip.IsValid() {
				way.Seen = append(way.Seen, ip)
			}
		}
		return way
	})
}

func (s *Subject) tryOut(ctx context.Context, d mail.Domain) (Try, netip.Addr) {
	t := Try{Host: d}
	x := s.ExchangersOf(ctx, d)
	if len(x.Hosts) == 0 || len(x.Hosts[0].Addresses()) == 0 {
		t.Lookup = x.Err
		if t.Lookup == nil {
			t.Lookup = errNoExchanger
		}
		return t, netip.Addr{}
	}
	t.Host, t.IP = x.Hosts[0].Host, x.Hosts[0].Addresses()[0]
	conn, err := s.Dial(ctx, netip.AddrPortFrom(t.IP, 25))
	if err != nil {
		t.Err, t.Shut = err, ctx.Err() == nil && !isNoRoute(err)
		return t, netip.Addr{}
	}
	t.Opened = true
	c := smtp.NewClient(conn, smtp.ClientOptions{Name: s.Options.helo(), Timeout: s.Options.patience()})
	defer c.Quit(ctx) //nolint:errcheck // a goodbye that fails harms nobody
	if t.Banner, t.Err = c.Greet(ctx); t.Err != nil {
		return t, netip.Addr{}
	}
	hello, err := c.Hello(ctx)
	if err != nil {
		return t, netip.Addr{}
	}
	return t, addressIn(hello)
}

// reached reports whether a connection was opened although nobody greeted on it: then
// the port is not closed.
func (w WayOut) reached() bool {
	return slices.ContainsFunc(w.Tries, func(t Try) bool { return t.Opened })
}

// bracketed is an address literal in an answer to EHLO: "at your service, [192.0.2.1]".
var bracketed = regexp.MustCompile(`\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]`)

// addressIn is the address that a server says it sees us at, where it says so.
func addressIn(hello mail.Reply) netip.Addr {
	m := bracketed.FindStringSubmatch(hello.Lines[0])
	if m == nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(m[1])
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}

// firewallRule keeps port 25 for the mail server; it is shown, never run.
const firewallRule = "On this machine: nft add rule inet filter output tcp dport 25 meta skuid != postfix reject. " +
	"On the router: nft add rule inet filter forward ip saddr != <mail server> tcp dport 25 reject."

var egressPort = rule{About{
	ID:       "egress.port25",
	Question: "Is outbound port 25 closed on this machine, unless it is a mail server?",
	Why: "One infected machine that can reach port 25 of the world gets the whole network's address listed, and with it the mail server's. " +
		"Only mail servers need that port; people and programs use 587 and 465. A mail server needs it open.",
	Fix:       firewallRule,
	Refs:      []string{"RFC 5068 5", "RFC 6409 3.1"},
	Rows:      []string{"SMTP-16"},
	Practices: []string{"D12"},
	Who:       finding.ThisServer,
	Scope:     Egress,
	Codes: []Code{
		{"closed", finding.Green, "no host could be reached on port 25"},
		{"open", finding.Yellow, "outbound port 25 is open: right for a mail server only"},
		{"blind", finding.Unknown, "no host could be tried: no names, no route, or no time"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	way := s.WayOut(ctx)
	f := finding.Finding{Subject: "outbound port 25", Code: "blind", Summary: "no host could be tried; is this machine connected?",
		Fix: "Look at the network and the resolver of this machine, then try again."}
	shut := false
	for _, t := range way.Tries {
		f.Evidence = append(f.Evidence, t.String())
		shut = shut || t.Shut
	}
	for _, t := range way.Tries {
		if t.isOpen() {
			f.Code, f.Summary, f.Fix = "open", fmt.Sprintf("outbound port 25 is open: %s greeted", t.Host), firewallRule
			return one(f)
		}
	}
	if shut && !way.reached() {
		f.Code, f.Summary = "closed", "outbound port 25 is closed on this machine"
		f.Fix = "If this is to be a mail server, have the hoster open outbound port 25, or send through a smarthost on 587."
	}
	return one(f)
}}

var egressAddress = rule{About{
	ID:        "egress.address",
	Question:  "At which address do others see this machine, and is it named?",
	Why:       "Behind NAT, or with several addresses, mail may leave from another address than you think: one without a PTR record, and not in SPF.",
	Fix:       "Bind outgoing mail to the right address, and give the address that others see its PTR record and its place in SPF.",
	Refs:      []string{"RFC 8601 3"},
	Rows:      []string{"SMTP-16"},
	Practices: []string{"D5"},
	Who:       finding.ThisServer,
	Scope:     Egress,
	Codes: []Code{
		{"named", finding.Green, "the address that others see has a confirmed name"},
		{"unnamed", finding.Yellow, "the address that others see has no confirmed name"},
		{"unsaid", finding.Skip, "nobody said at which address we are seen"},
		{"other-than-given", finding.Red, "others see another address than the one given with --ip"},
	},
}, func(ctx context.Context, s *Subject) []finding.Finding {
	way := s.WayOut(ctx)
	if len(way.Seen) == 0 {
		return one(finding.Finding{Code: "unsaid", Subject: "this machine", Summary: "no server said at which address it sees this machine"})
	}
	return one(s.judgeSeen(ctx, way.Seen[0]))
}}

func (s *Subject) judgeSeen(ctx context.Context, seen netip.Addr) finding.Finding {
	f := finding.Finding{Subject: seen.String(), Code: "named"}
	rev := s.IPRev(ctx, seen)
	switch {
	case len(s.Options.IPs) > 0 && !containsIP(s.Options.IPs, seen):
		f.Code, f.Summary = "other-than-given", fmt.Sprintf("others see this machine at %s, not at %s", seen, joinAddresses(s.Options.IPs))
	case rev.Result == mailauth.IPRevPass:
		f.Summary = fmt.Sprintf("others see this machine at %s, which is %s", seen, rev.Name.Text())
	case rev.Result == mailauth.IPRevTempError:
		return unseen(seen.String(), rev.Err)
	default:
		f.Code, f.Summary = "unnamed", fmt.Sprintf("others see this machine at %s, which has no confirmed name", seen)
		f.Records = []finding.Record{{Name: world.ReverseName(seen).String(), Type: "PTR", Value: "mail.example.com."}}
	}
	return f
}

func containsIP(ips []netip.Addr, want netip.Addr) bool {
	for _, ip := range ips {
		if ip.Unmap() == want {
			return true
		}
	}
	return false
}
