package message

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"
)

// Draft is a message to be written: what a person or a program has to say, before
// it is MIME. Blind recipients have no place in it. The zero value lacks its From.
type Draft struct {
	From        []Mailbox // at least one
	Sender      Mailbox   // needed when there are several in From (RFC 5322 section 3.6.2)
	To, Cc      []Mailbox
	ReplyTo     []Mailbox
	Subject     string
	Date        time.Time    // zero: no Date field, submission adds it
	MessageID   string       // without angle brackets; "": no field
	Fields      []Field      // more of them, as they are
	Text, HTML  string       // either or both
	Attachments []Attachment // in this order
}

// Attachment is a file that travels with a Draft.
type Attachment struct {
	Name      string    // shown to the reader, any text up to 255 octets
	Type      string    // "image/png"; "": application/octet-stream
	ContentID string    // without angle brackets: the HTML shows it as cid:...
	Content   io.Reader // read once, never whole in memory
}

// ErrDraft is wrapped by every error of Compose but those of writing and reading.
var ErrDraft = errors.New("not a message that can be written")

// Compose writes the draft as a message with CRLF lines: one part when there is
// one, multipart/alternative for text with HTML, multipart/related around images
// that the HTML shows, multipart/mixed around attachments (RFC 2046 section 5.1,
// RFC 2387). All of it is ASCII but the UTF-8 local parts of addresses.
func Compose(w io.Writer, d Draft) error {
	if err := d.check(); err != nil {
		return err
	}
	c := &composer{w: w}
	for _, f := range d.fields() {
		c.print(f.Raw())
	}
	c.print("MIME-Version: 1.0\r\n")
	c.entity(d.tree())
	return c.err
}

func (d *Draft) check() error {
	if len(d.From) == 0 {
		return fmt.Errorf("%w: there is no From", ErrDraft)
	}
	if len(d.From) > 1 && d.Sender.Address.IsZero() {
		return fmt.Errorf("%w: several From addresses need a Sender", ErrDraft)
	}
	for _, a := range d.Attachments {
		if err := a.check(); err != nil {
			return err
		}
	}
	return nil
}

// maxName bounds a file's name, as file systems do.
const maxName = 255

func (a *Attachment) check() error {
	if len(a.Name) > maxName {
		return fmt.Errorf("%w: the name of an attachment has %d octets, over %d", ErrDraft, len(a.Name), maxName)
	}
	kind, _, err := mime.ParseMediaType(cmp.Or(a.Type, octets))
	if err != nil || strings.HasPrefix(kind, "multipart/") || !strings.Contains(kind, "/") {
		return fmt.Errorf("%w: %.80q is no type of an attachment", ErrDraft, a.Type)
	}
	if strings.ContainsAny(a.ContentID, "<> \t\r\n") || !isPrintableASCII(a.ContentID) {
		return fmt.Errorf("%w: %.80q is no content id", ErrDraft, a.ContentID)
	}
	return nil
}

const octets = "application/octet-stream"

func (d *Draft) fields() []Field {
	var fields []Field
	addresses := func(name string, boxes ...Mailbox) {
		if len(boxes) > 0 && !boxes[0].Address.IsZero() {
			fields = append(fields, AddressField(name, boxes...))
		}
	}
	if !d.Date.IsZero() {
		fields = append(fields, NewField("Date", d.Date.Format(time.RFC1123Z)))
	}
	addresses("From", d.From...)
	addresses("Sender", d.Sender)
	addresses("Reply-To", d.ReplyTo...)
	addresses("To", d.To...)
	addresses("Cc", d.Cc...)
	if d.Subject != "" {
		fields = append(fields, TextField("Subject", d.Subject))
	}
	if d.MessageID != "" {
		fields = append(fields, NewField("Message-ID", "<"+d.MessageID+">"))
	}
	return append(fields, d.Fields...)
}

// entity is a node of the MIME structure to be written: a leaf, or a multipart.
type entity struct {
	header  []Field
	leaf    leaf
	subtype string // of the multipart; "" for a leaf
	parts   []entity
}

// tree is the structure of the draft.
func (d *Draft) tree() entity {
	var inline, attached []entity
	for _, a := range d.Attachments {
		if a.ContentID != "" && d.HTML != "" {
			inline = append(inline, a.entity("inline"))
		} else {
			attached = append(attached, a.entity("attachment"))
		}
	}
	html := multipart("related", append([]entity{textEntity("html", d.HTML)}, inline...)...)
	body := textEntity("plain", d.Text)
	switch {
	case d.HTML != "" && d.Text != "":
		// The last alternative is the best one (RFC 2046 section 5.1.4).
		body = multipart("alternative", body, html)
	case d.HTML != "":
		body = html
	}
	return multipart("mixed", append([]entity{body}, attached...)...)
}

// multipart puts parts together; one alone needs no container.
func multipart(subtype string, parts ...entity) entity {
	if len(parts) == 1 {
		return parts[0]
	}
	return entity{subtype: subtype, parts: parts}
}

func (a *Attachment) entity(disposition string) entity {
	kind, params, _ := mime.ParseMediaType(cmp.Or(a.Type, octets))
	if strings.HasPrefix(kind, "message/") {
		kind, params = octets, nil // those may not be base64 (RFC 2046 section 5.2.1)
	}
	shown := map[string]string{}
	if name := oneLine(a.Name); name != "" {
		shown["filename"] = name
	}
	e := entity{leaf: bytesLeaf(a.Content), header: []Field{
		NewField("Content-Type", mime.FormatMediaType(kind, params)),
		StructuredField("Content-Disposition", mime.FormatMediaType(disposition, shown)),
	}}
	if a.ContentID != "" {
		e.header = append(e.header, NewField("Content-ID", "<"+a.ContentID+">"))
	}
	return e
}

// composer writes entities and remembers the first error.
type composer struct {
	w   io.Writer
	err error
}

func (c *composer) print(s string) {
	if c.err == nil {
		_, c.err = io.WriteString(c.w, s)
	}
}

func (c *composer) entity(e entity) {
	if e.subtype == "" {
		for _, f := range e.header {
			c.print(f.Raw())
		}
		c.print("Content-Transfer-Encoding: " + e.leaf.encoding + "\r\n\r\n")
		if c.err == nil {
			c.err = e.leaf.write(c.w)
		}
		return
	}
	// "=_" stands in no quoted-printable or base64 text (RFC 2045 section 6.7).
	boundary := "=_" + rand.Text()
	c.print("Content-Type: multipart/" + e.subtype + "; boundary=\"" + boundary + "\"\r\n\r\n")
	for _, part := range e.parts {
		c.print("--" + boundary + "\r\n")
		c.entity(part)
		c.print("\r\n")
	}
	c.print("--" + boundary + "--\r\n")
}
