package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
)

// maxStatus bounds the part for machines.
const maxStatus = 1 << 20

// ErrNoDSN says that a message is no delivery status notification.
var ErrNoDSN = errors.New("not a delivery status notification")

// ReadDSN reads a report. Whatever can be read of it is in the DSN; a message
// without the part for machines, or without a recipient in it, is ErrNoDSN.
func ReadDSN(r io.Reader) (DSN, error) {
	m, err := message.Read(r, message.Limits{})
	if err != nil {
		return DSN{}, fmt.Errorf("read a report: %w", err)
	}
	d := DSN{}
	d.takeHeader(m.Header)
	_, err = m.Walk(message.Limits{Depth: 6, Parts: 50}, d.visit)
	if err != nil {
		return DSN{}, fmt.Errorf("read a report: %w", err)
	}
	if len(d.Recipients) == 0 {
		return DSN{}, ErrNoDSN
	}
	return d, nil
}

func (d *DSN) takeHeader(h message.Header) {
	if from, err := h.From(); err == nil && len(from) > 0 {
		d.From = from[0].Address
	}
	if to, err := h.Addresses("To"); err == nil && len(to) > 0 {
		d.To = to[0].Address
	}
	d.MessageID, _ = h.MessageID() // a report without one is a report all the same
	d.Date, _ = h.Date()
}

func (d *DSN) visit(p *message.Part) error {
	switch p.Type {
	case "message/delivery-status", "message/global-delivery-status":
		if len(d.Recipients) == 0 { // one inside a returned message is not about it
			return d.takeStatus(io.LimitReader(p.Content(), maxStatus))
		}
	case "text/rfc822-headers", "message/global-headers":
		text, err := io.ReadAll(io.LimitReader(p.Content(), maxHeader))
		if err != nil {
			return err
		}
		d.takeOriginal(message.ParseHeader(string(text)))
	default:
		if p.Depth > 0 && p.Header.Has("Message-ID") {
			d.Full = true
			d.takeOriginal(p.Header)
		}
	}
	return nil
}

func (d *DSN) takeOriginal(h message.Header) {
	if d.OriginalID == "" {
		d.OriginalID, _ = h.MessageID() // may be missing
		d.OriginalSubject = h.Text("Subject")
	}
}

// takeStatus reads the groups of fields: the first about the message, each other
// about a recipient (RFC 3464 section 2.1).
func (d *DSN) takeStatus(r io.Reader) error {
	in := bufio.NewReader(r)
	for {
		group, err := readGroup(in)
		if len(group) > 0 {
			d.takeGroup(group)
		}
		if errors.Is(err, io.EOF) || len(d.Recipients) == maxRecipients {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fields are those of a group, by canonical name; of a field said twice the first.
type fields map[string]string

func readGroup(in *bufio.Reader) (fields, error) {
	group, last := fields{}, ""
	for {
		line, err := in.ReadString('\n')
		text := strings.TrimRight(line, "\r\n")
		name, value, isField := strings.Cut(text, ":")
		switch {
		case text == "" && (err != nil || len(group) > 0):
			return group, err
		case text == "":
		case text[0] == ' ' || text[0] == '\t':
			if last != "" {
				group[last] += " " + strings.TrimSpace(text)
			}
		case isField:
			last = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			if _, twice := group[last]; twice {
				last = ""
				break
			}
			group[last] = strings.TrimSpace(value)
		}
		if err != nil {
			return group, err
		}
	}
}

func (d *DSN) takeGroup(g fields) {
	if g["Final-Recipient"] == "" && g["Original-Recipient"] == "" {
		if mta := g["Reporting-Mta"]; mta != "" {
			d.ReportingMTA = typed(mta)
			d.EnvelopeID = g["Original-Envelope-Id"]
			d.Arrival = date(g["Arrival-Date"])
		}
		return
	}
	if g["Reporting-Mta"] != "" { // the blank line between message and recipient is often missing
		d.ReportingMTA = typed(g["Reporting-Mta"])
		d.EnvelopeID, d.Arrival = g["Original-Envelope-Id"], date(g["Arrival-Date"])
	}
	r := Recipient{
		Original: g["Original-Recipient"], FinalText: typed(g["Final-Recipient"]),
		Action: Action(strings.ToLower(firstWord(g["Action"]))), Status: status(g["Status"]),
		RemoteMTA: typed(g["Remote-Mta"]), Diagnostic: typed(g["Diagnostic-Code"]),
		LastAttempt: date(g["Last-Attempt-Date"]), RetryUntil: date(g["Will-Retry-Until"]),
	}
	if kind, address, ok := strings.Cut(r.Original, ";"); ok {
		r.Original = strings.ToLower(strings.TrimSpace(kind)) + ";" + strings.TrimSpace(address)
	}
	if a, err := mail.ParseAddress(strings.Trim(r.FinalText, "<>")); err == nil {
		r.Final = a
	}
	d.Recipients = append(d.Recipients, r)
}

// typed drops the type in front of a value: "rfc822; bob@example.org".
func typed(v string) string {
	if _, value, ok := strings.Cut(v, ";"); ok {
		return strings.TrimSpace(value)
	}
	return v
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// status reads "5.1.1 (no such user)".
func status(s string) mail.EnhancedCode {
	p := strings.Split(firstWord(s), ".")
	if len(p) != 3 {
		return mail.EnhancedCode{}
	}
	var n [3]int
	for i := range p {
		v, err := strconv.ParseUint(p[i], 10, 10)
		if err != nil || v > 999 {
			return mail.EnhancedCode{}
		}
		n[i] = int(v)
	}
	if n[0] != 2 && n[0] != 4 && n[0] != 5 {
		return mail.EnhancedCode{}
	}
	return mail.EnhancedCode{Class: n[0], Subject: n[1], Detail: n[2]}
}

func date(s string) time.Time {
	h := message.Header{Fields: []message.Field{message.NewField("Date", s)}}
	t, err := h.Date()
	if s == "" || err != nil {
		return time.Time{}
	}
	return t
}
