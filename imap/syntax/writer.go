package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// writerSize is how many octets a Writer collects before it sends them.
const writerSize = 16 << 10

// writerBuffers are lent to Writers that have something to send.
var writerBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writerSize+4096); return &b }}

// Writer collects the octets of responses and sends them in large pieces. One that has
// nothing to send holds no buffer. After the first error it sends nothing more; Err
// and Flush tell it.
type Writer struct {
	// UTF8 says that the client enabled UTF8=ACCEPT or IMAP4rev2: names of folders and
	// quoted strings are in UTF-8.
	UTF8 bool

	to  io.Writer
	buf *[]byte
	err error
}

// NewWriter makes a writer to a connection.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Redirect has the octets go elsewhere from now on. Flush before it.
func (w *Writer) Redirect(to io.Writer) { w.to = to }

// Err is why nothing more is sent.
func (w *Writer) Err() error { return w.err }

// Buffered is how many octets wait to be sent.
func (w *Writer) Buffered() int {
	if w.buf == nil {
		return 0
	}
	return len(*w.buf)
}

// Flush sends what was collected.
func (w *Writer) Flush() error {
	w.send()
	if w.buf != nil {
		*w.buf = (*w.buf)[:0]
		if cap(*w.buf) <= 2*writerSize {
			writerBuffers.Put(w.buf)
		}
		w.buf = nil
	}
	return w.err
}

func (w *Writer) send() {
	if w.buf == nil || len(*w.buf) == 0 {
		return
	}
	if w.err == nil {
		_, w.err = w.to.Write(*w.buf)
	}
	*w.buf = (*w.buf)[:0]
}

// room is the buffer to append to. Give the result to keep.
func (w *Writer) room() []byte {
	if w.buf == nil {
		w.buf = writerBuffers.Get().(*[]byte)
	}
	return *w.buf
}

func (w *Writer) keep(b []byte) *Writer {
	*w.buf = b
	if len(b) >= writerSize {
		w.send()
	}
	return w
}

// Raw writes octets as they are.
func (w *Writer) Raw(text string) *Writer { return w.keep(append(w.room(), text...)) }

// Bytes writes octets as they are.
func (w *Writer) Bytes(octets []byte) *Writer { return w.keep(append(w.room(), octets...)) }

// Number writes a number.
func (w *Writer) Number(n int64) *Writer { return w.keep(strconv.AppendInt(w.room(), n, 10)) }

// Ranges writes ascending ranges as a sequence set.
func (w *Writer) Ranges(all []Range) *Writer { return w.keep(AppendRanges(w.room(), all)) }

// DateTime writes an internal date.
func (w *Writer) DateTime(t time.Time) *Writer { return w.keep(AppendDateTime(w.room(), t)) }

// Flags writes words in parentheses.
func (w *Writer) Flags(all []string) *Writer {
	return w.Raw("(").Raw(strings.Join(all, " ")).Raw(")")
}

// String writes text in quotes, or as a literal where quotes cannot hold it.
func (w *Writer) String(text string) *Writer { return w.keep(AppendString(w.room(), text, w.UTF8)) }

// Mailbox writes the name of a folder, given in UTF-8.
func (w *Writer) Mailbox(name string) *Writer {
	if !w.UTF8 {
		name = EncodeName(name)
	}
	return w.String(name)
}

// Literal writes a literal of size octets that come from r, in pieces. Fewer are an error
// after which the dialogue cannot go on.
func (w *Writer) Literal(size int64, r io.Reader) *Writer {
	return w.octets("{", size, r)
}

// Literal8 is Literal for octets among which NULs may be (RFC 3516).
func (w *Writer) Literal8(size int64, r io.Reader) *Writer {
	return w.octets("~{", size, r)
}

// ErrShort is a literal of which not all came.
var ErrShort = errors.New("a literal was cut short")

func (w *Writer) octets(open string, size int64, r io.Reader) *Writer {
	w.Raw(open).Number(size).Raw("}\r\n")
	for size > 0 && w.err == nil {
		b := w.room()
		n, err := r.Read(b[len(b):min(int64(cap(b)), int64(len(b))+size)])
		size -= int64(n)
		w.keep(b[:len(b)+n])
		if err != nil && size > 0 {
			w.err = fmt.Errorf("%w: %w", ErrShort, err)
		}
	}
	return w
}

// maxQuoted is the longest text that goes in quotes.
const maxQuoted = 1000

// AppendString writes text in quotes, or as a literal where quotes cannot hold it:
// with line ends, NULs, octets above 127 (but for UTF-8 where that is allowed), or when
// it is long.
func AppendString(b []byte, text string, isUTF8 bool) []byte {
	if !isQuotable(text, isUTF8) {
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(b, "}\r\n"...)
		return append(b, text...)
	}
	b = append(b, '"')
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return append(b, '"')
}

func isQuotable(text string, isUTF8 bool) bool {
	if len(text) > maxQuoted {
		return false
	}
	high := false
	for i := range len(text) {
		switch c := text[i]; {
		case c == 0, c == '\r', c == '\n':
			return false
		case c >= 0x80:
			high = true
		}
	}
	return !high || isUTF8 && utf8.ValidString(text)
}

// appendAstring writes text as it is where it is one word.
func appendAstring(b []byte, text string) []byte {
	if text != "" && bytes.IndexFunc([]byte(text), func(r rune) bool { return r > 0x7f || !isString(byte(r)) }) < 0 {
		return append(b, text...)
	}
	return AppendString(b, text, false)
}
