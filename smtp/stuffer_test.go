package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
)

var bare = regexp.MustCompile(`(^|[^\r])\n|\r([^\n]|$)`)

// FuzzStuffer cuts a message into two pieces anywhere and lets net/textproto undo the
// dots, with LF for CRLF as its manner is.
func FuzzStuffer(f *testing.F) {
	for _, s := range []string{"", ".", "a", "a\r\n", ".\r\n.\r\n", "a\r\n..b\r\n.", "a\n.\n", "a\r.\r", "\r\n\r\n", "a\r\r\n"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, body string, cut int) {
		cut = min(max(cut, 0), len(body))
		var s stuffer
		wire, err := s.stuff(nil, []byte(body[:cut]))
		if err == nil {
			wire, err = s.stuff(wire, []byte(body[cut:]))
		}
		if err == nil {
			wire, err = s.finish(wire)
		}
		if errors.Is(err, ErrBody) != bare.MatchString(body) {
			t.Fatalf("%q: %v", body, err)
		}
		if err != nil {
			return
		}
		rest := bytes.NewReader(append(wire, "QUIT\r\n"...))
		r := bufio.NewReader(rest)
		got, err := io.ReadAll(textproto.NewReader(r).DotReader())
		want := strings.ReplaceAll(body, "\r\n", "\n")
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if err != nil || string(got) != want {
			t.Fatalf("%q went as %q and came as %q, %v", body, wire, got, err)
		}
		if left, _ := io.ReadAll(r); string(left) != "QUIT\r\n" {
			t.Fatalf("%q: the next command came as %q", body, left)
		}
	})
}
