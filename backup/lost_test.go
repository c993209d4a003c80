package backup_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/store"
)

// A large body of which the disk has lost the end, or all, keeps no other message out of
// the backup either.
func TestLostLargeBody(t *testing.T) {
	dir := t.TempDir()
	h := open(t, store.Options{Dir: dir})
	inbox := h.folder(h.person("anna"), "INBOX")
	h.put(inbox, "Subject: one\r\n\r\n"+strings.Repeat("large\r\n", 500_000), 0)
	h.put(inbox, "Subject: two\r\n\r\n", 0)
	for _, size := range []int64{2_000_000, 0} {
		must(t, filepath.WalkDir(filepath.Join(dir, "bodies"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return os.Truncate(path, size)
		}))
		done := h.backup()
		if len(done.Lost) != 1 || !strings.Contains(done.Lost[0], "anna@example.com, INBOX, message 1") {
			t.Errorf("made %+v, told %v", done, h.alerts)
		}
		if got := h.restore(backup.Request{Address: "anna@example.com"}); got.Brought != 1 {
			t.Errorf("brought %+v", got)
		}
	}
}
