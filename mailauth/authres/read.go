package authres

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of what is read: a field of a hostile message.
const (
	maxResults    = 100
	maxProperties = 100
	maxDepth      = 50 // of nested comments
)

// ErrSyntax is wrapped by every error of Parse.
var ErrSyntax = errors.New("not an Authentication-Results field")

// Parse reads the value of a field, folded or not. It returns everything that could
// be read; the error joins what could not, a result each. It forgives what well
// known servers write: no authserv-id, values that want quotes and have none, a
// final semicolon.
func Parse(s string) (Field, error) {
	p := &parser{rest: s}
	var f Field
	p.skip()
	if !p.startsWithResult() {
		f.ID = p.value("; \t\r\n(")
		p.skip()
		if digits := p.take(isDigit); digits != "" {
			f.Version = p.number(digits)
		}
		p.skip()
	} else {
		p.fail("there is no authserv-id")
		f.Results = p.result(f.Results)
	}
	for p.rest != "" && len(f.Results) < maxResults {
		if !p.char(';') {
			p.fail("%.40q stands where a semicolon should", p.rest)
			p.resync()
			continue
		}
		f.Results = p.result(f.Results)
	}
	if f.ID == "" && len(f.Results) == 0 {
		p.fail("it is empty")
	}
	return f, errors.Join(p.errs...)
}

// parser reads from the left of rest.
type parser struct {
	rest    string
	comment string // the first one since it was last cleared
	errs    []error
}

const maxErrors = 10

func (p *parser) fail(format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, args...)))
	}
}

// startsWithResult looks whether the field begins with method=result, as some
// servers write that leave their name out.
func (p *parser) startsWithResult() bool {
	q := parser{rest: p.rest}
	if q.take(isKeyword) == "" {
		return false
	}
	q.skip()
	return strings.HasPrefix(q.rest, "=")
}

// result reads one resinfo, or the "none" of a field without any, and appends it.
func (p *parser) result(results []Result) []Result {
	p.skip()
	p.comment = ""
	if p.rest == "" || p.rest[0] == ';' {
		return results // a final or doubled semicolon
	}
	var r Result
	if r.Method = p.take(isKeyword); r.Method == "" {
		p.fail("%.40q is no method", p.rest)
		p.resync()
		return results
	}
	p.skip()
	if p.char('/') {
		p.skip()
		r.Version = p.number(p.take(isDigit))
		p.skip()
	}
	if !p.char('=') {
		if !strings.EqualFold(r.Method, "none") || p.rest != "" && p.rest[0] != ';' {
			p.fail("%.40q has no result", r.Method)
			p.resync()
		}
		return results
	}
	p.skip()
	if r.Value = p.take(isKeyword); r.Value == "" {
		p.fail("%.40q has no result", r.Method)
		p.resync()
		return results
	}
	p.comment = ""
	p.skip()
	p.details(&r)
	r.Comment = p.comment
	return append(results, r)
}

// details reads the reason and the properties.
func (p *parser) details(r *Result) {
	for p.rest != "" && p.rest[0] != ';' {
		name := p.take(isPropertyName)
		p.skip()
		switch {
		case name != "" && p.char('='):
			p.skip()
			v := p.value("; \t\r\n(")
			if strings.EqualFold(name, "reason") && r.Reason == "" {
				r.Reason = v
				break
			}
			p.fail("%.40q of %s is neither a reason nor a property", name, r.Method)
		case name != "" && p.char('.'):
			p.property(r, name)
		default:
			p.fail("%.40q in the result of %s", name+p.rest, r.Method)
			p.resync()
		}
		p.skip()
	}
}

// property reads what follows "ptype.".
func (p *parser) property(r *Result, ptype string) {
	p.skip()
	name := p.take(isPropertyName)
	p.skip()
	if name == "" || !p.char('=') {
		p.fail("%.40q of %s has no value", ptype, r.Method)
		p.resync()
		return
	}
	p.skip()
	v := p.value("; \t\r\n(")
	if len(r.Properties) == maxProperties {
		p.fail("%s has too many properties", r.Method)
		p.resync()
		return
	}
	r.Properties = append(r.Properties, Property{ptype, name, v})
}

// isPropertyName is a keyword with the underscores that exist in the wild.
func isPropertyName(c byte) bool { return isKeyword(c) || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (p *parser) number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n > 1000 {
		p.fail("%.20q is no version", digits)
		return 0
	}
	return n
}

// value reads a quoted string, or everything up to one of the octets in stop. A
// quoted local part may be followed by its domain.
func (p *parser) value(stop string) string {
	var b strings.Builder
	if p.rest != "" && p.rest[0] == '"' {
		b.WriteString(p.quoted())
	}
	i := strings.IndexAny(p.rest, stop)
	if i < 0 {
		i = len(p.rest)
	}
	b.WriteString(p.rest[:i])
	p.rest = p.rest[i:]
	return b.String()
}

// quoted reads a quoted string without its quotes; folds inside it are white space.
func (p *parser) quoted() string {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '\r' || c == '\n':
		default:
			b.WriteByte(c)
		}
	}
	p.fail("a quote is not closed")
	p.rest = ""
	return b.String()
}

// skip passes white space and comments, and keeps the first comment.
func (p *parser) skip() {
	for p.rest != "" {
		switch p.rest[0] {
		case ' ', '\t', '\r', '\n':
			p.rest = p.rest[1:]
		case '(':
			text := p.commentText()
			if p.comment == "" {
				p.comment = text
			}
		default:
			return
		}
	}
}

// commentText reads one comment, nested ones with it.
func (p *parser) commentText() string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '\\' && i+1 < len(p.rest):
			i++
			c = p.rest[i]
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				p.rest = p.rest[i+1:]
				return strings.Join(strings.Fields(b.String()), " ")
			}
		}
		if depth > maxDepth {
			break
		}
		b.WriteByte(c)
	}
	p.fail("a comment is not closed")
	p.rest = ""
	return strings.Join(strings.Fields(b.String()), " ")
}

func (p *parser) take(ok func(byte) bool) string {
	i := 0
	for i < len(p.rest) && ok(p.rest[i]) {
		i++
	}
	s := p.rest[:i]
	p.rest = p.rest[i:]
	return s
}

func (p *parser) char(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// resync goes to the next semicolon outside quotes and comments.
func (p *parser) resync() {
	for p.rest != "" && p.rest[0] != ';' {
		switch p.rest[0] {
		case '"':
			p.quoted()
		case '(':
			p.commentText()
		default:
			p.rest = p.rest[1:]
		}
	}
}
