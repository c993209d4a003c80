package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/transfer"
)

// Mail is brought in from a Maildir, twice, and out again as Maildir and mbox: it is
// all there, once.
func TestImportAndExport(t *testing.T) {
	v := settle(t, "", lab.Options{Bare: true})
	admin := func(args ...string) outcome {
		t.Helper()
		got := allgreen(t, "", append(args, "--lab")...)
		if got.code != 0 {
			t.Fatalf("%s: exit %d:\n%s%s", args, got.code, got.out, got.err)
		}
		shortLines(t, got.out)
		return got
	}
	_ = v
	admin("account", "add", "anna@evergreen.example", "--quota", "100MB")
	const anna = "anna@evergreen.example"
	dir := t.TempDir()
	large := strings.Repeat("all work and no play\n", 300_000) // more than one request carries
	for name, text := range map[string]string{
		"cur/1.a:2,S": "Subject: one\n\n1\n", "cur/2.b:2,RF": "Subject: two\n\n2\n", "new/3.c": "Subject: large\n\n" + large,
		".Sent/cur/4.d:2,S": "Subject: sent\n\n", ".Listen.M&APw-ll/cur/5.e:2,": "Subject: list\n\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		for _, sub := range []string{"cur", "new"} {
			if err := os.MkdirAll(filepath.Join(filepath.Dir(filepath.Dir(path)), sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 200 { // several requests, and their order
		if err := os.WriteFile(filepath.Join(dir, ".Sent", "cur", fmt.Sprintf("5%03d.f:2,S", n)), fmt.Appendf(nil, "Subject: %d\n\n", n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := admin("import", "maildir", dir, "--to", anna); !strings.HasPrefix(got.out, "205 messages") {
		t.Errorf("the first import: %s", got.out)
	}
	again := decode[object](t, admin("import", "maildir", dir, "--to", anna, "--json").out)[0]
	if again["messages"] != 0.0 || again["known"] != 205.0 {
		t.Errorf("the second import: %v", again)
	}
	out := t.TempDir()
	admin("export", "maildir", out, "--of", anna)
	if diff := cmp.Diff(lettersIn(t, openMaildir(t, dir)), lettersIn(t, openMaildir(t, out))); diff != "" {
		t.Errorf("there and back (-want +got):\n%s", diff)
	}
	mboxes := t.TempDir()
	admin("export", "mbox", mboxes, "--of", anna, "--folder", "Sent")
	text, err := os.ReadFile(filepath.Join(mboxes, "Sent.mbox"))
	if n := strings.Count(string(text), "\nSubject: "); err != nil || n != 201 {
		t.Errorf("the mbox has %d messages, %v", n, err)
	}
	for args, code := range map[string]int{
		"import maildir /nowhere --to " + anna: 66, "import mbox " + dir + "/cur/1.a:2,S --to " + anna: 66,
		"import maildir " + dir + " --to nobody@evergreen.example": 1, "import maildir " + dir + " --to " + anna + " --folder None": 64,
		"export mbox /proc/none --of " + anna: 1, "export mbox " + mboxes + " --of nobody@evergreen.example": 1,
	} {
		got := allgreen(t, "", append(strings.Fields(args), "--lab")...)
		if got.code != code || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%s: exit %d, want %d\n%s", args, got.code, code, got.err)
		}
	}
}

func openMaildir(t *testing.T, dir string) transfer.Source {
	t.Helper()
	from, err := transfer.OpenMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// lettersIn lists the letters of each folder that has any: flags, date and text.
func lettersIn(t *testing.T, from transfer.Source) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	folders, err := from.Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		err := from.Read(t.Context(), f, func(string) bool { return false }, func(m transfer.Message) error {
			text := make([]byte, min(m.Size, 100))
			_, err := m.Body.Read(text)
			all[f.Name] = append(all[f.Name], fmt.Sprintf("%d %s %d %q", m.Flags, m.Received.UTC(), m.Size, text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, letters := range all {
		if len(letters) < 10 {
			slices.Sort(letters)
		}
	}
	return all
}
