package structure

import "time"

// Message is a message taken apart.
type Message struct {
	Size       int64 // octets
	Envelope   Envelope
	Sent       time.Time // of the Date field, in the zone it names; zero: none that can be read
	References []string  // identifiers of the messages before it in its thread, oldest first, as RFC 5256 section 2.2 picks them; without angle brackets
	Root       *Part     // the message itself; nil after DecodeHead
}

// Envelope is what IMAP calls by that name (RFC 9051 section 7.5.2): fields of the
// header, unfolded and otherwise as they stand there, encoded words included.
type Envelope struct {
	Date, Subject        string
	From, Sender         []Address // Sender is From where the header has none
	ReplyTo, To, Cc, Bcc []Address // ReplyTo likewise
	InReplyTo, MessageID string

	empty emptyFields
}

// emptyFields are those that the header has without a value: IMAP tells them from
// those that it has not.
type emptyFields uint8

const (
	emptyDate emptyFields = 1 << iota
	emptySubject
	emptyInReplyTo
	emptyMessageID
)

// Address is one entry of an address field. A group is an entry with only a Mailbox,
// its name, then its members, then the zero Address.
type Address struct {
	Name    string // the display name, its encoded words not decoded
	Route   string // the source route, obsolete
	Mailbox string // the local part, unquoted
	Host    string // the domain as it is written
}

// Range is a piece of the message: octets from Start up to but not including End.
type Range struct{ Start, End int64 }

// Size is the number of octets.
func (r Range) Size() int64 { return r.End - r.Start }

// Param is a parameter of Content-Type or Content-Disposition.
type Param struct {
	Name  string // lower case; with a "*" at its end the value is that of RFC 2231 section 4
	Value string
}

// Part is one node of the MIME structure.
type Part struct {
	Type, Subtype     string // lower case
	Params            []Param
	ID                string // Content-ID, with its angle brackets
	Description       string
	Encoding          string // Content-Transfer-Encoding, lower case; "7bit" by default
	MD5               string
	Disposition       string // lower case; "" without one
	DispositionParams []Param
	Language          []string
	Location          string

	Lines  int64 // line ends in the body
	Header Range // of the part; for the message itself its header. The empty line is included
	Body   Range // the content as it is encoded

	// Children are the parts of a multipart, which has at least one. A message in the
	// message has one child: that message, as if it stood alone.
	Children []*Part
	Envelope *Envelope // of the message that this part is; nil for all other parts
}

// IsMultipart reports whether the part holds others side by side.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" }

// IsMessage reports whether the part is a message that was taken apart: its one child
// is that message.
func (p *Part) IsMessage() bool { return p.Envelope != nil }

// Find gives the part that IMAP means by a section number (RFC 9051 section 6.4.5.1);
// none is the message itself, nil says that there is no such part.
func (m *Message) Find(section []int) *Part {
	p := m.Root
	for i, n := range section {
		switch {
		case i > 0 && p.IsMessage():
			p = p.Children[0]
		case i > 0 && !p.IsMultipart():
			return nil
		}
		switch {
		case p.IsMultipart() && n >= 1 && n <= len(p.Children):
			p = p.Children[n-1]
		case !p.IsMultipart() && n == 1:
			// A message that is no multipart is itself its part 1.
		default:
			return nil
		}
	}
	return p
}
