package message

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// Leaf is a part of which the type, charset and transfer encoding are known from
// before, and the content is at hand as it came: for Content and Text.
func Leaf(mediaType, charset, encoding string, content io.Reader) *Part {
	return &Part{
		Number: "1", Type: mediaType, Params: map[string]string{"charset": charset}, Encoding: strings.ToLower(encoding),
		body: bufio.NewReader(content), report: func(Problem) {},
	}
}

// KnownEncoding reports whether Content can undo a transfer encoding, which is given
// in lower case. What is in another comes as it is.
func KnownEncoding(encoding string) bool {
	switch encoding {
	case "7bit", "8bit", "binary", "base64", "quoted-printable":
		return true
	}
	return false
}

// decode undoes the transfer encoding (RFC 2045 section 6).
func (p *Part) decode() io.Reader {
	switch p.Encoding {
	case "7bit", "8bit", "binary":
		return p.body
	case "base64":
		return &forgiving{p, base64.NewDecoder(base64.StdEncoding, &base64Filter{r: p.body})}
	case "quoted-printable":
		q := &quotedPrintable{r: p.body}
		p.undecodable = func() int { return q.bad }
		return q
	}
	p.report(Problem{Code: UnknownEncoding, Detail: p.Encoding})
	return p.body
}

// forgiving ends where the encoding is broken instead of failing, and says so.
type forgiving struct {
	part *Part
	r    io.Reader
}

func (f *forgiving) Read(buf []byte) (int, error) {
	n, err := f.r.Read(buf)
	var reading *readError
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &reading) {
		f.part.report(Problem{Code: BadEncoding, Detail: err.Error()})
		err = io.EOF
	}
	return n, err
}

// readError is an error of the stream itself, told apart from one of a decoder.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// base64Filter drops what is not of the alphabet (RFC 2045 section 6.8 says to
// ignore it) and ends at the padding.
type base64Filter struct {
	r    io.Reader
	done bool
	n    int
}

func (f *base64Filter) Read(buf []byte) (int, error) {
	for {
		if f.done {
			return f.padding(buf)
		}
		n, err := f.r.Read(buf)
		n = f.keep(buf[:n])
		if errors.Is(err, io.EOF) {
			f.done, err = true, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// keep moves the alphabet to the front and returns how much there is.
func (f *base64Filter) keep(buf []byte) int {
	n := 0
	for _, c := range buf {
		switch {
		case f.done:
		case c == '=':
			f.done = true
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			buf[n] = c
			n++
		}
	}
	f.n += n
	return n
}

// padding completes the last group, whether the sender did or not.
func (f *base64Filter) padding(buf []byte) (int, error) {
	if f.n%4 < 2 || len(buf) == 0 {
		return 0, io.EOF
	}
	buf[0] = '='
	f.n++
	return 1, nil
}
