package imap

import (
	"context"
	"errors"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// isWoken reports whether something changed in the account since it was asked last.
func (s *session) isWoken() bool {
	select {
	case <-s.watch.C():
		return true
	default:
		return false
	}
}

// showNews tells the client what happened in its folder, as far as may be: expunges,
// then arrivals, then changed flags, each with the numbers that hold after the one
// before.
func (s *session) showNews(ctx context.Context, n news) error {
	v := s.view
	if s.isWoken() || n == askForNews || len(v.told) > 0 {
		if err := s.learn(ctx, n); err != nil {
			return err
		}
	}
	if n != flagNews {
		s.showGone()
	}
	return nil
}

// learn asks what changed, and tells all of it but the expunges, unless they may be
// told.
func (s *session) learn(ctx context.Context, n news) error {
	v := s.view
	var c mailbox.Changes
	err := s.store().Read(ctx, func(tx *store.Tx) (err error) {
		c, err = mailbox.ChangesSince(tx, v.folder, v.modseq)
		return err
	})
	if errors.Is(err, mailbox.ErrNoFolder) {
		s.untagged("BYE the folder was deleted")
		s.over = true
		return nil
	}
	if err != nil {
		return err
	}
	v.gone.Add(v.uids.Intersect(c.Vanished)...)
	if n != flagNews {
		s.showGone()
	}
	known := v.uids.Max()
	s.showArrivals(c.Changed, known)
	for i := range c.Changed {
		if m := &c.Changed[i]; m.UID <= known && v.uids.Has(m.UID) && v.told[m.UID] != m.ModSeq {
			s.showFlags(m, s.qresync || s.rev2)
		}
	}
	v.modseq, v.told = c.ModSeq, nil
	return nil
}

// showArrivals adds the messages behind the last known one to the view.
func (s *session) showArrivals(changed []mailbox.Message, known mailbox.UID) {
	var uids []mailbox.UID
	for i := range changed {
		if changed[i].UID > known {
			uids = append(uids, changed[i].UID)
		}
	}
	if len(uids) == 0 {
		return
	}
	s.view.uids.Add(mailbox.Ranges(uids)...)
	s.showCount()
}

// showCount says how many messages there are. No message is \Recent here, ever: the
// flag says which program looked first, and IMAP4rev2 has dropped it.
func (s *session) showCount() {
	s.out.Raw("* ").Number(int64(s.view.size())).Raw(" EXISTS\r\n")
}

// showGone tells of expunged messages, and forgets them.
func (s *session) showGone() {
	gone := s.view.gone.Ranges()
	if len(gone) == 0 {
		return
	}
	gone = append([]mailbox.UIDRange(nil), gone...)
	if s.qresync {
		s.out.Raw("* VANISHED ").Ranges(wireRanges(gone)).Raw("\r\n") // RFC 7162 section 3.2.10
	} else {
		s.showExpunges(s.view.numbers(gone))
	}
	s.view.forget(gone)
}

// showExpunges goes from the end, so that no number changes by the one before it.
func (s *session) showExpunges(numbers []syntax.Range) {
	for i := len(numbers) - 1; i >= 0; i-- {
		for n := numbers[i].Last; n >= numbers[i].First; n-- {
			s.out.Raw("* ").Number(int64(n)).Raw(" EXPUNGE\r\n")
		}
	}
}

// showFlags tells the flags of a message, and its MODSEQ to who wants that.
func (s *session) showFlags(m *mailbox.Message, uid bool) {
	n, known := s.view.number(m.UID)
	if !known {
		return
	}
	s.showKeywords(m.Keywords)
	s.out.Raw("* ").Number(int64(n)).Raw(" FETCH (")
	if uid {
		s.out.Raw("UID ").Number(int64(m.UID)).Raw(" ")
	}
	s.out.Raw("FLAGS ").Flags(flagWords(m))
	if s.condstore {
		s.out.Raw(" MODSEQ (").Number(m.ModSeq).Raw(")")
	}
	s.out.Raw(")\r\n")
}

// showKeywords says FLAGS again when there are keywords that it did not have.
func (s *session) showKeywords(keywords []string) {
	if s.view.meets(keywords) {
		s.showFlagNames()
	}
}

// showFlagNames tells which flags there are, and that any keyword may be made.
func (s *session) showFlagNames() {
	all := append([]string{syntax.Answered, syntax.Flagged, syntax.Deleted, syntax.Seen, syntax.Draft}, s.view.keywords...)
	s.out.Raw("* FLAGS ").Flags(all).Raw("\r\n")
	if s.view.readOnly {
		s.out.Raw("* OK [PERMANENTFLAGS ()] none can be changed\r\n")
		return
	}
	s.out.Raw("* OK [PERMANENTFLAGS ").Flags(append(all, `\*`)).Raw("] all are kept\r\n")
}

// flagBits are the system flags in the order in which they are told.
var flagBits = []struct {
	bit  mailbox.Flags
	word string
}{
	{mailbox.Seen, syntax.Seen}, {mailbox.Answered, syntax.Answered}, {mailbox.Flagged, syntax.Flagged},
	{mailbox.Deleted, syntax.Deleted}, {mailbox.Draft, syntax.Draft},
}

// flagWords are the flags and keywords of a message.
func flagWords(m *mailbox.Message) []string {
	all := make([]string, 0, len(flagBits)+len(m.Keywords))
	for _, f := range flagBits {
		if m.Flags&f.bit != 0 {
			all = append(all, f.word)
		}
	}
	return append(all, m.Keywords...)
}

// flagsOf takes words apart into flags and keywords.
func flagsOf(words []string) (flags mailbox.Flags, keywords []string) {
next:
	for _, w := range words {
		for _, f := range flagBits {
			if w == f.word {
				flags |= f.bit
				continue next
			}
		}
		keywords = append(keywords, w)
	}
	return flags, keywords
}
