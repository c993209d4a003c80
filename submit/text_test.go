package submit_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/allgreen-mail/allgreen/message"
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

// FuzzText: whatever is piped in, what comes out can be sent, and is not changed a
// second time.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "Subject: x\n\nbody", "hello", "From a\n b\nA: b\r\r\n\x00", " x", "A: b\n \n", "\r", "A:\n\tb\nC"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once, err := io.ReadAll(submit.Text(strings.NewReader(in)))
		if err != nil {
			t.Fatal(err)
		}
		if rest := strings.ReplaceAll(string(once), "\r\n", ""); strings.ContainsAny(rest, "\r\n\x00") || len(once) > 0 && !strings.HasSuffix(string(once), "\r\n") {
			t.Fatalf("%q became %q", in, once)
		}
		m, err := message.Read(strings.NewReader(string(once)), message.Limits{})
		if err != nil && !errors.Is(err, message.ErrHeaderTooLarge) {
			t.Fatal(err)
		}
		for _, p := range m.Header.Problems {
			if p.Code == message.NotAField || p.Code == message.MboxLine || p.Code == message.LeadingFold || p.Code == message.BlankFold {
				t.Fatalf("%q became %q: %v", in, once, p)
			}
		}
		if strings.HasPrefix(string(once), "From ") || strings.HasPrefix(string(once), ">From ") {
			return // one more mbox line below the first
		}
		twice, err := io.ReadAll(submit.Text(strings.NewReader(string(once))))
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, then %q, %v", in, once, twice, err)
		}
	})
}
