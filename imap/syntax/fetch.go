package syntax

import (
	"strconv"
	"strings"
)

// Fetch asks for data of messages (RFC 9051 section 6.4.5).
type Fetch struct {
	Set          Set
	Items        []FetchItem // macros are written out
	ChangedSince int64       // only messages changed since (RFC 7162 section 3.1.4.1); -1: all
	Vanished     bool        // tell which UIDs of the set are gone (RFC 7162 section 3.2.6)
}

// FetchKind is what a FetchItem asks for.
type FetchKind int

// The kinds. Those with a comment tell which fields of the item count.
const (
	FetchFlags FetchKind = iota
	FetchUID
	FetchInternalDate
	FetchSize     // RFC822.SIZE
	FetchModSeq   // RFC 7162
	FetchEnvelope //
	FetchBody     // BODY without a section: the structure, not extended
	FetchBodyStructure
	FetchSection    // BODY[...]: Section, Partial, Peek
	FetchBinary     // BINARY[...]: Section.Part, Partial, Peek
	FetchBinarySize // BINARY.SIZE[...]: Section.Part
	FetchRFC822     // as BODY[], but called RFC822
	FetchRFC822Header
	FetchRFC822Text
)

// fetchNames are the words of the kinds that are words only.
var fetchNames = map[string]FetchKind{
	"FLAGS": FetchFlags, "UID": FetchUID, "INTERNALDATE": FetchInternalDate, "RFC822.SIZE": FetchSize, "MODSEQ": FetchModSeq,
	"ENVELOPE": FetchEnvelope, "BODY": FetchBody, "BODYSTRUCTURE": FetchBodyStructure, "RFC822": FetchRFC822,
	"RFC822.HEADER": FetchRFC822Header, "RFC822.TEXT": FetchRFC822Text,
}

// FetchItem is one thing asked of each message.
type FetchItem struct {
	Kind    FetchKind
	Section Section
	Partial *Partial // nil: all of it
	Peek    bool     // does not set \Seen
}

// SetsSeen reports whether being asked for this makes a message seen.
func (i FetchItem) SetsSeen() bool {
	switch i.Kind {
	case FetchSection, FetchBinary:
		return !i.Peek
	case FetchRFC822, FetchRFC822Text:
		return true
	}
	return false
}

// Partial is <offset.count>: octets from Offset on, up to Count of them.
type Partial struct{ Offset, Count uint32 }

// SectionText is which text of a part a Section names.
type SectionText int

// The texts. The zero value is the part's own content, or without a part the whole
// message.
const (
	SectionAll SectionText = iota
	SectionHeader
	SectionFields    // HEADER.FIELDS: Fields
	SectionFieldsNot // HEADER.FIELDS.NOT: Fields
	SectionBody      // TEXT
	SectionMIME
)

var sectionNames = [...]string{"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"}

// Section names a text within a message (RFC 9051 section 6.4.5.1).
type Section struct {
	Part   []int // numbers from 1; empty: the message
	Text   SectionText
	Fields []string // as the client wrote them
}

// String is the section between its brackets, as it is answered. The names of fields
// come as they were sent, those with odd octets in quotes.
func (s Section) String() string {
	var b strings.Builder
	for i, n := range s.Part {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strconv.Itoa(n))
	}
	if s.Text != SectionAll {
		if len(s.Part) > 0 {
			b.WriteByte('.')
		}
		b.WriteString(sectionNames[s.Text])
	}
	if s.Text == SectionFields || s.Text == SectionFieldsNot {
		for i, f := range s.Fields {
			b.WriteString(map[bool]string{true: " (", false: " "}[i == 0])
			b.Write(appendAstring(nil, f))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// The macros (RFC 9051 section 6.4.5).
var fetchMacros = map[string][]FetchItem{
	"ALL":  {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchSize}, {Kind: FetchEnvelope}},
	"FAST": {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchSize}},
	"FULL": {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchSize}, {Kind: FetchEnvelope}, {Kind: FetchBody}},
}

