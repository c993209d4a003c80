package message

import (
	"encoding/base64"
	"strings"
)

// DecodeWords decodes the encoded words of an unfolded value (RFC 2047) and
// returns valid UTF-8. Words that cannot be decoded stay as they are. Characters
// cut in two between neighbouring words of one charset are put together again:
// RFC 2047 section 5 forbids to cut them, and many do.
func DecodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	var out strings.Builder
	var run wordRun
	for s != "" {
		before, word, rest, ok := cutWord(s)
		if !ok {
			break
		}
		if strings.Trim(before, " \t") != "" || before != "" && !run.open {
			// White space between two encoded words is no part of the text
			// (RFC 2047 section 6.2); everything else is.
			run.flush(&out)
			out.WriteString(before)
		}
		run.add(&out, word)
		s = rest
	}
	run.flush(&out)
	out.WriteString(s)
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

// encodedWord is one =?charset?encoding?text?= taken apart, its octets decoded.
type encodedWord struct {
	charset string
	octets  []byte
}

// wordRun gathers neighbouring words of one charset.
type wordRun struct {
	open    bool
	charset string
	octets  []byte
}

func (r *wordRun) add(out *strings.Builder, w encodedWord) {
	if r.open && !strings.EqualFold(r.charset, w.charset) {
		r.flush(out)
	}
	r.open, r.charset = true, w.charset
	r.octets = append(r.octets, w.octets...)
}

func (r *wordRun) flush(out *strings.Builder) {
	if r.open {
		text, _ := decodeCharset(r.charset, r.octets)
		out.WriteString(text)
	}
	*r = wordRun{octets: r.octets[:0]}
}

// cutWord finds the next encoded word that can be decoded.
func cutWord(s string) (before string, w encodedWord, rest string, ok bool) {
	for at := 0; ; {
		i := strings.Index(s[at:], "=?")
		if i < 0 {
			return "", w, "", false
		}
		start := at + i
		if w, n := parseWord(s[start:]); n > 0 {
			return s[:start], w, s[start+n:], true
		}
		at = start + 2
	}
}

// maxWord is far over the 75 octets of RFC 2047 section 2: many write longer ones.
const maxWord = 8192

// parseWord reads the encoded word at the beginning of s and its length, 0 when
// there is none.
func parseWord(s string) (encodedWord, int) {
	s = s[:min(len(s), maxWord)]
	charset, tail, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || len(tail) < 2 || tail[1] != '?' || strings.ContainsAny(charset, " \t") {
		return encodedWord{}, 0
	}
	text, _, ok := strings.Cut(tail[2:], "?=")
	if !ok {
		return encodedWord{}, 0
	}
	charset, _, _ = strings.Cut(charset, "*") // RFC 2231 section 5: a language follows
	w := encodedWord{charset: charset}
	switch tail[0] {
	case 'B', 'b':
		w.octets, ok = decodeB(text)
	case 'Q', 'q':
		w.octets, ok = decodeQ(text)
	default:
		ok = false
	}
	if !ok || !knownCharset(w.charset) {
		return encodedWord{}, 0
	}
	return w, len(s) - len(tail) + 2 + len(text) + 2
}

func decodeB(s string) ([]byte, bool) {
	octets, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return octets, err == nil
}

// decodeQ is the Q encoding of RFC 2047 section 4.2. Raw spaces are against it
// and taken all the same.
func decodeQ(s string) ([]byte, bool) {
	octets := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '_':
			octets = append(octets, ' ')
		case '=':
			if i+2 >= len(s) {
				return nil, false
			}
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi < 0 || lo < 0 {
				return nil, false
			}
			octets = append(octets, byte(hi<<4|lo))
			i += 2
		default:
			octets = append(octets, c)
		}
	}
	return octets, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
