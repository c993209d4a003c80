package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/submit"
)

// Letter is a message as JSON. Addresses are written as in mail: "anna@example.com"
// or "Anna <anna@example.com>"; lists take one string as well.
type Letter struct {
	From        string            `json:"from"`
	Sender      string            `json:"sender,omitempty"`
	To          addresses         `json:"to,omitempty"`
	Cc          addresses         `json:"cc,omitempty"`
	Bcc         addresses         `json:"bcc,omitempty"`
	ReplyTo     addresses         `json:"reply_to,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Text        string            `json:"text,omitempty"`
	HTML        string            `json:"html,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // more fields, as List-Unsubscribe
	Attachments []LetterFile      `json:"attachments,omitempty"`
	ReturnPath  string            `json:"return_path,omitempty"` // the reverse-path; "": the address of From
	RequireTLS  bool              `json:"require_tls,omitempty"` // RFC 8689: rather not than in the clear
}

// LetterFile is a file in a Letter.
type LetterFile struct {
	Name      string `json:"name"`
	Type      string `json:"type,omitempty"`
	Content   []byte `json:"content"`              // base64
	ContentID string `json:"content_id,omitempty"` // for cid: in the HTML
}

// addresses is a list, or one string.
type addresses []string

// UnmarshalJSON reads either.
func (a *addresses) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = addresses{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// readLetter reads JSON strictly, fills in the envelope, and gives what is to be
// composed.
func readLetter(text []byte, s *submit.Submission) (message.Draft, error) {
	var l Letter
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return message.Draft{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return message.Draft{}, errors.New("there is something behind the message")
	}
	draft, err := l.draft()
	if err != nil {
		return draft, err
	}
	return draft, l.envelope(&draft, s)
}

// draft parses everything that has a syntax.
func (l *Letter) draft() (d message.Draft, err error) {
	d = message.Draft{Subject: l.Subject, Text: l.Text, HTML: l.HTML}
	if d.From, err = boxes("from", addresses{l.From}); err != nil {
		return d, err
	}
	if l.Sender != "" {
		sender, err := boxes("sender", addresses{l.Sender})
		if err != nil || len(sender) != 1 {
			return d, errors.Join(errors.New("sender: one address"), err)
		}
		d.Sender = sender[0]
	}
	for _, list := range []struct {
		name string
		from addresses
		to   *[]message.Mailbox
	}{{"to", l.To, &d.To}, {"cc", l.Cc, &d.Cc}, {"reply_to", l.ReplyTo, &d.ReplyTo}} {
		if *list.to, err = boxes(list.name, list.from); err != nil {
			return d, err
		}
	}
	for _, f := range l.Attachments {
		d.Attachments = append(d.Attachments, message.Attachment{Name: f.Name, Type: f.Type, ContentID: f.ContentID, Content: bytes.NewReader(f.Content)})
	}
	d.Fields, err = l.fields()
	return d, err
}

func boxes(name string, list addresses) (all []message.Mailbox, err error) {
	for _, text := range list {
		some, err := message.ParseAddressList(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// ours are the fields that the API writes itself, or that only servers write.
var ours = []string{
	"From", "Sender", "To", "Cc", "Bcc", "Reply-To", "Subject", "Return-Path", "Received", "DKIM-Signature",
	"MIME-Version", "Authentication-Results", "Resent-From", "Resent-Sender", "Resent-Bcc",
}

// maxHeader is the longest value of a field; folded, its lines stay within what mail
// can carry.
const maxHeader = 8000

// fields checks the additional ones: what has a syntax of its own must be ASCII and
// foldable, everything else is text.
func (l *Letter) fields() (all []message.Field, err error) {
	names := make([]string, 0, len(l.Headers))
	for name := range l.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := l.Headers[name]
		f := message.StructuredField(name, value)
		switch {
		case f.Name() != name || len(name) > 70:
			return nil, fmt.Errorf("headers: %q is no name of a field", name)
		case slices.ContainsFunc(ours, f.Is) || strings.HasPrefix(strings.ToLower(name), "content-"):
			return nil, fmt.Errorf("headers: %s is not for you to write", name)
		case strings.ContainsAny(value, "\r\n") || len(value) > maxHeader:
			return nil, fmt.Errorf("headers: the value of %s has line ends, or more than %d octets", name, maxHeader)
		case !isFoldable(value):
			f = message.TextField(name, value)
		}
		all = append(all, f)
	}
	return all, nil
}

// isFoldable reports whether a value can stand as it is: ASCII, and no word longer
// than a line may be.
func isFoldable(value string) bool {
	for word := range strings.SplitSeq(value, " ") {
		if len(word) > 900 || strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return true
}

// envelope is who gets it and who is told when they do not.
func (l *Letter) envelope(d *message.Draft, s *submit.Submission) error {
	bcc, err := boxes("bcc", l.Bcc)
	if err != nil {
		return err
	}
	for _, m := range slices.Concat(d.To, d.Cc, bcc) {
		s.To = append(s.To, queue.Recipient{To: m.Address})
	}
	s.RequireTLS = l.RequireTLS
	switch {
	case l.ReturnPath != "":
		if s.From, err = mail.ParseAddress(l.ReturnPath); err != nil {
			return fmt.Errorf("return_path: %w", err)
		}
	case !d.Sender.Address.IsZero():
		s.From = d.Sender.Address
	case len(d.From) > 0:
		s.From = d.From[0].Address
	}
	return nil
}
