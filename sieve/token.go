package sieve

import (
	"math"
	"strings"
)

// kind is what sort of token it is.
type kind int

const (
	endOfScript kind = iota
	identifier
	tag
	number
	quoted      // a string, whichever way it was written
	punctuation // one of ; , ( ) [ ] { }
)

// token is one word of the language.
type token struct {
	kind  kind
	text  string // of identifiers and tags in lower case; of strings what they mean
	value int64  // of a number
	at    int    // offset in the script
}

// describe is the token for people.
func (t token) describe() string {
	switch t.kind {
	case endOfScript:
		return "the end of the script"
	case tag:
		return `":` + t.text + `"`
	case number:
		return "a number"
	case quoted:
		return "a string"
	}
	return `"` + t.text + `"`
}

// lexer cuts a script into tokens (RFC 5228 section 2).
type lexer struct {
	source string
	pos    int
}

func (l *lexer) fail(at int, format string, args ...any) error {
	return errorAt(l.source, at, format, args...)
}

// next is the next token. At the end it is endOfScript, again and again.
func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	at := l.pos
	if at == len(l.source) {
		return token{kind: endOfScript, at: at}, nil
	}
	switch c := l.source[at]; {
	case strings.IndexByte(";,()[]{}", c) >= 0:
		l.pos++
		return token{kind: punctuation, text: l.source[at:l.pos], at: at}, nil
	case c == '"':
		return l.quoted()
	case c == ':':
		l.pos++
		name := l.word()
		if name == "" {
			return token{}, l.fail(at, `a tag needs a name behind ":"`)
		}
		return token{kind: tag, text: name, at: at}, nil
	case c >= '0' && c <= '9':
		return l.number()
	case isWordStart(c):
		name := l.word()
		if name == "text" && l.pos < len(l.source) && l.source[l.pos] == ':' {
			return l.multiline(at)
		}
		return token{kind: identifier, text: name, at: at}, nil
	default:
		return token{}, l.fail(at, "%q has no meaning here", []rune(l.source[at:])[0])
	}
}

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// word takes an identifier, "" where none begins.
func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.source) {
		c := l.source[l.pos]
		if !isWordStart(c) && (l.pos == start || c < '0' || c > '9') {
			break
		}
		l.pos++
	}
	return strings.ToLower(l.source[start:l.pos])
}

// skipSpace skips white space and both kinds of comments (section 2.3).
func (l *lexer) skipSpace() error {
	for l.pos < len(l.source) {
		rest := l.source[l.pos:]
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			l.pos++
		case c == '#':
			l.skipLine()
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.fail(l.pos, `this comment has no end: "*/" is missing`)
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

// skipLine goes behind the end of the line.
func (l *lexer) skipLine() {
	end := strings.IndexByte(l.source[l.pos:], '\n')
	if end < 0 {
		l.pos = len(l.source)
		return
	}
	l.pos += end + 1
}

// number is digits and a quantifier (section 2.4.1).
func (l *lexer) number() (token, error) {
	at, n := l.pos, int64(0)
	times := func(by, add int64) bool {
		ok := n <= (math.MaxInt64-add)/by
		n = n*by + add
		return ok
	}
	fits := true
	for l.pos < len(l.source) && l.source[l.pos] >= '0' && l.source[l.pos] <= '9' && fits {
		fits = times(10, int64(l.source[l.pos]-'0'))
		l.pos++
	}
	switch unit := l.word(); {
	case !fits:
	case unit == "k":
		fits = times(1<<10, 0)
	case unit == "m":
		fits = times(1<<20, 0)
	case unit == "g":
		fits = times(1<<30, 0)
	case unit != "":
		return token{}, l.fail(at, "a number may end in K, M or G, not in %q", unit)
	}
	if !fits {
		return token{}, l.fail(at, "the number is too large")
	}
	return token{kind: number, value: n, at: at}, nil
}

// quoted is a string in quotes; a backslash takes the next character as it is.
func (l *lexer) quoted() (token, error) {
	at := l.pos
	var b strings.Builder
	for i := at + 1; i < len(l.source); i++ {
		switch c := l.source[i]; {
		case c == '"':
			l.pos = i + 1
			return token{kind: quoted, text: b.String(), at: at}, nil
		case c == '\\' && i+1 < len(l.source):
			i++
			b.WriteByte(l.source[i])
		default:
			b.WriteByte(c)
		}
	}
	return token{}, l.fail(at, `this string has no end: a quote is missing`)
}

// multiline is "text:", the lines behind it, and a dot alone (section 2.4.2). The
// word is read already.
func (l *lexer) multiline(at int) (token, error) {
	l.pos++
	rest := strings.TrimLeft(l.source[l.pos:], " \t")
	l.pos = len(l.source) - len(rest)
	if rest == "" || rest[0] != '#' && rest[0] != '\n' && !strings.HasPrefix(rest, "\r\n") {
		return token{}, l.fail(l.pos, `behind "text:" the line must end`)
	}
	l.skipLine()
	var b strings.Builder
	for l.pos < len(l.source) {
		start := l.pos
		l.skipLine()
		line := l.source[start:l.pos]
		if strings.TrimRight(line, "\r\n") == "." {
			return token{kind: quoted, text: b.String(), at: at}, nil
		}
		if strings.HasPrefix(line, "..") {
			line = line[1:]
		}
		b.WriteString(line)
	}
	return token{}, l.fail(at, `this text has no end: a line with only a dot is missing`)
}
