package mailbox

import (
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// Copied says which messages were copied or moved, and what their UIDs are now, as
// COPYUID wants it (RFC 4315 section 3).
type Copied struct {
	Validity uint32 // UIDVALIDITY of the folder they came into
	From, To []UID  // rising, side by side
}

// Copy puts messages into another folder of the account, or into the same one again.
// They share their bodies and keep flags, dates, trace and structure. UIDs that are not
// there are passed over. ErrNoFolder, ErrSealed, ErrQuota.
func Copy(tx *store.Tx, from FolderID, uids []UID, to FolderID) (Copied, error) {
	p, err := beginPassage(tx, from, Ranges(uids), to)
	if err == nil {
		err = p.copy(tx, !p.to.uncounted)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy: %w", err)
	}
	return p.copied(), nil
}

// Move is Copy and then Expunge of what was copied, at one moment. Within the folders
// that count it needs no room. Out of a sealed folder it is allowed.
func Move(tx *store.Tx, from FolderID, uids []UID, to FolderID) (Copied, error) {
	p, err := beginPassage(tx, from, Ranges(uids), to)
	if err == nil {
		err = p.copy(tx, p.from.uncounted && !p.to.uncounted)
	}
	if err == nil {
		err = p.leave(tx)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("move: %w", err)
	}
	return p.copied(), nil
}

// passage is messages on their way from folder to folder.
type passage struct {
	from, to      locked
	uids          []UID
	first         UID // of the new ones
	bytes, unseen int64
	bodies        []store.BodyID
}

// beginPassage locks both folders, so that nothing goes or comes meanwhile, and finds
// the messages. The lock on the folder holds their bodies, too: only who expunges could
// release them.
func beginPassage(tx *store.Tx, from FolderID, set []UIDRange, to FolderID) (p *passage, err error) {
	p = &passage{}
	if p.from, p.to, err = lockTwo(tx, from, to); err != nil {
		return nil, err
	}
	switch {
	case p.from.account != p.to.account:
		return nil, fmt.Errorf("%w: %d", ErrNoFolder, to)
	case p.to.sealed:
		return nil, ErrSealed
	}
	err = fetchAll(tx, from, set, Facts, func(m *Message) error {
		p.uids, p.bodies = append(p.uids, m.UID), append(p.bodies, m.Body)
		p.bytes, p.unseen = p.bytes+m.Size, p.unseen+unseen(m.Flags)
		return nil
	})
	return p, err
}

func (p *passage) copied() Copied {
	c := Copied{Validity: p.to.validity, From: p.uids}
	for i := range p.uids {
		c.To = append(c.To, p.first+UID(i))
	}
	return c
}

// copy writes the new messages.
func (p *passage) copy(tx *store.Tx, counts bool) error {
	if len(p.uids) == 0 {
		return nil
	}
	p.first = p.to.uidnext
	n := int64(len(p.uids))
	p.to.modseq++
	if err := p.to.count(tx, grown{modseq: p.to.modseq, uids: n, messages: n, unseen: p.unseen, octets: p.bytes}); err != nil {
		return err
	}
	if counts {
		if err := fits(tx, p.to.account); err != nil {
			return err
		}
	}
	tx.Wake(arrivals)
	next := p.first
	for part := range parts(Ranges(p.uids)) {
		if err := p.insert(tx, part, next); err != nil {
			return err
		}
		next += UID(part.len())
	}
	if p.isJunkMove() {
		return noteJunk(tx, p.to.account, p.bodies, p.from.role, p.to.role)
	}
	return nil
}

// insert copies the rows of a part, all of which are there. The new UIDs follow the
// order of the old ones.
func (p *passage) insert(tx *store.Tx, of part, next UID) error {
	where, args := of.where(4)
	_, err := tx.Exec(`INSERT INTO mailbox_message (folder, uid, modseq, body, size, received, flags, keywords, trace)
		SELECT CAST($2 AS BIGINT), $3 + ROW_NUMBER() OVER (ORDER BY uid), CAST($4 AS BIGINT), body, size, received, flags, keywords, trace
		FROM mailbox_message WHERE folder = $1 AND `+where,
		append([]any{int64(p.from.folder), int64(p.to.folder), int64(next) - 1, p.to.modseq}, args...)...)
	if err != nil {
		return err
	}
	where, args = of.where(3)
	_, err = tx.Exec(`INSERT INTO mailbox_structure (message, structure)
		SELECT n.key, s.structure FROM (
			SELECT $2 + ROW_NUMBER() OVER (ORDER BY uid) AS key, $3 + uid AS old FROM mailbox_message WHERE folder = $1 AND `+where+`
		) AS n JOIN mailbox_structure s ON s.message = n.old`,
		append([]any{int64(p.from.folder), structureKey(int64(p.to.folder), int64(next)-1), structureKey(int64(p.from.folder), 0)}, args...)...)
	return err
}

// len is how many UIDs the part has.
func (p part) len() int {
	if p.each == nil {
		return p.whole.Len()
	}
	return len(p.each)
}

// leave takes the messages out of the folder they came from. Their bodies have as many
// references as before.
func (p *passage) leave(tx *store.Tx) error {
	if p.from.folder == p.to.folder { // it has changed already
		p.from.modseq = p.to.modseq
	}
	var gone removed
	for part := range parts(Ranges(p.uids)) {
		if err := gone.remove(tx, p.from.folder, part); err != nil {
			return err
		}
	}
	return gone.bury(tx, p.from)
}

// isJunkMove reports whether the passage says what is junk and what is not. What goes
// from Junk into Trash was junk all the same.
func (p *passage) isJunkMove() bool {
	return (p.from.role == Junk) != (p.to.role == Junk) && p.to.role != Trash
}
