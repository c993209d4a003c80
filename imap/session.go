package imap

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime/debug"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/store"
)

// Limits of a command.
const (
	// maxLine is the longest line of a command: sets of thousands of UIDs are usual.
	// RFC 7162 section 4 asks for 8192 octets.
	maxLine = 64 << 10
	// maxCommand is the longest command, its literals but for the message of APPEND
	// included.
	maxCommand = 256 << 10
	// maxStranger is both for who has not logged in.
	maxStranger = 8 << 10
	// maxKept is how large a buffer for commands an idle session keeps.
	maxKept = 1 << 10
)

// state is what a session has reached, as bits, so that a command can name several.
type state uint8

const (
	stranger state = 1 << iota // has not logged in
	member                     // has, and has no folder open
	reader                     // has a folder open
	loggedIn = member | reader
	always   = stranger | member | reader
)

// session is the dialogue with one client.
type session struct {
	*link
	command []byte // that came last
	over    bool   // nothing more is read
	errors  int

	who       account.Principal // after the login
	goodbye   func()            // to the account; nil: nobody logged in
	utf8      bool              // UTF8=ACCEPT or IMAP4rev2 is enabled
	rev2      bool              // IMAP4rev2 is enabled
	condstore bool              // MODSEQ is told with every change
	qresync   bool              // VANISHED in place of EXPUNGE

	view  *view // of the folder that is open; nil: none
	watch *store.Watch
}

func newSession(s *Server, conn net.Conn) *session { return &session{link: newLink(s, conn)} }

func (s *session) store() *store.Store { return s.server.options.Store }

// account is whose folders they are.
func (s *session) account() int64 { return int64(s.who.Account) }

func (s *session) state() state {
	switch {
	case s.who.Kind == account.Nobody:
		return stranger
	case s.view == nil:
		return member
	}
	return reader
}

// Run is the whole session. A panic in it is our bug; it ends this session and no other.
func (s *session) Run(ctx context.Context) {
	defer s.end()
	if s.server.options.ImplicitTLS {
		if s.handshake(ctx) != nil {
			return
		}
	}
	s.untagged("OK [CAPABILITY " + s.capabilities() + "] " + s.server.name() + " IMAP ready")
	for !s.over {
		if err := s.read(); err != nil {
			s.misread(err)
			continue
		}
		s.obey(ctx)
	}
}

// end closes everything, whatever happened.
func (s *session) end() {
	if bug := recover(); bug != nil {
		s.server.stats.panics.Add(1)
		s.server.options.Log.Error("panic in an IMAP session", "client", s.remote, "as", s.who.Name, "panic", bug, "stack", string(debug.Stack()))
		s.untagged("BYE [SERVERBUG] internal error, try again later")
	}
	s.leave()
	if s.goodbye != nil {
		s.goodbye()
	}
	s.hangUp()
}

// untagged says a line that answers no command.
func (s *session) untagged(text string) { s.out.Raw("* ").Raw(text).Raw("\r\n") }

// read takes the next command: lines, with the literals between them, and of APPEND all
// but the message.
func (s *session) read() error {
	s.in.shrink()
	s.begun = false
	if cap(s.command) > maxKept {
		s.command = nil
	}
	s.command = s.command[:0]
	whole, longest := maxCommand, maxLine
	if s.state() == stranger {
		whole, longest = maxStranger, maxStranger
	}
	for {
		from := len(s.command)
		var err error
		if s.command, err = s.line(s.command, min(longest, whole-from)); err != nil {
			return err
		}
		s.begun = true
		l, more := syntax.Announced(s.command[from:])
		if !more || syntax.Streams(s.command) {
			return nil
		}
		if err := s.addLiteral(l, whole); err != nil {
			return err
		}
	}
}

// addLiteral adds a literal to the command.
func (s *session) addLiteral(l syntax.Literal, whole int) error {
	if int64(len(s.command))+l.Size > int64(whole) {
		return s.refuseLiteral(l)
	}
	if !l.Ahead {
		s.out.Raw("+ go on\r\n")
	}
	text := bytes.NewBuffer(append(s.command, "\r\n"...))
	_, lost := s.in.octets(l.Size, text)
	s.command = text.Bytes()
	if lost != nil {
		return s.cause(lost)
	}
	return nil
}

// refuseLiteral gets rid of a literal that is too large. One that the client waits with
// never comes. One that is on its way is read, if that does not take too long (RFC 7888
// section 4).
func (s *session) refuseLiteral(l syntax.Literal) error {
	if !l.Ahead {
		return errTooLong
	}
	most := int64(maxSkipped)
	if s.state() != stranger {
		most = maxDrained // messages are as large
	}
	if l.Size > most {
		return errEndless
	}
	if _, lost := s.in.octets(l.Size, discard{}); lost != nil {
		return s.cause(lost)
	}
	for {
		rest, err := s.line(nil, maxStranger)
		next, more := syntax.Announced(rest)
		switch {
		case err != nil:
			return err
		case !more:
			return errTooLong
		case !next.Ahead:
			return errTooLong
		case next.Size > most:
			return errEndless
		}
		if _, lost := s.in.octets(next.Size, discard{}); lost != nil {
			return s.cause(lost)
		}
	}
}

