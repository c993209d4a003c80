package message

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// Header is the header of a message or of a part: its fields in order, nothing
// dropped, nothing merged. The zero value is an empty header.
type Header struct {
	Fields   []Field
	Size     int       // octets, the empty line included
	Problems []Problem // found while reading
}

// First is the topmost field of a name.
func (h Header) First(name string) (Field, bool) {
	for _, f := range h.Fields {
		if f.Is(name) {
			return f, true
		}
	}
	return Field{}, false
}

// All yields the fields of a name from the top.
func (h Header) All(name string) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for _, f := range h.Fields {
			if f.Is(name) && !yield(f) {
				return
			}
		}
	}
}

// Has reports whether there is a field of this name.
func (h Header) Has(name string) bool {
	_, ok := h.First(name)
	return ok
}

// Count counts the fields of a name.
func (h Header) Count(name string) int {
	n := 0
	for range h.All(name) {
		n++
	}
	return n
}

// Value is the unfolded value of the topmost field of a name, "" without one.
func (h Header) Value(name string) string {
	f, _ := h.First(name)
	return f.Value()
}

// Text is Value with its encoded words decoded, as valid UTF-8.
func (h Header) Text(name string) string { return DecodeWords(h.Value(name)) }

// atMostOne are the fields that may stand only once: RFC 5322 section 3.6, and
// RFC 2045 section 3 for those of MIME.
var atMostOne = []string{
	"Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID",
	"In-Reply-To", "References", "Subject", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Content-Disposition", "Content-ID",
}

// Check judges the header as that of a whole message: fields that are missing,
// stand twice, cannot be read, or carry raw octets that are no UTF-8. What
// ReadHeader found comes first. A missing Message-ID is reported although RFC
// 5322 only says that it should be there: receivers ask for it.
func (h Header) Check() []Problem {
	problems := append([]Problem(nil), h.Problems...)
	for _, name := range []string{"From", "Date", "Message-ID"} {
		if !h.Has(name) {
			problems = append(problems, Problem{Code: Missing, Field: name})
		}
	}
	for _, name := range atMostOne {
		if n := h.Count(name); n > 1 {
			problems = append(problems, Problem{Code: Duplicate, Field: name, Detail: fmt.Sprintf("%d times", n)})
		}
	}
	for _, f := range h.Fields {
		if !utf8.ValidString(f.raw) {
			problems = append(problems, Problem{Code: EightBitHeader, Field: f.Name()})
		}
	}
	return append(problems, h.checkSyntax()...)
}

func (h Header) checkSyntax() []Problem {
	var problems []Problem
	report := func(f Field, err error) {
		if err != nil {
			problems = append(problems, Problem{Code: Unreadable, Field: f.Name(), Detail: err.Error()})
		}
	}
	for _, f := range h.Fields {
		switch strings.ToLower(f.Name()) {
		case "from", "sender", "reply-to", "to", "cc":
			_, err := ParseAddressList(f.Body())
			report(f, err)
		case "date":
			_, err := ParseDate(f.Value())
			report(f, err)
		case "message-id":
			_, err := parseMessageID(f.Value())
			report(f, err)
		}
	}
	if from, _ := h.From(); len(from) > 1 && !h.Has("Sender") {
		// RFC 5322 section 3.6.2: several authors need a Sender.
		problems = append(problems, Problem{Code: Missing, Field: "Sender", Detail: "From has several mailboxes"})
	}
	return problems
}
