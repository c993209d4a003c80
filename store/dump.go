package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// At is the schema as it was at an older version, so that what was dumped then can be
// loaded: Open an empty store with it, Load, close it, and open it as it is now.
func (sc Schema) At(version int) (Schema, error) {
	if version < 0 || version > len(sc.Versions) {
		return sc, fmt.Errorf("%w: tables of %s have version %d, this program knows %d", ErrNewer, sc.Name, version, len(sc.Versions))
	}
	sc.Versions = sc.Versions[:version]
	if version == 0 {
		sc.Kept, sc.References = nil, nil
	}
	return sc, nil
}

// Versions are those of all schemas of the open store, by name.
func (s *Store) Versions() map[string]int {
	all := map[string]int{}
	for _, schema := range s.schemas {
		all[schema.Name] = len(schema.Versions)
	}
	return all
}

// dumpedTable begins the rows of a table in a dump.
type dumpedTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Next    int64    `json:"next,omitempty"` // the last id given, where none is given twice
}

// Dump writes the rows of all tables that are Kept, as tx sees them: a line of JSON for
// each table and each row. It is the same for both engines, so that what one has
// written the other can load.
func (s *Store) Dump(tx *Tx, w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, schema := range s.schemas {
		for _, table := range schema.Kept {
			if err := s.dumpTable(tx, table, out); err != nil {
				return fmt.Errorf("dump %s: %w", table, err)
			}
		}
	}
	return out.Flush()
}

