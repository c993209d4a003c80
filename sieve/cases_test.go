package sieve_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/sieve"
)

// The form of testdata/*.txt:
//
//	=== name            begins a case
//	(the script)
//	--- message         the message of this case; without it the one of "=== message"
//	--- want            the actions, one a line, in any order:
//	                    keep [flags], implicit [flags], file NAME [use] [create] [flags],
//	                    redirect ADDRESS, vacation SUBJECT / TEXT, fails (at run time),
//	                    wrong LINE:COLUMN words of the error
//	--- alone: reason   other implementations may differ
type testCase struct {
	file, name, script, message string
	want                        []string
	alone                       bool
}

func readCases(t testing.TB) (all []testCase) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		usual := ""
		for part := range strings.SplitSeq("\n"+string(text), "\n=== ") {
			name, rest, _ := strings.Cut(part, "\n")
			switch name {
			case "":
				continue
			case "message":
				usual = rest
				continue
			}
			all = append(all, readCase(filepath.Base(file), name, rest, usual))
		}
	}
	return all
}

func readCase(file, name, rest, usual string) testCase {
	c := testCase{file: strings.TrimSuffix(file, ".txt"), name: name, message: usual}
	sections := strings.Split("\n"+rest, "\n--- ")
	c.script = strings.TrimPrefix(sections[0], "\n") + "\n"
	for _, s := range sections[1:] {
		title, body, _ := strings.Cut(s, "\n")
		switch {
		case title == "message":
			c.message = body
		case title == "want":
			c.want = strings.Split(strings.TrimSpace(body), "\n")
		case strings.HasPrefix(title, "alone"):
			c.alone = true
		}
	}
	slices.Sort(c.want)
	return c
}

var caseTime = time.Date(2026, 11, 21, 12, 30, 45, 0, time.FixedZone("", 3600))

// facts are those of a message for joe's mail to anna+detail.
func facts(text string) *sieve.Message {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	in := bufio.NewReader(strings.NewReader(text))
	h, _ := message.ReadHeader(in, message.Limits{})
	body := text[h.Size:]
	return &sieve.Message{
		Header: h, Size: int64(len(text)), Now: caseTime,
		From: mail.MustParseAddress("joe+work@sender.example"), To: mail.MustParseAddress("anna+detail@ours.example"),
		Body: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
		HasFolder: func(name string) (bool, error) {
			if name == "Broken" {
				return false, errors.New("no store")
			}
			return name == "INBOX" || name == "Lists", nil
		},
		HasUse: func(use string) (bool, error) { return use == `\Junk`, nil },
	}
}

func (c testCase) play() []string {
	script, err := sieve.Parse(c.script, sieve.Limits{})
	if e, ok := errors.AsType[*sieve.Error](err); ok {
		return []string{fmt.Sprintf("wrong %d:%d %s", e.Line, e.Column, e.Text)}
	}
	actions, err := script.Run(facts(c.message))
	if err != nil {
		return []string{"fails " + err.Error()}
	}
	return show(actions)
}

func show(a sieve.Actions) (lines []string) {
	for _, f := range a.Files {
		words := []string{"file", f.Folder}
		switch {
		case f.Implicit:
			words = []string{"implicit"}
		case f.Folder == "":
			words = []string{"keep"}
		}
		if f.Use != "" {
			words = append(words, "use:"+f.Use)
		}
		if f.Create {
			words = append(words, "create")
		}
		slices.Sort(f.Flags)
		lines = append(lines, strings.Join(append(words, f.Flags...), " "))
	}
	for _, to := range a.Redirects {
		lines = append(lines, "redirect "+to.String())
	}
	if v := a.Vacation; v != nil {
		lines = append(lines, "vacation "+v.Subject+" / "+strings.ReplaceAll(strings.TrimRight(v.Text, "\r\n"), "\n", "|"))
	}
	if len(lines) == 0 {
		lines = []string{"nothing"}
	}
	slices.Sort(lines)
	return lines
}

func TestCases(t *testing.T) {
	for _, c := range readCases(t) {
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			got := c.play()
			if len(got) == 1 && len(c.want) == 1 && (strings.HasPrefix(c.want[0], "wrong") || strings.HasPrefix(c.want[0], "fails")) {
				if !strings.HasPrefix(got[0], c.want[0]) {
					t.Errorf("got  %s\nwant %s...\n%s", got[0], c.want[0], c.script)
				}
				return
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s\n%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"), c.script)
			}
		})
	}
}
