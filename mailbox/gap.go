package mailbox

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/allgreen-mail/allgreen/store"
)

// UIDs gives the UIDs of all messages of a folder. It reads no row of a message: UIDs
// rise by one, so a folder is all UIDs below its next one, less the gaps that were
// expunged. That makes a folder of a hundred thousand open in no time, and the gaps are
// never more than the messages are, and one.
func UIDs(tx *store.Tx, folder FolderID) (UIDSet, error) {
	rows, err := tx.Rows(`SELECT f.uidnext, COALESCE(g.first, 0), COALESCE(g.last, 0)
		FROM mailbox_folder f LEFT JOIN mailbox_gap g ON g.folder = f.id
		WHERE f.id = $1 AND f.account IS NOT NULL ORDER BY g.first`, int64(folder))
	if err != nil {
		return UIDSet{}, fmt.Errorf("UIDs of folder %d: %w", folder, err)
	}
	defer rows.Close()
	var ranges []UIDRange
	var uidnext, first, last, next int64
	for next = 1; rows.Next(); {
		if err := rows.Scan(&uidnext, &first, &last); err != nil {
			return UIDSet{}, err
		}
		if first > next {
			ranges = append(ranges, UIDRange{UID(next), UID(first - 1)})
		}
		next = max(next, last+1)
	}
	switch {
	case rows.Err() != nil:
		return UIDSet{}, rows.Err()
	case uidnext == 0:
		return UIDSet{}, fmt.Errorf("UIDs: %w: %d", ErrNoFolder, folder)
	case uidnext > next:
		ranges = append(ranges, UIDRange{UID(next), UID(uidnext - 1)})
	}
	return NewUIDSet(ranges...), nil
}

// gapReach is how many UIDs apart two ranges may be for their gaps to be changed
// together: the gaps in between are read, too.
const gapReach = 1000

// addGaps notes that UIDs are gone, which rise, and joins them with the gaps beside
// them. The folder is locked.
func addGaps(tx *store.Tx, folder FolderID, gone []UIDRange) error {
	for len(gone) > 0 {
		n := 1
		for n < len(gone) && n < expungeRows && gone[n].First-gone[n-1].Last < gapReach {
			n++
		}
		if err := addNearGaps(tx, folder, gone[:n]); err != nil {
			return fmt.Errorf("note the gaps of folder %d: %w", folder, err)
		}
		gone = gone[n:]
	}
	return nil
}

// addNearGaps reads the gaps from the last one before the first UID to the one behind
// the last, and writes those that are new in place of those that are not there any more.
func addNearGaps(tx *store.Tx, folder FolderID, gone []UIDRange) error {
	have, err := gapsBetween(tx, folder, gone[0].First, gone[len(gone)-1].Last)
	if err != nil {
		return err
	}
	want := merge(append(slices.Clone(have), gone...))
	stale, fresh := without(have, want), without(want, have)
	for _, g := range stale {
		if _, err := tx.Exec(`DELETE FROM mailbox_gap WHERE folder = $1 AND first = $2`, int64(folder), int64(g.First)); err != nil {
			return err
		}
	}
	for _, g := range fresh {
		if _, err := tx.Exec(`INSERT INTO mailbox_gap (folder, first, last) VALUES ($1, $2, $3)`,
			int64(folder), int64(g.First), int64(g.Last)); err != nil {
			return err
		}
	}
	return nil
}

// without gives the ranges of a that are not in b; both rise.
func without(a, b []UIDRange) (rest []UIDRange) {
	for _, r := range a {
		i, found := slices.BinarySearchFunc(b, r, func(x, y UIDRange) int { return cmp.Compare(x.First, y.First) })
		if !found || b[i] != r {
			rest = append(rest, r)
		}
	}
	return rest
}

func gapsBetween(tx *store.Tx, folder FolderID, first, last UID) ([]UIDRange, error) {
	return rangesOf(tx.Rows(`SELECT first, last FROM mailbox_gap WHERE folder = $1 AND first <= $3 + 1
		AND first >= COALESCE((SELECT MAX(first) FROM mailbox_gap WHERE folder = $1 AND first <= $2), 0) ORDER BY first`,
		int64(folder), int64(first), int64(last)))
}

// rangesOf reads rows of two UIDs.
func rangesOf(rows *store.Rows, err error) (all []UIDRange, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var first, last int64
		if err := rows.Scan(&first, &last); err != nil {
			return nil, err
		}
		all = append(all, UIDRange{UID(first), UID(last)})
	}
	return all, rows.Err()
}
