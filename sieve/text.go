package sieve

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// text is a string of a script: what it says, and where variables stand in it (RFC
// 5229 section 3).
type text struct {
	pieces []piece
	at     int
}

// piece is a constant, or the name of a variable, or the number of a match variable.
type piece struct {
	constant string
	name     string
	number   int // of a match variable; -1: it is none
}

// constant gives what a text says when no variable stands in it.
func (t text) constant() (string, bool) {
	switch {
	case len(t.pieces) == 0:
		return "", true
	case len(t.pieces) == 1 && t.pieces[0].name == "" && t.pieces[0].number < 0:
		return t.pieces[0].constant, true
	}
	return "", false
}

// literal is a text without variables.
func literal(s string) text { return text{pieces: []piece{{constant: s, number: -1}}} }

// texts compiles the strings of an argument.
func (c *compiler) texts(a argument) ([]text, error) {
	all := make([]text, len(a.strings))
	for i, s := range a.strings {
		var err error
		if all[i], err = c.text(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// oneText compiles an argument that is one string.
func (c *compiler) oneText(a argument) (text, error) {
	if len(a.strings) != 1 {
		return text{at: a.at}, nil
	}
	return c.text(a.strings[0])
}

func (c *compiler) text(s token) (text, error) {
	said := s.text
	if c.script.Requires("encoded-character") {
		var err error
		if said, err = decodeCharacters(said); err != nil {
			return text{}, c.fail(s.at, "%w", err)
		}
	}
	t := literal(said)
	if c.script.Requires("variables") {
		var err error
		if t, err = c.template(said, s.at); err != nil {
			return text{}, err
		}
	}
	t.at = s.at
	return t, nil
}

// template finds the variables in a string. What only looks like one stays as it is
// (section 3).
func (c *compiler) template(s string, at int) (t text, err error) {
	constant := ""
	add := func(p piece) {
		if constant != "" {
			t.pieces = append(t.pieces, piece{constant: constant, number: -1})
			constant = ""
		}
		t.pieces = append(t.pieces, p)
	}
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		constant += before
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		p, ok := parseReference(name)
		if !closed || !ok {
			constant, s = constant+"${", rest
			continue
		}
		if p.number > maxMatch {
			return t, c.fail(at, "there is no match variable ${%s}: they end with ${%d}", name, maxMatch)
		}
		if strings.Contains(p.name, ".") {
			return t, c.fail(at, `there are no variables named "%s" here`, name)
		}
		add(p)
		s = after
	}
	if constant != "" || len(t.pieces) == 0 {
		t.pieces = append(t.pieces, piece{constant: constant, number: -1})
	}
	return t, nil
}

// maxMatch is the highest match variable; RFC 5229 section 6 asks for 9.
const maxMatch = 31

// parseReference reads what stands between the braces of a variable.
func parseReference(name string) (p piece, ok bool) {
	if n, err := strconv.Atoi(name); err == nil && name[0] >= '0' && name[0] <= '9' {
		return piece{number: n}, true
	}
	for part := range strings.SplitSeq(name, ".") {
		if !isIdentifier(part) {
			return p, false
		}
	}
	return piece{name: strings.ToLower(name), number: -1}, true
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		if !isWordStart(s[i]) && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// decodeCharacters undoes ${hex: 40 41} and ${unicode: 20AC} (RFC 5228 section
// 2.4.2.4). What only looks like one stays as it is.
func decodeCharacters(s string) (string, error) {
	var b strings.Builder
	for s != "" {
		at := strings.Index(s, "${")
		if at < 0 {
			break
		}
		b.WriteString(s[:at])
		inner, after, closed := strings.Cut(s[at+2:], "}")
		decoded, ok, err := decodeCharacter(inner)
		if err != nil {
			return "", err
		}
		if !closed || !ok {
			b.WriteString("${")
			s = s[at+2:]
			continue
		}
		b.WriteString(decoded)
		s = after
	}
	b.WriteString(s)
	return b.String(), nil
}

// characterError is a number that stands for no character.
type characterError string

func (e characterError) Error() string { return "there is no character " + string(e) }

func decodeCharacter(inner string) (decoded string, ok bool, err error) {
	kind, list, found := strings.Cut(inner, ":")
	kind = strings.ToLower(kind)
	if !found || kind != "hex" && kind != "unicode" {
		return "", false, nil
	}
	var b strings.Builder
	for word := range strings.FieldsSeq(list) {
		n, err := strconv.ParseUint(word, 16, 32)
		if err != nil || kind == "hex" && len(word) > 2 {
			return "", false, nil
		}
		switch {
		case kind == "hex":
			b.WriteByte(byte(n))
		case !utf8.ValidRune(rune(n)):
			return "", false, characterError(word)
		default:
			b.WriteRune(rune(n))
		}
	}
	return b.String(), b.Len() > 0, nil
}
