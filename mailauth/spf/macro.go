package spf

import "strings"

// MacroString is a text with macros (RFC 7208 section 7): the target of a
// mechanism, the value of a modifier, an explanation. The zero value is none.
type MacroString struct {
	Text   string // as written
	pieces []piece
	tail   int // where in Text the literal behind the last macro begins
}

// piece is a literal, or a macro when its letter is set.
type piece struct {
	literal string
	macro   Macro
}

// Macro is one %{...}.
type Macro struct {
	Letter     byte   // lower case: one of s l o d i p v h, c r t
	Escape     bool   // written in upper case: URL-escaped after expansion
	Parts      int    // how many right-hand parts are kept; 0: all
	Reverse    bool   // parts in reverse
	Delimiters string // what splits into parts; "": the dot
}

// The letters of section 7.2; the last three only in explanations.
const (
	domainLetters  = "slodipvh"
	explainLetters = domainLetters + "crt"
	delimiters     = ".-+,/_="
)

// IsZero reports whether nothing is written.
func (m MacroString) IsZero() bool { return m.Text == "" }

// Macros are the macros of the text in their order; %%, %_ and %- are not among
// them.
func (m MacroString) Macros() []Macro {
	var macros []Macro
	for _, p := range m.pieces {
		if p.macro.Letter != 0 {
			macros = append(macros, p.macro)
		}
	}
	return macros
}

// Uses reports whether any of these lower-case letters is a macro of the text.
func (m MacroString) Uses(letters string) bool {
	for _, p := range m.pieces {
		if p.macro.Letter != 0 && strings.IndexByte(letters, p.macro.Letter) >= 0 {
			return true
		}
	}
	return false
}

// Literal is the whole text when it does not depend on any macro.
func (m MacroString) Literal() (string, bool) {
	switch {
	case len(m.pieces) == 0:
		return "", true
	case len(m.pieces) == 1 && m.pieces[0].macro.Letter == 0:
		return m.pieces[0].literal, true
	}
	return "", false
}

// flaw is what is wrong with a macro string, and where in it.
type flaw struct {
	at   int
	text string
}

// parseMacroString reads a text in which these macro letters are allowed. Every
// flaw is told; the macro string then holds what could be read.
func parseMacroString(text, letters string) (MacroString, []flaw) {
	m := MacroString{Text: text}
	if strings.IndexByte(text, '%') < 0 { // most are plain names
		if text != "" {
			m.pieces = []piece{{literal: text}}
		}
		return m, nil
	}
	var flaws []flaw
	for i := 0; i < len(text); {
		if text[i] != '%' {
			end := i + 1
			for end < len(text) && text[end] != '%' {
				end++
			}
			m.addLiteral(text[i:end])
			i = end
			continue
		}
		width, f := m.addExpand(text[i:], letters)
		if f.text != "" {
			f.at += i
			flaws = append(flaws, f)
		}
		i += width
		m.tail = i
	}
	return m, flaws
}

func (m *MacroString) addLiteral(s string) {
	if n := len(m.pieces); n > 0 && m.pieces[n-1].macro.Letter == 0 {
		m.pieces[n-1].literal += s
		return
	}
	m.pieces = append(m.pieces, piece{literal: s})
}

// addExpand reads the macro-expand at the front of s, which begins with '%', and
// returns how many octets it takes.
func (m *MacroString) addExpand(s, letters string) (width int, f flaw) {
	if len(s) > 1 {
		switch s[1] {
		case '%':
			m.addLiteral("%")
			return 2, flaw{}
		case '_':
			m.addLiteral(" ")
			return 2, flaw{}
		case '-':
			m.addLiteral("%20")
			return 2, flaw{}
		case '{':
			return m.addMacro(s, letters)
		}
	}
	return 1, flaw{text: `a "%" stands alone; it begins a macro like %{d}, or is written %%`}
}

func (m *MacroString) addMacro(s, letters string) (width int, f flaw) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return len(s), flaw{text: `a macro lacks its closing "}"`}
	}
	macro, why := parseMacro(s[2:end], letters)
	if why != "" {
		return end + 1, flaw{text: s[:end+1] + " " + why}
	}
	m.pieces = append(m.pieces, piece{macro: macro})
	return end + 1, flaw{}
}

// parseMacro reads what stands between the braces: letter, digits, "r", and
// delimiters (RFC 7208 section 7.1). It says why it could not.
func parseMacro(s, letters string) (m Macro, why string) {
	if s == "" {
		return m, "is empty"
	}
	m.Letter = s[0] | 0x20
	m.Escape = s[0] < 'a'
	switch {
	case strings.IndexByte(explainLetters, m.Letter) < 0 || !isAlpha(s[0]):
		return m, "is no macro that exists"
	case strings.IndexByte(letters, m.Letter) < 0:
		return m, "may stand only in the text of an explanation" // section 7.2
	}
	rest := strings.TrimLeft(s[1:], "0123456789")
	if digits := s[1 : len(s)-len(rest)]; digits != "" {
		m.Parts = smallNumber(digits)
		if m.Parts == 0 {
			return m, "asks for zero parts" // section 7.3: MUST be nonzero
		}
	}
	if rest != "" && rest[0]|0x20 == 'r' {
		m.Reverse = true
		rest = rest[1:]
	}
	if strings.Trim(rest, delimiters) != "" {
		return m, "has something else than digits, r and delimiters behind its letter"
	}
	m.Delimiters = rest
	return m, ""
}

// smallNumber is the value of digits, at most 1<<20: no name has so many parts.
func smallNumber(digits string) int {
	n := 0
	for i := 0; i < len(digits) && n < 1<<20; i++ {
		n = n*10 + int(digits[i]-'0')
	}
	return min(n, 1<<20)
}

// domainFlaw says what keeps the text from being a domain-spec: it must end in
// a dot and a top label, or in a macro (RFC 7208 section 7.1).
func (m MacroString) domainFlaw() flaw {
	tail := m.Text[m.tail:]
	if tail == "" && m.tail > 0 {
		return flaw{}
	}
	if tail == "" {
		return flaw{text: "the domain is missing"}
	}
	name := strings.TrimSuffix(tail, ".")
	dot := strings.LastIndexByte(name, '.')
	label := name[dot+1:]
	f := flaw{at: m.tail + dot + 1}
	switch {
	case dot < 0 && m.tail > 0:
		f.text = "a name must end in a macro, or in a dot and a top-level domain"
	case dot < 0:
		f.text = "a domain needs at least two labels"
	case label == "":
		f.text = "the domain ends in an empty label"
	case strings.Trim(label, "0123456789") == "":
		f.text = "the top-level domain is a number"
	case !isTopLabel(label):
		f.text = "the top-level domain has a character it cannot have"
	}
	return f
}

// isTopLabel is toplabel of section 7.1: letters and digits with hyphens inside,
// not only digits.
func isTopLabel(s string) bool {
	for i := range len(s) {
		if !isAlpha(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s[0] != '-' && s[len(s)-1] != '-'
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
