package message

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestForm(t *testing.T) {
	long := strings.Repeat("x", 999)
	tests := []struct {
		name, in string
		want     Form
		problems []Code
	}{
		{"clean", "A: 1\r\n\r\nhi\r\n", Form{Size: 12, HeaderSize: 8, Lines: 3, LongestLine: 4}, nil},
		{"a file", "A: 1\n\nhi\n", Form{Size: 9, HeaderSize: 6, Lines: 3, LongestLine: 4, BareLF: 3}, nil},
		{"bare LF among CRLF", "A: 1\r\n\nhi\r\n", Form{Size: 11, HeaderSize: 7, Lines: 3, LongestLine: 4, BareLF: 1}, []Code{BareLF}},
		{"bare CR", "A: 1\r\n\r\na\rb\r\r\n\r", Form{Size: 15, HeaderSize: 8, Lines: 3, LongestLine: 4, BareCR: 3}, []Code{BareCR}},
		{"NUL", "A: \x00\r\n", Form{Size: 6, HeaderSize: 6, Lines: 1, LongestLine: 4, NUL: 1}, []Code{NUL}},
		{"eight bit", "A: é\r\n\r\né", Form{Size: 11, HeaderSize: 9, Lines: 2, LongestLine: 5, EightBit: 2, HeaderEight: 2}, nil},
		{"long lines", "A: 1\r\n\r\n" + long + "\r\n" + long[1:] + "\r\n" + long,
			Form{Size: 3008, HeaderSize: 8, Lines: 4, LongestLine: 999, LongLines: 2}, []Code{LongLine}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f Form
			if _, err := io.Copy(&f, iotest.OneByteReader(strings.NewReader(tt.in))); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, f, cmpopts.IgnoreUnexported(Form{})); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			var codes []Code
			for _, p := range f.Problems() {
				codes = append(codes, p.Code)
			}
			if d := cmp.Diff(tt.problems, codes); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}
