package message

import (
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
)

// encodingOf finds the table of a charset; nil with true is UTF-8 itself.
func encodingOf(charset string) (encoding.Encoding, bool) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil, true
	case "iso-8859-1", "latin1":
		// Mail labelled Latin-1 is Windows-1252 where the two differ: the C1
		// controls that Latin-1 has there are no text.
		return charmap.Windows1252, true
	}
	if e, err := ianaindex.MIME.Encoding(charset); err == nil && e != nil {
		return e, true
	}
	if e, err := htmlindex.Get(charset); err == nil {
		return e, true
	}
	return nil, false
}

func knownCharset(charset string) bool {
	_, ok := encodingOf(charset)
	return ok
}

// ToUTF8 turns octets of a charset into UTF-8; false means that it is unknown.
func ToUTF8(charset string, octets []byte) (string, bool) {
	if !knownCharset(charset) {
		return "", false
	}
	return decodeCharset(charset, octets)
}

// decodeCharset turns octets into UTF-8; false means that the charset is unknown
// and the octets were taken as UTF-8.
func decodeCharset(charset string, octets []byte) (string, bool) {
	e, known := encodingOf(charset)
	if e == nil {
		return strings.ToValidUTF8(string(octets), "\uFFFD"), known
	}
	text, err := e.NewDecoder().Bytes(octets)
	if err != nil {
		return strings.ToValidUTF8(string(octets), "\uFFFD"), false
	}
	return string(text), true
}

// utf8Reader is decodeCharset for a stream.
func utf8Reader(charset string, r io.Reader) (io.Reader, bool) {
	e, known := encodingOf(charset)
	if e == nil {
		e = unicode.UTF8 // its decoder replaces what is not valid
	}
	return e.NewDecoder().Reader(r), known
}
