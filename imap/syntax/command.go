package syntax

import (
	"slices"
	"strings"
)

// Command is one command of a client.
type Command struct {
	Tag  string
	Name string // in upper case; "FETCH" for UID FETCH as well
	UID  bool   // it began with UID: its numbers and answers are UIDs
	Args any    // a pointer to the type of the command's arguments; nil: it has none
}

// grammar reads the arguments of a command, each with the space before it.
type grammar func(s *scanner) any

// plain commands have arguments of their own, and no UID form.
func plain(name string) grammar {
	switch name {
	case "NOOP", "CAPABILITY", "LOGOUT", "STARTTLS", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "IDLE", "NAMESPACE":
		return nothing
	case "AUTHENTICATE":
		return parseAuthenticate
	case "LOGIN":
		return parseLogin
	case "ENABLE":
		return parseEnable
	case "ID":
		return parseID
	case "COMPRESS":
		return parseCompress
	case "SELECT", "EXAMINE":
		return parseSelect
	case "CREATE":
		return parseCreate
	case "DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT":
		return parseMailbox
	case "RENAME":
		return parseRename
	case "LIST":
		return parseList
	case "LSUB":
		return parseLsub
	case "STATUS":
		return parseStatus
	case "APPEND":
		return parseAppend
	case "GETQUOTA":
		return parseQuotaRoot
	case "SETQUOTA":
		return parseSetQuota
	}
	return numbered(name, false)
}

// numbered commands take message numbers, or behind UID, UIDs.
func numbered(name string, uid bool) grammar {
	switch name {
	case "FETCH":
		return parseFetch
	case "STORE":
		return parseStore
	case "COPY", "MOVE":
		return parseCopy
	case "SEARCH":
		return parseSearch
	case "SORT":
		return parseSort
	case "THREAD":
		return parseThread
	case "EXPUNGE":
		if uid {
			return parseExpunge
		}
	}
	return nil
}

func nothing(*scanner) any { return nil }

// Parse reads a command without its last CRLF. With an error comes as much of the
// Command as could be read: the tag, if there is one. A command of an unknown name is an
// error too, an *Error as all.
func Parse(text []byte, utf8 bool) (Command, error) {
	s := &scanner{text: text, utf8: utf8}
	cmd := Command{Tag: s.while(isTag)}
	if cmd.Tag == "" {
		s.fail("a tag is missing")
		return cmd, s.err
	}
	s.space()
	parse := s.name(&cmd)
	if s.err == nil && parse == nil {
		s.fail("unknown command")
	}
	if s.err == nil {
		cmd.Args = parse(s)
		s.end()
	}
	if s.err != nil {
		s.err.(*Error).Tag = cmd.Tag
		cmd.Args = nil
	}
	return cmd, s.err
}

// name reads the name of the command, and finds the grammar of what follows.
func (s *scanner) name(cmd *Command) grammar {
	cmd.Name = s.word()
	if cmd.Name != "UID" {
		return plain(cmd.Name)
	}
	cmd.UID = true
	s.space()
	cmd.Name = s.word()
	return numbered(cmd.Name, true)
}

// Authenticate begins a login by SASL.
type Authenticate struct {
	Mechanism string // in upper case
	Initial   []byte // base64 as it came; nil: none (RFC 4959), "=": an empty one
}

func parseAuthenticate(s *scanner) any {
	s.space()
	a := &Authenticate{Mechanism: s.word()}
	if s.take(' ') {
		a.Initial = []byte(s.while(func(c byte) bool { return c > ' ' && c < 0x7f }))
		if len(a.Initial) == 0 {
			s.fail("the initial response is missing")
		}
	}
	return a
}

// Login is a login by LOGIN.
type Login struct{ User, Password string }

func parseLogin(s *scanner) any {
	l := &Login{}
	s.space()
	l.User = s.astring()
	s.space()
	l.Password = s.astring()
	return l
}

