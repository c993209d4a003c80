package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
)

// note is what the queue held when a life ended.
type note struct{ waiting map[mail.TraceID]bool }

// lookBetween looks at what a killed server left, without touching it: recovery is
// for the next life.
func (s *ship) lookBetween(t *testing.T, n int) {
	t.Helper()
	dir := s.copyDatabase(t)
	defer os.RemoveAll(dir)
	st := s.open(t, dir)
	defer st.Close()
	left := note{waiting: map[mail.TraceID]bool{}}
	s.read(t, st, func(tx *store.Tx) error {
		return each(tx, `SELECT trace FROM queue_job`, func(rows *store.Rows) error {
			var trace string
			err := rows.Scan(&trace)
			left.waiting[mail.TraceID(trace)] = true
			return err
		})
	})
	for len(s.notes) <= s.sink.lives() {
		s.notes = append(s.notes, note{})
	}
	s.notes[s.sink.lives()] = left
	if n%10 == 9 {
		s.survey(t, st)
	}
}

// copyDatabase copies the embedded database and its log.
func (s *ship) copyDatabase(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"allgreen.db", "allgreen.db-wal"} {
		err := copyFile(filepath.Join(s.settings.Data, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return dir
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (s *ship) open(t *testing.T, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{
		Dir: dir, PostgreSQL: string(s.settings.Store.PostgreSQL), Clock: machineWorld().Now, Schemas: schemas(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (s *ship) read(t *testing.T, st *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := st.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func each(tx *store.Tx, query string, f func(*store.Rows) error) error {
	rows, err := tx.Rows(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// survey says whether the tables are sound and nothing in them is half there.
func (s *ship) survey(t *testing.T, st *store.Store) {
	t.Helper()
	var referred []string
	none := map[string]string{
		"messages without a life in the journal": `SELECT count(*) FROM mailbox_message m WHERE NOT EXISTS (SELECT 1 FROM journal_event j WHERE j.trace = m.trace)`,
		"folders that count wrongly": `SELECT count(*) FROM mailbox_folder f WHERE
			messages <> (SELECT count(*) FROM mailbox_message m WHERE m.folder = f.id) OR
			bytes <> (SELECT coalesce(sum(size), 0) FROM mailbox_message m WHERE m.folder = f.id) OR
			uidnext <= (SELECT coalesce(max(uid), 0) FROM mailbox_message m WHERE m.folder = f.id)`,
		"queue entries counted wrongly": `SELECT abs((SELECT count(*) FROM queue_job) - (SELECT coalesce(sum(total), 0) FROM queue_count))`,
	}
	for _, schema := range schemas() {
		for _, column := range schema.References {
			table, name, _ := strings.Cut(column, ".")
			none["rows of "+table+" without a body"] = fmt.Sprintf(`SELECT count(*) FROM %s r WHERE NOT EXISTS (SELECT 1 FROM store_body b WHERE b.id = r.%s)`, table, name)
			referred = append(referred, fmt.Sprintf(`SELECT %s FROM %s`, name, table))
		}
	}
	none["bodies that nobody refers to"] = `SELECT count(*) FROM store_body WHERE size > 0 AND id NOT IN (` + strings.Join(append(referred, `SELECT body FROM store_released`), ` UNION ALL `) + `)`
	s.read(t, st, func(tx *store.Tx) error {
		if st.Engine() == store.SQLite {
			var sound string
			if err := tx.Row(`PRAGMA integrity_check`).Scan(&sound); err != nil || sound != "ok" {
				t.Errorf("the database is not sound: %s, %v", sound, err)
			}
		}
		for what, query := range none {
			var n int
			if err := tx.Row(query).Scan(&n); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if n != 0 {
				t.Errorf("%s: %d", what, n)
			}
		}
		return nil
	})
}

// compare holds what was promised against what is there.
func (s *ship) compare(t *testing.T) {
	t.Helper()
	st := s.open(t, s.settings.Data)
	defer st.Close()
	s.survey(t, st)
	there := s.unload(t, st)
	for at, copies := range s.sink.copies {
		if at.to != sinkFar {
			t.Errorf("mail for %s came to %s", sinkFar, at.to)
		}
		there[at] = len(copies)
		s.judgeCopies(t, at, copies)
	}
	for _, mark := range s.sink.broken {
		t.Errorf("attempt %q arrived broken", mark)
	}
	count := map[fate]int{}
	for _, a := range s.storm.attempts {
		s.judge(t, a, there)
		count[a.fate]++
		if s.databaseDies && a.fate == unsure {
			t.Errorf("attempt %s got no answer, although the server lived: %v", a.mark, a.err)
		}
	}
	for at := range there {
		t.Errorf("attempt %q is with %s, where nobody sent it", at.mark, at.to)
	}
	t.Logf("%d parcels, attempts: %v, %d lives, %d sent twice", s.storm.parcels, count, s.sink.lives(), s.doubles)
	if count[promised] == 0 || len(s.sink.copies) == 0 {
		t.Error("nothing was tested")
	}
}

// unload counts the copies in all mailboxes, and reads each to its end.
func (s *ship) unload(t *testing.T, st *store.Store) map[address]int {
	t.Helper()
	type row struct {
		owner string
		body  store.BodyID
	}
	var all []row
	s.read(t, st, func(tx *store.Tx) error {
		return each(tx, `SELECT a.address, m.body FROM mailbox_message m JOIN mailbox_folder f ON f.id = m.folder JOIN account_account a ON a.id = f.account`, func(rows *store.Rows) error {
			var r row
			err := rows.Scan(&r.owner, &r.body)
			all = append(all, r)
			return err
		})
	})
	there := map[address]int{}
	for _, r := range all {
		body, err := st.OpenBody(t.Context(), r.body)
		if err != nil {
			t.Errorf("a body in the mailbox of %s: %v", r.owner, err)
			continue
		}
		text, err := io.ReadAll(body)
		body.Close()
		mark, whole := readMark(string(text))
		switch {
		case err != nil || mark != "" && !whole:
			t.Errorf("attempt %q in the mailbox of %s is not whole: %v", mark, r.owner, err)
		case mark != "": // else it is from the server itself
			there[address{mark, r.owner}]++
		}
	}
	return there
}

// judge takes what belongs to an attempt out of what is there, and compares.
func (s *ship) judge(t *testing.T, a *attempt, there map[address]int) {
	t.Helper()
	var copies []int
	for _, to := range a.to {
		at := address{a.mark, to}
		n := there[at]
		if to == shipAway {
			at.to = sinkFar
			n = there[at]
		}
		delete(there, at)
		if at.to == sinkFar {
			n = min(n, 1) // judgeCopies has judged the others
		}
		copies = append(copies, n)
	}
	least, most := slices.Min(copies), slices.Max(copies)
	var wrong string
	switch fate := s.fateOf(a); {
	case most > 1:
		wrong = "somebody has it twice"
	case fate == promised && least == 0:
		wrong = "it was lost"
	case fate == refused && most > 0:
		wrong = "it was refused and is there"
	case least != most:
		wrong = "some have it and some have not"
	default:
		return
	}
	t.Errorf("%s: attempt %s of %d octets for %s, %s (%s): copies %v", wrong, a.mark, a.size, a.to, a.fate, a.reply, copies)
}

// fateOf is what a client may conclude. Where the database died no refusal at the end
// of the data is certain: it may have done what it could not say any more.
func (s *ship) fateOf(a *attempt) fate {
	if s.databaseDies && a.fate == refused && a.at == endOfData {
		return unsure
	}
	return a.fate
}

// judgeCopies says whether the copies at the sink may be so many: a life sends a
// message once, and again only when it was still in the queue at the end of the life
// that had sent it.
func (s *ship) judgeCopies(t *testing.T, at address, copies []arrival) {
	t.Helper()
	slices.SortStableFunc(copies, func(a, b arrival) int { return cmp.Compare(a.life, b.life) })
	for i, c := range copies[1:] {
		before := copies[i]
		if c.life == before.life || !s.noteOf(before.life).waiting[before.trace] {
			t.Errorf("attempt %s came to %s in life %d and again in life %d, although it was done", at.mark, at.to, before.life, c.life)
		}
		s.doubles++
	}
}

func (s *ship) noteOf(life int) note {
	if life < len(s.notes) {
		return s.notes[life]
	}
	return note{}
}
