package message

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
)

// leaf is content to be written, and its transfer encoding (RFC 2045 section 6).
type leaf struct {
	encoding string
	write    func(io.Writer) error
}

// textEntity is a text part in UTF-8, in the encoding that keeps it shortest and
// lets nothing on the way change it.
func textEntity(subtype, text string) entity {
	text = endLines(strings.ToValidUTF8(text, "\uFFFD"))
	return entity{
		header: []Field{NewField("Content-Type", "text/"+subtype+"; charset=utf-8")},
		leaf:   textLeaf(text),
	}
}

// endLines ends every line of a text, however it was ended, and its last one too, with
// CRLF (RFC 2046 section 4.1.1).
func endLines(text string) string {
	text = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n").Replace(text)
	if text != "" && !strings.HasSuffix(text, "\r\n") {
		text += "\r\n"
	}
	return text
}

// wideText is the longest line that goes without an encoding: what some hosts on
// the way would wrap is encoded, for it would break the signature.
const wideText = 78

func textLeaf(text string) leaf {
	plain, eight := true, 0
	for line := range strings.SplitSeq(text, "\r\n") {
		plain = plain && len(line) <= wideText && isPrintableOrTab(line) && !strings.HasPrefix(line, "From ") &&
			!strings.HasSuffix(line, " ")
	}
	for i := range len(text) {
		if text[i] >= 0x80 {
			eight++
		}
	}
	switch {
	case plain:
		return leaf{"7bit", func(w io.Writer) error { _, err := io.WriteString(w, text); return err }}
	case eight > len(text)/4:
		return bytesLeaf(strings.NewReader(text))
	}
	return leaf{"quoted-printable", func(w io.Writer) error { return writeQuoted(w, strings.NewReader(text)) }}
}

func isPrintableOrTab(line string) bool {
	return isPrintableASCII(strings.ReplaceAll(line, "\t", " "))
}

// writeQuoted writes CRLF text as quoted-printable.
func writeQuoted(w io.Writer, text io.Reader) error {
	q := quotedprintable.NewWriter(w)
	if _, err := io.Copy(q, text); err != nil {
		return err
	}
	return q.Close()
}

func bytesLeaf(content io.Reader) leaf {
	return leaf{"base64", func(w io.Writer) error {
		lines := &lineWriter{w: w}
		b := base64.NewEncoder(base64.StdEncoding, lines)
		if content != nil {
			if _, err := io.Copy(b, content); err != nil {
				return err
			}
		}
		if err := b.Close(); err != nil {
			return err
		}
		return lines.end()
	}}
}

// base64Line is the width of a line (RFC 2045 section 6.8).
const base64Line = 76

// lineWriter breaks what is written to it into lines.
type lineWriter struct {
	w    io.Writer
	line int
	buf  []byte
}

// Write never splits the CRLF from its line.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.buf = l.buf[:0]
	for rest := p; len(rest) > 0; {
		n := min(base64Line-l.line, len(rest))
		l.buf = append(l.buf, rest[:n]...)
		if l.line += n; l.line == base64Line {
			l.buf = append(l.buf, "\r\n"...)
			l.line = 0
		}
		rest = rest[n:]
	}
	if _, err := l.w.Write(l.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *lineWriter) end() error {
	if l.line == 0 {
		return nil
	}
	l.line = 0
	_, err := io.WriteString(l.w, "\r\n")
	return err
}