type discard struct{}

// Write drops octets.
func (discard) Write(octets []byte) (int, error) { return len(octets), nil }

// misread answers what came instead of a command.
func (s *session) misread(err error) {
	switch {
	case errors.Is(err, errTooLong):
		s.fault(s.tag(), "the command is too long")
		return
	case errors.Is(err, errBareLine):
		s.untagged("BYE lines end in CR LF, and this one does not")
	case errors.Is(err, errEndless):
		s.untagged("BYE [LIMIT] the command is far too long")
	case errors.Is(err, errStopping):
		s.untagged("BYE [UNAVAILABLE] " + s.server.name() + " is shutting down")
	case errors.Is(err, errLate):
		s.untagged("BYE waited too long for a command")
	}
	s.over = true
}

// tag is that of a command that could not be read, "*" where there is none.
func (s *session) tag() string {
	cmd, _ := syntax.Parse(s.command, s.utf8)
	if cmd.Tag == "" {
		return "*"
	}
	return cmd.Tag
}

// fault answers BAD, and ends the session with who makes too many.
func (s *session) fault(tag, text string) {
	s.server.stats.faults.Add(1)
	s.out.Raw(tag).Raw(" BAD ").Raw(text).Raw("\r\n")
	s.mayErr()
}

func (s *session) mayErr() {
	if s.errors++; s.errors > s.server.options.MaxErrors {
		s.untagged("BYE [LIMIT] too many errors")
		s.over = true
	}
}

// obey does what the command says, and answers it.
func (s *session) obey(ctx context.Context) {
	cmd, err := syntax.Parse(s.command, s.utf8)
	if err != nil {
		var e *syntax.Error
		errors.As(err, &e)
		if e.Tag == "" {
			e.Tag = "*"
		}
		s.fault(e.Tag, e.Error())
		s.abandon(s.command)
		return
	}
	c, known := commandOf(cmd.Name)
	switch {
	case !known:
		s.fault(cmd.Tag, "unknown command")
		return
	case c.when&s.state() == 0:
		s.fault(cmd.Tag, c.wrongTime(s.state()))
		s.abandon(s.command)
		return
	}
	a, err := c.do(s, ctx, &cmd)
	s.answer(ctx, &cmd, c, a, err)
}

// abandon gets rid of the message of an APPEND that was not understood, announced at the
// end of text. One that the client waits with never comes. One that is on its way would
// be taken for commands: it is read, if its client has logged in and it has an end in
// sight.
func (s *session) abandon(text []byte) {
	l, more := syntax.Announced(text)
	if !more || !l.Ahead || s.over {
		return
	}
	if s.state() != stranger {
		if err := s.refuseLiteral(l); errors.Is(err, errTooLong) {
			return
		}
	}
	s.untagged("BYE the literal of a command that was not understood would be taken for commands")
	s.over = true
}

// answer shows what others changed meanwhile, and says how the command ended.
func (s *session) answer(ctx context.Context, cmd *syntax.Command, c command, a answer, err error) {
	s.server.stats.commands.Add(1)
	if s.out.Err() != nil {
		s.over = true
	}
	if s.out.Err() != nil || errors.Is(err, errAnswered) {
		return
	}
	if s.view != nil && c.news != hideNews && !s.over {
		if trouble := s.showNews(ctx, c.news.of(cmd)); trouble != nil && err == nil {
			err = trouble
		}
	}
	if err == nil {
		s.agree(cmd, a)
		return
	}
	r, trouble := refusalOf(err)
	if trouble {
		s.server.options.Log.Error("IMAP command failed", "command", cmd.Name, "as", s.who.Name, "client", s.remote, "error", err)
	}
	if r.status == "BAD" {
		s.fault(cmd.Tag, r.text)
		return
	}
	s.server.stats.refused.Add(1)
	s.out.Raw(cmd.Tag).Raw(" ").Raw(r.Error()).Raw("\r\n")
}

// agree answers OK.
func (s *session) agree(cmd *syntax.Command, a answer) {
	if s.who.Kind != account.Nobody {
		s.errors = 0 // who stays for days errs now and then
	}
	s.out.Raw(cmd.Tag).Raw(" OK ")
	if a.code != "" {
		s.out.Raw("[").Raw(a.code).Raw("] ")
	}
	if a.text == "" {
		a.text = done(cmd)
	}
	s.out.Raw(a.text).Raw("\r\n")
}

// done is what every command is answered that has nothing more to say.
func done(cmd *syntax.Command) string {
	if cmd.UID {
		return "UID " + cmd.Name + " done"
	}
	return cmd.Name + " done"
}
