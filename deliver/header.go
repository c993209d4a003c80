package deliver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxHeader is how much of a header is looked at.
const maxHeader = 256 << 10

// headerHasUTF8 reports whether the header has octets over 127. One too long to be
// looked at is taken to have some.
func headerHasUTF8(r io.Reader) (bool, error) {
	in := bufio.NewReader(io.LimitReader(r, maxHeader))
	for n := 0; ; {
		line, err := in.ReadString('\n')
		if strings.IndexFunc(line, func(r rune) bool { return r > 127 }) >= 0 {
			return true, nil
		}
		n += len(line)
		switch {
		case errors.Is(err, io.EOF):
			return n >= maxHeader, nil
		case err != nil:
			return false, err
		case strings.TrimRight(line, "\r\n") == "":
			return false, nil
		}
	}
}

// returnPath begins the field that whoever delivers into a mailbox writes on top.
const returnPath = "Return-Path:"

// withoutReturnPath leaves out the Return-Path field that our own delivery put on top of a
// message which is forwarded too: it is not for others (RFC 5321 section 4.4).
func withoutReturnPath(r io.Reader, size int64) (io.Reader, int64, error) {
	first := make([]byte, len(returnPath))
	n, err := io.ReadFull(r, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, err
	}
	first = first[:n]
	if string(first) != returnPath {
		return io.MultiReader(bytes.NewReader(first), r), size, nil
	}
	in := bufio.NewReader(r)
	line, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	return in, size - int64(n+len(line)), nil
}
