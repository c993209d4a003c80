package imap

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// maxDrained is how much of messages that are refused is read, where they come without
// being asked for.
const maxDrained = 256 << 20

// maxTogether is how many messages one APPEND brings.
const maxTogether = 256

// append is APPEND (RFC 9051 section 6.3.12), of one message or of several, all or none
// (RFC 3502). The folder and the room in it are looked at before a message is asked for.
func (s *session) append(ctx context.Context, cmd *syntax.Command) (answer, error) {
	a := &appending{session: s}
	defer a.close()
	if err := a.takeAll(ctx, cmd.Args.(*syntax.Append)); err != nil {
		return answer{}, err
	}
	uids, validity, err := a.keep(ctx)
	if err != nil {
		return answer{}, err
	}
	s.server.stats.appended.Add(int64(uids.Len()))
	set := syntax.AppendRanges(nil, wireRanges([]mailbox.UIDRange{uids}))
	return answer{code: fmt.Sprintf("APPENDUID %d %s", validity, set)}, nil
}

// appending is the messages of one APPEND.
type appending struct {
	*session
	folder     mailbox.Folder
	spools     []*store.Spool
	deliveries []mailbox.Delivery
	octets     int64 // of those that came
}

func (a *appending) close() {
	for _, spool := range a.spools {
		spool.Close()
	}
}

// takeAll takes the messages as they come. Behind one that is refused those that come
// without being asked for are read all the same.
func (a *appending) takeAll(ctx context.Context, m *syntax.Append) (refused error) {
	for m != nil {
		if refused == nil {
			refused = a.may(ctx, m)
		}
		if refused != nil && !m.Literal.Ahead {
			return refused // it waits to be asked for, and never comes
		}
		if refused != nil && a.octets+m.Literal.Size > maxDrained {
			r, _ := refusalOf(refused)
			a.untagged("BYE [LIMIT] " + r.text)
			a.over = true
			return refused
		}
		var to io.Writer = io.Discard
		if refused == nil {
			to = a.spool(m)
		}
		next, err := a.take(m, to)
		if errors.Is(err, errAnswered) {
			return err
		}
		if refused == nil {
			refused = err
		}
		m = next
	}
	return refused
}

// may finds the folder, and says no to what is known to be refused later.
func (a *appending) may(ctx context.Context, m *syntax.Append) error {
	switch size := m.Literal.Size; {
	case size > a.server.maxMessage():
		return no("TOOBIG", "The message is larger than %d octets", a.server.maxMessage()) // RFC 7889 section 4
	case size == 0:
		return no("CANNOT", "A message without an octet is none")
	case len(a.spools) == maxTogether, a.octets+size > max(maxDrained, a.server.maxMessage()):
		return no("LIMIT", "These are too many messages at once")
	}
	return a.store().Read(ctx, func(tx *store.Tx) (err error) {
		if a.folder, err = mailbox.FolderNamed(tx, a.account(), m.Mailbox); err != nil {
			return orTryCreate(err)
		}
		if a.folder.Sealed {
			return mailbox.ErrSealed
		}
		if a.folder.Uncounted {
			return nil
		}
		return mailbox.Room(tx, a.account(), a.octets+m.Literal.Size)
	})
}

// spool is where the octets of a message go.
func (a *appending) spool(m *syntax.Append) *store.Spool {
	now := a.server.options.World.Now()
	d := mailbox.Delivery{Size: m.Literal.Size, Received: m.Date, Trace: mail.NewTraceID(now)}
	d.Flags, d.Keywords = flagsOf(m.Flags)
	if d.Received.IsZero() {
		d.Received = now
	}
	spool := a.store().NewSpool()
	a.spools, a.deliveries = append(a.spools, spool), append(a.deliveries, d)
	return spool
}

// take takes a message, and reads what follows it: another one, or nil at the end of the
// command.
func (a *appending) take(m *syntax.Append, to io.Writer) (next *syntax.Append, err error) {
	if !m.Literal.Ahead {
		a.out.Raw("+ go on\r\n")
	}
	failed, lost := a.in.octets(m.Literal.Size, to)
	if lost != nil {
		a.misread(a.cause(lost))
		return nil, errAnswered
	}
	a.octets += m.Literal.Size
	line, err := a.line(nil, maxStranger)
	if err != nil {
		a.misread(err)
		return nil, errAnswered
	}
	if next, err = m.Next(line); err != nil {
		a.abandon(line)
		return nil, bad("behind a message, %s", err.Error())
	}
	return next, failed
}

// keep stores the messages, and what was found out about them before.
func (a *appending) keep(ctx context.Context) (uids mailbox.UIDRange, validity uint32, err error) {
	for i, spool := range a.spools {
		if err := spool.Place(ctx); err != nil {
			return uids, 0, err
		}
		if a.deliveries[i].Structure, err = takeApart(spool); err != nil {
			return uids, 0, err
		}
	}
	err = a.store().Write(ctx, func(tx *store.Tx) error {
		for i, spool := range a.spools {
			if a.deliveries[i].Body, err = tx.PutBody(spool); err != nil {
				return err
			}
		}
		uids, validity, err = mailbox.AppendAll(tx, a.folder.ID, a.deliveries)
		return orTryCreate(err)
	})
	return uids, validity, err
}

// takeApart makes what is kept of a message for listing and searching.
func takeApart(spool *store.Spool) ([]byte, error) {
	text, err := spool.Open()
	if err != nil {
		return nil, err
	}
	defer text.Close()
	return structure.Of(text)
}
