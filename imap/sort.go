package imap

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/message/structure"
)

// sort is SORT (RFC 5256 section 3), with RETURN (RFC 5267) and the names that people
// see (RFC 5957).
func (s *session) sort(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Sort)
	found, err := s.find(ctx, &args.Search)
	if args.Search.Return.Saved {
		s.save(args.Search.Return, found)
	}
	if err != nil {
		return answer{}, err
	}
	all, err := s.sortables(ctx, found, args.Order)
	if err != nil {
		return answer{}, err
	}
	slices.SortFunc(all, func(a, b sortable) int { return compare(&a, &b, args.Order) })
	r := result{how: args.Search.Return, size: len(all), list: make([]uint32, len(all))}
	for i := range all {
		r.list[i] = all[i].number
		if cmd.UID {
			r.list[i] = uint32(all[i].uid)
		}
	}
	if r.size > 0 { // RFC 5267 section 3.1: the first and the last in this order
		r.min, r.max = r.list[0], r.list[r.size-1]
	}
	if args.Search.Key.Asks(syntax.SearchModSeq) {
		if r.modseq, err = s.modseqOf(ctx, found, args.Search.Return); err != nil {
			return answer{}, err
		}
	}
	s.showResult(cmd, "SORT", r)
	return answer{}, nil
}

// sortable is a message with what it is sorted by. Texts are folded, so that their
// octets are compared; those that no criterion asks for are empty.
type sortable struct {
	uid                    mailbox.UID
	number                 uint32
	received, sent         time.Time
	size                   int64
	subject, from, to, cc  string
	displayFrom, displayTo string
}

// sortables reads what messages are sorted by.
func (s *session) sortables(ctx context.Context, found mailbox.UIDSet, order []syntax.SortKey) ([]sortable, error) {
	want := mailbox.Facts
	asked := map[syntax.SortBy]bool{}
	var fields structure.Fields
	for _, k := range order {
		asked[k.By] = true
		fields |= sortFields[k.By]
		if k.By != syntax.SortArrival && k.By != syntax.SortSize {
			want |= mailbox.Structures
		}
	}
	all := make([]sortable, 0, found.Len())
	err := mailbox.FetchPages(ctx, s.store(), s.view.folder, found.Ranges(), want, func(m *mailbox.Message) error {
		n, known := s.view.number(m.UID)
		if !known {
			return nil
		}
		a := sortable{uid: m.UID, number: uint32(n), received: m.Received, size: m.Size}
		if want&mailbox.Structures != 0 {
			head, err := s.head(ctx, m, fields)
			if isGone(err) {
				return nil
			}
			if err != nil {
				return err
			}
			a.read(head, asked)
		}
		all = append(all, a)
		return nil
	})
	return all, err
}

// sortFields are what criteria are made of.
var sortFields = map[syntax.SortBy]structure.Fields{
	syntax.SortSubject: structure.WithSubject, syntax.SortFrom: structure.WithFrom, syntax.SortTo: structure.WithTo, syntax.SortCc: structure.WithCc,
	syntax.SortDisplayFrom: structure.WithFrom, syntax.SortDisplayTo: structure.WithTo,
}

// head is what is known of a message but for its parts.
func (s *session) head(ctx context.Context, m *mailbox.Message, want structure.Fields) (*structure.Message, error) {
	encoded, err := s.structureOf(ctx, m)
	if err != nil {
		return nil, err
	}
	return structure.DecodeHead(encoded, want)
}

// read takes what is asked for out of a structure. A message that does not say when it
// was sent was sent when it arrived (RFC 5256 section 2.2).
func (a *sortable) read(head *structure.Message, asked map[syntax.SortBy]bool) {
	e := &head.Envelope
	a.sent = sentDate(head, a.received)
	if asked[syntax.SortSubject] {
		base, _ := structure.BaseSubject(e.Subject)
		a.subject = fold(base)
	}
	a.from, a.to, a.cc = firstMailbox(e.From), firstMailbox(e.To), firstMailbox(e.Cc)
	if asked[syntax.SortDisplayFrom] {
		a.displayFrom = firstDisplay(e.From)
	}
	if asked[syntax.SortDisplayTo] {
		a.displayTo = firstDisplay(e.To)
	}
}

func sentDate(head *structure.Message, received time.Time) time.Time {
	if head.Sent.IsZero() {
		return received
	}
	return head.Sent
}

// firstMailbox is the local part of the first address, as RFC 5256 section 3 has it; of
// a group its name.
func firstMailbox(list []structure.Address) string {
	if len(list) == 0 {
		return ""
	}
	return fold(list[0].Mailbox)
}

// firstDisplay is the name of the first address, or the address (RFC 5957 section 3).
func firstDisplay(list []structure.Address) string {
	if len(list) == 0 {
		return ""
	}
	switch a := list[0]; {
	case a.Name != "":
		return fold(message.DecodeWords(a.Name))
	case a.Host != "":
		return fold(a.Mailbox + "@" + a.Host)
	default:
		return fold(message.DecodeWords(a.Mailbox))
	}
}

// compare puts messages in an order; those that no criterion divides stay in that of
// their numbers.
func compare(a, b *sortable, order []syntax.SortKey) int {
	for _, k := range order {
		c := a.compareBy(b, k.By)
		if k.Reverse {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a.number, b.number)
}

func (a *sortable) compareBy(b *sortable, by syntax.SortBy) int {
	switch by {
	case syntax.SortArrival:
		return a.received.Compare(b.received)
	case syntax.SortDate:
		return a.sent.Compare(b.sent)
	case syntax.SortSize:
		return cmp.Compare(a.size, b.size)
	case syntax.SortSubject:
		return strings.Compare(a.subject, b.subject)
	case syntax.SortFrom:
		return strings.Compare(a.from, b.from)
	case syntax.SortTo:
		return strings.Compare(a.to, b.to)
	case syntax.SortCc:
		return strings.Compare(a.cc, b.cc)
	case syntax.SortDisplayFrom:
		return strings.Compare(a.displayFrom, b.displayFrom)
	}
	return strings.Compare(a.displayTo, b.displayTo)
}
