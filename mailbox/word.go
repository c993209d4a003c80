package mailbox

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Text is searched by its words, in one form whatever it was written in: letters and
// digits, small, without accents, compatible forms as the plain ones ("Größe" is
// "grosse", and so is what was sent decomposed or in full width). Scripts that do not
// divide words give a word for each character, so that a row of them is found within a
// longer one.

// maxWord bounds a word, in octets: what is longer is no word of a language.
const maxWord = 64

// words gathers the words of a text that comes in pieces, each with a blank before it.
type words struct {
	out     []byte
	limit   int  // octets of out; further words are dropped
	size    int  // octets of the word that is open; zero: none is
	single  bool // the last word was a character of an undivided script
	pending []byte
}

// write adds a piece, which may end within a word or within a character.
func (w *words) write(p []byte) {
	if len(w.pending) > 0 {
		p = append(w.pending, p...)
		w.pending = nil
	}
	for len(p) > 0 {
		if c := p[0]; c < utf8.RuneSelf {
			w.ascii(c)
			p = p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			w.pending = append([]byte(nil), p...)
			return
		}
		r, n := utf8.DecodeRune(p)
		w.rune(r)
		p = p[n:]
	}
}

// end ends the text: what follows is another one.
func (w *words) end() { w.size, w.pending = 0, nil }

func (w *words) ascii(c byte) {
	switch {
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		w.add(c)
	case 'A' <= c && c <= 'Z':
		w.add(c + 'a' - 'A')
	default:
		w.size = 0
	}
}

func (w *words) add(octets ...byte) {
	if len(w.out)+len(octets) >= w.limit {
		return
	}
	if w.size == 0 {
		w.out, w.single = append(w.out, ' '), false
	}
	if w.size+len(octets) <= maxWord {
		w.out = append(w.out, octets...)
	}
	w.size += len(octets)
}

// An accent is one of the combining marks that European scripts can be read without.
func isAccent(r rune) bool { return 0x0300 <= r && r <= 0x036F }

func (w *words) rune(r rune) {
	switch {
	case isAccent(r) || r == '\u00AD' || r == '\u200C' || r == '\u200D': // and what joins within a word
		return
	case r == 'ß' || r == 'ẞ':
		w.add('s', 's')
		return
	case (r == '\u3099' || r == '\u309A') && w.single: // it makes another letter of the kana before it
		kana, n := utf8.DecodeLastRune(w.out)
		w.out = norm.NFC.AppendString(w.out[:len(w.out)-n], string([]rune{kana, r}))
		return
	}
	var buffer [64]byte
	plain := norm.NFKD.AppendString(buffer[:0], string(r))
	plain = norm.NFC.Bytes(withoutAccents(plain))
	for len(plain) > 0 {
		r, n := utf8.DecodeRune(plain)
		plain = plain[n:]
		w.letter(unicode.ToLower(r))
	}
}

func withoutAccents(p []byte) []byte {
	kept := p[:0]
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if !isAccent(r) {
			kept = append(kept, p[:n]...)
		}
		p = p[n:]
	}
	return kept
}

// undivided are the scripts that put no blanks between words.
var undivided = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

func (w *words) letter(r rune) {
	switch {
	case r < utf8.RuneSelf:
		w.ascii(byte(r))
	case r == 'ς':
		w.letter('σ') // the same letter at the end of a word
	case unicode.In(r, undivided...):
		w.size = 0
		w.add(utf8.AppendRune(nil, r)...)
		w.size, w.single = 0, true
	case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
		w.add(utf8.AppendRune(nil, r)...)
	default:
		w.size = 0
	}
}

// minPrefix is how long a word must be for those that begin with it to be found, too:
// all that begin with one letter are half of a language.
const minPrefix = 2

// phrase is words in a row to be found. The last one may be the beginning of a longer
// one: people look for what they have typed so far.
type phrase struct {
	words  []string
	prefix bool
}

// phraseOf reads what somebody looks for.
func phraseOf(text string) phrase {
	w := words{limit: 4096}
	w.write([]byte(text))
	p := phrase{words: strings.Fields(string(w.out))}
	if n := len(p.words); n > 0 {
		p.prefix = w.size > 0 && !w.single && len(p.words[n-1]) >= minPrefix
	}
	return p
}

// in reports whether gathered words have the phrase.
func (p phrase) in(gathered string) bool {
	want := " " + strings.Join(p.words, " ")
	if p.prefix {
		return strings.Contains(gathered, want)
	}
	return strings.Contains(gathered+" ", want+" ")
}
