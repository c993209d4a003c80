package mailbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// The crash test of the mailbox. A process appends, copies, moves and expunges, and says
// what it is about to do and when it was told that it is done. It is killed at any moment,
// again and again. Then the mailbox must be as after the last change that was done, or as
// after the one that was under way: never anything between, nothing lost, nothing twice.

// lives is how often each engine's process is killed.
func lives() int {
	if os.Getenv("CI") == "true" {
		return 10
	}
	return 3
}

const (
	killedDir = "MAILBOX_TEST_KILLED_DIR"
	killedDSN = "MAILBOX_TEST_KILLED_DSN"
)

// deed is a line of what the process says. The messages are named by their sizes.
type deed struct {
	Do       string // "append", "copy", "move", "expunge"; "done" for the last one named
	From, To string
	Messages []int64
}

// states are the messages of each folder, sorted.
type states map[string][]int64

func (s states) after(d deed) states {
	next := states{}
	for name, messages := range s {
		next[name] = slices.Clone(messages)
	}
	if d.Do == "move" || d.Do == "expunge" {
		for _, m := range d.Messages {
			if i := slices.Index(next[d.From], m); i >= 0 {
				next[d.From] = slices.Delete(next[d.From], i, i+1)
			}
		}
	}
	if d.Do != "expunge" {
		next[d.To] = append(next[d.To], d.Messages...)
		slices.Sort(next[d.To])
	}
	return next
}

func TestKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { killOften(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) { killOften(t, storetest.PostgreSQL(t)) })
}

func killOften(t *testing.T, dsn string) {
	dir := t.TempDir()
	before := states{"INBOX": nil, "Archive": nil, "Junk": nil}
	func() {
		st := openKilled(t, dir, dsn)
		defer st.Close()
		create(t, st, 7)
	}()
	random := rand.New(rand.NewPCG(rand.Uint64(), 4))
	for life := range lives() {
		said := killAfter(t, dir, dsn, 5+random.IntN(80))
		possible := []states{before}
		for _, d := range said {
			if d.Do == "done" {
				possible = possible[len(possible)-1:]
				continue
			}
			possible = []states{possible[len(possible)-1], possible[len(possible)-1].after(d)}
		}
		var have states
		func() {
			st := openKilled(t, dir, dsn)
			defer st.Close()
			have = stateOf(t, st)
		}()
		if !slices.ContainsFunc(possible, func(s states) bool { return cmp.Equal(s, have, cmpopts.EquateEmpty()) }) {
			t.Fatalf("life %d, last deed %+v: (-after it +there):\n%s", life, said[len(said)-1], cmp.Diff(possible[len(possible)-1], have))
		}
		before = have
	}
}

func openKilled(t *testing.T, dir, dsn string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: dir, PostgreSQL: dsn, Schemas: []store.Schema{mailbox.Schema}, Clock: new(world.World).Now})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// killAfter has the process live until it has said so many lines, and a little longer,
// and gives all it said.
func killAfter(t *testing.T, dir, dsn string, lines int) (said []deed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestMailboxProcess$")
	c.Env = append(os.Environ(), killedDir+"="+dir, killedDSN+"="+dsn)
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			cancel()
		}
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		var d deed
		if err != nil || json.Unmarshal(line, &d) != nil {
			t.Fatalf("the process said %q, %v", line, err)
		}
		said = append(said, d)
	}
	if err := c.Wait(); len(said) < lines {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return said
}

// stateOf reads all folders, and checks that their counters and UIDs are true.
func stateOf(t *testing.T, st *store.Store) states {
	t.Helper()
	have := states{}
	for _, name := range []string{"INBOX", "Archive", "Junk"} {
		f := folders(t, st, 7)[name]
		messages := all(t, st, f.ID)
		var octets int64
		have[name] = nil
		for _, m := range messages {
			have[name] = append(have[name], m.Size)
			octets += m.Size
		}
		slices.Sort(have[name])
		var uids mailbox.UIDSet
		read(t, st, func(tx *store.Tx) (err error) { uids, err = mailbox.UIDs(tx, f.ID); return err })
		if f.Messages != int64(len(messages)) || f.Bytes != octets || !slices.Equal(slices.Collect(uids.All()), uidsOf(messages)) {
			t.Errorf("%s counts %+v with UIDs %v, and has %v", name, f, uids.Ranges(), uidsOf(messages))
		}
		for _, m := range messages {
			b, err := st.OpenBody(t.Context(), m.Body)
			if err != nil {
				t.Errorf("UID %d of %s has no body: %v", m.UID, name, err)
				continue
			}
			if b.Size() != 5 {
				t.Errorf("UID %d of %s has a body of %d octets", m.UID, name, b.Size())
			}
			b.Close()
		}
	}
	return have
}

// TestMailboxProcess is the process that TestKilled kills; by itself it does nothing.
func TestMailboxProcess(t *testing.T) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		t.Skip("only as the process that TestKilled starts")
	}
	st := openKilled(t, dir, os.Getenv(killedDSN))
	random := rand.New(rand.NewPCG(rand.Uint64(), 5))
	out := json.NewEncoder(os.Stdout)
	say := func(d deed) {
		if err := out.Encode(d); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"INBOX", "Archive", "Junk"}
	for next := rand.Int64N(1 << 40); ; next += 10 {
		f := folders(t, st, 7)
		d := deed{Do: []string{"append", "append", "copy", "move", "move", "expunge"}[random.IntN(6)], From: names[random.IntN(3)], To: names[random.IntN(3)]}
		uids := choose(t, st, f[d.From].ID, random, &d, next)
		say(d)
		write(t, st, func(tx *store.Tx) (err error) {
			switch d.Do {
			case "append":
				err = appendSizes(tx, st, f[d.To].ID, d.Messages)
			case "copy":
				_, err = mailbox.Copy(tx, f[d.From].ID, uids, f[d.To].ID)
			case "move":
				_, err = mailbox.Move(tx, f[d.From].ID, uids, f[d.To].ID)
			case "expunge":
				_, err = mailbox.Expunge(tx, f[d.From].ID, uids)
			}
			return err
		})
		say(deed{Do: "done"})
		if random.IntN(10) == 0 {
			if _, err := st.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// choose fills in which messages a deed is about.
func choose(t *testing.T, st *store.Store, from mailbox.FolderID, random *rand.Rand, d *deed, next int64) (uids []mailbox.UID) {
	if d.Do == "append" {
		for i := range 1 + random.Int64N(4) {
			d.Messages = append(d.Messages, next+i)
		}
		return nil
	}
	for _, m := range all(t, st, from) {
		if len(uids) < 6 && random.IntN(3) == 0 {
			uids, d.Messages = append(uids, m.UID), append(d.Messages, m.Size)
		}
	}
	return uids
}

func appendSizes(tx *store.Tx, st *store.Store, to mailbox.FolderID, sizes []int64) error {
	var all []mailbox.Delivery
	for _, size := range sizes {
		body, err := put(tx, st, fmt.Sprintf("%05d", size%100_000))
		if err != nil {
			return err
		}
		all = append(all, mailbox.Delivery{Body: body, Size: size, Received: noon})
	}
	_, _, err := mailbox.AppendAll(tx, to, all)
	return err
}
