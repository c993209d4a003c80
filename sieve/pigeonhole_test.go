package sieve_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPigeonhole asks Dovecot's implementation the same questions.
func TestPigeonhole(t *testing.T) {
	program, err := exec.LookPath("sieve-test")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("sieve-test is missing (Debian: dovecot-sieve)")
		}
		t.Skip("sieve-test is missing (Debian: dovecot-sieve)")
	}
	p := newPigeonhole(t, program)
	for _, c := range readCases(t) {
		if c.alone {
			continue
		}
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			got, output := p.play(t, c)
			want := c.play()
			switch {
			case strings.HasPrefix(want[0], "wrong"), strings.HasPrefix(want[0], "fails"):
				want = []string{want[0][:5]}
			default:
				for i := range want {
					want[i] = roughly(want[i])
				}
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("Pigeonhole says\n\t%s\nwe say\n\t%s\n%s\n%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), c.script, output)
			}
		})
	}
}

// pigeonhole runs sieve-test.
type pigeonhole struct {
	program, dir, config string
}

func newPigeonhole(t *testing.T, program string) *pigeonhole {
	dir := t.TempDir()
	config := filepath.Join(dir, "dovecot.conf")
	user, group := "mail_uid = nobody\n", "mail_gid = nogroup\n"
	if os.Getuid() != 0 {
		user, group = fmt.Sprintf("mail_uid = %d\n", os.Getuid()), fmt.Sprintf("mail_gid = %d\n", os.Getgid())
	}
	text := user + group + "mail_home = " + dir + "/home\nmail_location = maildir:" + dir + `/home/mail
log_path = /dev/stderr
plugin {
  sieve_extensions = +special-use +vacation-seconds
  sieve_user_email = anna@ours.example
}
`
	// The folders above are for root only.
	for at := dir; at != filepath.Dir(os.TempDir()) && at != os.TempDir(); at = filepath.Dir(at) {
		_ = os.Chmod(at, 0o755) // others' folders stay as they are
	}
	for name, mode := range map[string]os.FileMode{"home": 0o777, "scripts": 0o777} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return &pigeonhole{program, dir, config}
}

func (p *pigeonhole) play(t *testing.T, c testCase) (lines []string, output string) {
	dir, err := os.MkdirTemp(filepath.Join(p.dir, "scripts"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // it compiles as nobody, beside the script
		t.Fatal(err)
	}
	script, letter := filepath.Join(dir, "it.sieve"), filepath.Join(dir, "letter")
	for path, text := range map[string]string{script: c.script, letter: c.message} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), p.program, "-c", p.config, "-r", "anna+detail@ours.example", "-a", "anna+detail@ours.example",
		"-f", "joe+work@sender.example", script, letter)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err = cmd.Run()
	output = both.String()
	switch {
	case strings.Contains(output, "failed to compile"):
		return []string{"wrong"}, output
	case err != nil || strings.Contains(output, "final result: failed") || strings.Contains(output, "error:"):
		return []string{"fails"}, output
	}
	return readActions(output), output
}

var (
	stored     = regexp.MustCompile(`^ \* store message in folder: (.*)$`)
	redirected = regexp.MustCompile(`^ \* redirect message to: <(.*)>$`)
	flagged    = regexp.MustCompile(`^ +\+ add IMAP flags: (.*)$`)
)

// readActions reads what sieve-test prints.
func readActions(output string) (lines []string) {
	implicit := false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "Implicit keep:"):
			implicit = true
		case stored.MatchString(line):
			name := "file " + stored.FindStringSubmatch(line)[1]
			if name == "file INBOX" {
				name = "keep"
			}
			if implicit {
				name = "implicit"
			}
			lines = append(lines, name)
		case redirected.MatchString(line):
			lines = append(lines, "redirect "+redirected.FindStringSubmatch(line)[1])
		case strings.HasPrefix(line, " * send vacation message"):
			lines = append(lines, "vacation")
		case flagged.MatchString(line):
			flags := strings.Fields(strings.ToLower(flagged.FindStringSubmatch(line)[1]))
			slices.Sort(flags)
			lines[len(lines)-1] += " " + strings.Join(flags, " ")
		}
	}
	if len(lines) == 0 {
		lines = []string{"nothing"}
	}
	slices.Sort(lines)
	return lines
}

// roughly is one of our lines with as much as sieve-test shows.
func roughly(line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "vacation":
		return "vacation"
	case "redirect", "nothing":
		return line
	}
	at := len(words)
	if words[0] != "file" {
		at = 1
	} else {
		for i, w := range words {
			if strings.HasPrefix(w, "use:") || w == "create" || strings.HasPrefix(w, `\`) && i > 1 {
				at = min(at, i)
			}
		}
	}
	var flags []string
	for _, w := range words[at:] {
		if w != "create" && !strings.HasPrefix(w, "use:") {
			flags = append(flags, strings.ToLower(w))
		}
	}
	slices.Sort(flags)
	return strings.Join(append(words[:at:at], flags...), " ")
}
