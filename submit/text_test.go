package submit_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/allgreen-mail/allgreen/submit"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"as it should be", "Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"},
		{"a file", "Subject: x\n y\n\nbody\n", "Subject: x\r\n y\r\n\r\nbody\r\n"},
		{"an old Macintosh", "Subject: x\r\rbody\r", "Subject: x\r\n\r\nbody\r\n"},
		{"all mixed", "A: b\r\n\nx\ry\r\n\r\nz", "A: b\r\n\r\nx\r\ny\r\n\r\nz\r\n"},
		{"no end", "Subject: x\n\nbody", "Subject: x\r\n\r\nbody\r\n"},
		{"no header", "hello there\nA: b\n", "\r\nhello there\r\nA: b\r\n"},
		{"the empty line forgotten", "Subject: x\nhello there\n", "Subject: x\r\n\r\nhello there\r\n"},
		{"mbox", "From a@b Mon Jan  1 00:00:00 2026\nSubject: x\n\nFrom here\n", "Subject: x\r\n\r\nFrom here\r\n"},
		{"NUL", "Subj\x00ect: x\n\na\x00b\n", "Subject: x\r\n\r\nab\r\n"},
		{"a fold without a field", " x\n\ny\n", "\r\n x\r\n\r\ny\r\n"},
		{"a blank fold ends the header", "A: b\n  \nC: d\n", "A: b\r\n\r\n  \r\nC: d\r\n"},
		{"a dot stays a line", "A: b\n\n.\nx\n", "A: b\r\n\r\n.\r\nx\r\n"},
		{"a long field", "A: " + strings.Repeat("x", 70000) + "\nB: c\n", "A: " + strings.Repeat("x", 70000) + "\r\nB: c\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.in), "one by one": iotest.OneByteReader(strings.NewReader(tt.in)),
			} {
				got, err := io.ReadAll(submit.Text(r))
				if err != nil || string(got) != tt.want {
					t.Errorf("%s: got %.200q, %v; want %.200q", name, got, err, tt.want)
				}
			}
		})
	}
	if _, err := io.ReadAll(submit.Text(iotest.ErrReader(io.ErrUnexpectedEOF))); err != io.ErrUnexpectedEOF {
		t.Errorf("a broken stream ends in %v", err)
	}
}
