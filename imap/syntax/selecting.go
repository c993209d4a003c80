package syntax

// Select opens a folder: SELECT or EXAMINE.
type Select struct {
	Mailbox   string
	CondStore bool
	QResync   *QResync // nil: not asked for
}

// QResync is what a client remembers of a folder (RFC 7162 section 3.2.5).
type QResync struct {
	UIDValidity uint32
	ModSeq      int64
	Known       []Range // UIDs; nil: not said
	Sequence    []Range // message numbers with, in the same order,
	UIDs        []Range // the UIDs they had; nil: not said
}

func parseSelect(s *scanner) any {
	sel := &Select{}
	s.space()
	sel.Mailbox = s.mailbox()
	if s.take(' ') {
		s.list(func() {
			switch s.word() {
			case "CONDSTORE":
				sel.CondStore = true
			case "QRESYNC":
				s.space()
				sel.QResync = s.qresync()
			default:
				s.fail("unknown parameter of SELECT")
			}
		})
	}
	return sel
}

func (s *scanner) qresync() *QResync {
	q := &QResync{}
	s.want('(')
	q.UIDValidity = s.number()
	s.space()
	q.ModSeq = s.number64()
	if q.UIDValidity == 0 || q.ModSeq == 0 {
		s.fail("0 is no UIDVALIDITY and no MODSEQ")
	}
	if s.take(' ') && s.peek() != '(' {
		q.Known = s.knownSet()
		s.take(' ')
	}
	if s.take('(') {
		q.Sequence = s.knownSet()
		s.space()
		q.UIDs = s.knownSet()
		s.want(')')
	}
	s.want(')')
	return q
}

// knownSet is a set without stars.
func (s *scanner) knownSet() []Range {
	set := s.set()
	for _, r := range set.Ranges {
		if r.First == Star || r.Last == Star {
			s.fail("* is not known")
		}
	}
	if set.Saved {
		s.fail("$ is not known")
	}
	return set.Ranges
}
