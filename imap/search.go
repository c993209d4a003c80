package imap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/store"
)

// search is SEARCH (RFC 9051 section 6.4.4, RFC 4731, RFC 5182, RFC 7162 section 3.1.5).
func (s *session) search(ctx context.Context, cmd *syntax.Command) (answer, error) {
	args := cmd.Args.(*syntax.Search)
	found, err := s.find(ctx, args)
	if args.Return.Saved {
		s.save(args.Return, found)
	}
	if err != nil {
		return answer{}, err
	}
	numbers := found.Ranges()
	r := result{how: args.Return, size: found.Len(), ranges: wireRanges(numbers)}
	if !cmd.UID {
		r.ranges = s.view.numbers(numbers)
	}
	if r.size > 0 {
		r.min, r.max = r.ranges[0].First, r.ranges[len(r.ranges)-1].Last
	}
	if args.Key.Asks(syntax.SearchModSeq) {
		if r.modseq, err = s.modseqOf(ctx, found, args.Return); err != nil {
			return answer{}, err
		}
	}
	s.showResult(cmd, "SEARCH", r)
	return answer{}, nil
}

// save is what "$" stands for from now on; a search that failed leaves nothing.
func (s *session) save(how syntax.SearchReturn, found mailbox.UIDSet) {
	if found.Len() > 0 && !how.All && !how.Count && (how.Min || how.Max) { // RFC 5182 section 2.4
		var ends []mailbox.UID
		if how.Min {
			ends = append(ends, found.At(0))
		}
		if how.Max {
			ends = append(ends, found.Max())
		}
		found = mailbox.NewUIDSet(mailbox.Ranges(ends)...)
	}
	s.view.saved = found
}

// modseqOf is the highest MODSEQ of the messages that are told.
func (s *session) modseqOf(ctx context.Context, found mailbox.UIDSet, how syntax.SearchReturn) (highest int64, err error) {
	told := found
	if how.Extended && !how.All && !how.Count && found.Len() > 0 { // RFC 4731 section 3.2
		ends := mailbox.NewUIDSet()
		if how.Min {
			ends.Add(mailbox.UIDRange{First: found.At(0), Last: found.At(0)})
		}
		if how.Max {
			ends.Add(mailbox.UIDRange{First: found.Max(), Last: found.Max()})
		}
		told = ends
	}
	err = mailbox.FetchPages(ctx, s.store(), s.view.folder, told.Ranges(), 0, func(m *mailbox.Message) error {
		highest = max(highest, m.ModSeq)
		return nil
	})
	return highest, err
}

// result is what SEARCH and SORT answer.
type result struct {
	how      syntax.SearchReturn
	size     int
	min, max uint32 // the first and the last
	ranges   []syntax.Range
	list     []uint32 // in an order; nil: ranges
	modseq   int64    // 0: not asked for
}

// showResult tells what was found: in the old form, or as ESEARCH where it was asked for
// or IMAP4rev2 is enabled.
func (s *session) showResult(cmd *syntax.Command, name string, r result) {
	extended := r.how.Extended
	if s.rev2 && name == "SEARCH" && !extended {
		r.how.All, extended = true, true
	}
	if !extended {
		s.showList(name, r)
		return
	}
	if !r.how.Min && !r.how.Max && !r.how.All && !r.how.Count {
		return // RETURN (SAVE)
	}
	w := s.out
	w.Raw("* ESEARCH (TAG ").String(cmd.Tag).Raw(")")
	if cmd.UID {
		w.Raw(" UID")
	}
	if r.how.Min && r.size > 0 {
		w.Raw(" MIN ").Number(int64(r.min))
	}
	if r.how.Max && r.size > 0 {
		w.Raw(" MAX ").Number(int64(r.max))
	}
	if r.how.All && r.size > 0 {
		w.Raw(" ALL ")
		s.showAll(r)
	}
	if r.how.Count {
		w.Raw(" COUNT ").Number(int64(r.size))
	}
	if r.modseq > 0 {
		w.Raw(" MODSEQ ").Number(r.modseq)
	}
	w.Raw("\r\n")
}

// showAll writes the whole result as a sequence set.
func (s *session) showAll(r result) {
	if r.list == nil {
		s.out.Ranges(r.ranges)
		return
	}
	s.out.Ranges(runs(r.list))
}

// runs makes ranges of numbers in an order, of those that follow each other.
func runs(list []uint32) []syntax.Range {
	var all []syntax.Range
	for _, n := range list {
		if k := len(all); k > 0 && all[k-1].Last+1 == n {
			all[k-1].Last = n
			continue
		}
		all = append(all, syntax.Range{First: n, Last: n})
	}
	return all
}

// showList is "* SEARCH 2 84 882".
func (s *session) showList(name string, r result) {
	s.out.Raw("* ").Raw(name)
	for _, n := range r.list {
		s.out.Raw(" ").Number(int64(n))
	}
	if r.list == nil {
		for _, at := range r.ranges {
			for n := int64(at.First); n <= int64(at.Last); n++ {
				s.out.Raw(" ").Number(n)
			}
		}
	}
	if r.modseq > 0 {
		s.out.Raw(" (MODSEQ ").Number(r.modseq).Raw(")")
	}
	s.out.Raw("\r\n")
}