func parseFetch(s *scanner) any {
	f := &Fetch{ChangedSince: -1}
	s.space()
	f.Set = s.set()
	s.space()
	if s.peek() == '(' {
		s.list(func() { f.Items = append(f.Items, s.fetchItem()) })
	} else {
		from := s.at
		name := strings.ToUpper(s.while(isFetchWord))
		if items, ok := fetchMacros[name]; ok {
			f.Items = items
		} else {
			s.at = from
			f.Items = []FetchItem{s.fetchItem()}
		}
	}
	if s.take(' ') {
		s.list(func() { s.fetchModifier(f) })
	}
	return f
}

func (s *scanner) fetchModifier(f *Fetch) {
	switch s.word() {
	case "CHANGEDSINCE":
		s.space()
		f.ChangedSince = s.number64()
	case "VANISHED":
		f.Vanished = true
	default:
		s.fail("unknown modifier of FETCH")
	}
}

// isFetchWord is what the name of an item is made of: a section's bracket ends it.
func isFetchWord(c byte) bool { return isAtom(c) && c != '[' && c != '<' }

func (s *scanner) fetchItem() (item FetchItem) {
	name := strings.ToUpper(s.while(isFetchWord))
	if s.peek() != '[' {
		kind, ok := fetchNames[name]
		if !ok {
			s.fail("unknown item of FETCH")
		}
		return FetchItem{Kind: kind}
	}
	switch name {
	case "BODY", "BODY.PEEK":
		item.Kind = FetchSection
	case "BINARY", "BINARY.PEEK":
		item.Kind = FetchBinary
	case "BINARY.SIZE":
		item.Kind = FetchBinarySize
	default:
		s.fail("this item has no section")
	}
	item.Peek = strings.HasSuffix(name, ".PEEK")
	item.Section = s.section(item.Kind)
	if s.peek() == '<' && item.Kind != FetchBinarySize {
		item.Partial = s.partial()
	}
	return item
}

// maxParts is how deep a part may lie.
const maxParts = 100

func (s *scanner) section(kind FetchKind) (sec Section) {
	s.want('[')
	for isDigit(s.peek()) {
		n := s.number()
		if n == 0 || len(sec.Part) >= maxParts {
			s.fail("no part has this number")
			return sec
		}
		sec.Part = append(sec.Part, int(n))
		if !s.take('.') {
			s.want(']')
			return sec
		}
	}
	if kind == FetchSection {
		s.sectionText(&sec)
	} else if len(sec.Part) > 0 {
		s.fail("a part is missing")
	}
	s.want(']')
	return sec
}

func (s *scanner) sectionText(sec *Section) {
	from := s.at
	switch strings.ToUpper(s.while(isFetchWord)) {
	case "":
		if len(sec.Part) > 0 {
			s.fail("a part or text is missing")
		}
	case "HEADER":
		sec.Text = SectionHeader
	case "HEADER.FIELDS":
		sec.Text = SectionFields
	case "HEADER.FIELDS.NOT":
		sec.Text = SectionFieldsNot
	case "TEXT":
		sec.Text = SectionBody
	case "MIME":
		if sec.Text = SectionMIME; len(sec.Part) == 0 {
			s.fail("MIME needs a part")
		}
	default:
		s.at = from
		s.fail("unknown section")
	}
	if sec.Text == SectionFields || sec.Text == SectionFieldsNot {
		s.space()
		s.list(func() { sec.Fields = append(sec.Fields, s.astring()) })
	}
}

func (s *scanner) partial() *Partial {
	p := &Partial{}
	s.want('<')
	p.Offset = s.number()
	s.want('.')
	if p.Count = s.number(); p.Count == 0 {
		s.fail("no octets are asked for")
	}
	s.want('>')
	return p
}
