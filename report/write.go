package report

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// Limits of what is written and returned.
const (
	maxReturned   = 1 << 20   // octets of a message returned whole; of a longer one the header
	maxHeader     = 128 << 10 // octets of a header returned
	maxDiagnostic = 2000      // octets of a reply
	maxRecipients = 1000
)

// ErrDSN is wrapped by the errors of Write about what it was given.
var ErrDSN = errors.New("not a report that can be written")

// Write writes the report as a message with CRLF lines. What is returned of the
// original is bounded: a header to 128 KB, a whole message to a megabyte, and the
// header of a longer one.
func (d DSN) Write(w io.Writer) error {
	if d.From.IsZero() || len(d.Recipients) == 0 || len(d.Recipients) > maxRecipients {
		return fmt.Errorf("a report from %s on %d recipients: %w", d.From.Path(), len(d.Recipients), ErrDSN)
	}
	returned, err := d.take()
	if err != nil {
		return err
	}
	out := &writer{w: bufio.NewWriter(w), boundary: "report-" + rand.Text()}
	out.header(&d)
	out.part("text/plain; charset=utf-8", "quoted-printable", qp(d.text(returned)))
	status, encoding := "message/delivery-status", "7bit"
	if d.international() {
		status, encoding = "message/global-delivery-status", "8bit"
	}
	out.part(status, encoding, []byte(d.status()))
	if returned.kind != "" {
		out.part(returned.kind, returned.encoding, returned.octets)
	}
	out.print("--" + out.boundary + "--\r\n")
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.err
}

// returned is what goes back of the original.
type returned struct {
	kind, encoding string
	octets         []byte
	header         message.Header
}

// take reads what is to be returned.
func (d *DSN) take() (returned, error) {
	if d.Original == nil {
		return returned{}, nil
	}
	limit := int64(maxHeader)
	if d.Full {
		limit = maxReturned + 1
	}
	octets, err := io.ReadAll(io.LimitReader(d.Original, limit))
	if err != nil {
		return returned{}, fmt.Errorf("read the message that is reported on: %w", err)
	}
	end := headerEnd(octets)
	r := returned{octets: octets, kind: "message/rfc822", encoding: "7bit", header: message.ParseHeader(string(octets[:end]))}
	if !d.Full || len(octets) > maxReturned {
		r.octets, r.kind = octets[:min(end, maxHeader)], "text/rfc822-headers"
	}
	if hasEightBit(r.octets) {
		r.encoding = "8bit"
	}
	if hasEightBit(octets[:end]) || d.international() { // RFC 6533 section 5
		r.kind = map[string]string{"message/rfc822": "message/global", "text/rfc822-headers": "message/global-headers"}[r.kind]
	}
	return r, nil
}

// headerEnd is where the header ends, its last line end included.
func headerEnd(octets []byte) int {
	if i := bytes.Index(octets, []byte("\r\n\r\n")); i >= 0 {
		return i + 2
	}
	return len(octets)
}

func hasEightBit(octets []byte) bool {
	for _, c := range octets {
		if c > 127 {
			return true
		}
	}
	return false
}

func qp(text string) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	io.WriteString(w, text) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

type writer struct {
	w        *bufio.Writer
	boundary string
	err      error
}

func (o *writer) print(s string) {
	if o.err == nil {
		_, o.err = o.w.WriteString(s)
	}
}

func (o *writer) header(d *DSN) {
	o.print(message.AddressField("From", message.Mailbox{Name: "Mail Delivery System", Address: d.From}).Raw())
	if !d.To.IsZero() {
		o.print(message.AddressField("To", message.Mailbox{Address: d.To}).Raw())
	}
	o.print(message.TextField("Subject", d.subject()).Raw())
	if !d.Date.IsZero() {
		o.print(message.NewField("Date", d.Date.Format(time.RFC1123Z)).Raw())
	}
	if d.MessageID != "" {
		o.print(message.NewField("Message-ID", "<"+d.MessageID+">").Raw())
	}
	o.print("Auto-Submitted: auto-replied\r\n") // RFC 3834 section 5
	o.print("MIME-Version: 1.0\r\n")
	o.print("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"" + o.boundary + "\"\r\n\r\n")
}

func (o *writer) part(kind, encoding string, octets []byte) {
	o.print("--" + o.boundary + "\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n")
	if o.err == nil {
		_, o.err = o.w.Write(octets)
	}
	o.print("\r\n")
}

func (d *DSN) subject() string {
	switch d.action() {
	case Failed:
		return "Your message could not be delivered"
	case Delayed:
		return "Your message is delayed, and is still being tried"
	case Relayed:
		return "Your message was passed on"
	}
	return "Your message was delivered"
}

// status is the part for machines.
func (d *DSN) status() string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			b.WriteString(message.StructuredField(name, value).Raw())
		}
	}
	field("Original-Envelope-Id", printable(d.EnvelopeID, false))
	field("Reporting-MTA", "dns; "+printable(d.ReportingMTA, false))
	if !d.Arrival.IsZero() {
		field("Arrival-Date", d.Arrival.Format(time.RFC1123Z))
	}
	international := d.international()
	for i := range d.Recipients {
		b.WriteString("\r\n")
		d.Recipients[i].fields(field, international)
	}
	return b.String()
}

func (r *Recipient) fields(field func(name, value string), international bool) {
	if r.Original != "" {
		kind, address, _ := strings.Cut(r.Original, ";")
		field("Original-Recipient", printable(kind, false)+"; "+printable(strings.TrimSpace(address), international))
	}
	kind := "rfc822; "
	if r.Final.NeedsSMTPUTF8() {
		kind = "utf-8; " // RFC 6533 section 3
	}
	field("Final-Recipient", kind+r.Final.String())
	field("Action", string(r.Action))
	field("Status", r.Status.String())
	if r.RemoteMTA != "" {
		field("Remote-MTA", "dns; "+printable(r.RemoteMTA, false))
	}
	if r.Diagnostic != "" {
		kind := "x-allgreen; "
		if r.isReply() {
			kind = "smtp; "
		}
		field("Diagnostic-Code", kind+printable(cut(r.Diagnostic, maxDiagnostic), international))
	}
	if !r.LastAttempt.IsZero() {
		field("Last-Attempt-Date", r.LastAttempt.Format(time.RFC1123Z))
	}
	if r.Action == Delayed && !r.RetryUntil.IsZero() {
		field("Will-Retry-Until", r.RetryUntil.Format(time.RFC1123Z))
	}
}

// printable makes one line of what a stranger said; outside a "global" report only
// ASCII may stand (RFC 3464 section 2.1).
func printable(s string, international bool) string {
	line := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r > 0x7f && !international:
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.Join(strings.Fields(line), " ")
}

// cut shortens a text, not inside a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// addressText is an address for people: the domain as they know it.
func addressText(a mail.Address) string {
	if a.Domain.IsZero() {
		return a.String()
	}
	return strings.TrimSuffix(a.String(), a.Domain.String()) + a.Domain.Unicode()
}
