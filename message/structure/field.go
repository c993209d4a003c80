package structure

import (
	"bytes"
	"strings"

	"github.com/allgreen-mail/allgreen/message"
)

// field names those fields of a header that are looked at.
type field uint8

const (
	noField field = iota
	contentType
	contentEncoding
	contentID
	contentDescription
	contentDisposition
	contentLanguage
	contentLocation
	contentMD5
	date
	subject
	from
	sender
	replyTo
	to
	cc
	bcc
	inReplyTo
	messageID
	references
)

// fieldOf is the field of a name; those of a message only where one is read.
func fieldOf(name []byte, ofMessage bool) field {
	var lower [len("content-transfer-encoding")]byte
	if len(name) > len(lower) {
		return noField
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	if f := ofPart(lower[:len(name)]); f != noField || !ofMessage {
		return f
	}
	return ofEnvelope(lower[:len(name)])
}

func ofPart(lower []byte) field {
	if len(lower) == 0 || lower[0] != 'c' {
		return noField
	}
	switch string(lower) {
	case "content-type":
		return contentType
	case "content-transfer-encoding":
		return contentEncoding
	case "content-id":
		return contentID
	case "content-description":
		return contentDescription
	case "content-disposition":
		return contentDisposition
	case "content-language":
		return contentLanguage
	case "content-location":
		return contentLocation
	case "content-md5":
		return contentMD5
	}
	return noField
}

func ofEnvelope(lower []byte) field {
	switch string(lower) {
	case "date":
		return date
	case "subject":
		return subject
	case "from":
		return from
	case "sender":
		return sender
	case "reply-to":
		return replyTo
	case "to":
		return to
	case "cc":
		return cc
	case "bcc":
		return bcc
	case "in-reply-to":
		return inReplyTo
	case "message-id":
		return messageID
	case "references":
		return references
	}
	return noField
}

// fields are the fields of one header, unfolded, one behind the other.
type fields struct {
	octets []byte
	found  []found
	text   string // octets, once the header is read
	open   bool   // the last of found is still being read
	spent  int    // octets of the headers of this message before this one
	most   int    // octets of this one
}

type found struct {
	field    field
	from, to int
}

// reset begins the next header of a message.
func (f *fields) reset() {
	spent := f.spent + len(f.octets)
	*f = fields{octets: f.octets[:0], found: f.found[:0], spent: spent, most: min(maxFields, max(leastFields, maxAllFields-spent))}
}

// header reads up to the body. It reports whether a delimiter came before that.
func (t *reader) header(ofMessage bool) (ended bool) {
	t.fields.reset()
	defer t.fields.done()
	for {
		if t.lineHead && t.delimiter() {
			return true
		}
		line := t.line()
		if len(line) == 0 {
			return false
		}
		whole := t.lineHead
		content, ends := bytes.CutSuffix(line, lineEnd)
		if ends {
			content = bytes.TrimSuffix(content, []byte("\r"))
		}
		switch {
		case whole && len(content) == 0:
			t.advance(len(line))
			return false
		case !whole || content[0] == ' ' || content[0] == '\t':
			t.fields.more(content)
		default:
			t.fields.next(content, ofMessage)
		}
		t.advance(len(line))
	}
}

// next takes in the first line of a field.
func (f *fields) next(line []byte, ofMessage bool) {
	f.open = false
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || len(f.octets) >= f.most {
		return
	}
	name := bytes.TrimRight(line[:colon], " \t") // RFC 5322 section 4.5.8 had white space there
	if which := fieldOf(name, ofMessage); which != noField {
		f.open = true
		f.found = append(f.found, found{field: which, from: len(f.octets), to: len(f.octets)})
		f.more(bytes.TrimLeft(line[colon+1:], " \t"))
	}
}

// more takes in what follows of a field: a folded line, or the rest of a long one.
func (f *fields) more(line []byte) {
	if !f.open {
		return
	}
	f.octets = append(f.octets, line[:min(len(line), max(0, f.most-len(f.octets)))]...)
	f.found[len(f.found)-1].to = len(f.octets)
}

// done ends the header. IMAP's strings have no NUL.
func (f *fields) done() {
	for i := range f.octets {
		if f.octets[i] == 0 {
			f.octets[i] = nulStands
		}
	}
	f.text = string(f.octets)
}

// nulStands is what NUL becomes: no character, and neither in ASCII nor in UTF-8.
const nulStands = 0x80

// first is the value of the topmost field of a name, and whether there is one.
func (f *fields) first(which field) (string, bool) {
	for _, at := range f.found {
		if at.field == which {
			return strings.Trim(f.text[at.from:at.to], " \t"), true
		}
	}
	return "", false
}

func (f *fields) value(which field) string {
	v, _ := f.first(which)
	return v
}

// addresses are those of all fields of a name.
func (f *fields) addresses(which field) []Address {
	var all []Address
	for _, at := range f.found {
		if at.field == which {
			all = appendAddresses(all, f.text[at.from:at.to])
		}
	}
	return all
}

// message tells m what the header says of it.
func (f *fields) message(m *Message) {
	e := &m.Envelope
	for _, v := range []struct {
		field field
		value *string
		empty emptyFields
	}{{date, &e.Date, emptyDate}, {subject, &e.Subject, emptySubject}, {inReplyTo, &e.InReplyTo, emptyInReplyTo}, {messageID, &e.MessageID, emptyMessageID}} {
		value, there := f.first(v.field)
		*v.value = value
		if there && value == "" {
			e.empty |= v.empty
		}
	}
	e.From, e.To, e.Cc, e.Bcc = f.addresses(from), f.addresses(to), f.addresses(cc), f.addresses(bcc)
	if e.Sender = f.addresses(sender); len(e.Sender) == 0 {
		e.Sender = e.From
	}
	if e.ReplyTo = f.addresses(replyTo); len(e.ReplyTo) == 0 {
		e.ReplyTo = e.From
	}
	if e.Date != "" {
		if at, err := message.ParseDate(e.Date); err == nil {
			m.Sent = at
		}
	}
	m.References = threadReferences(f.value(references), e.InReplyTo)
}

// part is what the header says of its part. Its type is the given one when the header
// names none, and text/plain when that cannot be read (RFC 2045 section 5.2).
func (f *fields) part(kind, subtype string) *Part {
	p := &Part{Type: kind, Subtype: subtype, Encoding: "7bit"}
	if v, ok := f.first(contentType); ok {
		p.setType(v)
	}
	if v := lower(firstToken(f.value(contentEncoding))); v != "" {
		p.Encoding = v
	}
	if v, ok := f.first(contentDisposition); ok {
		token, rest := cutToken(v)
		p.Disposition, p.DispositionParams = lower(token), params(rest)
	}
	p.ID, p.Description = f.value(contentID), f.value(contentDescription)
	p.MD5, p.Location = f.value(contentMD5), f.value(contentLocation)
	if v := f.value(contentLanguage); v != "" {
		p.Language = languages(v)
	}
	return p
}
