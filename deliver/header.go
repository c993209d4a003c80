package deliver

import (
	"bufio"
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
