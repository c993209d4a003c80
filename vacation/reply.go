package vacation

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Reply is one answer to one sender.
type Reply struct {
	Account  int64        // whose answer it is
	About    mail.TraceID // of the message that is answered
	To       mail.Address // the reverse-path of that message
	From     mail.Address // in whose name
	FromName string
	Subject  string
	Text     string
	MIME     bool // Text is a whole part with its header
	What     string
	Again    time.Duration // after which To may get it again

	InReplyTo  string   // the identifier of the message, without brackets; "": it has none
	References []string // its own, without brackets
}

// defaultSubject is RFC 5230 section 4.3: what stands before that of the message.
const defaultSubject = "Auto: "

// maxReferences bounds the field; the first and the latest matter (RFC 5322 section
// 3.6.4).
const maxReferences = 20

// Answering makes the reply to a message with this header; subject "" is made of the
// message's own.
func Answering(h message.Header, r Reply) Reply {
	if id, err := h.MessageID(); err == nil {
		r.InReplyTo = id
		r.References = h.MessageIDs("References")
		if len(r.References) == 0 {
			r.References = h.MessageIDs("In-Reply-To")
		}
		if n := len(r.References); n > maxReferences {
			r.References = append(r.References[:1:1], r.References[n-maxReferences+1:]...)
		}
		r.References = append(slices.Clone(r.References), id)
	}
	if r.Subject == "" {
		r.Subject = strings.TrimSpace(defaultSubject + cmp.Or(h.Text("Subject"), "your message"))
	}
	return r
}

// Compose writes the reply as a message, without a Message-ID: submission adds it.
func (r *Reply) Compose(w io.Writer, now time.Time) error {
	d := message.Draft{
		From: []message.Mailbox{{Name: r.FromName, Address: r.From}}, To: []message.Mailbox{{Address: r.To}},
		Subject: r.Subject, Date: now, Text: r.Text, Fields: r.fields(),
	}
	if !r.MIME {
		return message.Compose(w, d)
	}
	return r.composeMIME(w, d)
}

// fields are those of RFC 3834 section 3.1: they keep other machines from answering.
func (r *Reply) fields() []message.Field {
	fields := []message.Field{
		message.NewField("Auto-Submitted", "auto-replied (vacation)"), // section 5.1
		message.NewField("X-Auto-Response-Suppress", "All"),
	}
	if r.InReplyTo != "" {
		var all []string
		for _, id := range r.References {
			all = append(all, "<"+id+">")
		}
		fields = append(fields, message.StructuredField("In-Reply-To", "<"+r.InReplyTo+">"), message.StructuredField("References", strings.Join(all, " ")))
	}
	return fields
}

// composeMIME puts the part that a script wrote behind the header of the message (RFC
// 5230 section 4.3). Only what belongs to a part is taken of its header.
func (r *Reply) composeMIME(w io.Writer, d message.Draft) error {
	var whole bytes.Buffer
	d.Text = ""
	if err := message.Compose(&whole, d); err != nil {
		return err
	}
	text := strings.ReplaceAll(strings.ReplaceAll(r.Text, "\r\n", "\n"), "\n", "\r\n")
	part := message.ParseHeader(text)
	var b strings.Builder
	for _, f := range message.ParseHeader(whole.String()).Fields {
		if !strings.HasPrefix(strings.ToLower(f.Name()), "content-") {
			b.WriteString(f.Raw())
		}
	}
	for _, f := range part.Fields {
		if strings.HasPrefix(strings.ToLower(f.Name()), "content-") {
			b.WriteString(strings.TrimSuffix(f.Raw(), "\r\n") + "\r\n")
		}
	}
	_, err := fmt.Fprintf(w, "%s\r\n%s", b.String(), strings.TrimSuffix(text[part.Size:], "\r\n")+"\r\n")
	return err
}
