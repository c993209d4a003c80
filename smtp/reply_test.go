package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

func readFrom(text string) (*replyReader, *[]string) {
	var heard []string
	return newReplyReader(strings.NewReader(text), func(l string) { heard = append(heard, l) }), &heard
}

func TestReplyLimits(t *testing.T) {
	line := func(n int) string { return "250-" + strings.Repeat("x", n-6) + "\r\n" }
	tests := []struct {
		name, text string
		want       error
	}{
		{"a line of 4096 octets", "250 " + strings.Repeat("x", maxReplyLine-6) + "\r\n", nil},
		{"a line of 4097 octets", "250 " + strings.Repeat("x", maxReplyLine-5) + "\r\n", ErrLimit},
		{"a line without end", "250 " + strings.Repeat("x", 1<<20), ErrLimit},
		{"128 lines", strings.Repeat("250-x\r\n", 127) + "250 x\r\n", nil},
		{"129 lines", strings.Repeat("250-x\r\n", 128) + "250 x\r\n", ErrLimit},
		{"64 KB in few lines", strings.Repeat(line(4000), 17) + "250 x\r\n", ErrLimit},
		{"nothing", "", io.EOF},
		{"half a line", "250 x", io.EOF},
		{"an empty line", "\r\n", mail.ErrReply},
		{"only a code", "250\r\n", nil},
		{"NUL", "250 \x00\r\n", nil},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x28\n", mail.ErrReply},
	}
	for _, tt := range tests {
		rr, _ := readFrom(tt.text)
		_, read, err := rr.read()
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if len(read) > 1000 {
			t.Errorf("%s: %d octets go into the error", tt.name, len(read))
		}
	}
}

func TestRepliesFollowEachOther(t *testing.T) {
	rr, heard := readFrom("220 a\r\n250-b\r\n250 c\r\n421 d\r\n")
	for _, want := range []string{"220 a", "250 b c", "421 d"} {
		if r, _, err := rr.read(); err != nil || r.String() != want {
			t.Errorf("%q, %v, want %q", r, err, want)
		}
	}
	if len(*heard) != 4 {
		t.Errorf("heard %q", *heard)
	}
}

// FuzzReply wants bounded reading, and that what was read can be said again.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"220 mx\r\n", "250-a\r\n250 5.1.1 b\n", "250\r\n", "550-5.1.1 x\r\n550 5.1.1 y\r\n", "25", "250-\r\r\n250 \x00\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		rr := newReplyReader(bytes.NewReader(octets), func(string) {})
		r, _, err := rr.read()
		if err != nil {
			return
		}
		if len(r.Lines) == 0 || len(r.Lines) > maxReplyLines || r.Code < 200 || r.Code > 599 {
			t.Fatalf("%+v", r)
		}
		again, _, err := newReplyReader(strings.NewReader(r.Wire()), func(string) {}).read()
		long := len(r.Wire())/len(r.Lines) > 3000
		if err != nil && !long || err == nil && again.Code != r.Code {
			t.Fatalf("%q said again as %q: %v", octets, r.Wire(), err)
		}
	})
}
