package mail

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestParseReply(t *testing.T) {
	for _, tt := range []struct {
		in   string // lines joined by |
		want Reply
		out  string
	}{
		{"250 ok", Reply{250, EnhancedCode{}, []string{"ok"}}, "250 ok"},
		{"250", Reply{250, EnhancedCode{}, []string{""}}, "250"},
		{"250 ", Reply{250, EnhancedCode{}, []string{""}}, "250"},
		{"250 2.1.0 ok", Reply{250, EnhancedCode{2, 1, 0}, []string{"ok"}}, "250 2.1.0 ok"},
		{"250 2.1.0", Reply{250, EnhancedCode{2, 1, 0}, []string{""}}, "250 2.1.0"},
		{"550-5.1.1 no such|550 5.1.1 user", Reply{550, EnhancedCode{5, 1, 1}, []string{"no such", "user"}}, "550 5.1.1 no such user"},
		{"550-5.1.1 no such|550 user", Reply{550, EnhancedCode{5, 1, 1}, []string{"no such", "user"}}, "550 5.1.1 no such user"},
		{"550-5.1.1 see|550 5.7.1 other", Reply{550, EnhancedCode{5, 1, 1}, []string{"see", "5.7.1 other"}}, "550 5.1.1 see 5.7.1 other"},
		{"250-mx.example|250-SIZE|250 8BITMIME", Reply{250, EnhancedCode{}, []string{"mx.example", "SIZE", "8BITMIME"}}, "250 mx.example SIZE 8BITMIME"},
		{"450 5.1.1 classes differ", Reply{450, EnhancedCode{}, []string{"5.1.1 classes differ"}}, "450 5.1.1 classes differ"},
		{"554 5.7.999 far", Reply{554, EnhancedCode{5, 7, 999}, []string{"far"}}, "554 5.7.999 far"},
		{"554 5.7.1000 too far", Reply{554, EnhancedCode{}, []string{"5.7.1000 too far"}}, "554 5.7.1000 too far"},
		{"554 5.7 short", Reply{554, EnhancedCode{}, []string{"5.7 short"}}, "554 5.7 short"},
		{"554 5.7.1x", Reply{554, EnhancedCode{}, []string{"5.7.1x"}}, "554 5.7.1x"},
		{"354  two spaces", Reply{354, EnhancedCode{}, []string{" two spaces"}}, "354  two spaces"},
		{"220 \xff\x00", Reply{220, EnhancedCode{}, []string{"\xff\x00"}}, "220 \xff\x00"},
	} {
		r, err := ParseReply(strings.Split(tt.in, "|"))
		if err != nil || !sameReply(r, tt.want) || r.String() != tt.out {
			t.Errorf("ParseReply(%q) = %#v (%s), %v, want %#v", tt.in, r, r, err, tt.want)
		}
	}
}

func sameReply(a, b Reply) bool {
	return a.Code == b.Code && a.Enhanced == b.Enhanced && slices.Equal(a.Lines, b.Lines)
}

func TestParseReplyRefuses(t *testing.T) {
	for _, in := range []string{
		"", "2", "25", "25x ok", "150 ok", "600 ok", "2500 ok", "250ok", "250\tok", " 250 ok", "-50 ok", "250_ok",
		"250-more comes", "250 ok|250 more", "250-ok|251 other", "250-ok|", "250-ok|hello",
	} {
		r, err := ParseReply(strings.Split(in, "|"))
		if !errors.Is(err, ErrReply) || !r.IsZero() {
			t.Errorf("ParseReply(%q) = %#v, %v, want ErrReply", in, r, err)
		}
	}
	if _, err := ParseReply(nil); !errors.Is(err, ErrReply) {
		t.Errorf("no line: %v", err)
	}
}

func TestReplyClasses(t *testing.T) {
	for code, want := range map[int]string{0: "", 250: "positive", 354: "intermediate", 451: "transient", 550: "permanent"} {
		r := Reply{Code: code}
		var got []string
		for name, is := range map[string]bool{"positive": r.IsPositive(), "intermediate": r.IsIntermediate(), "transient": r.IsTransient(), "permanent": r.IsPermanent()} {
			if is {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d is %q, want %q", code, got, want)
		}
	}
}

func TestReplyWire(t *testing.T) {
	for _, tt := range []struct {
		reply Reply
		want  string
	}{
		{NewReply(250, EnhancedCode{2, 0, 0}, "ok"), "250 2.0.0 ok\r\n"},
		{NewReply(354, EnhancedCode{}, "go on"), "354 go on\r\n"},
		{Reply{Code: 221}, "221 \r\n"},
		{Reply{550, EnhancedCode{5, 1, 1}, []string{"no such", "user"}}, "550-5.1.1 no such\r\n550 5.1.1 user\r\n"},
		// What stands in a reply may quote a stranger: it must not end the line.
		{NewReply(550, EnhancedCode{}, "no\r\n250 such\x00user"), "550 no  250 such user\r\n"},
	} {
		if got := tt.reply.Wire(); got != tt.want {
			t.Errorf("%#v: %q, want %q", tt.reply, got, tt.want)
		}
	}
}

func TestReplyIsAnError(t *testing.T) {
	var err error = NewReply(550, EnhancedCode{5, 7, 1}, "no")
	if err.Error() != "550 5.7.1 no" || (Reply{}).String() != "" || (EnhancedCode{}).String() != "" {
		t.Errorf("%q", err)
	}
}

// FuzzReply wants a reply to survive the wire.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok", "550-5.1.1 a\n550 5.1.1 b", "250-\n250", "2500", "554 5.7.1", "250 2.0.0 2.0.0 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReply(strings.Split(s, "\n"))
		if err != nil {
			if !errors.Is(err, ErrReply) || !r.IsZero() {
				t.Fatalf("ParseReply(%q) = %#v, %v", s, r, err)
			}
			return
		}
		if strings.ContainsFunc(r.Text(), unicode.IsControl) {
			return // they become spaces on the wire, which may then end a code
		}
		wire := r.Wire()
		again, err := ParseReply(strings.Split(strings.TrimSuffix(wire, "\r\n"), "\r\n"))
		if err != nil || again.Wire() != wire || again.Code != r.Code || again.Enhanced != r.Enhanced || len(again.Lines) != len(r.Lines) {
			t.Fatalf("%q became %q, and that %#v (%v)", s, wire, again, err)
		}
	})
}
