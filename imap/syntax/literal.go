package syntax

import "bytes"

// Literal is the announcement of octets that follow the line: {310}, {310+} (RFC 7888)
// or ~{310} (RFC 3516).
type Literal struct {
	Size   int64
	Ahead  bool // the client does not wait to be asked for it
	Binary bool // it may hold NULs
}

// maxDigits bounds the size that a client can announce: a petabyte.
const maxDigits = 15

// parseLiteral reads an announcement at the start of text; n is its length, 0 when
// there is none.
func parseLiteral(text []byte) (l Literal, n int) {
	rest, binary := bytes.CutPrefix(text, []byte("~"))
	rest, ok := bytes.CutPrefix(rest, []byte("{"))
	i := bytes.IndexByte(rest, '}')
	if !ok || i < 1 {
		return l, 0
	}
	digits, ahead := rest[:i], false
	if c := digits[i-1]; c == '+' || c == '-' {
		digits, ahead = digits[:i-1], c == '+'
	}
	if len(digits) > maxDigits {
		return l, 0
	}
	for _, c := range digits {
		if !isDigit(c) {
			return l, 0
		}
	}
	size, ok := atoi(string(digits))
	if !ok {
		return l, 0
	}
	return Literal{Size: size, Ahead: ahead, Binary: binary}, len(text) - len(rest) + i + 1
}

// Announced reports whether a line, without its CRLF, ends with the announcement of a
// literal, so that the command goes on behind it.
func Announced(line []byte) (Literal, bool) {
	if !bytes.HasSuffix(line, []byte("}")) {
		return Literal{}, false
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return Literal{}, false
	}
	if i > 0 && line[i-1] == '~' {
		i--
	}
	l, n := parseLiteral(line[i:])
	return l, n > 0 && n == len(line)-i
}

// Streams reports whether the literal announced at the end of text is the message of an
// APPEND, which is read as it comes and not added to the text.
func Streams(text []byte) bool {
	s := &scanner{text: text}
	s.while(isTag)
	s.space()
	if s.word() != "APPEND" {
		return false
	}
	s.space()
	s.astring()
	s.space()
	return s.err == nil
}
