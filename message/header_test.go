package message

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadHeaderKeepsEveryOctet(t *testing.T) {
	tests := []struct {
		name, header string
		names        []string
		problems     []Code
	}{
		{"plain", "From: a@b.example\r\nSubject: hi\r\n\r\n", []string{"From", "Subject"}, nil},
		{"folded", "Subject: one\r\n two\r\n\tthree\r\nTo: x\r\n\r\n", []string{"Subject", "To"}, nil},
		{"line feeds", "A: 1\nB: 2\n 3\n\n", []string{"A", "B"}, nil},
		{"no empty line", "A: 1\r\nB: 2", []string{"A", "B"}, nil},
		{"duplicates", "A: 1\r\nA: 2\r\n\r\n", []string{"A", "A"}, nil},
		{"not a field", "A: 1\r\nnonsense\r\nB: 2\r\n\r\n", []string{"A", "", "B"}, []Code{NotAField}},
		{"empty name", ": 1\r\nB: 2\r\n\r\n", []string{"", "B"}, []Code{NotAField}},
		{"space in the name", "A b: 1\r\n\r\n", []string{""}, []Code{NotAField}},
		{"space before the colon", "A : 1\r\n\r\n", []string{"A"}, []Code{SpaceInName}},
		{"mbox", "From a@b Sat\r\nA: 1\r\n\r\n", []string{"", "A"}, []Code{MboxLine}},
		{"leading fold", " x\r\nA: 1\r\n\r\n", []string{"", "A"}, []Code{LeadingFold}},
		{"blank fold", "A: 1\r\n \r\nB: 2\r\n\r\n", []string{"A", "B"}, []Code{BlankFold}},
		{"blank fold inside", "A: 1\r\n \t\r\n 2\r\n\r\n", []string{"A"}, []Code{BlankFold}},
		{"nothing", "", nil, nil},
		{"only a body", "\r\n", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const body = "the: body\r\n\r\nis left"
			in := tt.header
			if strings.HasSuffix(in, "\n") {
				in += body
			}
			br := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(in)), 16)
			h, err := ReadHeader(br, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			var raw strings.Builder
			for _, f := range h.Fields {
				names = append(names, f.Name())
				raw.WriteString(f.Raw())
			}
			var codes []Code
			for _, p := range h.Problems {
				codes = append(codes, p.Code)
			}
			if d := cmp.Diff(tt.names, names); d != "" {
				t.Errorf("names (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.problems, codes); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			if !strings.HasPrefix(tt.header, raw.String()) || h.Size != len(tt.header) {
				t.Errorf("raw fields %q, size %d, of %q", raw.String(), h.Size, tt.header)
			}
			rest, _ := io.ReadAll(br)
			if want := in[len(tt.header):]; string(rest) != want {
				t.Errorf("the body is %q, want %q", rest, want)
			}
		})
	}
}

func TestFieldViews(t *testing.T) {
	f := ParseField("SubJect \t: \r\n =?utf-8?q?caf=C3=A9?=\r\n\t ole \r\n")
	if f.Name() != "SubJect" || !f.Is("subject") || f.Is("subj") {
		t.Errorf("name %q", f.Name())
	}
	if got, want := f.Body(), " \r\n =?utf-8?q?caf=C3=A9?=\r\n\t ole "; got != want {
		t.Errorf("body %q, want %q", got, want)
	}
	if got, want := f.Value(), "=?utf-8?q?caf=C3=A9?=\t ole"; got != want {
		t.Errorf("value %q, want %q", got, want)
	}
	if got, want := f.Text(), "café\t ole"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if got := NewField("X-Y", "z").Raw(); got != "X-Y: z\r\n" {
		t.Errorf("new field %q", got)
	}
	if (Field{}).Name() != "" || (Field{}).Is("") || (Field{}).Value() != "" {
		t.Error("the zero field is something")
	}
}

