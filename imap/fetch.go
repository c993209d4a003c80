package imap

import (
	"context"
	"errors"
	"slices"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// fetch is FETCH (RFC 9051 section 6.4.5, RFC 7162 section 3.1.4).
func (s *session) fetch(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Fetch)
	uids, err := s.view.pick(args.Set, cmd.UID)
	if err != nil {
		return answer{}, err
	}
	if args.Vanished && (!s.qresync || !cmd.UID || args.ChangedSince < 0) {
		return answer{}, bad("VANISHED needs QRESYNC, UID FETCH and CHANGEDSINCE") // RFC 7162 section 3.2.6
	}
	f := s.newFetching(args, cmd.UID)
	if args.ChangedSince >= 0 {
		if uids, err = s.changedIn(ctx, args, uids); err != nil {
			return answer{}, err
		}
	}
	if err := f.see(ctx, uids); err != nil {
		return answer{}, err
	}
	if err := mailbox.FetchPages(ctx, s.store(), s.view.folder, uids, f.want, func(m *mailbox.Message) error { return f.show(ctx, m) }); err != nil {
		return answer{}, err
	}
	if err := f.keepStructures(ctx); err != nil {
		return answer{}, err
	}
	return answer{}, f.shortfall(uids, cmd.UID)
}

// fetching is one FETCH on its way.
type fetching struct {
	*session
	items  []syntax.FetchItem
	want   mailbox.Columns
	bodies bool                   // some item needs the octets of the message
	seen   map[mailbox.UID]bool   // those that this command made seen
	shown  int                    // messages
	made   map[mailbox.UID][]byte // structures that were not kept yet
	failed error                  // what the command is refused with, though the rest is done
}

// maxMade is how many structures one command keeps that were missing.
const maxMade = 1000

// newFetching works out what is to be read and said.
func (s *session) newFetching(args *syntax.Fetch, uid bool) *fetching {
	f := &fetching{session: s}
	add := func(kind syntax.FetchKind) {
		if !slices.ContainsFunc(f.items, func(i syntax.FetchItem) bool { return i.Kind == kind }) {
			f.items = append(f.items, syntax.FetchItem{Kind: kind})
		}
	}
	if uid {
		add(syntax.FetchUID)
	}
	for _, item := range args.Items {
		switch item.Kind {
		case syntax.FetchUID, syntax.FetchFlags, syntax.FetchModSeq:
			add(item.Kind)
		default:
			f.items = append(f.items, item)
		}
		f.need(item)
	}
	if args.ChangedSince >= 0 {
		add(syntax.FetchModSeq)
		s.condstore = true // RFC 7162 section 3.1
	}
	return f
}

// need notes what an item is made of.
func (f *fetching) need(item syntax.FetchItem) {
	switch item.Kind {
	case syntax.FetchInternalDate, syntax.FetchSize:
		f.want |= mailbox.Facts
	case syntax.FetchModSeq:
		f.condstore = true
	case syntax.FetchEnvelope, syntax.FetchBody, syntax.FetchBodyStructure:
		f.want |= mailbox.Structures
	case syntax.FetchFlags, syntax.FetchUID:
	default:
		f.want |= mailbox.Facts | mailbox.Structures
		f.bodies = true
	}
}

// changedIn leaves of a set what changed since the client was last here, and tells it
// what is gone.
func (s *session) changedIn(ctx context.Context, args *syntax.Fetch, uids []mailbox.UIDRange) ([]mailbox.UIDRange, error) {
	var c mailbox.Changes
	err := s.store().Read(ctx, func(tx *store.Tx) (err error) {
		c, err = mailbox.ChangesSince(tx, s.view.folder, args.ChangedSince)
		return err
	})
	if err != nil {
		return nil, err
	}
	var changed []mailbox.UID
	for i := range c.Changed {
		changed = append(changed, c.Changed[i].UID)
	}
	if args.Vanished {
		asked := mailbox.NewUIDSet(uidRanges(args.Set.Resolve(uint32(c.UIDNext)))...)
		if gone := asked.Intersect(c.Vanished); len(gone) > 0 {
			s.out.Raw("* VANISHED (EARLIER) ").Ranges(wireRanges(gone)).Raw("\r\n")
		}
	}
	among := mailbox.NewUIDSet(uids...)
	return among.Intersect(mailbox.Ranges(changed)), nil
}

