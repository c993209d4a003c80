package mailbox

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/store"
)

// textPostgreSQL is the index in rows of tsvector.
type textPostgreSQL struct{}

// A piece of a message has so many words, of which the last ones begin the next piece:
// a phrase that is not longer is found across them. A tsvector has 256 positions of one
// word; so few words hardly ever have one so often.
const (
	pieceWords   = 2000
	piecesShared = 20
)

func (textPostgreSQL) add(tx *store.Tx, key int64, d *document) error {
	w := pieceWriter{tx: tx, key: key}
	for i := range d {
		for word := range strings.FieldsSeq(string(d[i].out)) {
			if err := w.add(word, i); err != nil {
				return err
			}
		}
		w.position++ // no phrase goes from field to field
	}
	return w.flush()
}

// weights stand for the fields in the order of their bits.
const weights = "ABCD"

// pieceWriter writes the words of a message, piece by piece.
type pieceWriter struct {
	tx       *store.Tx
	key      int64
	piece    int
	text     strings.Builder
	position int
	count    int
	last     []weighted // as many as the next piece repeats
}

type weighted struct {
	word  string
	field int
}

func (w *pieceWriter) add(word string, field int) error {
	if w.count == pieceWords {
		last := w.last
		if err := w.flush(); err != nil {
			return err
		}
		w.last = nil
		for _, again := range last {
			w.put(again)
		}
	}
	w.put(weighted{word, field})
	return nil
}

func (w *pieceWriter) put(x weighted) {
	if w.count == 0 {
		w.text.WriteString(folderWord(w.key >> 32))
	}
	w.position++
	w.count++
	w.text.WriteString(" " + x.word + ":" + strconv.Itoa(w.position) + weights[x.field:x.field+1])
	if w.last = append(w.last, x); len(w.last) > piecesShared {
		w.last = w.last[1:]
	}
}

// folderWord is a word that stands for a folder, and that no text has.
func folderWord(folder int64) string { return "#" + strconv.FormatInt(folder, 10) }

func (w *pieceWriter) flush() error {
	if w.count == 0 {
		return nil
	}
	_, err := w.tx.Exec(`INSERT INTO mailbox_text (message, piece, words) VALUES ($1, $2, CAST(CAST($3 AS TEXT) AS TSVECTOR))
		ON CONFLICT (message, piece) DO UPDATE SET words = excluded.words`, w.key, w.piece, w.text.String())
	w.piece++
	w.text.Reset()
	w.position, w.count = 0, 0
	return err
}

// match tells the planner to ask the index: it counts rows, and does not know that to
// read each tsvector out of its TOAST takes far longer than all it has to read of the
// index.
func (textPostgreSQL) match(tx *store.Tx, folder FolderID, p phrase, in Field) (*store.Rows, error) {
	if _, err := tx.Exec(`SET LOCAL enable_seqscan = off`); err != nil {
		return nil, err
	}
	return tx.Rows(`SELECT message FROM mailbox_text WHERE words @@ CAST(CAST($1 AS TEXT) AS TSQUERY) ORDER BY message`,
		folderWord(int64(folder))+" & ("+matchTSQuery(p, in)+")")
}

// matchTSQuery is a phrase in the language of tsquery.
func matchTSQuery(p phrase, in Field) string {
	var weight string
	for rest := in; rest != 0 && in != inAll; rest &= rest - 1 {
		weight += weights[bits.TrailingZeros8(uint8(rest)):][:1]
	}
	var b strings.Builder
	for i, word := range p.words {
		if i > 0 {
			b.WriteString(" <-> ")
		}
		b.WriteString(word)
		star := ""
		if p.prefix && i == len(p.words)-1 {
			star = "*"
		}
		if star+weight != "" {
			b.WriteString(":" + star + weight)
		}
	}
	return b.String()
}

func (textPostgreSQL) drop(tx *store.Tx, first, last int64) error {
	_, err := tx.Exec(`DELETE FROM mailbox_text WHERE message BETWEEN $1 AND $2`, first, last)
	return err
}
