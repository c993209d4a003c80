package message

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
)

// ErrNoField says that the header has no field of the name asked for.
var ErrNoField = errors.New("there is no such field")

// Date is the time of the Date field (RFC 5322 section 3.3, obsolete zones
// included). The error wraps ErrNoField when there is none.
func (h Header) Date() (time.Time, error) {
	f, ok := h.First("Date")
	if !ok {
		return time.Time{}, fmt.Errorf("%w: Date", ErrNoField)
	}
	return ParseDate(f.Value())
}

// usualDate is how nearly everybody writes a date.
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// ParseDate reads the unfolded value of a Date field, in the zone it names.
func ParseDate(value string) (time.Time, error) {
	// net/mail tries a dozen forms, and makes an error for each that does not fit.
	if t, err := time.Parse(usualDate, value); err == nil {
		return t, nil
	}
	t, err := netmail.ParseDate(value)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.60q is not a date", value)
	}
	return t, nil
}

// MessageID is the identifier of the message without its angle brackets. The
// error wraps ErrNoField when there is none.
func (h Header) MessageID() (string, error) {
	f, ok := h.First("Message-ID")
	if !ok {
		return "", fmt.Errorf("%w: Message-ID", ErrNoField)
	}
	return parseMessageID(f.Value())
}

// parseMessageID is loose about the two sides and strict about the brackets and
// the @ between them (RFC 5322 section 3.6.4).
func parseMessageID(value string) (string, error) {
	id, ok := strings.CutPrefix(value, "<")
	if ok {
		id, ok = strings.CutSuffix(id, ">")
	}
	at := strings.LastIndexByte(id, '@')
	if !ok || at <= 0 || at == len(id)-1 || strings.ContainsAny(id, "<> \t") {
		return "", fmt.Errorf("%.80q is not a message identifier", value)
	}
	return id, nil
}

// MessageIDs are the identifiers in a field such as References or In-Reply-To,
// without their brackets. What is no identifier is left out.
func (h Header) MessageIDs(name string) []string {
	var ids []string
	for word := range strings.FieldsSeq(strings.ReplaceAll(h.Value(name), "><", "> <")) {
		if id, err := parseMessageID(word); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
