package syntax

import (
	"strings"
	"time"
)

// MaxDepth is how deep search keys may be nested.
const MaxDepth = 50

// Search asks which messages match (RFC 9051 section 6.4.4).
type Search struct {
	Return  SearchReturn
	Charset string // of the strings, in upper case; empty: not said
	Key     SearchKey
}

// SearchReturn is what is told of the messages that match (RFC 4731, RFC 5182).
type SearchReturn struct {
	Extended                    bool // RETURN was said: the answer is ESEARCH
	Min, Max, All, Count, Saved bool // RETURN () means All
}

// SearchOp is what a SearchKey asks.
type SearchOp int

// The questions. Those with a comment tell which fields of the key count; UN... and
// NOT are a Not around another.
const (
	SearchAll      SearchOp = iota
	SearchAnd               // Keys
	SearchOr                // Keys, two of them
	SearchNot               // Keys, one
	SearchFlag              // Text: \Seen, or a keyword
	SearchRecent            // no message ever is
	SearchSequence          // Set
	SearchUID               // Set
	SearchHeader            // Field in lower case; Text is in it, or with Text "" it is there
	SearchBody              // Text
	SearchText              // Text
	SearchLarger            // Number: octets
	SearchSmaller           // Number
	SearchBefore            // Date: the internal date is on an earlier day
	SearchOn                // Date
	SearchSince             // Date: on this day or later
	SearchSentBefore
	SearchSentOn
	SearchSentSince
	SearchYounger // Number: received within these seconds (RFC 5032)
	SearchOlder   // Number
	SearchModSeq  // Number: changed at this MODSEQ or later
)

// SearchKey is one question, or several in one.
type SearchKey struct {
	Op     SearchOp
	Keys   []SearchKey
	Field  string
	Text   string // octets in the charset of the search
	Number int64
	Date   time.Time
	Set    Set
}

// Asks reports whether the key, or one within it, is of this kind.
func (k SearchKey) Asks(op SearchOp) bool {
	if k.Op == op {
		return true
	}
	for _, in := range k.Keys {
		if in.Asks(op) {
			return true
		}
	}
	return false
}

func not(k SearchKey) SearchKey { return SearchKey{Op: SearchNot, Keys: []SearchKey{k}} }

func hasFlag(flag string) SearchKey { return SearchKey{Op: SearchFlag, Text: flag} }

// flagKeys are the words for flags that a message has; with UN in front it has not.
var flagKeys = map[string]string{"ANSWERED": Answered, "DELETED": Deleted, "DRAFT": Draft, "FLAGGED": Flagged, "SEEN": Seen}

// dateKeys are the words for days.
var dateKeys = map[string]SearchOp{
	"BEFORE": SearchBefore, "ON": SearchOn, "SINCE": SearchSince,
	"SENTBEFORE": SearchSentBefore, "SENTON": SearchSentOn, "SENTSINCE": SearchSentSince,
}

// numberKeys are the words for numbers.
var numberKeys = map[string]SearchOp{"LARGER": SearchLarger, "SMALLER": SearchSmaller, "YOUNGER": SearchYounger, "OLDER": SearchOlder}

func parseSearch(s *scanner) any {
	search := &Search{}
	s.space()
	from := s.at
	if s.maybeWord("RETURN") {
		s.space()
		search.Return = s.searchReturn()
		s.space()
		from = s.at
	}
	s.at = from
	if s.maybeWord("CHARSET") {
		s.space()
		search.Charset = strings.ToUpper(s.astring())
		s.space()
	}
	search.Key = s.searchKeys()
	return search
}

// maybeWord takes a word if it is this one.
func (s *scanner) maybeWord(want string) bool {
	from := s.at
	if strings.EqualFold(s.while(isAtom), want) {
		return true
	}
	s.at = from
	return false
}

