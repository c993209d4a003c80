package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProblems reads testdata/problems.txt: documents behind "== name" lines, each with
// the lines of its error behind "--". A document that begins with "+" stands below
// the five lines.
func TestProblems(t *testing.T) {
	text, err := os.ReadFile("testdata/problems.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split("\n"+string(text), "\n== ")[1:]
	for _, c := range cases {
		name, rest, _ := strings.Cut(c, "\n")
		document, want, ok := strings.Cut(rest, "\n--\n")
		if !ok {
			t.Fatalf("%s has no --", name)
		}
		t.Run(name, func(t *testing.T) {
			if below, ok := strings.CutPrefix(document, "+"); ok {
				document = five + below
			}
			_, err := Parse("a.toml", "/etc", []byte(document))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want problems", err)
			}
			if got := err.Error(); got != strings.TrimRight(want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if len(cases) < 40 {
		t.Errorf("only %d cases were read", len(cases))
	}
}

func TestReadSaysWhichFile(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "none.toml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// FuzzParse holds that any document is read or refused, each problem on one line.
func FuzzParse(f *testing.F) {
	whole, err := os.ReadFile("testdata/whole.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(five))
	f.Add([]byte("[listen]\nsmtp = [[1], {a = 2}]\n[[device]]\nfrom = [\"a@b\"]\n"))
	f.Add([]byte("a.b.c = 1\n[[a.b.d]]\n[a.b.d.e]\n"))
	f.Add([]byte("hostname = '''\nx'''\n\"\\n\" = 1"))
	f.Fuzz(func(t *testing.T, document []byte) {
		c, err := Parse("f.toml", "/nowhere", document)
		if err == nil {
			if changes := Diff(c, c); len(changes) != 0 {
				t.Errorf("differs from itself: %v", changes)
			}
			return
		}
		for _, p := range err.(Problems) {
			if strings.ContainsAny(p.Text, "\r\n") {
				t.Errorf("a problem of several lines: %q", p.Text)
			}
		}
	})
}