func TestHeaderLimits(t *testing.T) {
	big := "A: 1\r\nB: " + strings.Repeat("x", 1000) + "\r\n\r\nbody"
	h, err := ReadHeader(bufio.NewReader(strings.NewReader(big)), Limits{Header: 500})
	if !errors.Is(err, ErrHeaderTooLarge) {
		t.Fatalf("error %v", err)
	}
	if len(h.Fields) != 1 || h.Problems[0].Code != HeaderTooLarge {
		t.Errorf("kept %d fields, problems %v", len(h.Fields), h.Problems)
	}
	many := strings.Repeat("A: 1\r\n", 50) + "\r\n"
	h, err = ReadHeader(bufio.NewReader(strings.NewReader(many)), Limits{Fields: 10})
	if err != nil || len(h.Fields) != 10 || h.Problems[0].Code != TooManyFields {
		t.Errorf("%d fields, %v, %v", len(h.Fields), h.Problems, err)
	}
	broken := io.MultiReader(strings.NewReader("A: 1\r\nB"), iotest.ErrReader(io.ErrClosedPipe))
	h, err = ReadHeader(bufio.NewReader(broken), Limits{})
	if !errors.Is(err, io.ErrClosedPipe) || len(h.Fields) != 2 {
		t.Errorf("%d fields, %v", len(h.Fields), err)
	}
}

func TestHeaderCheck(t *testing.T) {
	tests := []struct {
		name, header string
		want         []string
	}{
		{"right", "From: a@b.example\r\nDate: Sat, 21 Nov 2026 16:05:00 +0000\r\nMessage-ID: <1@b.example>\r\n", nil},
		{"bare", "Subject: x\r\n", []string{"missing-field From", "missing-field Date", "missing-field Message-ID"}},
		{"broken", "From: nobody\r\nFrom: a@b.example\r\nDate: yesterday\r\nMessage-ID: 1@b\r\n",
			[]string{"duplicate-field From", "unreadable-field From", "unreadable-field Date", "unreadable-field Message-ID"}},
		{"latin-1", "From: a@b.example\r\nDate: 21 Nov 2026 16:05:00 GMT\r\nMessage-ID: <1@b>\r\nSubject: caf\xe9\r\n",
			[]string{"8bit-header Subject"}},
		{"authors", "From: a@b.example, c@b.example\r\nDate: 21 Nov 2026 16:05:00 GMT\r\nMessage-ID: <1@b>\r\n",
			[]string{"missing-field Sender"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range ParseHeader(tt.header).Check() {
				p.Detail = ""
				got = append(got, p.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestDateAndIdentifiers(t *testing.T) {
	h := ParseHeader("Date: Fri, 21 Nov 97 09:55:06 (comment) EST\r\nMessage-ID: <a.b@c>\r\nReferences: <1@x>\r\n <2@y><3@z> junk\r\n")
	if _, err := h.Date(); err == nil {
		t.Error("a comment in the middle of a date was taken") // net/mail's limit, on purpose visible here
	}
	h2 := ParseHeader("Date: Fri, 21 Nov 1997 09:55:06 -0600 (CST)\r\n")
	if d, err := h2.Date(); err != nil || d.Unix() != 880127706 {
		t.Errorf("date %v, %v", d, err)
	}
	if id, err := h.MessageID(); err != nil || id != "a.b@c" {
		t.Errorf("identifier %q, %v", id, err)
	}
	if d := cmp.Diff([]string{"1@x", "2@y", "3@z"}, h.MessageIDs("References")); d != "" {
		t.Error(d)
	}
	if _, err := h2.MessageID(); !errors.Is(err, ErrNoField) {
		t.Errorf("error %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"", "\r\n", "A: 1\r\n\r\nbody", "A: 1\n b\n\nbody", "From x\nA : 2\r\n \r\n\r\n", ":\n:\n", "A: =?utf-8?b?w6k=?=\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		br := bufio.NewReader(strings.NewReader(s))
		h, err := ReadHeader(br, Limits{})
		if err != nil && !errors.Is(err, ErrHeaderTooLarge) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		var raw strings.Builder
		for _, f := range h.Fields {
			raw.WriteString(f.Raw())
			f.Text()
		}
		if !strings.HasPrefix(s, raw.String()) {
			t.Fatalf("fields %q are not the beginning of %q", raw.String(), s)
		}
		h.Check()
		rest, _ := io.ReadAll(br)
		if len(h.Fields) < (Limits{}).orDefaults().Fields && h.Size+len(rest) != len(s) {
			t.Fatalf("header %d and body %d are not %d octets", h.Size, len(rest), len(s))
		}
	})
}

func BenchmarkReadHeader(b *testing.B) {
	text := strings.Repeat("Received: from a.example by b.example\r\n\twith ESMTP; Sat, 21 Nov 2026 16:05:00 +0000\r\n", 5) +
		"From: Jane <jane@example.com>\r\nTo: joe@example.org\r\nSubject: hello\r\nDate: Sat, 21 Nov 2026 16:05:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
	r := strings.NewReader(text)
	br := bufio.NewReader(r)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(text)
		br.Reset(r)
		if _, err := ReadHeader(br, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
