package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine)
	for _, tt := range []struct {
		text, words string
		bad         int
	}{
		{"", "", 0},
		{"a.example\r\n# all of it\n\n  b.example # ours\nc.example", "a.example b.example c.example", 0},
		{"a.example\n" + long + "\nb.example\n", "a.example b.example", 1},
		{long, "", 1},
		{"a.example # " + long + "\nb.example", "a.example b.example", 0},
		{long + "\n" + long + "\nb.example", "b.example", 2},
	} {
		words, bad, err := readLines(strings.NewReader(tt.text))
		if err != nil || strings.Join(words, " ") != tt.words || len(bad) != tt.bad {
			t.Errorf("%.40q: %q, %q, %v", tt.text, words, bad, err)
		}
		for _, b := range bad {
			if len(b.Target) > 200 || !strings.Contains(b.Error, "longer than 4096 octets") {
				t.Errorf("the complaint is %q", b)
			}
		}
	}
}

// A line that is none ends nothing: the rest runs, and the exit code tells.
func TestCLINonsenseInAFile(t *testing.T) {
	inLab(t)
	file := writeFile(t, "targets", "no-ptr.example\n"+strings.Repeat("x", 70<<10)+"\ngreen.example\n")
	got := allgreen(t, "", "check", "--lab", "--json", "--only", "rdns", "--from-file", file)
	verdicts := map[string]string{}
	for _, r := range decode[document](t, got.out) {
		verdicts[r.Target] = r.Verdict
	}
	want := map[string]string{strings.Repeat("x", 100) + "...": "", "no-ptr.example": "red", "green.example": "green"}
	if got.code != 64 || got.err != "" || !maps.Equal(verdicts, want) {
		t.Errorf("exit %d, %q: %v", got.code, got.err, verdicts)
	}
	if got := allgreen(t, "", "check", "--lab", "--from-file", t.TempDir()); got.code != 66 || !strings.Contains(got.err, "hint: ") {
		t.Errorf("exit %d for a directory: %s", got.code, got.err)
	}
}

// Standard input is one message, however often it is named; a file is not.
func TestCLIMessageTargets(t *testing.T) {
	inLab(t)
	const message = "From: joe@green.example\r\nDate: Sat, 21 Nov 2026 16:05:00 +0000\r\n\r\nhello\r\n"
	got := allgreen(t, message, "check", "--lab", "--json", "--only", "message.date", "-", "-")
	if all := decode[document](t, got.out); len(all) != 2 || all[0].Verdict == "" || all[0].Verdict != all[1].Verdict || got.err != "" {
		t.Errorf("exit %d, %q: %s", got.code, got.err, got.out)
	}
	got = allgreen(t, message, "check", "--lab", "--as", "message", "file.eml")
	if got.code != 64 || !strings.Contains(got.err, "file.eml") || !strings.Contains(got.err, "standard input") || got.out != "" {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if got := allgreen(t, message, "check", "--lab", "--as", "message", "-", "--only", "message.date"); got.code == 64 || got.err != "" {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// A report that cannot be written is no news for the end of a long run, and what an
// earlier run wrote is replaced as a whole.
func TestCLIReportFilesFirst(t *testing.T) {
	l := inLab(t)
	none := filepath.Join(t.TempDir(), "none", "report")
	for _, option := range []string{"--html", "--junit"} {
		l.ForgetQuestions()
		got := allgreen(t, "", "check", "--lab", "--only", "mx", option, none, "green.example")
		if n := len(l.Questions()); got.code != 66 || got.out != "" || n > 0 || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d after %d questions: %s%s", option, got.code, n, got.out, got.err)
		}
	}
	page := writeFile(t, "report.html", strings.Repeat("old", 1<<20))
	if got := allgreen(t, "", "check", "--lab", "--only", "mx", "--html", page, "green.example"); got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.HasSuffix(string(text), "</html>\n") || strings.Contains(string(text), "oldold") {
		t.Errorf("%v; the page ends with %q", err, text[max(0, len(text)-40):])
	}
}