// see gives \Seen to the messages that are about to be read, and has the flags of those
// that had not told.
func (f *fetching) see(ctx context.Context, uids []mailbox.UIDRange) error {
	if f.view.readOnly || !slices.ContainsFunc(f.items, syntax.FetchItem.SetsSeen) {
		return nil
	}
	var unseen []mailbox.UID
	err := f.store().Read(ctx, func(tx *store.Tx) error {
		unseen = unseen[:0]
		return mailbox.Fetch(tx, f.view.folder, uids, 0, func(m *mailbox.Message) error {
			if m.Flags&mailbox.Seen == 0 {
				unseen = append(unseen, m.UID)
			}
			return nil
		})
	})
	if err != nil || len(unseen) == 0 {
		return err
	}
	var done []mailbox.Message
	err = f.store().Write(ctx, func(tx *store.Tx) (err error) {
		done, _, err = mailbox.SetFlags(tx, f.view.folder, unseen, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: mailbox.Seen})
		return err
	})
	f.seen = make(map[mailbox.UID]bool, len(done))
	for i := range done {
		f.seen[done[i].UID] = true
		f.view.tell(done[i].UID, done[i].ModSeq)
	}
	return err
}

// show answers for one message.
func (f *fetching) show(ctx context.Context, m *mailbox.Message) error {
	n, known := f.view.number(m.UID)
	if !known {
		return nil
	}
	r := &reading{fetching: f, ctx: ctx, m: m}
	defer r.close()
	if err := r.prepare(); err != nil {
		return f.trouble(m, err)
	}
	f.shown++
	if r.tells(syntax.FetchFlags) {
		f.showKeywords(m.Keywords)
	}
	f.out.Raw("* ").Number(int64(n)).Raw(" FETCH (")
	for i := range f.items {
		if i > 0 {
			f.out.Raw(" ")
		}
		if err := r.item(&f.items[i]); err != nil {
			return err
		}
	}
	if f.seen[m.UID] && !f.asks(syntax.FetchFlags) {
		f.out.Raw(" FLAGS ").Flags(flagWords(m))
		if f.condstore && !f.asks(syntax.FetchModSeq) {
			f.out.Raw(" MODSEQ (").Number(m.ModSeq).Raw(")")
		}
	}
	f.out.Raw(")\r\n")
	return f.out.Err()
}

func (f *fetching) asks(kind syntax.FetchKind) bool {
	return slices.ContainsFunc(f.items, func(i syntax.FetchItem) bool { return i.Kind == kind })
}

// tells reports whether the answer has this item, asked for or not.
func (r *reading) tells(kind syntax.FetchKind) bool { return r.asks(kind) || r.seen[r.m.UID] }

// trouble is a message that cannot be read: the others are shown all the same. One that
// is gone is no trouble.
func (f *fetching) trouble(m *mailbox.Message, err error) error {
	if errors.Is(err, mailbox.ErrNoMessage) || errors.Is(err, store.ErrNoRow) {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	f.server.options.Log.Error("a message cannot be read", "as", f.who.Name, "folder", f.view.name, "uid", m.UID, "trace", m.Trace, "error", err)
	f.failed = no("SERVERBUG", "Some messages cannot be read; the log says why")
	f.shown++
	return nil
}

// shortfall is what the command ends with when not all was shown.
func (f *fetching) shortfall(uids []mailbox.UIDRange, uid bool) error {
	meant := 0
	for _, r := range uids {
		meant += r.Len()
	}
	if f.failed == nil && !uid && f.shown < meant {
		return no("EXPUNGEISSUED", "Some of the messages are gone") // RFC 5530 section 3
	}
	return f.failed
}

// structureOf is what is known of a message without its octets. One that was kept by
// nobody, or by a version that is no longer understood, is made now.
func (s *session) structureOf(ctx context.Context, m *mailbox.Message) ([]byte, error) {
	if structure.EnvelopeOf(m.Structure) != nil {
		return m.Structure, nil
	}
	body, err := mailbox.Open(ctx, s.store(), m.Folder, m.UID)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return structure.Of(body)
}

// keepStructures keeps what was made, so that it is not made again.
func (f *fetching) keepStructures(ctx context.Context) error {
	if len(f.made) == 0 {
		return nil
	}
	return f.store().Write(ctx, func(tx *store.Tx) error {
		for uid, made := range f.made {
			if err := mailbox.SetStructure(tx, f.view.folder, uid, made); err != nil {
				return err
			}
		}
		return nil
	})
}
