package message

import (
	"bufio"
	"io"
	"mime"
	"strings"
)

// Part is one node of the MIME structure: a leaf with content, or a multipart or
// message that holds others. It is valid during the call that shows it.
type Part struct {
	Number      string            // as IMAP counts them (RFC 9051 section 6.4.5): "1", "2.1"; "" for a multipart message itself
	Depth       int               // 0 for the message itself
	Header      Header            // of the part; for the message itself the whole header
	Type        string            // "text/plain", lower case
	Params      map[string]string // of Content-Type, names in lower case
	Encoding    string            // Content-Transfer-Encoding, lower case; "7bit" by default
	Disposition string            // "inline", "attachment" or ""
	Filename    string            // decoded, as the sender wrote it: never a path to use

	body        *bufio.Reader // undecoded; nil when the part holds others
	undecodable func() int    // escapes that were none; nil where there are no escapes
	report      func(Problem)
}

// newPart reads what the header says of the content. The fallback type is
// text/plain, and message/rfc822 within multipart/digest (RFC 2046 section 5.1.5).
func newPart(h Header, fallback string) *Part {
	p := &Part{Header: h, Type: fallback, Encoding: "7bit"}
	if v := h.Value("Content-Type"); v != "" {
		if t, params := parseMediaType(v); strings.Contains(t, "/") {
			p.Type, p.Params = t, params
		} else {
			p.Type = "text/plain" // RFC 2045 section 5.2
		}
	}
	if v := h.Value("Content-Transfer-Encoding"); v != "" {
		p.Encoding = strings.ToLower(firstToken(v))
	}
	disposition, params := parseMediaType(h.Value("Content-Disposition"))
	p.Disposition = disposition
	p.Filename = DecodeWords(params["filename"])
	if p.Filename == "" {
		p.Filename = DecodeWords(p.Params["name"])
	}
	return p
}

// Holds reports whether the part is a container: its content is other parts.
func (p *Part) Holds() bool { return p.body == nil }

// Charset is the charset of a text part as declared, lower case, "us-ascii" by
// default (RFC 2046 section 4.1.2).
func (p *Part) Charset() string {
	if c := strings.ToLower(p.Params["charset"]); c != "" {
		return c
	}
	return "us-ascii"
}

// Content is the content with its transfer encoding undone. Where it breaks its
// encoding it ends, and Walk reports that. A container has none.
func (p *Part) Content() io.Reader {
	if p.body == nil {
		return strings.NewReader("")
	}
	return p.decode()
}

// Text is the content as UTF-8. Text in a charset we have no table for is taken
// for UTF-8, and Walk reports that.
func (p *Part) Text() io.Reader {
	r, known := utf8Reader(p.Params["charset"], p.Content())
	if !known {
		p.report(Problem{Code: UnknownCharset, Detail: p.Charset()})
	}
	return r
}

// parseMediaType reads a type and its parameters as forgivingly as it can.
func parseMediaType(v string) (string, map[string]string) {
	t, params, err := mime.ParseMediaType(v)
	if err == nil {
		return t, params
	}
	t, rest, _ := strings.Cut(v, ";")
	params = map[string]string{}
	for rest != "" {
		var name, value string
		name, rest, _ = strings.Cut(rest, "=")
		name = strings.ToLower(strings.Trim(name, " \t;"))
		value, rest = cutParam(strings.TrimLeft(rest, " \t"))
		if _, twice := params[name]; !twice && name != "" {
			params[name] = value
		}
	}
	return strings.ToLower(firstToken(t)), params
}

func cutParam(s string) (value, rest string) {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		value, rest, _ = strings.Cut(quoted, `"`)
		_, rest, _ = strings.Cut(rest, ";")
		return value, rest
	}
	value, rest, _ = strings.Cut(s, ";")
	return strings.TrimSpace(value), rest
}

// firstToken is v up to white space, a comment or a semicolon.
func firstToken(v string) string {
	v = strings.TrimSpace(v)
	if i := strings.IndexAny(v, " \t(;"); i >= 0 {
		return v[:i]
	}
	return v
}
