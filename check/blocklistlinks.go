package check

import (
	"context"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
)

// maxLinked bounds the linked names that lists are asked about.
const maxLinked = 8

var blocklistLinks = rule{About{
	ID:       "blocklist.links",
	Question: "Are the domains that the message links to free of blocklists?",
	Why: "Filters look every linked domain up in the Spamhaus DBL, SURBL and URIBL. One listed name, of a partner, a tracking service or a " +
		"broken-into web site, takes the whole message with it, whoever sends it.",
	Fix: "Take the link out of the message. Where the domain is yours, find out what was done with it, stop it, and ask the list for removal; " +
		"track clicks under a name of your own.",
	Refs:      []string{"RFC 5782 3"},
	Rows:      []string{"BL-URL"},
	Practices: []string{"B3", "D11"},
	Affects:   []string{"apple", "outlook", "microsoft365", "yahoo", "comcast", "google"},
	Who:       finding.ThisServer,
	Scope:     Message,
	Needs:     readable,
	Codes:     append(listCodes(), Code{"none", finding.Skip, "the message links to no domain"}),
}, func(ctx context.Context, s *Subject) []finding.Finding {
	var polls []poll
	for _, d := range s.linkedNames(ctx) {
		polls = append(polls, poll{d.String(), "linked in the message", s.ListsOnDomain(ctx, d)})
	}
	if len(polls) == 0 {
		return one(finding.Finding{Code: "none", Subject: s.String(), Summary: "the message links to no domain"})
	}
	l := listing{judgesOne, reputation.Bad, "as a name of bad mail", "Take the link out of the message."}
	return l.judge(ctx, s, polls)
}}

// linkedNames are the registered names behind the links, and those of the
// unsubscription addresses: domain lists go by them.
func (s *Subject) linkedNames(ctx context.Context) []mail.Domain {
	m := s.Message(ctx)
	linked := m.linkedDomains()
	for _, uri := range m.Unsubscribe().HTTPS {
		d, _ := target(uri)
		linked = append(linked, d)
	}
	var names []mail.Domain
	for _, d := range linked {
		name := d.Registrable()
		if name.Labels() > 1 && !slices.Contains(names, name) && len(names) < maxLinked {
			names = append(names, name)
		}
	}
	return names
}
