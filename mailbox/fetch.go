package mailbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// Columns are the parts of a message that Fetch reads beside UID, MODSEQ, flags and
// keywords.
type Columns uint8

// What Fetch can read.
const (
	Facts      Columns = 1 << iota // Body, Size, Received, Trace
	Structures                     // Structure
)

// Fetch shows the messages of a folder whose UIDs are in a set, in their order. The
// Message is the same each time: copy what must stay. The transaction lasts until the
// end, so f must not wait for anybody: for a peer there is FetchPages. An error of f
// ends the fetch and is returned as it is.
func Fetch(tx *store.Tx, folder FolderID, set []UIDRange, want Columns, f func(*Message) error) error {
	return fetchAll(tx, folder, merge(set), want, f)
}

// pageRows is how many messages FetchPages reads at a time, and pageOctets after how many
// octets of structures it stops before that: strangers choose how large those are.
const (
	pageRows   = 256
	pageOctets = 4 << 20
)

// errPageFull ends a page.
var errPageFull = errors.New("the page is full")

// FetchPages is Fetch in transactions of its own, one for each few hundred messages:
// f runs outside of them, and may take all the time it likes. A message that changes
// or goes meanwhile is shown as it is when its page is read, or not at all.
func FetchPages(ctx context.Context, st *store.Store, folder FolderID, set []UIDRange, want Columns, f func(*Message) error) error {
	var page []Message
	for rest := merge(set); len(rest) > 0; {
		after := rest
		err := st.Read(ctx, func(tx *store.Tx) (err error) {
			page = page[:0]
			octets := 0
			after, err = fetchSome(tx, folder, rest, want, pageRows, func(m *Message) error {
				page, octets = append(page, *m), octets+len(m.Structure)
				*m = Message{Folder: folder}
				if octets > pageOctets {
					return errPageFull
				}
				return nil
			})
			if errors.Is(err, errPageFull) {
				after, err = behind(rest, page[len(page)-1].UID), nil
			}
			return err
		})
		if err != nil {
			return err
		}
		rest = after
		for i := range page {
			if err := f(&page[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetchAll is Fetch of a set in order.
func fetchAll(tx *store.Tx, folder FolderID, set []UIDRange, want Columns, f func(*Message) error) error {
	_, err := fetchSome(tx, folder, set, want, math.MaxInt, f)
	return err
}

// fetchSome shows up to limit messages of a set in order, and gives what is left of the
// set behind the last one.
func fetchSome(tx *store.Tx, folder FolderID, set []UIDRange, want Columns, limit int, f func(*Message) error) (rest []UIDRange, err error) {
	last := UID(0)
	show := func(m *Message) error {
		limit, last = limit-1, m.UID
		return f(m)
	}
	for part := range parts(set) {
		where, args := part.where(2)
		rows, err := tx.Rows(selectMessages(want)+`WHERE m.folder = $1 AND `+where+` ORDER BY m.uid LIMIT $2`,
			append([]any{int64(folder), limit}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("fetch from folder %d: %w", folder, err)
		}
		if err := scanMessages(rows, folder, want, show); err != nil {
			return nil, err
		}
		if limit == 0 {
			return behind(set, last), nil
		}
	}
	return nil, nil
}

// behind is the part of a set in order that is behind a UID.
func behind(set []UIDRange, uid UID) []UIDRange {
	for i, r := range set {
		if r.Last > uid {
			return append([]UIDRange{{max(r.First, uid+1), r.Last}}, set[i+1:]...)
		}
	}
	return nil
}

// selectMessages is the statement up to its WHERE. What a message came with and its
// last change are two columns; the later one is its MODSEQ.
func selectMessages(want Columns) string {
	columns, from := `m.uid, m.modseq, m.altered, m.flags, m.keywords`, ` FROM mailbox_message m `
	if want&Facts != 0 {
		columns += `, m.body, m.size, m.received, m.trace`
	}
	if want&Structures != 0 {
		columns += `, s.structure`
		from += `LEFT JOIN mailbox_structure s ON s.message = ((m.folder << 32) | m.uid) `
	}
	return `SELECT ` + columns + from
}

// scanMessages shows what a statement of selectMessages gives, and closes it.
func scanMessages(rows *store.Rows, folder FolderID, want Columns, f func(*Message) error) error {
	defer rows.Close()
	m := Message{Folder: folder}
	var uid, altered, flags, body, received int64
	var keywords, trace string
	dest := []any{&uid, &m.ModSeq, &altered, &flags, &keywords}
	if want&Facts != 0 {
		dest = append(dest, &body, &m.Size, &received, &trace)
	}
	if want&Structures != 0 {
		dest = append(dest, &m.Structure)
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		m.UID, m.Flags, m.ModSeq = UID(uid), Flags(flags), max(m.ModSeq, altered)
		m.setKeywords(keywords)
		if want&Facts != 0 {
			m.Body, m.Received, m.Trace = store.BodyID(body), store.FromMicros(received), mail.TraceID(trace)
		}
		if err := f(&m); err != nil {
			return err
		}
	}
	return rows.Err()
}

// part is so much of a set as one statement takes: a range, of which some UIDs may not
// be meant, or single UIDs.
type part struct {
	whole UIDRange
	each  []UID
}

// listed is how many single UIDs one statement takes.
const listed = 64

// parts cuts a set in order into parts.
func parts(set []UIDRange) iter.Seq[part] {
	return func(yield func(part) bool) {
		var each []UID
		for _, r := range set {
			if r.Len() <= listed/4 {
				for uid := uint64(r.First); uid <= uint64(r.Last); uid++ {
					each = append(each, UID(uid))
				}
				if len(each) <= listed-listed/4 {
					continue
				}
				if !yield(part{each: each}) {
					return
				}
				each = nil
				continue
			}
			if len(each) > 0 && !yield(part{each: each}) || !yield(part{whole: r}) {
				return
			}
			each = nil
		}
		if len(each) > 0 {
			yield(part{each: each})
		}
	}
}

// where is the condition for the column uid, with its arguments behind n others. Lists
// are filled up to one of a few lengths, so that there are few statements to prepare.
func (p part) where(n int) (string, []any) {
	if p.each == nil {
		return `uid BETWEEN $` + strconv.Itoa(n+1) + ` AND $` + strconv.Itoa(n+2), []any{int64(p.whole.First), int64(p.whole.Last)}
	}
	args := make([]any, 0, listed)
	for _, uid := range p.each {
		args = append(args, int64(uid))
	}
	return `uid IN (` + placeholders(n, &args) + `)`, args
}

// placeholders names the arguments behind n others, filled up with the last of them.
func placeholders(n int, args *[]any) string {
	for !slices.Contains([]int{1, 4, 16, listed}, len(*args)) {
		*args = append(*args, (*args)[len(*args)-1])
	}
	var b strings.Builder
	for i := range *args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n + i + 1))
	}
	return b.String()
}
