package queue

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// envelope is the part of a job that no query asks for, as JSON in one column.
type envelope struct {
	From       string              `json:"from"`
	EnvelopeID string              `json:"envid,omitempty"`
	Return     string              `json:"ret,omitempty"`
	RequireTLS bool                `json:"requiretls,omitempty"`
	SMTPUTF8   bool                `json:"smtputf8,omitempty"`
	EightBit   bool                `json:"8bit,omitempty"`
	Egress     netip.Addr          `json:"egress,omitzero"`
	Recipients []envelopeRecipient `json:"to"`
}

type envelopeRecipient struct {
	To       string   `json:"to"`
	Notify   []string `json:"notify,omitempty"`
	Original string   `json:"orcpt,omitempty"`
	Reply    string   `json:"reply,omitempty"`
	Host     string   `json:"host,omitempty"`
}

func envelopeOf(m *Message, recipients []Recipient) envelope {
	e := envelope{From: m.From.String(), EnvelopeID: m.EnvelopeID, Return: m.Return,
		RequireTLS: m.RequireTLS, SMTPUTF8: m.SMTPUTF8, EightBit: m.EightBit, Egress: m.Egress,
		Recipients: make([]envelopeRecipient, 0, len(recipients))}
	for _, r := range recipients {
		e.Recipients = append(e.Recipients, envelopeRecipient{To: r.To.String(), Notify: r.Notify, Original: r.Original})
	}
	return e
}

// envelopeOfJob is what is written back when some recipients are done.
func envelopeOfJob(j *Job, left []Pending) envelope {
	e := envelope{From: j.From.String(), EnvelopeID: j.EnvelopeID, Return: j.Return,
		RequireTLS: j.RequireTLS, SMTPUTF8: j.SMTPUTF8, EightBit: j.EightBit, Egress: j.Egress,
		Recipients: make([]envelopeRecipient, 0, len(left))}
	for _, p := range left {
		e.Recipients = append(e.Recipients, envelopeRecipient{To: p.To.String(), Notify: p.Notify,
			Original: p.Original, Reply: clip(p.Reply, maxReply), Host: p.Host})
	}
	return e
}

func (e *envelope) encode() (string, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("write the envelope: %w", err)
	}
	return string(text), nil
}

// fill reads the column into a job.
func (j *Job) fill(text string) error {
	var e envelope
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return fmt.Errorf("read the envelope of job %d: %w", j.ID, err)
	}
	j.From = parseStored(e.From)
	j.EnvelopeID, j.Return, j.RequireTLS = e.EnvelopeID, e.Return, e.RequireTLS
	j.SMTPUTF8, j.EightBit, j.Egress = e.SMTPUTF8, e.EightBit, e.Egress
	j.Recipients = make([]Pending, 0, len(e.Recipients))
	for _, r := range e.Recipients {
		j.Recipients = append(j.Recipients, Pending{
			Recipient: Recipient{To: parseStored(r.To), Notify: r.Notify, Original: r.Original}, Reply: r.Reply, Host: r.Host})
	}
	return nil
}

// parseStored reads an address. One that cannot be read, of another version's making, is
// taken apart as far as it goes, and left to the other side to refuse: it must not stop
// the rows that are claimed with it.
func parseStored(s string) mail.Address {
	a, err := mail.ParsePath("<" + s + ">")
	if err == nil {
		return a
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return mail.Address{Local: s}
	}
	domain, err := mail.ParseDomain(s[at+1:])
	if err != nil {
		return mail.Address{Local: s}
	}
	return mail.Address{Local: s[:at], Domain: domain}
}

// maxReply bounds what is remembered of an answer.
const maxReply = 2000

// clip cuts a text at limit octets, not inside a character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 {
		limit--
	}
	return s[:limit]
}
