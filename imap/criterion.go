package imap

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/message/structure"
)

// question is one search on its way.
type question struct {
	*session
	now   time.Time
	there mailbox.UIDSet // the messages it is about
	root  *test
	texts []*test // those for words
}

// test is one key, ready to be asked of a message.
type test struct {
	key     syntax.SearchKey
	inner   []*test
	set     mailbox.UIDSet // of a set, and of what the index has found
	indexed bool           // the index has answered
	text    string         // in UTF-8
	folded  string
}

// level is how closely a message is looked at.
type level int

const (
	sets       level = iota // its UID
	facts                   // what its row in the folder has
	structures              // its structure
	octets                  // the message
)

// verdict is what a test says of a message.
type verdict int

const (
	noAnswer    verdict = iota
	maybeAnswer         // a closer look tells
	yesAnswer
)

func verdictOf(is bool) verdict {
	if is {
		return yesAnswer
	}
	return noAnswer
}

// not turns a verdict around.
func (v verdict) not() verdict { return yesAnswer - v }

// cost is the level at which the test can be answered.
func (t *test) cost() level {
	highest := sets
	for _, inner := range t.inner {
		highest = max(highest, inner.cost())
	}
	switch t.key.Op {
	case syntax.SearchAll, syntax.SearchAnd, syntax.SearchOr, syntax.SearchNot, syntax.SearchRecent, syntax.SearchSequence, syntax.SearchUID:
		return highest
	case syntax.SearchSentBefore, syntax.SearchSentOn, syntax.SearchSentSince:
		return structures
	case syntax.SearchHeader:
		if t.text != "" && inStructure(t.key.Field) {
			return structures
		}
		return octets
	case syntax.SearchBody, syntax.SearchText:
		if t.indexed {
			return sets
		}
		return octets
	}
	return facts
}

// needs reports whether a test within is answered at just this level.
func (t *test) needs(l level) bool {
	if len(t.inner) == 0 {
		return t.cost() == l
	}
	return slices.ContainsFunc(t.inner, func(inner *test) bool { return inner.needs(l) })
}

// needsFacts reports whether a test within asks more of a row than UID, MODSEQ, flags
// and keywords.
func (t *test) needsFacts() bool {
	switch t.key.Op {
	case syntax.SearchLarger, syntax.SearchSmaller, syntax.SearchBefore, syntax.SearchOn, syntax.SearchSince, syntax.SearchYounger, syntax.SearchOlder:
		return true
	}
	return slices.ContainsFunc(t.inner, (*test).needsFacts)
}

// bySets answers what needs no look at any message: those that match for sure, and the
// ranges of those to be looked at.
func (q *question) bySets() (sure mailbox.UIDSet, open []mailbox.UIDRange) {
	least, most := q.root.bounds(q.there)
	most.Remove(least.Ranges()...)
	return least, most.Ranges()
}

// bounds are the messages that match by their UIDs alone, and those that may match.
func (t *test) bounds(there mailbox.UIDSet) (least, most mailbox.UIDSet) {
	switch t.key.Op {
	case syntax.SearchAll:
		return there.Clone(), there.Clone()
	case syntax.SearchRecent:
		return least, most
	case syntax.SearchAnd:
		least, most = there.Clone(), there.Clone()
		for _, inner := range t.inner {
			l, m := inner.bounds(there)
			least, most = intersection(least, l), intersection(most, m)
		}
		return least, most
	case syntax.SearchOr:
		for _, inner := range t.inner {
			l, m := inner.bounds(there)
			least.Add(l.Ranges()...)
			most.Add(m.Ranges()...)
		}
		return least, most
	case syntax.SearchNot:
		l, m := t.inner[0].bounds(there)
		least, most = there.Clone(), there.Clone()
		least.Remove(m.Ranges()...)
		most.Remove(l.Ranges()...)
		return least, most
	case syntax.SearchSequence, syntax.SearchUID:
		found := intersection(there, t.set)
		return found, found.Clone()
	case syntax.SearchBody, syntax.SearchText:
		if t.indexed {
			found := intersection(there, t.set)
			return found, found.Clone()
		}
	}
	return least, there.Clone()
}

func intersection(a, b mailbox.UIDSet) mailbox.UIDSet {
	return mailbox.NewUIDSet(a.Intersect(b.Ranges())...)
}

// candidate is the message that a question is asked of.
type candidate struct {
	*question
	ctx   context.Context
	level level
	m     *mailbox.Message
	head  *structure.Message // at its level; nil: not read
	read  *contents          // at its level; nil: not read
}

