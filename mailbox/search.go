package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/store"
)

// Query is words to be found in a row: "blue car" finds the blue car and the blue cars,
// and neither the dark blue carpet nor a car that is blue.
type Query struct {
	Text string // its words are what HasWords finds; the last one may be the beginning of a longer one
	In   Field  // where; zero: everywhere
}

// ErrNoWords: the text of a query has no letter and no digit.
var ErrNoWords = errors.New("no words to look for")

// HasWords reports whether there is anything in a text that a Query could find.
func HasWords(text string) bool { return len(phraseOf(text).words) > 0 }

// Search gives for each query the messages of a folder that have its words. What is not
// indexed yet is read, once for all queries. Case, accents, and the charset and encoding
// of the message make no difference. ErrNoFolder, ErrNoWords.
func (x *Index) Search(ctx context.Context, folder FolderID, queries ...Query) ([]UIDSet, error) {
	s := search{index: x, folder: folder, found: make([][]UIDRange, len(queries))}
	for _, q := range queries {
		p := phraseOf(q.Text)
		if len(p.words) == 0 {
			return nil, fmt.Errorf("search for %q: %w", q.Text, ErrNoWords)
		}
		s.phrases, s.in = append(s.phrases, p), append(s.in, q.In&inAll)
		if q.In&inAll == 0 {
			s.in[len(s.in)-1] = inAll
		}
	}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("search folder %d: %w", folder, err)
	}
	sets := make([]UIDSet, len(queries))
	for i, found := range s.found {
		sets[i] = NewUIDSet(s.there.Intersect(found)...)
	}
	return sets, nil
}

// search is one Search on its way.
type search struct {
	index   *Index
	folder  FolderID
	phrases []phrase
	in      []Field
	there   UIDSet       // the messages of the folder
	found   [][]UIDRange // rising, by query; among them may be some that are not there
}

func (s *search) run(ctx context.Context) error {
	var f Folder
	err := s.index.main.Read(ctx, func(tx *store.Tx) (err error) {
		if f, err = FolderByID(tx, s.folder); err == nil {
			s.there, err = UIDs(tx, s.folder)
		}
		return err
	})
	if err != nil {
		return err
	}
	indexed, err := s.ask(ctx, f)
	if err != nil {
		return err
	}
	tail := s.there.Intersect([]UIDRange{{indexed + 1, s.there.Max()}})
	return FetchPages(ctx, s.index.main, s.folder, tail, Facts, func(m *Message) error {
		d, err := s.index.document(ctx, m.Body)
		if err == nil {
			s.look(m.UID, d)
		}
		return err
	})
}

// ask asks the index, and gives the UID up to which it knows.
func (s *search) ask(ctx context.Context, f Folder) (indexed UID, err error) {
	if s.index.text == nil {
		return 0, nil
	}
	err = s.index.text.Read(ctx, func(tx *store.Tx) error {
		p, err := progressOf(tx, s.folder)
		if err != nil || p.validity != f.UIDValidity {
			return err
		}
		indexed = p.indexed
		for i := range s.phrases {
			rows, err := s.index.table.match(tx, s.folder, s.phrases[i], s.in[i])
			if err != nil {
				return err
			}
			if s.found[i], err = keysOf(rows); err != nil {
				return err
			}
		}
		return nil
	})
	return indexed, err
}

// keysOf reads rising keys as ranges of UIDs.
func keysOf(rows *store.Rows) (found []UIDRange, err error) {
	defer rows.Close()
	for rows.Next() {
		var key int64
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		found = appendUID(found, UID(key))
	}
	return found, rows.Err()
}

// look looks into one message.
func (s *search) look(uid UID, d *document) {
	for i, p := range s.phrases {
		if d.has(p, s.in[i]) {
			s.found[i] = appendUID(s.found[i], uid)
		}
	}
}

// has reports whether a phrase is in one of the fields.
func (d *document) has(p phrase, in Field) bool {
	for i := range d {
		if in&(1<<i) != 0 && p.in(string(d[i].out)) {
			return true
		}
	}
	return false
}
