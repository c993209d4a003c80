package imap

import (
	"context"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// usualKeywords are those that programs ask for by name (RFC 9051 section 2.3.2, RFC
// 5788 registry), listed before a message has one.
var usualKeywords = []string{"$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing", "$Important"}

// selecting opens a folder: SELECT or EXAMINE (RFC 9051 section 6.3.2). The one that was
// open is closed first, whatever comes of it.
func (s *session) selecting(ctx context.Context, cmd *syntax.Command) (answer, error) {
	sel := cmd.Args.(*syntax.Select)
	if sel.QResync != nil && !s.qresync {
		return answer{}, bad("ENABLE QRESYNC first") // RFC 7162 section 3.2.5
	}
	if s.view != nil {
		s.leave()
		s.untagged("OK [CLOSED] the folder before is closed") // RFC 9051 section 7.1
	}
	s.condstore = s.condstore || sel.CondStore
	v := &view{readOnly: cmd.Name == "EXAMINE", keywords: usualKeywords}
	// What happens from here on wakes the watch, so nothing can fall between.
	watch := s.store().Watch(mailbox.Topic(s.account()))
	f, changes, err := s.open(ctx, v, sel)
	if err != nil {
		watch.Close()
		return answer{}, err
	}
	s.view, s.watch = v, watch
	s.showFolder(f)
	if q := sel.QResync; q != nil && q.UIDValidity == v.validity {
		s.resynchronize(q, changes)
	}
	if v.readOnly {
		return answer{code: "READ-ONLY"}, nil
	}
	return answer{code: "READ-WRITE"}, nil
}

// open reads the folder at one moment, and what changed since the client was last here.
func (s *session) open(ctx context.Context, v *view, sel *syntax.Select) (f mailbox.Folder, c mailbox.Changes, err error) {
	err = s.store().Read(ctx, func(tx *store.Tx) error {
		if f, err = mailbox.FolderNamed(tx, s.account(), sel.Mailbox); err != nil {
			return err
		}
		if v.uids, err = mailbox.UIDs(tx, f.ID); err != nil {
			return err
		}
		if q := sel.QResync; q != nil && q.UIDValidity == f.UIDValidity {
			c, err = mailbox.ChangesSince(tx, f.ID, q.ModSeq)
		}
		return err
	})
	v.folder, v.name, v.validity, v.modseq = f.ID, f.Name, f.UIDValidity, f.ModSeq
	return f, c, err
}

// showFolder says what SELECT says of every folder.
func (s *session) showFolder(f mailbox.Folder) {
	s.showFlagNames()
	s.showCount()
	if !s.rev2 {
		s.untagged("0 RECENT")
	}
	s.out.Raw("* OK [UIDVALIDITY ").Number(int64(f.UIDValidity)).Raw("] UIDs hold\r\n")
	s.out.Raw("* OK [UIDNEXT ").Number(int64(f.UIDNext)).Raw("] the next UID\r\n")
	s.out.Raw("* OK [HIGHESTMODSEQ ").Number(f.ModSeq).Raw("] the highest MODSEQ\r\n")
	if s.rev2 { // RFC 9051 section 6.3.2: LIST tells the name as it is
		s.out.Raw("* LIST ").Flags(nil).Raw(` "/" `).Mailbox(f.Name).Raw("\r\n")
	}
}

// resynchronize tells what changed since the client was last here (RFC 7162 section
// 3.2.5).
func (s *session) resynchronize(q *syntax.QResync, c mailbox.Changes) {
	gone := mailbox.NewUIDSet(c.Vanished...)
	if q.Known != nil {
		known := mailbox.NewUIDSet(uidRanges(syntax.Set{Ranges: q.Known}.Resolve(1<<32 - 1))...)
		gone = mailbox.NewUIDSet(known.Intersect(c.Vanished)...)
	}
	if !c.Complete {
		if from := s.view.matched(q); from > 0 {
			gone.Remove(mailbox.UIDRange{First: 1, Last: from})
		}
	}
	if gone.Len() > 0 {
		s.out.Raw("* VANISHED (EARLIER) ").Ranges(wireRanges(gone.Ranges())).Raw("\r\n")
	}
	known := mailbox.NewUIDSet(uidRanges(syntax.Set{Ranges: q.Known}.Resolve(1<<32 - 1))...)
	for i := range c.Changed {
		if m := &c.Changed[i]; q.Known == nil || known.Has(m.UID) {
			s.showFlags(m, true)
		}
	}
}

// matched is the highest UID up to which the client's numbers and ours agree, so that
// nothing before it can be gone (RFC 7162 section 3.2.5.2). Zero: none.
func (v *view) matched(q *syntax.QResync) (last mailbox.UID) {
	numbers, uids := spread(q.Sequence), spread(q.UIDs)
	for i := range min(len(numbers), len(uids)) {
		n, uid := numbers[i], mailbox.UID(uids[i])
		if have, known := v.number(uid); !known || uint32(have) != n {
			break
		}
		last = uid
	}
	return last
}

// maxMatched is how many pairs of numbers are compared.
const maxMatched = 10_000

// spread writes ranges out, in their order.
func spread(ranges []syntax.Range) (all []uint32) {
	for _, r := range ranges {
		for n := uint64(r.First); n <= uint64(r.Last) && len(all) < maxMatched; n++ {
			all = append(all, uint32(n))
		}
	}
	return all
}

// leave closes the folder that is open.
func (s *session) leave() {
	if s.view == nil {
		return
	}
	s.watch.Close()
	s.view, s.watch = nil, nil
}

// unselect closes the folder and expunges nothing (RFC 9051 section 6.4.2).
func (s *session) unselect(context.Context, *syntax.Command) (answer, error) {
	s.leave()
	return answer{}, nil
}

// close expunges without a word, and closes the folder (RFC 9051 section 6.4.1).
func (s *session) close(ctx context.Context, _ *syntax.Command) (answer, error) {
	defer s.leave()
	if s.view.readOnly {
		return answer{}, nil
	}
	_, err := s.expungeDeleted(ctx, s.view.uids.Ranges())
	return answer{}, err
}
