package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/allgreen-mail/allgreen/store/storetest"
)

// A 250 means that the message survives a power cut: in a record of the server's
// system calls, made while many clients send, all that was written of a message is
// synced when the write of its 250 begins. Package store shows what a cut then
// leaves.
func TestServeSyncsBeforeItPromises(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("strace is not installed (Debian: strace)")
	}
	if err != nil {
		t.Fatal(err)
	}
	s := newShip(t, "")
	s.start(t)
	s.man(t)
	record := filepath.Join(t.TempDir(), "record")
	// -D: the server is our child, and strace watches from aside.
	s.start(t, strace, "-D", "-f", "--seccomp-bpf", "-q", "-yy", "-xx", "-s", "4000000", "-o", record, "-e", "signal=none", "-e",
		"trace=write,?writev,pwrite64,?pwritev,?pwritev2,fsync,fdatasync,?rename,?renameat,?renameat2")
	s.storm.begin(t.Context())
	s.storm.awaitTaken(t, 120)
	s.storm.end(t)
	if err := s.child.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = s.child.Wait()
	s.await(t, "the record ends", func(context.Context) bool {
		text, err := os.ReadFile(record)
		return err == nil && regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ exited`, s.child.Process.Pid)).Match(text)
	})
	calls, err := storetest.ReadCalls(record)
	if err != nil {
		t.Fatal(err)
	}
	j := newSyncJudge(s.settings.Data, calls)
	for _, a := range s.storm.attempts {
		if a.fate == promised && a.carrier < carriersIn { // what the others say is inside TLS
			j.judge(t, a)
		}
	}
	t.Logf("%d calls, %d syncs, %d messages, %d of them beside the database", len(calls), j.syncs, j.messages, j.files)
	if j.messages < 50 || j.files == 0 {
		t.Error("too little was recorded")
	}
}

// syncJudge finds in a record what belongs to one message.
type syncJudge struct {
	log      string // path of the database's log
	bodies   string // folder
	calls    []storetest.Call
	answers  map[string][]int          // calls that said 250 to a message, by client address
	logged   map[string]map[string]int // pieces of each attempt: when each was first in the log
	placed   map[string]int            // attempts with a file: its last write
	logData  map[int]string            // what the writes to the log wrote
	syncs    int
	messages int
	files    int
}

var (
	clientOf = regexp.MustCompile(`->(127\.12\.1\.\d+):`)
	takenAs  = regexp.MustCompile(`250 2\.0\.0 taken as (\w+)`)
	pieces   = regexp.MustCompile(`(p\d+\.\d+)(?:/\d+ |@)`) // lines of the body, the Message-ID
)

func newSyncJudge(data string, calls []storetest.Call) *syncJudge {
	j := &syncJudge{
		log: filepath.Join(data, "allgreen.db-wal"), bodies: filepath.Join(data, "bodies") + "/", calls: calls,
		answers: map[string][]int{}, logged: map[string]map[string]int{}, placed: map[string]int{}, logData: map[int]string{},
	}
	for i, c := range calls {
		switch {
		case c.IsSync():
			j.syncs++
		case !c.IsWrite():
		case c.Path() == j.log:
			j.noteLogged(i)
		case strings.HasPrefix(c.Path(), j.bodies):
			for _, m := range pieces.FindAllStringSubmatch(c.Data(), 1) {
				j.placed[m[1]] = i
			}
		case takenAs.MatchString(c.Data()):
			if m := clientOf.FindStringSubmatch(c.Path()); m != nil {
				j.answers[m[1]] = append(j.answers[m[1]], i)
			}
		}
	}
	return j
}

// noteLogged notes when each piece was written first: later transactions write the
// same pages again.
func (j *syncJudge) noteLogged(i int) {
	j.logData[i] = j.calls[i].Data()
	for _, m := range pieces.FindAllStringSubmatch(j.logData[i], -1) {
		of := j.logged[m[1]]
		if of == nil {
			of = map[string]int{}
			j.logged[m[1]] = of
		}
		if _, ok := of[m[0]]; !ok {
			of[m[0]] = i
		}
	}
}

// judge holds one message against the record. The answers to a client come in the
// order of its messages.
func (j *syncJudge) judge(t *testing.T, a *attempt) {
	t.Helper()
	client := fmt.Sprintf("127.12.1.%d", 1+a.carrier)
	if len(j.answers[client]) == 0 {
		t.Fatalf("the record has no answer for attempt %s of %s", a.mark, client)
	}
	answer := j.calls[j.answers[client][0]]
	j.answers[client] = j.answers[client][1:]
	j.messages++
	synced, ok := j.lastSync(j.log, answer.Began)
	if !ok {
		t.Errorf("attempt %s: the log was never synced before 250 was said", a.mark)
	}
	if id := takenAs.FindStringSubmatch(answer.Data())[1]; !j.isLogged(id, synced.Began) {
		t.Errorf("attempt %s: its rows were not synced in the log when 250 was said in line %d", a.mark, answer.Began)
	}
	late := 0
	for _, i := range j.logged[a.mark] {
		if j.calls[i].Ended >= synced.Began {
			late++
		}
	}
	if late > 0 {
		t.Errorf("attempt %s: %d of %d pieces were not synced in the log when 250 was said in line %d", a.mark, late, len(j.logged[a.mark]), answer.Began)
	}
	last, placed := j.placed[a.mark]
	if large := a.size > 100<<10; placed != large || !placed && len(j.logged[a.mark]) == 0 {
		t.Errorf("attempt %s of %d octets: beside the database %t, in its log %d pieces", a.mark, a.size, placed, len(j.logged[a.mark]))
	}
	if placed {
		j.files++
		j.judgeFile(t, a, j.calls[last], answer)
	}
}

// isLogged reports whether rows with this id were in the log by then.
func (j *syncJudge) isLogged(id string, by int) bool {
	for i, data := range j.logData {
		if j.calls[i].Ended < by && strings.Contains(data, id) {
			return true
		}
	}
	return false
}

// judgeFile wants a file synced after its last write, then named, and then the name
// synced.
func (j *syncJudge) judgeFile(t *testing.T, a *attempt, last, answer storetest.Call) {
	t.Helper()
	path := last.Path()
	synced, ok := j.lastSync(path, answer.Began)
	if !ok || synced.Began < last.Ended {
		t.Errorf("attempt %s: %s was written in line %d and not synced when 250 was said in line %d", a.mark, path, last.Ended, answer.Began)
	}
	for _, c := range j.calls {
		from, to, ok := c.Rename()
		if !ok || from != path || c.Began < synced.Ended {
			continue
		}
		if named, ok := j.lastSync(filepath.Dir(to), answer.Began); !ok || named.Began < c.Ended {
			t.Errorf("attempt %s: the name %s was not synced when 250 was said in line %d", a.mark, to, answer.Began)
		}
		return
	}
	t.Errorf("attempt %s: %s never got its name", a.mark, path)
}

// lastSync is the last sync of a path that had succeeded before a line of the record.
func (j *syncJudge) lastSync(path string, before int) (last storetest.Call, ok bool) {
	for _, c := range j.calls {
		if c.IsSync() && c.OK() && c.Ended < before && c.Began > last.Began && c.Path() == path {
			last, ok = c, true
		}
	}
	return last, ok
}