// judge says whether a message matches, as far as can be told at this level. One that
// is gone meanwhile does not.
func (c *candidate) judge(m *mailbox.Message) (verdict, error) {
	c.m, c.head, c.read = m, nil, nil
	if c.level == structures {
		encoded, err := c.structureOf(c.ctx, m)
		if err == nil {
			c.head, err = structure.DecodeHead(encoded, c.root.fields())
		}
		if isGone(err) {
			return noAnswer, nil
		}
		if err != nil {
			return noAnswer, err
		}
	}
	if c.level == octets {
		var err error
		if c.read, err = c.contents(); err != nil {
			if isGone(err) {
				return noAnswer, nil
			}
			return noAnswer, err
		}
	}
	return c.ask(c.root), nil
}

// ask asks one test. What cannot be told at this level is maybe.
func (c *candidate) ask(t *test) verdict {
	switch t.key.Op {
	case syntax.SearchAll:
		return yesAnswer
	case syntax.SearchRecent:
		return noAnswer
	case syntax.SearchAnd:
		all := yesAnswer
		for _, inner := range t.inner {
			if all = min(all, c.ask(inner)); all == noAnswer {
				break
			}
		}
		return all
	case syntax.SearchOr:
		one := noAnswer
		for _, inner := range t.inner {
			if one = max(one, c.ask(inner)); one == yesAnswer {
				break
			}
		}
		return one
	case syntax.SearchNot:
		return c.ask(t.inner[0]).not()
	case syntax.SearchSequence, syntax.SearchUID:
		return verdictOf(t.set.Has(c.m.UID))
	case syntax.SearchSentBefore, syntax.SearchSentOn, syntax.SearchSentSince:
		return c.askSent(t)
	case syntax.SearchHeader, syntax.SearchBody, syntax.SearchText:
		return c.askText(t)
	}
	return verdictOf(c.askFacts(&t.key))
}

// askFacts are the keys that the row of a message answers. The days of internal dates
// are those of UTC, in which they are told.
func (c *candidate) askFacts(k *syntax.SearchKey) bool {
	m := c.m
	switch k.Op {
	case syntax.SearchFlag:
		return hasFlagWord(m, k.Text)
	case syntax.SearchLarger:
		return m.Size > k.Number
	case syntax.SearchSmaller:
		return m.Size < k.Number
	case syntax.SearchBefore, syntax.SearchOn, syntax.SearchSince:
		return isDay(k.Op-syntax.SearchBefore, m.Received.UTC(), k.Date)
	case syntax.SearchYounger:
		return c.now.Sub(m.Received) <= time.Duration(min(k.Number, 1<<32))*time.Second
	case syntax.SearchOlder:
		return c.now.Sub(m.Received) >= time.Duration(min(k.Number, 1<<32))*time.Second
	case syntax.SearchModSeq:
		return m.ModSeq >= k.Number
	}
	return false
}

func hasFlagWord(m *mailbox.Message, word string) bool {
	for _, f := range flagBits {
		if f.word == word {
			return m.Flags&f.bit != 0
		}
	}
	return slices.ContainsFunc(m.Keywords, func(k string) bool { return strings.EqualFold(k, word) })
}

// isDay compares days: op is 0 for before, 1 for on, 2 for since.
func isDay(op syntax.SearchOp, at, day time.Time) bool {
	have, want := at.Year()*400+at.YearDay(), day.Year()*400+day.YearDay()
	switch op {
	case 0:
		return have < want
	case 1:
		return have == want
	}
	return have >= want
}

// askSent compares the day of the Date field, in the zone that it names. A message
// without one was sent on no day.
func (c *candidate) askSent(t *test) verdict {
	var sent time.Time
	switch {
	case c.head != nil:
		sent = c.head.Sent
	case c.read != nil:
		sent = c.read.head.Sent
	default:
		return maybeAnswer
	}
	return verdictOf(!sent.IsZero() && isDay(t.key.Op-syntax.SearchSentBefore, sent, t.key.Date))
}

// askText are the keys that look for a text. With an empty one HEADER asks whether the
// field is there; in TEXT and BODY it is everywhere.
func (c *candidate) askText(t *test) verdict {
	switch {
	case t.indexed:
		return verdictOf(t.set.Has(c.m.UID))
	case t.key.Op != syntax.SearchHeader && t.text == "":
		return yesAnswer
	case t.cost() == structures && c.head != nil:
		return verdictOf(contains(fieldText(&c.head.Envelope, t.key.Field), t.folded))
	case c.read == nil:
		return maybeAnswer
	case t.key.Op == syntax.SearchHeader:
		return verdictOf(c.read.hasField(t))
	}
	return verdictOf(c.read.has(t))
}

