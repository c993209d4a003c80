package smtp

import (
	"fmt"
	"strings"
	"testing"
)

// smuggled are the ends of data that one server or another once took for CRLF.CRLF
// (CVE-2023-51764, 51765, 51766, and what was tried after them). What stands behind one
// of them is a second message, with another sender, that nobody authenticated.
var smuggled = []struct{ name, end string }{
	{"LF.LF", "\n.\n"},
	{"LF.CRLF", "\n.\r\n"},
	{"CRLF.LF", "\r\n.\n"},
	{"CRLF.CR", "\r\n.\r"},
	{"CR.CR", "\r.\r"},
	{"CR.LF", "\r.\n"},
	{"CR.CRLF", "\r.\r\n"},
	{"LF.CR", "\n.\r"},
	{"CRLF.CRCRLF", "\r\n.\r\r\n"},
	{"CRCRLF.CRLF in a line of dots", "\r\r\n..\r\n"},
	{"LFCR.LFCR", "\n\r.\n\r"},
	{"NUL CRLF.CRLF", "\x00\r\n..\r\n"},
	{"CRNULLF.CRLF", "\r\x00\n.\r\n"},
	{"CRLF.NULCRLF", "\r\n.\x00\r\n"},
	{"CRLFNUL.CRLF", "\r\n\x00.\r\n"},
	{"CRLF.CRNULLF", "\r\n.\r\x00\n"},
	{"CRLF.SPCRLF", "\r\n. \r\n"},
	{"CRLFSP.CRLF", "\r\n .\r\n"},
	{"CRLF..CRLF", "\r\n..\r\n"},
	{"vertical tab", "\v.\v"},
	{"form feed", "\f.\f"},
	{"NEL in UTF-8", "\u0085.\u0085"},
	{"line separator", "\u2028.\u2028"},
}

// clean are those of them that are text like any other.
var clean = map[string]bool{
	"CRLF.SPCRLF": true, "CRLFSP.CRLF": true, "CRLF..CRLF": true,
	"vertical tab": true, "form feed": true, "NEL in UTF-8": true, "line separator": true,
}

// TestSmuggling sends each variant after DATA in one piece, octet by octet and cut at
// every place, and wants one message or none, one answer, and the dialogue in step.
func TestSmuggling(t *testing.T) {
	for _, v := range smuggled {
		t.Run(v.name, func(t *testing.T) {
			inner := "MAIL FROM:<admin@bank.example>\r\nRCPT TO:<victim@d.example>\r\nDATA\r\nSubject: smuggled\r\n"
			said := "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nhello" +
				v.end + inner + "\r\nbye\r\n.\r\nNOOP\r\nQUIT\r\n"
			for step := range 80 {
				replies, letters := agree(t, said, step, false)
				want := "220 250 250 250 354 554 250 221"
				if clean[v.name] {
					want = "220 250 250 250 354 250 250 221"
				}
				if got := codes(replies); got != want {
					t.Fatalf("in pieces of %d: %s, want %s", step, got, want)
				}
				if clean[v.name] != (len(letters) == 1) {
					t.Fatalf("in pieces of %d: accepted %q", step, letters)
				}
			}
		})
	}
}

// TestSmugglingInChunks sends each variant by BDAT, where no end of data exists, cut into
// two chunks at every place.
func TestSmugglingInChunks(t *testing.T) {
	for _, v := range smuggled {
		t.Run(v.name, func(t *testing.T) {
			text := "x: y\r\n\r\nhello" + v.end + "MAIL FROM:<e@f.example>\r\n.\r\n"
			for cut := range len(text) + 1 {
				said := "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n" +
					fmt.Sprintf("BDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\nQUIT\r\n", cut, text[:cut], len(text)-cut, text[cut:])
				replies, letters := agree(t, said, 0, false)
				if clean[v.name] != (len(letters) == 1) || replies[len(replies)-1].Code != 221 {
					t.Fatalf("cut at %d: %s, accepted %q", cut, codes(replies), letters)
				}
			}
		})
	}
}

// TestSmugglingInCommands wants line ends that are none to hide no command.
func TestSmugglingInCommands(t *testing.T) {
	tests := []struct{ name, said, want string }{
		{"bare LF", "EHLO c\r\nNOOP\nMAIL FROM:<a@b.example>\r\nQUIT\r\n", "220 250 421"},
		{"bare LF in an argument", "EHLO c\r\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\r\nQUIT\r\n", "220 250 421"},
		{"bare CR", "EHLO c\r\nNOOP\rMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nQUIT\r\n", "220 250 500 503 221"},
		{"CRCRLF", "EHLO c\r\nNOOP\r\r\nQUIT\r\n", "220 250 500 221"},
		{"NUL", "EHLO c\r\nNO\x00OP\r\nQUIT\r\n", "220 250 500 221"},
		{"a line of megabytes", "EHLO c\r\n" + strings.Repeat("a", 1<<20) + "\r\nQUIT\r\n", "220 250 421"},
		{"a line too long with a command at its end", "EHLO c\r\n" + strings.Repeat("a", maxCommand-6) + "QUIT\r\nNOOP\r\nQUIT\r\n", "220 250 500 250 221"},
		{"DATA without 354 is no message", "EHLO c\r\nDATA\r\nSubject: x\r\n.\r\nQUIT\r\n", "220 250 503 500 500 221"},
		{"a chunk without a transaction is no command", "EHLO c\r\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n", "220 250 503 221"},
		{"chunks behind a failed one", "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 2\r\na\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n", "220 250 250 250 554 503 221"},
		{"a chunk of no size", "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT -1 LAST\r\nQUIT\r\n", "220 250 250 250 421"},
		{"input behind STARTTLS", "EHLO c\r\nSTARTTLS\r\nMAIL FROM:<a@b.example>\r\n", "220 250 502 250"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, step := range []int{0, 1, 2, 3, 1000} {
				if replies, letters := agree(t, tt.said, step, false); codes(replies) != tt.want || len(letters) > 0 {
					t.Fatalf("in pieces of %d: %s, want %s, accepted %q", step, codes(replies), tt.want, letters)
				}
			}
		})
	}
}

// TestDots sends what is hard to unstuff, in pieces of every size.
func TestDots(t *testing.T) {
	for _, text := range []string{"", ".", "..", "...", ".\r\n.", "a.\r\n.b", ".a\r\n\r\n..\r\n.\r\n", "\r\n.\r\n", strings.Repeat(".\r\n", 500), strings.Repeat("x", 5000)} {
		if text != "" && !strings.HasSuffix(text, "\r\n") {
			text += "\r\n"
		}
		stuffed := strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n..")[2:]
		for _, step := range []int{0, 1, 2, 3, 4, 5, 7, 4096} {
			said := "EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + stuffed + ".\r\nQUIT\r\n"
			if _, letters := agree(t, said, step, false); len(letters) != 1 || letters[0] != text {
				t.Fatalf("in pieces of %d: %q, want %q", step, letters, text)
			}
		}
	}
}
