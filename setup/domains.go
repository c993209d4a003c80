package setup

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/allgreen-mail/allgreen/mail"
)

// ErrNoPlace is wrapped by the error about a configuration in which the list of domains
// could not be found; a person can.
var ErrNoPlace = errors.New("the line with domains was not found")

var (
	domainsKey = regexp.MustCompile(`(?m)^[ \t]*domains[ \t]*=[ \t]*\[`)
	firstTable = regexp.MustCompile(`(?m)^[ \t]*\[`)
)

// AddDomainTo is the text of a configuration with one domain more; everything else in it
// stays, comments too. Whoever calls it reads the result before it is written: TOML can
// be written in more ways than are understood here.
func AddDomainTo(text []byte, domain mail.Domain) ([]byte, error) {
	at := domainsKey.FindIndex(text)
	if table := firstTable.FindIndex(text); at == nil || table != nil && table[0] < at[0] {
		return nil, fmt.Errorf("%w: add %q to domains", ErrNoPlace, domain)
	}
	end, last := closing(text, at[1])
	if end < 0 {
		return nil, fmt.Errorf("%w: add %q to domains", ErrNoPlace, domain)
	}
	more := fmt.Sprintf(", %q", domain)
	switch text[last] {
	case '[':
		more = fmt.Sprintf("%q", domain)
	case ',':
		more = fmt.Sprintf(" %q", domain)
	}
	return bytes.Join([][]byte{text[:last+1], []byte(more), text[last+1:]}, nil), nil
}

// closing finds the end of an array of strings, and the last octet in it that is neither
// blank nor of a comment; -1 where it does not end.
func closing(text []byte, from int) (end, last int) {
	last = from - 1
	var quote byte
	for i := from; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
			continue
		case c == ']':
			return i, last
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		last = i
	}
	return -1, last
}