// find gives the messages that match, of those that the client knows and that are still
// there.
func (s *session) find(ctx context.Context, args *syntax.Search) (mailbox.UIDSet, error) {
	q, err := s.newQuestion(args)
	if err != nil {
		return mailbox.UIDSet{}, err
	}
	return q.answer(ctx)
}

// errCharset is a charset that is not known (RFC 9051 section 6.4.4).
var errCharset = no("BADCHARSET (US-ASCII UTF-8)", "The charset is not known")

// newQuestion readies a search: its texts are decoded and folded, its sets resolved,
// and keys that cost little come first.
func (s *session) newQuestion(args *syntax.Search) (*question, error) {
	q := &question{session: s, now: s.server.options.World.Now(), there: s.view.uids.Clone()}
	q.there.Remove(s.view.gone.Ranges()...)
	var err error
	if q.root, err = q.compile(args.Key, args.Charset); err != nil {
		return nil, err
	}
	return q, nil
}

// compile readies a key and those within it.
func (q *question) compile(k syntax.SearchKey, charset string) (*test, error) {
	t := &test{key: k}
	for _, inner := range k.Keys {
		c, err := q.compile(inner, charset)
		if err != nil {
			return nil, err
		}
		t.inner = append(t.inner, c)
	}
	slices.SortStableFunc(t.inner, func(a, b *test) int { return int(a.cost()) - int(b.cost()) })
	switch k.Op {
	case syntax.SearchSequence, syntax.SearchUID:
		picked, err := q.view.pick(k.Set, k.Op == syntax.SearchUID)
		if err != nil && !(errors.Is(err, errNumber) && q.view.size() == 0) {
			return nil, err
		}
		t.set = mailbox.NewUIDSet(picked...)
	case syntax.SearchHeader, syntax.SearchBody, syntax.SearchText:
		text, err := textOf(k.Text, charset)
		if err != nil {
			return nil, err
		}
		t.text, t.folded = text, fold(text)
		if k.Op != syntax.SearchHeader {
			q.texts = append(q.texts, t)
		}
	}
	return t, nil
}

// textOf is a text of a search in UTF-8.
func textOf(octets, charset string) (string, error) {
	if charset == "" || charset == "US-ASCII" {
		charset = "UTF-8" // programs send it and do not say so
	}
	text, known := message.ToUTF8(charset, []byte(octets))
	if !known {
		return "", errCharset
	}
	return text, nil
}

// answer asks the index first, then looks at what is left to be looked at: at what every
// listing has, at the structures, and into the messages themselves, at each only where
// those before could not tell.
func (q *question) answer(ctx context.Context) (mailbox.UIDSet, error) {
	if err := q.askIndex(ctx); err != nil {
		return mailbox.UIDSet{}, err
	}
	sure, open := q.bySets()
	for level := facts; len(open) > 0 && level <= octets; level++ {
		if !q.root.needs(level) {
			continue
		}
		c := candidate{question: q, ctx: ctx, level: level}
		var yes, maybe []mailbox.UID
		err := mailbox.FetchPages(ctx, q.store(), q.view.folder, open, q.columns(level), func(m *mailbox.Message) error {
			verdict, err := c.judge(m)
			switch {
			case err != nil:
				return err
			case verdict == yesAnswer:
				yes = append(yes, m.UID)
			case verdict == maybeAnswer:
				maybe = append(maybe, m.UID)
			}
			return nil
		})
		if err != nil {
			return mailbox.UIDSet{}, err
		}
		sure.Add(mailbox.Ranges(yes)...)
		open = mailbox.Ranges(maybe)
	}
	return sure, nil
}

// askIndex answers all keys that look for words in one go.
func (q *question) askIndex(ctx context.Context) error {
	var queries []mailbox.Query
	var asked []*test
	for _, t := range q.texts {
		if !mailbox.HasWords(t.text) {
			continue // only reading tells
		}
		in := mailbox.Field(0)
		if t.key.Op == syntax.SearchBody {
			in = mailbox.InBody
		}
		queries, asked = append(queries, mailbox.Query{Text: t.text, In: in}), append(asked, t)
	}
	if len(queries) == 0 {
		return nil
	}
	sets, err := q.server.options.Index.Search(ctx, q.view.folder, queries...)
	for i := range sets {
		asked[i].set, asked[i].indexed = sets[i], true
	}
	return err
}

// columns is what a level reads of every message.
func (q *question) columns(l level) mailbox.Columns {
	switch {
	case l > facts:
		return mailbox.Facts | mailbox.Structures
	case q.root.needsFacts():
		return mailbox.Facts
	}
	return 0
}

// contains reports whether a text has another in it, both folded.
func contains(text, folded string) bool { return strings.Contains(fold(text), folded) }

// isGone tells a message that is gone from one that cannot be read.
func isGone(err error) bool {
	return errors.Is(err, mailbox.ErrNoMessage) || errors.Is(err, store.ErrNoRow)
}
