package transfer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/transfer"
)

// table is a source in memory.
type table struct {
	folders []transfer.Folder
	texts   map[string][]string // of each folder; "" fails
}

var errTorn = errors.New("the line was cut")

func (s table) Name() string { return "table" }

func (s table) Folders(context.Context) ([]transfer.Folder, error) { return s.folders, nil }

func (s table) Read(_ context.Context, f transfer.Folder, known func(string) bool, take func(transfer.Message) error) error {
	for i, text := range s.texts[f.Name] {
		if text == "" {
			return errTorn
		}
		key := f.Name + string(rune('a'+i))
		if known(key) {
			continue
		}
		if err := take(transfer.Message{Key: key, Received: autumn, Size: int64(len(text)), Body: strings.NewReader(text)}); err != nil {
			return err
		}
	}
	return nil
}

// An export that is cut leaves the older mbox as it was.
func TestMboxCut(t *testing.T) {
	dir := t.TempDir()
	export := func(texts ...string) error {
		to, err := transfer.NewMbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = transfer.Copy(t.Context(), table{[]transfer.Folder{{Name: "INBOX"}}, map[string][]string{"INBOX": texts}}, to, transfer.Options{})
		return err
	}
	if err := export("A: 1\r\n\r\n", "A: 2\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "INBOX.mbox")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := export("A: 1\r\n\r\n", ""); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the mbox is now %q, %v", after, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Every folder of an export has a file of its own, whatever its name is.
func TestMboxNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{"..", "../..", ".x", "_.x", "__.x", "a", "a.mbox", "a.mbox/b", "a.mbox_/b", "a.mbox.part/b", "a/b", "INBOX"}
	from := table{texts: map[string][]string{}}
	for _, name := range names {
		from.folders = append(from.folders, transfer.Folder{Name: name})
		from.texts[name] = []string{"Name: " + name + "\r\n\r\n"}
	}
	to, err := transfer.NewMbox(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	copyAll(t, from, to)
	back, err := transfer.OpenMbox(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	shelf := newShelf()
	copyAll(t, back, shelf)
	var got []string
	for _, letters := range shelf.letters {
		for _, l := range letters {
			got = append(got, strings.TrimSpace(strings.TrimPrefix(l.Text, "Name: ")))
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("folders that came back (-want +got):\n%s", diff)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("written beside the directory: %v", entries)
	}
}

// What an mbox keeps flags in is not part of a message, and what a stranger wrote into a
// message is no flag.
func TestMboxStatus(t *testing.T) {
	text := "Status: RO\r\nX-Status: D\r\nX-Keywords: $Junk\r\n" + strings.Repeat(">", 100) + "From me\r\nSubject: x\r\n\r\nFrom you\r\n" + strings.Repeat(">", 100) + "From us\r\n"
	for _, m := range []transfer.Message{
		{Flags: 0},
		{Flags: mailbox.Seen | mailbox.Flagged, Keywords: []string{"$Label1"}},
	} {
		dir := t.TempDir()
		to, err := transfer.NewMbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = to.Open(t.Context(), "", transfer.Folder{Name: "INBOX"})
		if err != nil {
			t.Fatal(err)
		}
		m.Received, m.Size, m.Body = autumn, int64(len(text)), strings.NewReader(text)
		if err := errors.Join(to.Put(t.Context(), m), to.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		from, err := transfer.OpenMbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		shelf := newShelf()
		copyAll(t, from, shelf)
		if diff := cmp.Diff([]letter{{text, m.Flags, m.Keywords, autumn}}, shelf.letters["INBOX"]); diff != "" {
			t.Errorf("there and back (-want +got):\n%s", diff)
		}
	}
}

// Whoever imports another's directory does not follow where that one points, nor waits
// for a pipe; and no folder is passed over because of its name.
func TestHostileMaildir(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "Subject: secret\n\n")
	dir := maildir(t)
	write(t, filepath.Join(dir, ".A.B", "cur", "1:2,"), "Subject: flat\n\n")
	write(t, filepath.Join(dir, "A", "B", "cur", "1:2,"), "Subject: nested\n\n")
	write(t, filepath.Join(dir, ".INBOX", "cur", "2:2,"), "Subject: second\n\n")
	write(t, filepath.Join(dir, ". odd \x01..", "cur", "3:2,"), "Subject: odd\n\n")
	for _, name := range []string{".A.B", "A/B", ".INBOX", ". odd \x01.."} {
		if err := os.MkdirAll(filepath.Join(dir, name, "new"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(secret, filepath.Join(dir, "cur", "1760000007.s:2,")), syscall.Mkfifo(filepath.Join(dir, "cur", "1760000008.p:2,"), 0o600)); err != nil {
		t.Fatal(err)
	}
	from, err := transfer.OpenMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	copyAll(t, from, to)
	subjects := map[string]int{}
	for name, letters := range to.letters {
		if name != strings.TrimSpace(name) || strings.Contains(name, "//") || strings.ContainsAny(name, "\x01") {
			t.Errorf("a folder %q", name)
		}
		for _, l := range letters {
			subject, _, _ := strings.Cut(l.Text, "\r\n")
			subjects[subject]++
		}
	}
	if subjects["Subject: secret"] != 0 || subjects["Subject: flat"] != 1 || subjects["Subject: nested"] != 1 || subjects["Subject: second"] != 1 || subjects["Subject: odd"] != 1 {
		t.Errorf("came: %v", subjects)
	}
}

// The same for a directory of mboxes.
func TestHostileMboxes(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "From a b\nSubject: secret\n\n")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "From a b\nA: 1\n\n")
	write(t, filepath.Join(dir, "a.mbox"), "From a b\nA: 2\n\n")
	if err := errors.Join(os.Symlink(secret, filepath.Join(dir, "b")), syscall.Mkfifo(filepath.Join(dir, "c"), 0o600)); err != nil {
		t.Fatal(err)
	}
	from, err := transfer.OpenMbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	if sum := copyAll(t, from, to); sum.Folders != 2 || sum.Messages != 2 {
		t.Errorf("came: %v", to.letters)
	}
}
