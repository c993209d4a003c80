package structure

import (
	"slices"
	"strconv"
)

// BodyStructure is IMAP's BODYSTRUCTURE of the message, and without its extension
// data BODY (RFC 9051 section 7.5.2).
func (m *Message) BodyStructure(extended bool) []byte {
	return m.Root.append(make([]byte, 0, 512), extended)
}

func (p *Part) append(b []byte, extended bool) []byte {
	b = append(b, '(')
	if p.IsMultipart() {
		b = p.appendMultipart(b, extended)
	} else {
		b = p.appendLeaf(b, extended)
	}
	if extended {
		b = p.appendDisposition(append(b, ' '))
		b = p.appendLanguage(append(b, ' '))
		b = appendNString(append(b, ' '), p.Location)
	}
	return append(b, ')')
}

func (p *Part) appendMultipart(b []byte, extended bool) []byte {
	for _, child := range p.Children {
		b = child.append(b, extended)
	}
	b = appendString(append(b, ' '), p.Subtype)
	if extended {
		b = appendParams(append(b, ' '), p.Params)
	}
	return b
}

func (p *Part) appendLeaf(b []byte, extended bool) []byte {
	b = appendString(b, p.Type)
	b = appendString(append(b, ' '), p.Subtype)
	b = appendParams(append(b, ' '), p.shownParams())
	b = appendNString(append(b, ' '), p.ID)
	b = appendNString(append(b, ' '), p.Description)
	b = appendString(append(b, ' '), p.Encoding)
	b = strconv.AppendInt(append(b, ' '), p.Body.Size(), 10)
	if p.IsMessage() {
		b = p.Envelope.Append(append(b, ' '))
		b = p.Children[0].append(append(b, ' '), extended)
	}
	if p.IsMessage() || p.Type == "text" {
		b = strconv.AppendInt(append(b, ' '), p.Lines, 10)
	}
	if extended {
		b = appendNString(append(b, ' '), p.MD5)
	}
	return b
}

// usASCII is the charset of texts that name none (RFC 2045 section 5.2). Programs expect
// to be told.
var usASCII = Param{"charset", "us-ascii"}

func (p *Part) shownParams() []Param {
	if p.Type != "text" || slices.ContainsFunc(p.Params, func(p Param) bool { return p.Name == "charset" || p.Name == "charset*" }) {
		return p.Params
	}
	return append([]Param{usASCII}, p.Params...)
}

func appendParams(b []byte, params []Param) []byte {
	if len(params) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, p := range params {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendString(b, p.Name)
		b = appendString(append(b, ' '), p.Value)
	}
	return append(b, ')')
}

func (p *Part) appendDisposition(b []byte) []byte {
	if p.Disposition == "" {
		return append(b, "NIL"...)
	}
	b = appendString(append(b, '('), p.Disposition)
	return append(appendParams(append(b, ' '), p.DispositionParams), ')')
}

func (p *Part) appendLanguage(b []byte) []byte {
	if len(p.Language) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, l := range p.Language {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendString(b, l)
	}
	return append(b, ')')
}
