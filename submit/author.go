package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
)

// DefaultFrom is the address in whose name a principal writes when it names none:
// the first that it may use. Zero when it may only use domains.
func DefaultFrom(p account.Principal) mail.Address {
	for _, s := range p.Senders {
		if s.Domain.IsZero() {
			return s.Address
		}
	}
	return mail.Address{}
}

// checkReversePath judges the envelope. The null reverse-path is for reports and
// notices of reading (RFC 5321 section 4.5.5).
func (s *Submitter) checkReversePath(ctx context.Context, p *account.Principal, from mail.Address) error {
	if from.IsZero() {
		return nil
	}
	if err := from.Check(); err != nil {
		return refusal(badFrom, "%v", err)
	}
	return s.checkAuthor(ctx, p, "the reverse-path", from)
}

// checkHeader judges who the header says wrote and sent the message. It is
// complete, so there is a From.
func (s *Submitter) checkHeader(ctx context.Context, p *account.Principal, h message.Header) error {
	authors, err := h.From()
	switch {
	case err != nil:
		return refusal(formError, "The From field cannot be read: %v", err)
	case len(authors) == 0:
		return refusal(formError, "The From field names nobody")
	case len(authors) > 1 && !h.Has("Sender"):
		return refusal(formError, "Several From addresses need a Sender field (RFC 5322 section 3.6.2)")
	}
	for _, name := range []string{"Sender", "Resent-From", "Resent-Sender"} {
		if !h.Has(name) {
			continue
		}
		more, err := h.Addresses(name)
		if err != nil {
			return refusal(formError, "The %s field cannot be read: %v", name, err)
		}
		authors = append(authors, more...)
	}
	for _, m := range authors {
		if err := s.checkAuthor(ctx, p, "From", m.Address); err != nil {
			return err
		}
	}
	return nil
}

// checkAuthor wants an address that the principal may use and that takes mail: who
// answers must reach somebody.
func (s *Submitter) checkAuthor(ctx context.Context, p *account.Principal, where string, a mail.Address) error {
	if !p.MaySend(a) {
		return refusal(notYours, "%s may not send as %s (%s)", p.Name, a, where)
	}
	_, err := s.resolve(ctx, a)
	switch {
	case errors.Is(err, account.ErrNoMailbox):
		return refusal(noSuchFrom, "%s does not exist here, so nobody could answer it: make it an alias of somebody", a)
	case errors.Is(err, account.ErrNotLocal):
		return refusal(notYours, "%s is no domain of this server: mail from it could not be signed", a.Domain)
	case err != nil:
		return fmt.Errorf("look up the sender: %w", err)
	}
	return nil
}

// resolve finds where an address of ours leads.
func (s *Submitter) resolve(ctx context.Context, a mail.Address) (account.Destination, error) {
	var d account.Destination
	err := s.store.Read(ctx, func(tx *store.Tx) error {
		var err error
		d, err = s.accounts.Resolve(tx, a)
		return err
	})
	return d, err
}

// domainsOf are the domains of the authors, each once: all of them sign.
func domainsOf(h message.Header) []mail.Domain {
	authors, _ := h.From()
	var domains []mail.Domain
	for _, m := range authors {
		if !slices.Contains(domains, m.Address.Domain) {
			domains = append(domains, m.Address.Domain)
		}
	}
	return domains
}
