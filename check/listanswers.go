package check

import (
	"context"
	"net/netip"
	"slices"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
)

// reputations is what others think of the addresses and names of a whole run.
type reputations struct {
	onAddress  shared[netip.Addr, []reputation.Answer]
	onDomain   shared[mail.Domain, []reputation.Answer]
	neighbours shared[netip.Prefix, reputation.Neighbourhood]
	networks   shared[netip.Addr, Network]
}

// ListsOnAddress is what every list that knows addresses says of one, the heaviest
// first. An address that is not public is told to nobody.
func (s *Subject) ListsOnAddress(ctx context.Context, ip netip.Addr) []reputation.Answer {
	if s.Options.Lists == nil || !s.World.IsPublic(ip) {
		return nil
	}
	return s.hosts.onAddress.get(ctx, s.forRun(), ip, func(ctx context.Context) []reputation.Answer {
		return s.Options.Lists.CheckIP(ctx, s.World, ip)
	})
}

// ListsOnDomain is what every list that knows names says of one, the heaviest
// first.
func (s *Subject) ListsOnDomain(ctx context.Context, d mail.Domain) []reputation.Answer {
	if s.Options.Lists == nil {
		return nil
	}
	return s.hosts.onDomain.get(ctx, s.forRun(), d, func(ctx context.Context) []reputation.Answer {
		return s.Options.Lists.CheckDomain(ctx, s.World, d)
	})
}

// poll is what the lists say of one subject.
type poll struct {
	subject string
	role    string // what the subject is to the target, as evidence
	answers []reputation.Answer
}

func (s *Subject) pollAddresses(ctx context.Context) []poll {
	var polls []poll
	for _, a := range s.Addresses(ctx) {
		polls = append(polls, poll{a.IP.String(), "", s.ListsOnAddress(ctx, a.IP)})
	}
	return polls
}

func (s *Subject) pollDomains(ctx context.Context) []poll {
	var polls []poll
	for _, n := range s.reputedNames(ctx) {
		polls = append(polls, poll{n.domain.String(), n.role, s.ListsOnDomain(ctx, n.domain)})
	}
	return polls
}

// reputedName is a domain that receivers judge a message of the target by.
type reputedName struct {
	domain mail.Domain
	role   string
}

// maxReputed bounds how many names the domain lists are asked about.
const maxReputed = 8

// reputedNames are the domains of From and DKIM, of the MX hosts, and of the PTR and
// EHLO names. Domain lists go by the registered domain; only the target itself is
// asked about as it is, too.
func (s *Subject) reputedNames(ctx context.Context) []reputedName {
	var names []reputedName
	add := func(d mail.Domain, role string) {
		known := slices.ContainsFunc(names, func(n reputedName) bool { return n.domain == d })
		if !known && d.Labels() > 1 && len(names) < maxReputed {
			names = append(names, reputedName{d, role})
		}
	}
	if s.Target.Kind == Message {
		for _, d := range s.ownDomains(ctx) {
			add(d.Registrable(), "a sender's name of the message")
		}
		if d, err := mail.ParseDomain(s.Handover(ctx).HELO); err == nil {
			add(d.Registrable(), "of the EHLO name "+d.String())
		}
	}
	if d := s.Domain(); !d.IsZero() {
		add(d, "the domain itself")
		add(d.Registrable(), "the registered domain of "+d.String())
	}
	for _, v := range s.Servers(ctx) {
		if !v.Name.IsZero() {
			add(v.Name.Registrable(), "of the mail host "+v.Name.String())
		}
	}
	for _, a := range s.Addresses(ctx) {
		for _, name := range s.confirmedNames(ctx, a.IP) {
			add(name.Registrable(), "of the PTR name "+name.String())
		}
	}
	for _, v := range s.Servers(ctx) {
		said := smtp.NameIn(s.Visit(ctx, v.IP).Hello)
		if d, err := mail.ParseDomain(said); err == nil {
			add(d.Registrable(), "of the EHLO name "+said)
		}
	}
	return names
}
