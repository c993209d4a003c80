package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

const around = "# Ours.\nhostname = \"mx.example.com\" # the server\nadmin = \"anna@example.com\"\n"

func TestEditDomains(t *testing.T) {
	for _, tt := range []struct{ name, list, added, removed string }{
		{"one line", `domains = ["example.com"]`, `domains = ["example.com", "news.example.com"]`, `domains = ["example.com"]`},
		{"several on one line", `domains = [ "example.com", "example.net", ] # both`, `domains = [ "example.com", "example.net", "news.example.com", ] # both`,
			`domains = [ "example.com", "example.net", ] # both`},
		{"lines of their own", "domains = [\n  \"example.com\",  # the first, that stays\n  'example.net'\n]",
			"domains = [\n  \"example.com\",  # the first, that stays\n  'example.net',\n  \"news.example.com\",\n]",
			"domains = [\n  \"example.com\",  # the first, that stays\n  'example.net',\n]"},
		{"a comment and a comma", "domains = [\n\t\"example.com\", # ours, too\n\t# no more\n]",
			"domains = [\n\t\"example.com\", # ours, too\n\t\"news.example.com\",\n\t# no more\n]", "domains = [\n\t\"example.com\", # ours, too\n\t# no more\n]"},
		{"the bracket behind the last", "domains = [\"example.com\",\n  \"example.net\"]", "domains = [\"example.com\",\n  \"example.net\", \"news.example.com\"]",
			"domains = [\"example.com\",\n  \"example.net\"]"},
	} {
		document := []byte(around + tt.list + "\n[submit]\nrecipients_per_hour = 7\n")
		news := mail.MustParseDomain("news.example.com")
		added, err := AddDomain("/", document, news)
		if want := strings.Replace(string(document), tt.list, tt.added, 1); err != nil || string(added) != want {
			t.Errorf("%s: %v\n%s", tt.name, err, added)
			continue
		}
		removed, err := RemoveDomain("/", added, news)
		if want := strings.Replace(string(document), tt.list, tt.removed, 1); err != nil || string(removed) != want {
			t.Errorf("%s: removed: %v\n%s", tt.name, err, removed)
		}
	}
}

func TestRemoveFirstDomain(t *testing.T) {
	for list, want := range map[string]string{
		`domains = ["example.net", "example.com"]`:            `domains = ["example.com"]`,
		"domains = [\n  \"example.net\",\n  \"example.com\"]": "domains = [\n  \"example.com\"]",
	} {
		got, err := RemoveDomain("/", []byte(around+list+"\n"), mail.MustParseDomain("example.net"))
		if err != nil || string(got) != around+want+"\n" {
			t.Errorf("%v\n%s", err, got)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	com, net := mail.MustParseDomain("example.com"), mail.MustParseDomain("example.net")
	for name, document := range map[string]string{
		"no list":        around,
		"broken":         around + "domains = [",
		"not the same":   around + "domains = [\"example.com\"]\ndomains = [\"x.example\"]",
		"the last alone": around + "domains = [\"example.net\"]\n",
	} {
		if got, err := RemoveDomain("/", []byte(document), net); !errors.Is(err, ErrEdit) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	if got, err := AddDomain("/", []byte(around+"domains = [\"example.com\"]\n"), com); !errors.Is(err, ErrEdit) {
		t.Errorf("twice: %v\n%s", err, got)
	}
	if got, err := AddDomain("/", []byte(around), com); !errors.Is(err, ErrEdit) {
		t.Errorf("no list: %v\n%s", err, got)
	}
}

func TestEditFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real.toml"), filepath.Join(dir, "allgreen.toml")
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o640), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("no")
	if err := EditFile(link, func([]byte) ([]byte, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if err := EditFile(link, func(old []byte) ([]byte, error) { return append(old, " and new"...), nil }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || string(text) != "old and new" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v", text, info.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link is %q, %v", to, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestEditFileKeepsTheGroup is root, who edits what the group of the server reads.
func TestEditFileKeepsTheGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives a file to a group that it is not in")
	}
	const group = 54321
	path := filepath.Join(t.TempDir(), "allgreen.toml")
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o640), os.Chown(path, -1, group)); err != nil {
		t.Fatal(err)
	}
	if err := EditFile(path, func([]byte) ([]byte, error) { return []byte("new"), nil }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Gid; got != group || info.Mode().Perm() != 0o640 {
		t.Errorf("group %d, %v", got, info.Mode())
	}
}

// FuzzAddDomain holds AddDomain to its word on every document: what it hands on says one
// domain more, and begins as it began.
func FuzzAddDomain(f *testing.F) {
	f.Add([]byte(around + "domains = [\"example.com\"]\n"))
	f.Add([]byte(around + "domains = [\n  \"example.com\", # x\n]\n"))
	f.Add([]byte(around + "domains = ['example.com',]\n[submit]\n"))
	f.Fuzz(func(t *testing.T, document []byte) {
		news := mail.MustParseDomain("news.example.com")
		edited, err := AddDomain("/", document, news)
		if err != nil {
			return
		}
		before, _ := Parse("", "/", document)
		after, err := Parse("", "/", edited)
		if err != nil || len(after.Domains) != len(before.Domains)+1 || after.Domains[len(before.Domains)] != news {
			t.Fatalf("%q\n%q: %v", document, edited, err)
		}
		if !bytes.HasPrefix(edited, document[:bytes.Index(document, []byte("domains"))]) {
			t.Fatalf("%q\n%q", document, edited)
		}
	})
}
