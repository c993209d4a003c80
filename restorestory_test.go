package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/backup"
	"github.com/allgreen-mail/allgreen/lab"
)

// The restore that every mail user wishes for, while two programs are logged in: one
// idles in the folder whose mail was lost, the other works. What comes back comes into a
// new tree, takes nothing in, counts for nothing, and touches nothing that is there.
func TestRestoreStory(t *testing.T) {
	place := filepath.Join(t.TempDir(), "backups")
	v := settle(t, readingNames+"[backup]\nto = \""+place+"\"\ntimes = []\n", lab.Options{Bare: true})
	anna := v.home.settings.Admin.String()
	admin := func(args ...string) outcome {
		t.Helper()
		got := allgreen(t, "", append(args, "--lab")...)
		if got.code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
		return got
	}
	login := func() *reader {
		r := v.reader(t)
		r.say("a LOGIN %s \"%s\"", anna, v.home.password)
		r.until("a OK ")
		return r
	}
	v.fill(t, 10)
	works := login()
	works.do("SELECT INBOX")
	works.do("STORE 3 +FLAGS (\\Flagged $Label1)")
	works.do("CREATE Projects/Bridge")
	works.do("COPY 1:2 Projects/Bridge")
	admin("backup")

	works.do("STORE 1:10 +FLAGS (\\Deleted)")
	works.do("EXPUNGE")
	v.deliverOver(t, v.session(t), "came after the loss")
	idles := login()
	idles.do("SELECT INBOX")
	idles.say("i IDLE")
	idles.until("+ ")
	before := works.digest("INBOX", "Projects/Bridge")

	if got := admin("restore", anna); !strings.Contains(got.out, "INBOX") || !strings.Contains(got.out, "Bridge") {
		t.Errorf("what it would bring:\n%s", got.out)
	}
	first := decode[backup.Restored](t, admin("restore", anna, "--yes", "--json").out)[0]
	second := decode[backup.Restored](t, admin("restore", anna, "--folder", "INBOX", "--yes", "--json").out)[0]
	if first.Tree == second.Tree || !strings.HasPrefix(first.Tree, "Restored/") {
		t.Fatalf("trees %s and %s", first.Tree, second.Tree)
	}
	if after := works.digest("INBOX", "Projects/Bridge"); after != before {
		t.Errorf("what was there changed:\n%s\n%s", before, after)
	}
	works.do("SELECT " + first.Tree + "/INBOX")
	if flags := works.do("FETCH 3 (FLAGS)"); !strings.Contains(flags, `\Flagged`) || !strings.Contains(flags, "$Label1") {
		t.Errorf("the third message came back as %s", flags)
	}
	if n := strings.Count(works.do("FETCH 1:* (UID)"), " FETCH "); n != 10 {
		t.Errorf("%d of 10 messages came back", n)
	}
	room := works.do("GETQUOTAROOT INBOX")
	works.refused("COPY 1 " + second.Tree + "/INBOX")
	works.refused("APPEND " + first.Tree + "/INBOX {3+}\r\nA\r\n")
	works.refused("CREATE " + first.Tree + "/New")
	if again := works.do("GETQUOTAROOT INBOX"); again != room {
		t.Errorf("the quota went from %s to %s", room, again)
	}
	works.do("COPY 3 INBOX") // out of the tree it may go, and counts
	idles.until("* 2 EXISTS")
	works.do("RENAME " + first.Tree + "/Projects/Bridge Rescued")
	works.do("SELECT Rescued")
	works.do("COPY 1 Rescued") // it is ordinary now
	admin("restore", "remove", anna, filepath.Base(first.Tree))
	admin("restore", "remove", anna, filepath.Base(second.Tree))
	if list := works.do(`LIST "" "*"`); strings.Contains(list, "Restored/2") || !strings.Contains(list, "Rescued") {
		t.Errorf("afterwards there are\n%s", list)
	}
	idles.say("DONE")
	idles.until("i OK ")
}

// do says a command and gives what came before its OK.
func (r *reader) do(command string) string {
	r.t.Helper()
	answer, status := r.ask(command)
	if !strings.HasPrefix(status, "z OK ") {
		r.t.Fatalf("%s: %s", command, status)
	}
	return answer
}

// refused says a command that must be answered NO.
func (r *reader) refused(command string) {
	r.t.Helper()
	if _, status := r.ask(command); !strings.HasPrefix(status, "z NO ") {
		r.t.Errorf("%s: %s", command, status)
	}
}

func (r *reader) ask(command string) (answer, status string) {
	r.t.Helper()
	r.say("z %s", command)
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%s: %v", command, err)
		}
		if strings.HasPrefix(line, "z ") {
			return answer, line
		}
		answer += line
	}
}

// digest is everything there is to see of folders.
func (r *reader) digest(folders ...string) string {
	r.t.Helper()
	var all strings.Builder
	for _, f := range folders {
		fmt.Fprintln(&all, r.do("EXAMINE "+f), r.do("FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE BODY.PEEK[])"))
	}
	return all.String()
}
