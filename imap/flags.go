package imap

import (
	"context"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// storeOps are how the words of STORE are called in a mailbox.
var storeOps = map[syntax.StoreOp]mailbox.FlagOp{
	syntax.ReplaceFlags: mailbox.ReplaceFlags, syntax.AddFlags: mailbox.AddFlags, syntax.RemoveFlags: mailbox.RemoveFlags,
}

// storeFlags is STORE (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).
func (s *session) storeFlags(ctx context.Context, cmd *syntax.Command) (answer, error) {
	st := cmd.Args.(*syntax.Store)
	v := s.view
	if st.UnchangedSince >= 0 {
		s.condstore = true // RFC 7162 section 3.1
	}
	uids, err := v.pick(st.Set, cmd.UID)
	if err == nil {
		err = v.changes()
	}
	if err != nil {
		return answer{}, err
	}
	change := mailbox.FlagChange{Op: storeOps[st.Op]}
	change.Flags, change.Keywords = flagsOf(st.Flags)
	if st.UnchangedSince >= 0 {
		change.UnchangedSince = max(1, st.UnchangedSince) // no message ever had 0: RFC 7162 example 5
	}
	done, modified, unseen, err := s.changeFlags(ctx, uids, change)
	if err != nil {
		return answer{}, err
	}
	s.tellFlags(done, unseen, cmd.UID, st.Silent)
	return s.storeAnswer(uids, done, modified, cmd.UID)
}

// changeFlags changes flags, and says which of the messages others changed since the
// client was told of them: there, silence would hide what they did.
func (s *session) changeFlags(ctx context.Context, uids []mailbox.UIDRange, change mailbox.FlagChange) (done []mailbox.Message, modified []mailbox.UID, unseen map[mailbox.UID]bool, err error) {
	v := s.view
	err = s.store().Write(ctx, func(tx *store.Tx) error {
		if err := mailbox.Hold(tx, v.folder); err != nil {
			return err
		}
		before, err := mailbox.ChangesSince(tx, v.folder, v.modseq)
		if err != nil {
			return err
		}
		unseen = nil
		for i := range before.Changed {
			if unseen == nil {
				unseen = make(map[mailbox.UID]bool)
			}
			unseen[before.Changed[i].UID] = true
		}
		done, modified, err = mailbox.SetFlags(tx, v.folder, uidsOf(uids), change)
		return err
	})
	return done, modified, unseen, err
}

// tellFlags answers STORE for each message.
func (s *session) tellFlags(done []mailbox.Message, unseen map[mailbox.UID]bool, uid, silent bool) {
	for i := range done {
		m := &done[i]
		switch {
		case !silent || unseen[m.UID]:
			s.showFlags(m, uid || s.qresync || s.rev2)
		case s.condstore: // RFC 7162 section 3.1.3: the MODSEQ is told even in silence
			s.showModSeq(m, uid || s.qresync)
		}
		s.view.tell(m.UID, m.ModSeq)
	}
}

// showModSeq tells a new MODSEQ and nothing else.
func (s *session) showModSeq(m *mailbox.Message, uid bool) {
	n, known := s.view.number(m.UID)
	if !known {
		return
	}
	s.out.Raw("* ").Number(int64(n)).Raw(" FETCH (")
	if uid {
		s.out.Raw("UID ").Number(int64(m.UID)).Raw(" ")
	}
	s.out.Raw("MODSEQ (").Number(m.ModSeq).Raw("))\r\n")
}

// storeAnswer says which messages were refused because they had changed. Those that are
// gone were meant too, so it is not all done.
func (s *session) storeAnswer(uids []mailbox.UIDRange, done []mailbox.Message, modified []mailbox.UID, uid bool) (answer, error) {
	meant := 0
	for _, r := range uids {
		meant += r.Len()
	}
	if len(modified) > 0 {
		ranges := mailbox.Ranges(modified)
		numbers := wireRanges(ranges)
		if !uid {
			numbers = s.view.numbers(ranges)
		}
		return answer{code: "MODIFIED " + string(syntax.AppendRanges(nil, numbers)), text: "conditional STORE failed for some"}, nil
	}
	if !uid && len(done) < meant {
		return answer{}, no("EXPUNGEISSUED", "Some of the messages are gone") // RFC 2180 section 4.2
	}
	return answer{}, nil
}