func (s *Store) dumpTable(tx *Tx, table string, out *bufio.Writer) error {
	head := dumpedTable{Table: table}
	var err error
	if head.Columns, err = s.columns(tx, table); err != nil {
		return err
	}
	if head.Next, err = s.lastID(tx, table); err != nil {
		return err
	}
	write := json.NewEncoder(out)
	write.SetEscapeHTML(false)
	if err := write.Encode(head); err != nil {
		return err
	}
	order := ` ORDER BY 1, 2` // the same rows give the same dump
	if len(head.Columns) == 1 {
		order = ` ORDER BY 1`
	}
	rows, err := tx.Rows(`SELECT ` + strings.Join(head.Columns, ", ") + ` FROM ` + table + order)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, dest := make([]any, len(head.Columns)), make([]any, len(head.Columns))
	for i := range dest {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, v := range values {
			values[i] = dumped(v)
		}
		if err := write.Encode(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// octets are what JSON has no word for.
type octets struct {
	Octets []byte `json:"octets"`
}

// real is a number that is no integer, told apart from one.
type real struct {
	Real float64 `json:"real"`
}

func dumped(v any) any {
	switch v := v.(type) {
	case []byte:
		return octets{v}
	case float64:
		return real{v}
	}
	return v
}

// columns are the names of a table's columns.
func (s *Store) columns(tx *Tx, table string) (names []string, err error) {
	query := `SELECT name FROM pragma_table_info($1) ORDER BY cid`
	if s.Engine() == PostgreSQL {
		query = `SELECT CAST(column_name AS TEXT) FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
	}
	rows, err := tx.Rows(query, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there is no such table")
	}
	return names, nil
}

// sequence is the counter behind the ids of a table in PostgreSQL; empty where there
// is none.
func (s *Store) sequence(tx *Tx, table string) (name string, err error) {
	err = tx.Row(`SELECT pg_get_serial_sequence(CAST(table_name AS TEXT), CAST(column_name AS TEXT)) FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'`, table).Scan(&name)
	if errors.Is(err, ErrNoRow) {
		return "", nil
	}
	return name, err
}

// lastID is the highest id that a table ever gave; 0 where ids may be given again.
func (s *Store) lastID(tx *Tx, table string) (id int64, err error) {
	query, args := `SELECT seq FROM sqlite_sequence WHERE name = $1`, []any{table}
	if s.Engine() == PostgreSQL {
		name, err := s.sequence(tx, table)
		if err != nil || name == "" {
			return 0, err
		}
		query, args = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM `+name, nil
	} else if there, err := s.hasSequences(tx); err != nil || !there {
		return 0, err
	}
	err = tx.Row(query, args...).Scan(&id)
	if errors.Is(err, ErrNoRow) {
		return 0, nil
	}
	return id, err
}

// hasSequences reports whether any table of the embedded database counts its ids.
func (s *Store) hasSequences(tx *Tx) (there bool, err error) {
	err = tx.Row(`SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence')`).Scan(&there)
	return there, err
}

const (
	loadRows   = 500      // rows in one transaction
	maxRowSize = 64 << 20 // octets of one line of a dump
)

// Load puts a dump into the tables in place of what they hold. The tables must have the
// versions of the dump: see Schema.At.
func (s *Store) Load(ctx context.Context, r io.Reader) error {
	l := loader{s: s, in: bufio.NewReaderSize(r, 64<<10)}
	for !l.ended {
		err := l.fill()
		if err == nil {
			err = s.Write(ctx, l.load)
		}
		if err != nil {
			return fmt.Errorf("load the table %s: %w", l.head.Table, err)
		}
	}
	return nil
}

// loader reads a dump, some lines for each transaction.
type loader struct {
	s     *Store
	in    *bufio.Reader
	head  dumpedTable
	lines [][]byte
	ended bool
}

// fill reads the lines of the next transaction.
func (l *loader) fill() error {
	l.lines = nil
	for !l.ended && len(l.lines) < loadRows {
		line, err := l.in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			l.ended, err = true, nil
		}
		if err != nil {
			return err
		}
		if len(line) > maxRowSize {
			return errors.New("a row is too long")
		}
		if len(line) > 0 {
			l.lines = append(l.lines, line)
		}
	}
	return nil
}

func (l *loader) load(tx *Tx) (err error) {
	head := l.head
	for _, line := range l.lines {
		if line[0] == '{' {
			head, err = l.begin(tx, line)
		} else {
			err = l.insert(tx, head, line)
		}
		if err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { l.head = head })
	return nil
}

// begin empties a table and sets what counts its ids.
func (l *loader) begin(tx *Tx, line []byte) (head dumpedTable, err error) {
	if err := json.Unmarshal(line, &head); err != nil {
		return head, err
	}
	if !l.isKept(head.Table) {
		return head, fmt.Errorf("nobody keeps a table %q", head.Table)
	}
	have, err := l.s.columns(tx, head.Table)
	if err != nil {
		return head, err
	}
	known := map[string]bool{}
	for _, name := range have {
		known[name] = true
	}
	for _, name := range head.Columns {
		if !known[name] {
			return head, fmt.Errorf("the table %s has no column %q", head.Table, name)
		}
	}
	if _, err := tx.Exec(`DELETE FROM ` + head.Table); err != nil {
		return head, err
	}
	return head, l.count(tx, head)
}

func (l *loader) isKept(table string) bool {
	for _, schema := range l.s.schemas {
		for _, kept := range schema.Kept {
			if kept == table {
				return true
			}
		}
	}
	return false
}

// count goes on counting the ids of a table where the dump ended.
func (l *loader) count(tx *Tx, head dumpedTable) error {
	if head.Next == 0 {
		return nil
	}
	if l.s.Engine() == PostgreSQL {
		name, err := l.s.sequence(tx, head.Table)
		if err != nil || name == "" {
			return err
		}
		var now int64
		return tx.Row(`SELECT setval($1, $2)`, name, head.Next).Scan(&now)
	}
	there, err := l.s.hasSequences(tx)
	if err != nil || !there {
		return err
	}
	n, err := tx.Exec(`UPDATE sqlite_sequence SET seq = $2 WHERE name = $1`, head.Table, head.Next)
	if err == nil && n == 0 {
		_, err = tx.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)`, head.Table, head.Next)
	}
	return err
}

func (l *loader) insert(tx *Tx, head dumpedTable, line []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil {
		return err
	}
	if len(raw) != len(head.Columns) || len(raw) == 0 {
		return fmt.Errorf("a row of %s has %d columns", head.Table, len(raw))
	}
	values, places := make([]any, len(raw)), make([]string, len(raw))
	for i := range raw {
		var err error
		if values[i], err = undumped(raw[i]); err != nil {
			return err
		}
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	own := ""
	if l.s.Engine() == PostgreSQL {
		own = "OVERRIDING SYSTEM VALUE "
	}
	_, err := tx.Exec(`INSERT INTO `+head.Table+` (`+strings.Join(head.Columns, ", ")+`) `+own+`VALUES (`+strings.Join(places, ", ")+`)`, values...)
	return err
}

// undumped is a value as dumped made it.
func undumped(raw json.RawMessage) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case '{':
		var v struct {
			Octets []byte   `json:"octets"`
			Real   *float64 `json:"real"`
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, err
		}
		if v.Real != nil {
			return *v.Real, nil
		}
		if v.Octets == nil {
			v.Octets = []byte{}
		}
		return v.Octets, nil
	}
	var n int64
	err := json.Unmarshal(raw, &n)
	return n, err
}
