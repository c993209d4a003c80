package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/allgreen-mail/allgreen/message"
)

// form asks for a header that a person and a machine read alike. It refuses only
// where nobody could say who wrote the message; honest mistakes are noted.
type form struct{}

// Name is "form".
func (*form) Name() string { return "form" }

// Decide refuses a message without exactly one From field (RFC 5322 section 3.6),
// for its author cannot be judged (RFC 9989 section 5.3.1 leaves it to us).
func (*form) Decide(_ context.Context, s *Session) Verdict {
	h := s.Header
	if n := h.Count("From"); n != 1 {
		return reject(554, badContent, "form.from", "a message has exactly one From field").with(fmt.Sprintf("%d From fields", n))
	}
	if _, err := h.From(); err != nil {
		s.add("from-unreadable", err.Error())
	}
	switch date, err := h.Date(); {
	case !h.Has("Date"):
		s.add("date-missing", "")
	case err != nil:
		s.add("date-unreadable", err.Error())
	case date.Sub(s.Now) > 48*time.Hour, s.Now.Sub(date) > 60*24*time.Hour:
		s.add("date-far", date.Format(time.RFC1123Z))
	}
	if !h.Has("Message-ID") {
		s.add("message-id-missing", "")
	}
	for _, name := range once {
		if h.Count(name) > 1 {
			s.add("field-twice", name)
		}
	}
	for _, problem := range h.Problems {
		if problem.Code == message.NotAField {
			s.add("header-broken", problem.Detail)
			break
		}
	}
	return Verdict{}
}

// once are fields that mail programs show, and of which there may be one.
var once = []string{"Subject", "To", "Date", "Sender", "Reply-To", "Content-Type"}
