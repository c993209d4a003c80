package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
)

// Local is a user of this machine, whom the kernel has named. Whoever administers
// it may write in the name of every address here. Everybody else writes as the
// address of the same name in the first domain, if there is one, and otherwise as
// postmaster: From is pinned, and the limits are those of a device, for a web
// server's user is the classic leak. What fails goes to the administrator.
func (s *Submitter) Local(ctx context.Context, user string, privileged bool) (account.Principal, error) {
	p := account.Principal{Kind: account.Appliance, Name: "local:" + user}
	domains := s.accounts.Domains()
	if len(domains) == 0 {
		return account.Principal{}, errors.New("this server has no domains")
	}
	own, err := s.localAddress(ctx, mail.Address{Local: user, Domain: domains[0]})
	if err != nil {
		return account.Principal{}, err
	}
	p.Senders = []account.Sender{{Address: own}}
	if privileged {
		p.Kind = account.System
		for _, d := range domains {
			p.Senders = append(p.Senders, account.Sender{Domain: d})
		}
	}
	err = s.store.Read(ctx, func(tx *store.Tx) (err error) {
		p.Owner, err = s.accounts.OwnerOf(tx, p.Name)
		return err
	})
	if err != nil {
		return account.Principal{}, fmt.Errorf("owner of %s: %w", p.Name, err)
	}
	return p, nil
}

// localAddress is the address if it exists, else postmaster there.
func (s *Submitter) localAddress(ctx context.Context, a mail.Address) (mail.Address, error) {
	_, err := s.resolve(ctx, a)
	if errors.Is(err, account.ErrNoMailbox) {
		return mail.Address{Local: "postmaster", Domain: a.Domain}, nil
	}
	return a, err
}

// ParseLocal reads an address as programs on this machine write it: "root" is
// somebody here.
func ParseLocal(text string) (mail.Address, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "<"), ">")
	if isLocalName(text) {
		return mail.Address{Local: text}, nil
	}
	return mail.ParseAddress(text)
}

// isLocalName reports whether a text is the name of a user and nothing else.
func isLocalName(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// qualify gives addresses without a domain ours, and those that do not exist to the
// administrator, who is the reader of what cron has to say.
func (s *Submitter) qualify(ctx context.Context, l *letter) error {
	var err error
	if l.From, err = s.qualified(ctx, l.From); err != nil {
		return err
	}
	for i := range l.To {
		if l.To[i].To, err = s.qualified(ctx, l.To[i].To); err != nil {
			return err
		}
	}
	return nil
}

func (s *Submitter) qualified(ctx context.Context, a mail.Address) (mail.Address, error) {
	domains := s.accounts.Domains()
	if a.Local == "" || !a.Domain.IsZero() || a.Literal.IsValid() || len(domains) == 0 {
		return a, nil
	}
	return s.localAddress(ctx, mail.Address{Local: a.Local, Domain: domains[0]})
}

// qualifyHeader writes out the addresses of "From: root (Cron Daemon)" and "To:
// root, anna@example.com".
func (s *Submitter) qualifyHeader(ctx context.Context, h message.Header) (message.Header, error) {
	out := message.Header{Fields: make([]message.Field, 0, len(h.Fields)), Size: h.Size, Problems: h.Problems}
	for _, f := range h.Fields {
		if isAddressField(f) || f.Is("Bcc") {
			boxes, ok, err := s.qualifyList(ctx, f.Text())
			if err != nil {
				return h, err
			}
			if ok {
				f = message.AddressField(f.Name(), boxes...)
			}
		}
		out.Fields = append(out.Fields, f)
	}
	return out, nil
}

// qualifyList reads a list in which some entries are only names of users; ok is
// false when none is, or when it cannot be read.
func (s *Submitter) qualifyList(ctx context.Context, list string) (all []message.Mailbox, ok bool, err error) {
	if strings.ContainsAny(list, `":;\`) {
		return nil, false, nil
	}
	for entry := range strings.SplitSeq(list, ",") {
		text, name := entry, ""
		if before, after, found := strings.Cut(entry, "("); found && !strings.Contains(entry, "@") {
			text, name = before, strings.TrimSuffix(strings.TrimSpace(after), ")")
		} else if before, after, found := strings.Cut(entry, "<"); found && !strings.Contains(entry, "@") {
			text, name = after, strings.TrimSpace(before)
		}
		a, err := ParseLocal(text)
		if err == nil && a.Domain.IsZero() && !a.Literal.IsValid() {
			if a, err = s.qualified(ctx, a); err != nil {
				return nil, false, err
			}
			all, ok = append(all, message.Mailbox{Name: name, Address: a}), true
			continue
		}
		boxes, err := message.ParseAddressList(entry)
		if err != nil {
			return nil, false, nil
		}
		all = append(all, boxes...)
	}
	return all, ok, nil
}
