package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
)

// ErrList says that the configuration names a list that cannot be asked.
var ErrList = errors.New("not a blocklist that can be asked")

// chooseLists finds the lists by their ids, among those about addresses and those
// about domains.
func (p *Policy) chooseLists(ids []string) error {
	if ids == nil {
		ids = p.weights.Blocklists
	}
	for _, id := range ids {
		list := p.directory.List(id)
		switch {
		case list == nil:
			if dead, ok := p.directory.DeadZone(id); ok {
				return fmt.Errorf("%w: %q is dead (%s)", ErrList, id, dead.Behaviour)
			}
			return fmt.Errorf("%w: there is no %q", ErrList, id)
		case list.Access == reputation.WebOnly:
			return fmt.Errorf("%w: %q answers only on its web page", ErrList, id)
		}
		if list.Asks(reputation.OfIP) {
			p.ipLists = append(p.ipLists, list)
		}
		if list.Asks(reputation.OfDomain) {
			p.domainLists = append(p.domainLists, list)
		}
	}
	return nil
}

// blocklists hears what lists say of the client's address. The answers have been on
// their way since it connected.
type blocklists struct{ p *Policy }

// Name is "blocklists".
func (*blocklists) Name() string { return "blocklists" }

// Decide turns listings into evidence. What is Unknown says nothing: a dead,
// refusing or all-listing list rejects nobody.
func (b *blocklists) Decide(ctx context.Context, s *Session) Verdict {
	for _, a := range s.wait(ctx).lists {
		if a.Result == reputation.Listed {
			s.add(listing("listed", &a), saying(&a))
		}
	}
	return Verdict{}
}

// listing is the evidence code of a listing: "listed-high", "listed-policy" where a
// list only says that no mail server belongs there, "welcome" on an allow list.
func listing(prefix string, a *reputation.Answer) string {
	switch {
	case a.List.Purpose == reputation.Allow:
		return "welcome"
	case a.IsPolicy():
		return prefix + "-policy"
	}
	return prefix + "-" + a.Weight().String()
}

func saying(a *reputation.Answer) string {
	return strings.TrimSpace(a.List.ID + " lists " + a.Subject + ": " + strings.Join(a.Text, " "))
}

// names hears what domain lists say of the reverse-path.
type names struct{ p *Policy }

// Name is "names".
func (*names) Name() string { return "names" }

// Decide asks about the domain of the reverse-path.
func (n *names) Decide(ctx context.Context, s *Session) Verdict {
	n.p.askNames(ctx, s, s.ReversePath.Domain)
	return Verdict{}
}

// authorNames hears what domain lists say of the author's domain.
type authorNames struct{ p *Policy }

// Name is "author-names".
func (*authorNames) Name() string { return "author-names" }

// Decide asks about the author's domain, unless the reverse-path has it and was
// asked about.
func (n *authorNames) Decide(ctx context.Context, s *Session) Verdict {
	if author := s.Results.DMARC.Author; author.Registrable() != s.ReversePath.Domain.Registrable() {
		n.p.askNames(ctx, s, author)
	}
	return Verdict{}
}

// askNames asks the domain lists about a name. Our own is not asked about.
func (p *Policy) askNames(ctx context.Context, s *Session, d mail.Domain) {
	if d.IsZero() || p.isOurs(d) {
		return
	}
	for _, list := range p.domainLists {
		a := p.directory.LookupDomain(ctx, p.o.World, list, d.Registrable())
		if a.Result == reputation.Listed {
			s.add(listing("name-listed", &a), saying(&a))
		}
	}
}