// inStructure reports whether the text of a field is kept beside the message.
func inStructure(field string) bool { return headFields[field] != 0 }

// headFields are the fields that are kept, as they are asked for.
var headFields = map[string]structure.Fields{
	"subject": structure.WithSubject, "from": structure.WithFrom, "to": structure.WithTo, "cc": structure.WithCc, "bcc": structure.WithBcc,
	"message-id": structure.WithIDs, "in-reply-to": structure.WithIDs,
}

// fields are what the test asks of a structure.
func (t *test) fields() (all structure.Fields) {
	for _, inner := range t.inner {
		all |= inner.fields()
	}
	if t.key.Op == syntax.SearchHeader {
		all |= headFields[t.key.Field]
	}
	return all
}

// fieldText is the text of a field that the envelope has, decoded.
func fieldText(e *structure.Envelope, field string) string {
	switch field {
	case "subject":
		return message.DecodeWords(e.Subject)
	case "from":
		return addressText(e.From)
	case "to":
		return addressText(e.To)
	case "cc":
		return addressText(e.Cc)
	case "bcc":
		return addressText(e.Bcc)
	case "message-id":
		return e.MessageID
	case "in-reply-to":
		return e.InReplyTo
	}
	return ""
}

// addressText is a list of addresses as people see it.
func addressText(list []structure.Address) string {
	var b strings.Builder
	for _, a := range list {
		if a.Name != "" {
			b.WriteString(message.DecodeWords(a.Name) + " ")
		}
		if a.Host != "" {
			b.WriteString("<" + a.Mailbox + "@" + a.Host + ">")
		} else {
			b.WriteString(message.DecodeWords(a.Mailbox))
		}
		b.WriteString(", ")
	}
	return b.String()
}

// fold is a text in the form in which texts are compared: without case, and characters
// composed in one way.
func fold(s string) string { return structure.Casemap(s) }

// contents is a message that was read to search it.
type contents struct {
	header message.Header
	head   *structure.Message
	text   string // folded: of all parts, and the header
	body   string // of all parts
}

// maxSearched is how much text of one message is searched.
const maxSearched = 8 << 20

// contents reads the message, as far as the question needs it.
func (c *candidate) contents() (*contents, error) {
	encoded, err := c.structureOf(c.ctx, c.m)
	if err != nil {
		return nil, err
	}
	all := &contents{}
	if all.head, err = structure.DecodeHead(encoded, 0); err != nil {
		return nil, err
	}
	body, err := c.store().OpenBody(c.ctx, c.m.Body)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	m, err := message.Read(body, message.Limits{})
	if m == nil {
		return nil, err
	}
	all.header = m.Header
	if !slices.ContainsFunc(c.texts, func(t *test) bool { return !t.indexed }) {
		return all, nil
	}
	var text strings.Builder
	if _, err := m.Walk(message.Limits{}, func(p *message.Part) error { return addText(&text, p) }); err != nil {
		return nil, err
	}
	all.body = fold(text.String())
	for _, f := range m.Header.Fields {
		text.WriteString(f.Name() + ": " + f.Text() + "\n")
	}
	all.text = fold(text.String())
	return all, nil
}

// addText adds the text of a part, and the header of a message within.
func addText(text *strings.Builder, p *message.Part) error {
	if p.Depth > 0 {
		for _, f := range p.Header.Fields {
			text.WriteString(f.Name() + ": " + f.Text() + "\n")
		}
	}
	if p.Holds() || !strings.HasPrefix(p.Type, "text/") || text.Len() > maxSearched {
		return nil
	}
	_, err := io.Copy(text, io.LimitReader(p.Text(), maxSearched))
	return err
}

// hasField looks for a text in the fields of a name, decoded.
func (r *contents) hasField(t *test) bool {
	for f := range r.header.All(t.key.Field) {
		if t.text == "" || contains(f.Text(), t.folded) {
			return true
		}
	}
	return false
}

// has looks for a text anywhere.
func (r *contents) has(t *test) bool {
	if t.key.Op == syntax.SearchBody {
		return strings.Contains(r.body, t.folded)
	}
	return strings.Contains(r.text, t.folded)
}
