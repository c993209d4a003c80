package submit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// load reads a sender's history.
func (l *ledger) load(ctx context.Context, name string, now time.Time) (*history, error) {
	h := &history{loaded: now}
	err := l.store.Read(ctx, func(tx *store.Tx) error {
		*h = history{slots: map[int64]tally{}, networks: map[netip.Prefix]time.Time{}, lately: map[netip.Prefix]time.Time{}, loaded: now}
		if err := h.loadSlots(tx, name, now); err != nil {
			return err
		}
		if err := h.loadNetworks(tx, name); err != nil {
			return err
		}
		rows, err := tx.Rows(`SELECT at FROM submit_pardon WHERE principal = $1`, name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&h.pardoned); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return h, err
}

// loadSlots reads what was counted: the last day in detail, of the days before it
// only what is usual.
func (h *history) loadSlots(tx *store.Tx, name string, now time.Time) error {
	rows, err := tx.Rows(`SELECT slot, SUM(messages), SUM(recipients), SUM(remote), SUM(strangers), SUM(refused)
		FROM submit_tally WHERE principal = $1 AND slot > $2 GROUP BY slot`, name, slotOf(now.Add(-learned)))
	if err != nil {
		return err
	}
	defer rows.Close()
	hours, days := map[int64]int{}, map[int64]bool{}
	yesterday := slotOf(now.Add(-24 * time.Hour))
	for rows.Next() {
		var slot int64
		var t tally
		if err := rows.Scan(&slot, &t.Messages, &t.Recipients, &t.Remote, &t.Strangers, &t.Refused); err != nil {
			return err
		}
		if slot >= yesterday {
			h.slots[slot] = t
			continue
		}
		at := slot / slotsPerHour
		hours[at] += t.Remote
		days[at/24] = days[at/24] || t.Messages > 0
		h.hours[at%24] += t.Messages
		h.usual = max(h.usual, hours[at])
	}
	h.days = len(days)
	return rows.Err()
}

const slotsPerHour = int64(time.Hour / slotLength)

func (h *history) loadNetworks(tx *store.Tx, name string) error {
	rows, err := tx.Rows(`SELECT network, since, last FROM submit_network WHERE principal = $1`, name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var since, last time.Time
		if err := rows.Scan(&text, &since, &last); err != nil {
			return err
		}
		if p, err := netip.ParsePrefix(text); err == nil {
			h.networks[p], h.lately[p] = since, last
		}
	}
	return rows.Err()
}

// digestOf stands for an address in the table of contacts.
func digestOf(a mail.Address) int64 {
	sum := sha256.Sum256([]byte(strings.ToLower(a.String())))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// strangersAmong gives the digests of the addresses that a sender never wrote to.
func strangersAmong(tx *store.Tx, name string, to []mail.Address) ([]int64, error) {
	wanted := make([]int64, 0, len(to))
	fresh := make(map[int64]bool, len(to))
	for _, a := range to {
		if d := digestOf(a); !fresh[d] {
			fresh[d] = true
			wanted = append(wanted, d)
		}
	}
	for rest := wanted; len(rest) > 0; rest = rest[min(len(rest), pieces):] {
		if err := markKnown(tx, name, rest[:min(len(rest), pieces)], fresh); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(wanted, func(d int64) bool { return !fresh[d] }), nil
}

// pieces is how many values one statement carries.
const pieces = 100

// markKnown sets the digests that stand in the table to false.
func markKnown(tx *store.Tx, name string, digests []int64, fresh map[int64]bool) error {
	args := []any{name}
	for _, d := range digests {
		args = append(args, d)
	}
	rows, err := tx.Rows(`SELECT digest FROM submit_contact WHERE principal = $1 AND digest IN (`+
		parameters(2, len(digests))+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d int64
		if err := rows.Scan(&d); err != nil {
			return err
		}
		fresh[d] = false
	}
	return rows.Err()
}

// parameters is "$2, $3, $4" for n parameters from the first on.
func parameters(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}

// write appends the charge to the store, in the message's own transaction.
func (c *charge) write(tx *store.Tx) error {
	if err := writeTally(tx, c.principal, c.at, c.tally); err != nil {
		return err
	}
	for rest := c.contacts; len(rest) > 0; rest = rest[min(len(rest), pieces):] {
		if err := writeContacts(tx, c.principal, rest[:min(len(rest), pieces)]); err != nil {
			return err
		}
	}
	if !c.moved {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO submit_network (principal, network, since, last) VALUES ($1, $2, $3, $4)
		ON CONFLICT (principal, network) DO UPDATE SET last = excluded.last`,
		c.principal, c.network.String(), store.Micros(c.at), store.Micros(c.at))
	return err
}

func writeTally(tx *store.Tx, principal string, at time.Time, t tally) error {
	_, err := tx.Exec(`INSERT INTO submit_tally (principal, slot, messages, recipients, remote, strangers, refused)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, principal, slotOf(at), t.Messages, t.Recipients, t.Remote, t.Strangers, t.Refused)
	return err
}

func writeContacts(tx *store.Tx, principal string, digests []int64) error {
	args := []any{principal}
	var values strings.Builder
	for i, d := range digests {
		if i > 0 {
			values.WriteString(", ")
		}
		fmt.Fprintf(&values, "($1, $%d)", i+2)
		args = append(args, d)
	}
	_, err := tx.Exec(`INSERT INTO submit_contact (principal, digest) VALUES `+values.String()+` ON CONFLICT DO NOTHING`, args...)
	return err
}

// Sweep folds what was appended, and forgets what is older than four weeks or, of
// requests, than a day. Run it every hour.
func (s *Submitter) Sweep(ctx context.Context) error {
	now := s.world.Now()
	return s.store.Write(ctx, func(tx *store.Tx) error {
		if err := fold(tx, slotOf(now)); err != nil {
			return fmt.Errorf("fold what senders did: %w", err)
		}
		if _, err := tx.Exec(`DELETE FROM submit_tally WHERE slot <= $1`, slotOf(now.Add(-learned))); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM submit_request WHERE at < $1`, store.Micros(now.Add(-keepRequests)))
		return err
	})
}

// fold makes one row of the rows of one sender and slot, for slots that nobody
// appends to any more. Rows that another process folds meanwhile are not there to
// be deleted twice.
func fold(tx *store.Tx, before int64) error {
	rows, err := tx.Rows(`DELETE FROM submit_tally WHERE slot < $1 AND EXISTS (
			SELECT 1 FROM submit_tally AS other WHERE other.principal = submit_tally.principal AND other.slot = submit_tally.slot
			GROUP BY other.principal HAVING COUNT(*) > 1)
		RETURNING principal, slot, messages, recipients, remote, strangers, refused`, before)
	if err != nil {
		return err
	}
	defer rows.Close()
	type key struct {
		principal string
		slot      int64
	}
	sums := map[key]tally{}
	for rows.Next() {
		var k key
		var t tally
		if err := rows.Scan(&k.principal, &k.slot, &t.Messages, &t.Recipients, &t.Remote, &t.Strangers, &t.Refused); err != nil {
			return err
		}
		sum := sums[k]
		sum.add(t)
		sums[k] = sum
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for k, t := range sums {
		if err := writeTally(tx, k.principal, time.Unix(k.slot*int64(slotLength/time.Second), 0), t); err != nil {
			return err
		}
	}
	return nil
}
