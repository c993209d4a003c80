package mailbox

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"
)

// wordsOf are the words of a text that comes in pieces of a size.
func wordsOf(text string, piece int) string {
	w := words{limit: maxWords}
	for p := []byte(text); len(p) > 0; {
		n := min(piece, len(p))
		w.write(p[:n])
		p = p[n:]
	}
	return string(w.out)
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"Hello, World 42!":              " hello world 42",
		"a-b_c.d@e":                     " a b c d e",
		"Größe GRÖSSE gro\u0308ße":      " grosse grosse grosse",
		"Ｆｕｌｌ ﬁne":                      " full fine",
		"ΛΌΓΟΣ λόγος":                   " λογοσ λογοσ",
		"日本語 text":                      " 日 本 語 text",
		"がか\u3099":                      " が が",
		"한국어":                           " 한국어",
		"สวัสดี":                        " ส ว ั ส ด ี",
		"हिन्दी":                        " हिन्दी",
		"soft\u00adhyphen":              " softhyphen",
		"bad\xff\xfebytes":              " bad bytes",
		"x\x00y":                        " x y",
		strings.Repeat("z", 100) + " a": " " + strings.Repeat("z", maxWord) + " a",
	} {
		for _, piece := range []int{1, 2, 3, 1000} {
			if got := wordsOf(text, piece); got != want {
				t.Errorf("words of %q in pieces of %d: %q, want %q", text, piece, got, want)
			}
		}
	}
}

func TestPhrase(t *testing.T) {
	for _, tt := range []struct {
		look, text string
		want       bool
	}{
		{"car", "the cars", true}, {"car ", "the cars", false}, {"car ", "the car", true}, {"he car", "the car", false},
		{"the c", "the car", false}, {"the ca", "the car", true}, {"日本", "x日本y", true}, {"本", "日本", true}, {"a.b", "A B", true},
	} {
		if got := phraseOf(tt.look).in(wordsOf(tt.text, 100)); got != tt.want {
			t.Errorf("%q in %q: %v", tt.look, tt.text, got)
		}
	}
}

// TestBrokenStream: what could not be read must not pass for what is not there.
func TestBrokenStream(t *testing.T) {
	broken := errors.New("broken")
	for _, whole := range []string{"Subject: x\r\n\r\ntext", "Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nZZZZ", "Subject: x\r\nContent-Type: text/html\r\n\r\n<p>", "Sub"} {
		if _, err := readDocument(io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("a stream that breaks after %q: %v", whole, err)
		}
	}
}

func TestBounds(t *testing.T) {
	large := "Subject: x\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("<p>word</p> ", maxText/10)
	d, err := readDocument(strings.NewReader(large))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d[3].out); n > maxWords || n < maxWords/2 {
		t.Errorf("%d octets of words, of %d", n, maxWords)
	}
}

// FuzzDocument reads anything as a message. Words are always small letters and digits
// with a blank before each, as the index takes them; and what is found word by word is
// found by the phrase of that word.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		"", "Subject: a\r\n\r\nb", "Content-Type: text/html\r\n\r\n<b>x</b>y&amp;z<script>w",
		"Subject: =?utf-8?q?=C3=A9?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xff\xfe\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: i\r\n\r\n日本\r\n--b--",
		"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B%F%9%H\x1b(B", "ΌΣ: \u0345\u1fb3\u0130",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := readDocument(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for i := range d {
			text := string(d[i].out)
			if !utf8.ValidString(text) || text != "" && text[0] != ' ' {
				t.Fatalf("words %q", text)
			}
			for word := range strings.SplitSeq(strings.TrimPrefix(text, " "), " ") {
				if word == "" && text != "" || len(word) > maxWord || strings.ContainsFunc(word, func(r rune) bool {
					return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
				}) {
					t.Fatalf("word %q in %q", word, text)
				}
			}
		}
	})
}
