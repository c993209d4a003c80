package managesieve

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/sasl"
)

// word is one argument of a command: an atom, a number or a string.
type word struct {
	text     string
	isString bool
}

// syntaxError is a line that is no command; the next one can be read.
type syntaxError struct{ text string }

// Error is the text for the client.
func (e *syntaxError) Error() string { return e.text }

// Bounds of what a client says.
const (
	maxLine     = 12 << 10                  // logins have long lines
	maxLiteral  = 2 * mailbox.MaxScriptSize // so that a script that is too large can be refused with words
	maxStranger = maxLine                   // a literal before the login: no more than a line
	maxSkipped  = 16 << 20
	maxWords    = 8
)

// readCommand reads one command with its literals (RFC 5804 section 4).
func (s *session) readCommand() ([]word, error) {
	var words []word
	size := 0
	for {
		line, err := s.ReadLine(maxLine)
		switch {
		case errors.Is(err, dialogue.ErrTooLong), errors.Is(err, dialogue.ErrBareLine):
			return nil, &syntaxError{err.Error()}
		case err != nil:
			return nil, err
		}
		some, literal, err := cutWords(line)
		if err != nil {
			return nil, err
		}
		words = append(words, some...)
		if literal < 0 {
			return words, nil
		}
		longest := maxLiteral
		if s.Who().Kind == account.Nobody {
			longest = maxStranger
		}
		if size += literal; size > longest || len(words) >= maxWords {
			return nil, s.tooLarge(literal)
		}
		octets, err := s.ReadOctets(literal)
		if err != nil {
			return nil, err
		}
		if !utf8.Valid(octets) || strings.IndexByte(string(octets), 0) >= 0 {
			return nil, &syntaxError{"The literal is not UTF-8"} // its command goes on behind it, and is one more fault
		}
		words = append(words, word{string(octets), true})
	}
}

// tooLarge skips a literal that will not be kept, if it has an end in sight: the client
// sends it in any case.
func (s *session) tooLarge(size int) error {
	if size > maxSkipped {
		s.answer("BYE", "QUOTA/MAXSIZE", "That is far too large")
		return errors.New("a literal without an end")
	}
	if err := s.Skip(int64(size)); err != nil {
		return err
	}
	if _, err := s.ReadLine(maxLine); err != nil && !errors.Is(err, dialogue.ErrTooLong) && !errors.Is(err, dialogue.ErrBareLine) {
		return err
	}
	return &syntaxError{"That is too large"}
}

// cutWords takes a line apart; literal is the size of the one that follows it, -1 for
// none.
func cutWords(line string) (words []word, literal int, err error) {
	for line != "" {
		if len(words) == maxWords {
			return nil, -1, &syntaxError{"There are too many words"}
		}
		switch c := line[0]; c {
		case '"':
			text, rest, ok := cutQuoted(line[1:])
			if !ok {
				return nil, -1, &syntaxError{"A quote is missing"}
			}
			words, line = append(words, word{text, true}), rest
		case '{':
			n, ok := parseLiteral(line)
			if !ok {
				return nil, -1, &syntaxError{"That is no literal; one is {12+} at the end of a line"}
			}
			return words, n, nil
		default:
			end := strings.IndexByte(line, ' ')
			if end < 0 {
				end = len(line)
			}
			words, line = append(words, word{text: line[:end]}), line[end:]
		}
		if line != "" {
			if line[0] != ' ' || len(line) == 1 {
				return nil, -1, &syntaxError{"Words are divided by one blank"}
			}
			line = line[1:]
		}
	}
	return words, -1, nil
}

// cutQuoted reads a string up to its closing quote.
func cutQuoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], utf8.ValidString(b.String())
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == 0:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// parseLiteral reads {n+}. Programs also send {n}, which waits for nothing here either
// (RFC 5804 section 4: the server sends such, and takes the other).
func parseLiteral(s string) (n int, ok bool) {
	digits, found := strings.CutSuffix(s[1:], "}")
	digits = strings.TrimSuffix(digits, "+")
	value, err := strconv.ParseUint(digits, 10, 31)
	return int(value), found && err == nil
}

// quote writes a string so that it fits on a line, and otherwise as a literal.
func quote(s string) string {
	if strings.ContainsAny(s, "\r\n\x00") || len(s) > 1024 {
		return "{" + strconv.Itoa(len(s)) + "}\r\n" + s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func decode(text string) ([]byte, error) { return sasl.Decode(text) }
