package setup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// unbound are the steps to a resolver of one's own.
var unbound = []string{
	"apt install unbound",
	"systemctl disable --now systemd-resolved    # where it writes resolv.conf",
	"rm -f /etc/resolv.conf",
	"echo nameserver 127.0.0.1 > /etc/resolv.conf",
	"systemctl restart unbound",
}

// lookAtResolver finds out whether blocklists and DANE can be used: the lists must answer
// the resolver, and signatures must come through it.
func (s *Setup) lookAtResolver(ctx context.Context, out *Outcome) {
	resolvers := s.World.Resolvers()
	if !slices.ContainsFunc(resolvers, func(r netip.AddrPort) bool { return s.World.IsLoopback(r.Addr()) }) {
		out.info("names are asked of "+words(resolvers)+", which is not this machine", "")
	}
	root, err := s.World.Lookup(ctx, world.Root, dns.TypeSOA)
	switch {
	case err != nil:
		out.stop("names cannot be looked up: "+err.Error(), "see /etc/resolv.conf, or install a resolver here:", unbound...)
		return
	case root.Security != world.Secure:
		out.note(finding.Yellow, "the resolver leaves signatures out: DANE and DNSSEC are off", "install one here that validates:", unbound...)
	default:
		out.note(finding.Green, "signed names are validated here (DNSSEC), so DANE works", "")
	}
	if len(s.machine.addresses) == 0 {
		return
	}
	fit := s.askLists(ctx)
	switch fit.Code {
	case "fit", "partly":
		out.note(finding.Green, "blocklists answer this resolver: "+fit.Summary, "")
	default:
		out.note(finding.Yellow, "blocklists are off: "+fit.Summary, "run a resolver on this machine that asks nobody in between:", unbound...)
	}
}

// askLists has the check of the resolver judged, which asks the blocklists.
func (s *Setup) askLists(ctx context.Context) finding.Finding {
	o := s.Audit
	o.Only = []string{"blocklist.resolver"}
	report := check.NewAudit(s.World, o).Run(ctx, check.Target{
		Text: s.machine.addresses[0].String(), Kind: check.Address, IP: s.machine.addresses[0],
	}, nil)
	for _, f := range report.Findings {
		if f.Check == "blocklist.resolver" {
			return f
		}
	}
	return finding.Finding{Summary: "no list answered"}
}

func words(resolvers []netip.AddrPort) string {
	var all []string
	for _, r := range resolvers {
		all = append(all, r.Addr().String())
	}
	return strings.Join(all, ", ")
}

// User is who the mail server runs as.
func (s *Setup) User() string { return "allgreen" }

// fence is the rule that keeps a program that was broken into from sending spam.
func fence(user string) []string {
	return []string{
		"nft add table inet mail",
		"nft add chain inet mail out '{ type filter hook output priority 0; }'",
		fmt.Sprintf("nft add rule inet mail out tcp dport 25 meta skuid != %s reject", user),
	}
}
