package policy

import (
	"context"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// loops ends messages that go around.
type loops struct{ o Options }

// Name is "loops".
func (*loops) Name() string { return "loops" }

// maxReceived is RFC 5321 section 6.3: at least 100 must be let pass.
const maxReceived = 100

// Decide counts Received fields, and looks for the mark that this server left on
// the message when it last went through for one of these recipients.
func (l *loops) Decide(_ context.Context, s *Session) Verdict {
	if n := s.Header.Count("Received"); n > maxReceived {
		return reject(554, routingLoop, "loop.hops", "the message goes around in circles").with(fmt.Sprintf("%d Received fields", n))
	}
	if !s.Header.Has(DeliveredTo) {
		return Verdict{}
	}
	been := l.traces(s.Recipients)
	for f := range s.Header.All(DeliveredTo) {
		if been[strings.ToLower(strings.Trim(f.Value(), "<>"))] {
			return reject(554, routingLoop, "loop.delivered", "the message was delivered here before").with(f.Value())
		}
	}
	return Verdict{}
}

// traces are what the message would have on it, worked out once: a header has room for
// thousands of fields, and a message for a thousand recipients.
func (l *loops) traces(recipients []Recipient) map[string]bool {
	been := make(map[string]bool, 2*len(recipients))
	for i := range recipients {
		home := recipients[i].Home
		been[strings.ToLower(home.String())] = true
		been[l.o.Mark(home).String()] = true
	}
	return been
}

// DeliveredTo is the field that shows a message where it has been. It has no RFC,
// and thirty years of use.
const DeliveredTo = "Delivered-To"

// LoopMarks are what a delivery leaves on the message: the recipient itself where it
// is the only one, and otherwise a mark for each that tells the others nothing.
func (p *Policy) LoopMarks(recipients []Recipient) []mail.Address {
	if len(recipients) == 1 {
		return []mail.Address{recipients[0].Home}
	}
	var marks []mail.Address
	for i := range recipients {
		if len(recipients[i].Destination.Forwards) > 0 { // only what leaves can come back
			marks = append(marks, p.o.Mark(recipients[i].Home))
		}
	}
	return marks
}