func (s *scanner) searchReturn() SearchReturn {
	r := SearchReturn{Extended: true}
	s.maybeList(func() {
		switch s.word() {
		case "MIN":
			r.Min = true
		case "MAX":
			r.Max = true
		case "ALL":
			r.All = true
		case "COUNT":
			r.Count = true
		case "SAVE":
			r.Saved = true
		default:
			s.fail("unknown return option of SEARCH")
		}
	})
	if !r.Min && !r.Max && !r.Count && !r.Saved {
		r.All = true
	}
	return r
}

// searchKeys are keys up to the end, all of which must hold.
func (s *scanner) searchKeys() SearchKey {
	all := []SearchKey{s.searchKey(0)}
	for s.err == nil && !s.done() {
		if s.space(); s.done() { // a blank at the end
			break
		}
		all = append(all, s.searchKey(0))
	}
	return and(all)
}

func and(all []SearchKey) SearchKey {
	if len(all) == 1 {
		return all[0]
	}
	return SearchKey{Op: SearchAnd, Keys: all}
}

func (s *scanner) searchKey(depth int) SearchKey {
	if depth > MaxDepth {
		s.fail("keys are nested more than %d deep", MaxDepth)
	}
	switch c := s.peek(); {
	case s.err != nil:
		return SearchKey{}
	case c == '(':
		var all []SearchKey
		s.list(func() { all = append(all, s.searchKey(depth+1)) })
		return and(all)
	case isDigit(c), c == '*', c == '$':
		return SearchKey{Op: SearchSequence, Set: s.set()}
	}
	name := s.word()
	if op, ok := dateKeys[name]; ok {
		s.space()
		return SearchKey{Op: op, Date: s.date()}
	}
	if op, ok := numberKeys[name]; ok {
		s.space()
		return SearchKey{Op: op, Number: s.number64()}
	}
	if flag, ok := flagKeys[name]; ok {
		return hasFlag(flag)
	}
	if flag, ok := flagKeys[strings.TrimPrefix(name, "UN")]; ok {
		return not(hasFlag(flag))
	}
	return s.searchWord(name, depth)
}

// searchWord are the keys that each have a form of their own.
func (s *scanner) searchWord(name string, depth int) SearchKey {
	switch name {
	case "ALL", "OLD":
		return SearchKey{Op: SearchAll}
	case "RECENT", "NEW":
		return SearchKey{Op: SearchRecent}
	case "NOT":
		s.space()
		return not(s.searchKey(depth + 1))
	case "OR":
		s.space()
		a := s.searchKey(depth + 1)
		s.space()
		return SearchKey{Op: SearchOr, Keys: []SearchKey{a, s.searchKey(depth + 1)}}
	case "UID":
		s.space()
		return SearchKey{Op: SearchUID, Set: s.set()}
	case "MODSEQ":
		return s.searchModSeq()
	}
	return s.searchText(name)
}

// searchText are the keys that look for a text.
func (s *scanner) searchText(name string) (k SearchKey) {
	switch name {
	case "BODY":
		k.Op = SearchBody
	case "TEXT":
		k.Op = SearchText
	case "FROM", "TO", "CC", "BCC", "SUBJECT":
		k.Op, k.Field = SearchHeader, strings.ToLower(name)
	case "HEADER":
		s.space()
		k.Op, k.Field = SearchHeader, strings.ToLower(s.astring())
	case "KEYWORD":
		s.space()
		return hasFlag(s.atom())
	case "UNKEYWORD":
		s.space()
		return not(hasFlag(s.atom()))
	default:
		s.fail("unknown search key")
	}
	s.space()
	k.Text = s.astring()
	return k
}

// searchModSeq is MODSEQ ["/flags/\seen" all] 620 (RFC 7162 section 3.1.5). Changes have
// one number here whatever they changed, so the entry says nothing.
func (s *scanner) searchModSeq() SearchKey {
	s.space()
	if s.peek() == '"' {
		s.quoted()
		s.space()
		if kind := s.word(); kind != "PRIV" && kind != "SHARED" && kind != "ALL" {
			s.fail("unknown kind of entry")
		}
		s.space()
	}
	return SearchKey{Op: SearchModSeq, Number: s.number64()}
}
