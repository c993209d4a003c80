package imap

import (
	"context"
	"fmt"
	"io"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message/structure"
	"github.com/allgreen-mail/allgreen/store"
)

// maxDrained is how much of a message that is refused is read, where it comes without
// being asked for.
const maxDrained = 256 << 20

// append is APPEND (RFC 9051 section 6.3.12). The folder and the room in it are looked
// at before the message is asked for.
func (s *session) append(ctx context.Context, cmd *syntax.Command) (answer, error) {
	a := cmd.Args.(*syntax.Append)
	f, err := s.mayAppend(ctx, a)
	if err != nil {
		return answer{}, s.refuseMessage(a, err)
	}
	spool := s.store().NewSpool()
	defer spool.Close()
	if err := s.takeMessage(a, spool); err != nil {
		return answer{}, err
	}
	flags, keywords := flagsOf(a.Flags)
	d := mailbox.Delivery{Size: spool.Size(), Received: a.Date, Flags: flags, Keywords: keywords, Trace: mail.NewTraceID(s.server.options.World.Now())}
	if d.Received.IsZero() {
		d.Received = s.server.options.World.Now()
	}
	uid, validity, err := s.keep(ctx, f, d, spool)
	if err != nil {
		return answer{}, err
	}
	s.server.stats.appended.Add(1)
	return answer{code: fmt.Sprintf("APPENDUID %d %d", validity, uid)}, nil
}

// mayAppend finds the folder, and says no to what is known to be refused later.
func (s *session) mayAppend(ctx context.Context, a *syntax.Append) (f mailbox.Folder, err error) {
	if a.Literal.Size > s.server.maxMessage() {
		return f, no("TOOBIG", "The message is larger than %d octets", s.server.maxMessage()) // RFC 7889 section 4
	}
	if a.Literal.Size == 0 {
		return f, no("CANNOT", "A message without an octet is none")
	}
	err = s.store().Read(ctx, func(tx *store.Tx) error {
		if f, err = mailbox.FolderNamed(tx, s.account(), a.Mailbox); err != nil {
			return orTryCreate(err)
		}
		if f.Sealed {
			return mailbox.ErrSealed
		}
		if f.Uncounted {
			return nil
		}
		return mailbox.Room(tx, s.account(), a.Literal.Size)
	})
	return f, err
}

// refuseMessage gets rid of the message of an APPEND that is refused.
func (s *session) refuseMessage(a *syntax.Append, why error) error {
	if !a.Literal.Ahead {
		return why // it waits to be asked for, and never comes
	}
	if a.Literal.Size > maxDrained {
		r, _ := refusalOf(why)
		s.untagged("BYE [LIMIT] " + r.text)
		s.over = true
		return why
	}
	if err := s.takeMessage(a, io.Discard); err != nil {
		return err
	}
	return why
}

// takeMessage takes the message, and the end of the command behind it.
func (s *session) takeMessage(a *syntax.Append, to io.Writer) error {
	if !a.Literal.Ahead {
		s.out.Raw("+ go on\r\n")
	}
	failed, lost := s.in.octets(a.Literal.Size, to)
	if lost != nil {
		s.misread(s.cause(lost))
		return errAnswered
	}
	line, err := s.line(nil, maxStranger)
	switch {
	case err != nil:
		s.misread(err)
		return errAnswered
	case !a.Ended(line):
		return bad("there is more than one message, or less than one")
	}
	return failed
}

// keep stores the message, and what was found out about it before.
func (s *session) keep(ctx context.Context, f mailbox.Folder, d mailbox.Delivery, spool *store.Spool) (uid mailbox.UID, validity uint32, err error) {
	if err := spool.Place(ctx); err != nil {
		return 0, 0, err
	}
	if d.Structure, err = takeApart(spool); err != nil {
		return 0, 0, err
	}
	err = s.store().Write(ctx, func(tx *store.Tx) error {
		if d.Body, err = tx.PutBody(spool); err != nil {
			return err
		}
		uid, validity, err = mailbox.Append(tx, f.ID, d)
		return orTryCreate(err)
	})
	return uid, validity, err
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
