package syntax

import "strings"

// Sort asks for the messages that match, in an order (RFC 5256 section 3, RFC 5267).
type Sort struct {
	Order  []SortKey
	Search Search // its Charset is always said
}

// SortKey is one criterion.
type SortKey struct {
	By      SortBy
	Reverse bool
}

// SortBy is what messages are sorted by.
type SortBy int

// The criteria. The zero value is the date of arrival.
const (
	SortArrival SortBy = iota
	SortCc
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom // RFC 5957
	SortDisplayTo
)

var sortNames = map[string]SortBy{
	"ARRIVAL": SortArrival, "CC": SortCc, "DATE": SortDate, "FROM": SortFrom, "SIZE": SortSize, "SUBJECT": SortSubject, "TO": SortTo,
	"DISPLAYFROM": SortDisplayFrom, "DISPLAYTO": SortDisplayTo,
}

func parseSort(s *scanner) any {
	sort := &Sort{}
	s.space()
	if s.maybeWord("RETURN") {
		s.space()
		sort.Search.Return = s.searchReturn()
		s.space()
	}
	s.list(func() { sort.Order = append(sort.Order, s.sortKey()) })
	s.space()
	s.charsetAndKeys(&sort.Search)
	return sort
}

func (s *scanner) sortKey() (k SortKey) {
	name := s.word()
	if name == "REVERSE" {
		k.Reverse = true
		s.space()
		name = s.word()
	}
	by, ok := sortNames[name]
	if !ok {
		s.fail("unknown criterion of SORT")
	}
	k.By = by
	return k
}

// charsetAndKeys is what SORT and THREAD end with.
func (s *scanner) charsetAndKeys(search *Search) {
	search.Charset = strings.ToUpper(s.astring())
	s.space()
	search.Key = s.searchKeys()
}

// Thread asks for the messages that match, in threads (RFC 5256 section 3).
type Thread struct {
	Algorithm string // ORDEREDSUBJECT or REFERENCES
	Search    Search // its Charset is always said
}

func parseThread(s *scanner) any {
	t := &Thread{}
	s.space()
	if t.Algorithm = s.word(); t.Algorithm != "ORDEREDSUBJECT" && t.Algorithm != "REFERENCES" {
		s.fail("unknown algorithm of THREAD")
	}
	s.space()
	s.charsetAndKeys(&t.Search)
	return t
}
