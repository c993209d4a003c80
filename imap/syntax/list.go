package syntax

import "slices"

// List asks for folders: LIST in its simple and its extended form (RFC 9051 section
// 6.3.9, RFC 5258).
type List struct {
	Reference string
	Patterns  []string // in UTF-8, with * and %
	Extended  bool

	Subscribed bool // select only these
	Remote     bool // select other servers' too: there are none
	Recursive  bool // select what has selected children too
	SpecialUse bool // select only what has a use

	Return ListReturn
}

// ListReturn is what is told of each folder.
type ListReturn struct {
	Subscribed, Children, SpecialUse bool
	Status                           []StatusItem // nil: no STATUS responses
}

func parseList(s *scanner) any {
	l := &List{}
	s.space()
	if s.peek() == '(' {
		l.Extended = true
		s.maybeList(func() { s.listSelection(l) })
		s.space()
		if l.Recursive && !l.Subscribed && !l.SpecialUse {
			s.fail("RECURSIVEMATCH needs another selection beside it") // RFC 5258 section 3.1
		}
	}
	l.Reference = s.folderName(s.astring())
	s.space()
	if s.peek() == '(' {
		l.Extended = true
		s.list(func() { l.Patterns = append(l.Patterns, s.pattern()) })
	} else {
		l.Patterns = []string{s.pattern()}
	}
	if s.take(' ') {
		l.Extended = true
		if s.word() != "RETURN" {
			s.fail("RETURN is missing")
		}
		s.space()
		s.maybeList(func() { s.listReturn(&l.Return) })
	}
	return l
}

func (s *scanner) listSelection(l *List) {
	switch s.word() {
	case "SUBSCRIBED":
		l.Subscribed, l.Return.Subscribed = true, true
	case "REMOTE":
		l.Remote = true
	case "RECURSIVEMATCH":
		l.Recursive = true
	case "SPECIAL-USE":
		l.SpecialUse, l.Return.SpecialUse = true, true
	default:
		s.fail("unknown selection of LIST")
	}
}

func (s *scanner) listReturn(r *ListReturn) {
	switch s.word() {
	case "SUBSCRIBED":
		r.Subscribed = true
	case "CHILDREN":
		r.Children = true
	case "SPECIAL-USE":
		r.SpecialUse = true
	case "STATUS":
		s.space()
		r.Status = s.statusItems()
	default:
		s.fail("unknown return option of LIST")
	}
}

// pattern is list-mailbox.
func (s *scanner) pattern() string {
	var wire string
	if c := s.peek(); c == '"' || c == '{' {
		wire = s.string()
	} else if wire = s.while(isPattern); wire == "" {
		s.fail("a pattern is missing")
	}
	return s.folderName(wire)
}

// parseLsub is LSUB (RFC 3501 section 6.3.9): a LIST of subscribed folders.
func parseLsub(s *scanner) any {
	l := &List{Subscribed: true}
	s.space()
	l.Reference = s.folderName(s.astring())
	s.space()
	l.Patterns = []string{s.pattern()}
	return l
}

// StatusItem is what STATUS asks of a folder.
type StatusItem string

// The items.
const (
	StatusMessages      StatusItem = "MESSAGES"
	StatusUIDNext       StatusItem = "UIDNEXT"
	StatusUIDValidity   StatusItem = "UIDVALIDITY"
	StatusUnseen        StatusItem = "UNSEEN"
	StatusDeleted       StatusItem = "DELETED"
	StatusSize          StatusItem = "SIZE"          // RFC 8438
	StatusRecent        StatusItem = "RECENT"        // RFC 3501
	StatusHighestModSeq StatusItem = "HIGHESTMODSEQ" // RFC 7162
	StatusAppendLimit   StatusItem = "APPENDLIMIT"   // RFC 7889
)

// Status asks for figures of a folder that is not selected.
type Status struct {
	Mailbox string
	Items   []StatusItem
}

func parseStatus(s *scanner) any {
	st := &Status{}
	s.space()
	st.Mailbox = s.mailbox()
	s.space()
	st.Items = s.statusItems()
	return st
}

func (s *scanner) statusItems() (all []StatusItem) {
	known := []StatusItem{StatusMessages, StatusUIDNext, StatusUIDValidity, StatusUnseen, StatusDeleted, StatusSize,
		StatusRecent, StatusHighestModSeq, StatusAppendLimit}
	s.list(func() {
		item := StatusItem(s.word())
		if !slices.Contains(known, item) {
			s.fail("unknown item of STATUS")
		}
		all = unique(all, item)
	})
	return all
}