// Enable asks for extensions (RFC 5161), in upper case.
type Enable struct{ Extensions []string }

func parseEnable(s *scanner) any {
	e := &Enable{}
	for s.space(); s.err == nil; s.space() {
		e.Extensions = append(e.Extensions, s.word())
		if s.done() {
			break
		}
	}
	return e
}

// ID tells what program the client is (RFC 2971): names and values.
type ID struct{ Fields [][2]string }

// maxFields is how many fields of an ID are taken (RFC 2971 section 3.3).
const maxFields = 30

func parseID(s *scanner) any {
	id := &ID{}
	s.space()
	if s.peek() != '(' {
		if s.word() != "NIL" {
			s.fail("a list or NIL is missing")
		}
		return id
	}
	s.maybeList(func() {
		var f [2]string
		f[0] = s.string()
		s.space()
		f[1], _ = s.nstring()
		if len(id.Fields) >= maxFields {
			s.fail("more than %d fields", maxFields)
		}
		id.Fields = append(id.Fields, f)
	})
	return id
}

// Compress asks for compression (RFC 4978); the only Algorithm there is is DEFLATE.
type Compress struct{ Algorithm string }

func parseCompress(s *scanner) any {
	s.space()
	return &Compress{Algorithm: s.word()}
}

// QuotaRoot names the root of a quota (RFC 9208 section 4.1.1).
type QuotaRoot struct{ Root string }

func parseQuotaRoot(s *scanner) any {
	s.space()
	return &QuotaRoot{Root: s.astring()}
}

// SetQuota would change a quota (RFC 9208 section 4.1.3).
type SetQuota struct {
	Root   string
	Limits []QuotaLimit
}

// QuotaLimit is one resource and its limit.
type QuotaLimit struct {
	Resource string
	Limit    int64
}

func parseSetQuota(s *scanner) any {
	q := &SetQuota{}
	s.space()
	q.Root = s.astring()
	s.space()
	s.maybeList(func() {
		resource := s.word()
		s.space()
		q.Limits = append(q.Limits, QuotaLimit{resource, s.number64()})
	})
	return q
}

// Store changes flags (RFC 9051 section 6.4.6).
type Store struct {
	Set            Set
	Op             StoreOp
	Silent         bool
	Flags          []string
	UnchangedSince int64 // only messages not changed since (RFC 7162 section 3.1.3); -1: all
}

// StoreOp is what happens to the flags.
type StoreOp int

// The zero value replaces.
const (
	ReplaceFlags StoreOp = iota
	AddFlags
	RemoveFlags
)

func parseStore(s *scanner) any {
	st := &Store{UnchangedSince: -1}
	s.space()
	st.Set = s.set()
	s.space()
	if s.peek() == '(' {
		s.list(func() {
			if s.word() != "UNCHANGEDSINCE" {
				s.fail("unknown modifier of STORE")
			}
			s.space()
			st.UnchangedSince = s.number64()
		})
		s.space()
	}
	switch {
	case s.take('+'):
		st.Op = AddFlags
	case s.take('-'):
		st.Op = RemoveFlags
	}
	name, silent := strings.CutSuffix(s.word(), ".SILENT")
	if name != "FLAGS" {
		s.fail("only FLAGS can be stored")
	}
	st.Silent = silent
	s.space()
	st.Flags = s.flagsOrList()
	return st
}

// Copy copies or moves messages.
type Copy struct {
	Set Set
	To  string
}

func parseCopy(s *scanner) any {
	c := &Copy{}
	s.space()
	c.Set = s.set()
	s.space()
	c.To = s.mailbox()
	return c
}

// Expunge is UID EXPUNGE (RFC 4315 section 2.1); EXPUNGE has no arguments.
type Expunge struct{ Set Set }

func parseExpunge(s *scanner) any {
	s.space()
	return &Expunge{Set: s.set()}
}

// unique puts a word behind others unless it is among them.
func unique[T comparable](all []T, one T) []T {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}
