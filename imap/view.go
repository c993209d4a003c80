package imap

import (
	"slices"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
)

// view is a folder as one client knows it. Message number n is the one at uids.At(n-1).
// What others do changes the view when the client is told of it, and not before: a
// message that is gone already keeps its number until EXPUNGE may be said.
type view struct {
	folder   mailbox.FolderID
	name     string
	validity uint32
	readOnly bool // EXAMINE

	uids   mailbox.UIDSet // the messages that the client knows of
	gone   mailbox.UIDSet // those of them that are expunged, and the client was not told
	modseq int64          // what happened up to here is in uids and gone, and was told

	keywords []string              // that FLAGS has told
	saved    mailbox.UIDSet        // what "$" stands for (RFC 5182)
	told     map[mailbox.UID]int64 // MODSEQs that this command tells by itself; nil: none
}

// size is how many messages the client believes there are.
func (v *view) size() int { return v.uids.Len() }

// number is the message number of a UID; false when the client does not know it.
func (v *view) number(uid mailbox.UID) (int, bool) {
	i, found := v.uids.Index(uid)
	return i + 1, found
}

// errNumber is a message number beyond the last.
var errNumber = bad("there is no message of that number")

// pick gives the messages that a command means, as ranges of UIDs in which all UIDs are
// known to the client. UIDs that are not there are passed over; message numbers that are
// not there are an error (RFC 9051 section 6.4.9, and section 9: seq-number). Some of
// the messages may be gone.
func (v *view) pick(set syntax.Set, uid bool) ([]mailbox.UIDRange, error) {
	if set.Saved {
		return v.uids.Intersect(v.saved.Ranges()), nil
	}
	if uid {
		return v.uids.Intersect(uidRanges(set.Resolve(uint32(v.uids.Max())))), nil
	}
	var all []mailbox.UIDRange
	for _, r := range set.Resolve(uint32(v.size())) {
		if int64(r.Last) > int64(v.size()) {
			return nil, errNumber
		}
		all = append(all, v.between(int(r.First), int(r.Last))...)
	}
	if len(all) == 0 {
		return nil, errNumber // a star where nothing is
	}
	return all, nil
}

// between are the UIDs of the messages with numbers from first to last.
func (v *view) between(first, last int) []mailbox.UIDRange {
	return v.uids.Intersect([]mailbox.UIDRange{{First: v.uids.At(first - 1), Last: v.uids.At(last - 1)}})
}

// numbers are the message numbers of ranges of UIDs that the client knows.
func (v *view) numbers(uids []mailbox.UIDRange) []syntax.Range {
	var all []syntax.Range
	for _, r := range v.uids.Intersect(uids) {
		first, _ := v.number(r.First)
		n := syntax.Range{First: uint32(first), Last: uint32(first + r.Len() - 1)}
		if k := len(all); k > 0 && all[k-1].Last+1 == n.First {
			all[k-1].Last = n.Last
			continue
		}
		all = append(all, n)
	}
	return all
}

// tell notes that the command under way tells the client the state that a message has
// at this MODSEQ, so that the news do not tell it again.
func (v *view) tell(uid mailbox.UID, modseq int64) {
	if v.told == nil {
		v.told = make(map[mailbox.UID]int64)
	}
	v.told[uid] = modseq
}

// forget takes messages out of the view, after the client was told.
func (v *view) forget(gone []mailbox.UIDRange) {
	v.uids.Remove(gone...)
	v.gone.Remove(gone...)
	v.saved.Remove(gone...)
}

// meets adds the keywords of a message to those told, and reports whether one is new.
func (v *view) meets(keywords []string) (isNew bool) {
	for _, k := range keywords {
		if !slices.Contains(v.keywords, k) && len(v.keywords) < maxTold {
			v.keywords, isNew = append(v.keywords, k), true
		}
	}
	return isNew
}

// maxTold is how many keywords FLAGS lists.
const maxTold = 100

// changes reports whether the folder may be changed through this view.
func (v *view) changes() error {
	if v.readOnly {
		return no("READ-ONLY", "the folder was opened for reading only")
	}
	return nil
}

func uidRanges(all []syntax.Range) []mailbox.UIDRange {
	ranges := make([]mailbox.UIDRange, len(all))
	for i, r := range all {
		ranges[i] = mailbox.UIDRange{First: mailbox.UID(r.First), Last: mailbox.UID(r.Last)}
	}
	return ranges
}

func wireRanges(all []mailbox.UIDRange) []syntax.Range {
	ranges := make([]syntax.Range, len(all))
	for i, r := range all {
		ranges[i] = syntax.Range{First: uint32(r.First), Last: uint32(r.Last)}
	}
	return ranges
}

// uidsOf writes ranges out.
func uidsOf(ranges []mailbox.UIDRange) []mailbox.UID {
	set := mailbox.NewUIDSet(ranges...)
	return slices.AppendSeq(make([]mailbox.UID, 0, set.Len()), set.All())
}
