package mailbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// Flags are the system flags of a message, as bits.
type Flags uint8

// The system flags of RFC 9051 section 2.3.2.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// FlagOp says what becomes of the flags a message has.
type FlagOp int

// What can become of them.
const (
	AddFlags FlagOp = iota
	RemoveFlags
	ReplaceFlags
)

// FlagChange changes the flags and keywords of messages.
type FlagChange struct {
	Op       FlagOp
	Flags    Flags
	Keywords []string // compared without case; each an atom without blanks
	// UnchangedSince refuses what changed behind this MODSEQ (RFC 7162 section 3.1.3);
	// zero: no condition. Messages begin with 2, so what IMAP says as 0 is 1 here.
	UnchangedSince int64
}

// maxKeywords bounds the keywords of a message.
const maxKeywords = 100

// on gives what a message has after the change.
func (c *FlagChange) on(flags Flags, keywords []string) (Flags, []string) {
	switch c.Op {
	case ReplaceFlags:
		return c.Flags, addKeywords(nil, c.Keywords)
	case RemoveFlags:
		return flags &^ c.Flags, removeKeywords(keywords, c.Keywords)
	}
	return flags | c.Flags, addKeywords(keywords, c.Keywords)
}

func addKeywords(have, more []string) []string {
	all := slices.Clone(have)
	for _, k := range more {
		if !hasKeyword(all, k) && len(all) < maxKeywords {
			all = append(all, k)
		}
	}
	return all
}

func removeKeywords(have, less []string) []string {
	return slices.DeleteFunc(slices.Clone(have), func(k string) bool { return hasKeyword(less, k) })
}

func hasKeyword(all []string, keyword string) bool {
	return slices.ContainsFunc(all, func(k string) bool { return strings.EqualFold(k, keyword) })
}

// SetFlags changes messages of a folder. It gives those that are now as wished, in the
// order of their UIDs, with UID, MODSEQ, flags and keywords; and those refused by
// UnchangedSince. All that changed have one new MODSEQ; who was so already keeps the
// old one. UIDs that are not there are passed over.
func SetFlags(tx *store.Tx, folder FolderID, uids []UID, c FlagChange) (changed []Message, modified []UID, err error) {
	at, err := lock(tx, folder)
	if err != nil {
		return nil, nil, fmt.Errorf("set flags: %w", err)
	}
	news := changedFlags{modseq: at.modseq + 1, like: map[look][]UID{}}
	err = fetchAll(tx, folder, Ranges(uids), 0, func(m *Message) error {
		if c.UnchangedSince > 0 && m.ModSeq > c.UnchangedSince {
			modified = append(modified, m.UID)
			return nil
		}
		changed = append(changed, news.add(m, c))
		return nil
	})
	if err == nil {
		err = news.write(tx, at)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("set flags: %w", err)
	}
	return changed, modified, nil
}

// look is what messages have after a change.
type look struct {
	flags    Flags
	keywords string
}

// changedFlags are the messages that a change really changes, together with those that
// look the same afterwards.
type changedFlags struct {
	modseq int64
	like   map[look][]UID
	order  []look
	unseen int64 // by how much the count rises
}

func (n *changedFlags) add(m *Message, c FlagChange) Message {
	flags, keywords := c.on(m.Flags, m.Keywords)
	was, is := look{m.Flags, strings.Join(m.Keywords, " ")}, look{flags, strings.Join(keywords, " ")}
	out := Message{Folder: m.Folder, UID: m.UID, ModSeq: m.ModSeq, Flags: flags, Keywords: keywords}
	if was == is {
		return out
	}
	out.ModSeq = n.modseq
	if n.like[is] == nil {
		n.order = append(n.order, is)
	}
	n.like[is] = append(n.like[is], m.UID)
	n.unseen += unseen(flags) - unseen(m.Flags)
	return out
}

func (n *changedFlags) write(tx *store.Tx, at locked) error {
	if len(n.order) == 0 {
		return nil
	}
	for _, is := range n.order {
		for part := range parts(Ranges(n.like[is])) {
			where, args := part.where(4)
			_, err := tx.Exec(`UPDATE mailbox_message SET flags = $2, keywords = $3, altered = $4 WHERE folder = $1 AND `+where,
				append([]any{int64(at.folder), int64(is.flags), is.keywords, n.modseq}, args...)...)
			if err != nil {
				return err
			}
		}
	}
	return at.count(tx, grown{modseq: n.modseq, unseen: n.unseen})
}

// unseen is what a message counts among the unseen.
func unseen(f Flags) int64 {
	if f&Seen != 0 {
		return 0
	}
	return 1
}
