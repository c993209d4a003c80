package transfer_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/transfer"
)

// letter is what a copy of a message must have kept.
type letter struct {
	Text     string
	Flags    mailbox.Flags
	Keywords []string
	Received time.Time
}

// shelf is a target in memory, which remembers keys as a server does.
type shelf struct {
	letters map[string][]letter
	keys    map[string]bool
	folders map[string]transfer.Folder
	open    string
	fail    int // Put fails when this many more have come; 0: never
}

func newShelf() *shelf {
	return &shelf{letters: map[string][]letter{}, keys: map[string]bool{}, folders: map[string]transfer.Folder{}}
}

func (s *shelf) Open(_ context.Context, source string, f transfer.Folder) (func(string) bool, error) {
	s.open, s.folders[f.Name] = f.Name, f
	return func(key string) bool { return s.keys[f.Name+"\x00"+key] }, nil
}

func (s *shelf) Put(_ context.Context, m transfer.Message) error {
	if s.fail--; s.fail == 0 {
		return io.ErrUnexpectedEOF
	}
	text, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	if int64(len(text)) != m.Size {
		return fmt.Errorf("%d octets came, %d were said", len(text), m.Size)
	}
	at := s.open + "\x00" + m.Key
	if s.keys[at] {
		return fmt.Errorf("key %q came twice", m.Key)
	}
	s.keys[at] = true
	s.letters[s.open] = append(s.letters[s.open], letter{string(text), m.Flags, m.Keywords, m.Received.UTC()})
	return nil
}

func (s *shelf) Flush(context.Context) error { return nil }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyAll(t *testing.T, from transfer.Source, to transfer.Target) transfer.Summary {
	t.Helper()
	sum, err := transfer.Copy(t.Context(), from, to, transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

var autumn = time.Date(2026, 10, 3, 7, 8, 9, 0, time.UTC)

// maildir is one as Dovecot leaves it.
func maildir(t *testing.T) string {
	dir := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		write(t, path, text)
		if err := os.Chtimes(path, autumn, autumn); err != nil {
			t.Fatal(err)
		}
	}
	put("cur/1760000001.M1P1.host,S=12:2,RS", "Subject: one\n\n1\n")
	put("new/1760000002.M2P1.host", "Subject: two\r\n\r\n2\r\n")
	put("cur/1760000000.M0P1.host:2,FTDPa", "Subject: zero\n\nno end")
	put("dovecot-keywords", "0 $Label1\n1 NonJunk\nnonsense\n")
	put("subscriptions", "V\t2\n\nSent\nListen.M&APw-ll\n")
	for _, sub := range []string{"tmp", ".Sent/cur", ".Sent/new", ".Listen.M&APw-ll/new", ".Listen.M&APw-ll/cur", ".Old/cur", ".Old/new"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put("tmp/half", "half a mess")
	put(".Sent/cur/1760000005.x:2,S", "Subject: sent\n\nyes\n")
	put(".Listen.M&APw-ll/cur/1760000006.y:2,", "\r\n")
	return dir
}

func TestMaildir(t *testing.T) {
	from, err := transfer.OpenMaildir(maildir(t))
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	sum := copyAll(t, from, to)
	want := map[string][]letter{
		"INBOX": {
			{"Subject: zero\r\n\r\nno end", mailbox.Flagged | mailbox.Deleted | mailbox.Draft, []string{"$Forwarded", "$Label1"}, autumn},
			{"Subject: one\r\n\r\n1\r\n", mailbox.Answered | mailbox.Seen, nil, autumn},
			{"Subject: two\r\n\r\n2\r\n", 0, nil, autumn},
		},
		"Sent":        {{"Subject: sent\r\n\r\nyes\r\n", mailbox.Seen, nil, autumn}},
		"Listen/Müll": {{"\r\n", 0, nil, autumn}},
	}
	if diff := cmp.Diff(want, to.letters); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if sum.Folders != 4 || sum.Messages != 5 || sum.Known != 0 {
		t.Errorf("summary %+v", sum)
	}
	if f := to.folders["Sent"]; f.Role != mailbox.Sent || !f.Subscribed {
		t.Errorf("Sent is %+v", f)
	}
	if to.folders["Old"].Subscribed || !to.folders["Listen/Müll"].Subscribed {
		t.Errorf("subscriptions: %+v", to.folders)
	}
}

func TestCopyGoesOn(t *testing.T) {
	from, err := transfer.OpenMaildir(maildir(t))
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	to.fail = 3
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err == nil {
		t.Fatal("the error of the target was lost")
	}
	if sum := copyAll(t, from, to); sum.Known != 2 || sum.Messages != 3 {
		t.Errorf("the second run: %+v, want 2 known and 3 new", sum)
	}
	if sum := copyAll(t, from, to); sum.Known != 5 || sum.Messages != 0 {
		t.Errorf("the third run: %+v, want nothing new", sum)
	}
}

func TestCopyOnly(t *testing.T) {
	from, err := transfer.OpenMaildir(maildir(t))
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	var told []transfer.Progress
	_, err = transfer.Copy(t.Context(), from, to, transfer.Options{Only: []string{"Listen", "Sent"}, Tell: func(p transfer.Progress) { told = append(told, p) }})
	if err != nil || len(to.letters) != 2 || to.letters["INBOX"] != nil {
		t.Errorf("%v, %v", to.letters, err)
	}
	if len(told) != 2 || !told[1].Done || told[1].Messages != 1 || told[1].Of != 1 {
		t.Errorf("told %+v", told)
	}
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{Only: []string{"None"}}); err == nil {
		t.Error("a folder that is not there was no error")
	}
}

func TestNestedMaildir(t *testing.T) {
	dir := t.TempDir()
	for _, box := range []string{"Inbox", "Work", "Work/2026", ".hidden"} {
		write(t, filepath.Join(dir, box, "new", "1.x"), "Subject: "+box+"\n\n")
		if err := os.MkdirAll(filepath.Join(dir, box, "cur"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	from, err := transfer.OpenMaildir(dir)
	if err != nil {
		t.Fatal(err)
	}
	folders, err := from.Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"INBOX", "Work", "Work/2026", "hidden"}, names); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	if _, err := transfer.OpenMaildir(t.TempDir()); err == nil {
		t.Error("an empty directory was a Maildir")
	}
}

func TestMbox(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []letter
	}{
		{"empty", "", nil},
		{"one", "From anna@example.com Sat Oct  3 07:08:09 2026\nSubject: one\nStatus: RO\nX-Status: AF\n\nbody\n\n",
			[]letter{{"Subject: one\r\nStatus: RO\r\nX-Status: AF\r\n\r\nbody\r\n", mailbox.Seen | mailbox.Answered | mailbox.Flagged, nil, autumn}}},
		{"two, quoted, the same twice", "From a Sat Oct  3 07:08:09 2026 +0000\nA: 1\n\n>From me\n>>From you\nFrom within\n\n" +
			"From b Sat Oct  3 07:08:09 2026\nA: 2\n\nsame\n\nFrom b Sat Oct  3 07:08:09 2026\nA: 2\n\nsame\n",
			[]letter{
				{"A: 1\r\n\r\nFrom me\r\n>From you\r\nFrom within\r\n", 0, nil, autumn},
				{"A: 2\r\n\r\nsame\r\n", 0, nil, autumn},
				{"A: 2\r\n\r\nsame\r\n", 0, nil, autumn},
			}},
		{"blank lines at the end are kept", "From a b\nA: 1\n\nx\n\n\n\nFrom a b\nA: 2\n\n",
			[]letter{{"A: 1\r\n\r\nx\r\n\r\n\r\n", 0, nil, time.Time{}}, {"A: 2\r\n", 0, nil, time.Time{}}}},
		{"CRLF", "From a b\r\nX-Keywords: $Label1 b*d\r\nA: 1\r\n\r\n>From x\r\n\r\n",
			[]letter{{"X-Keywords: $Label1 b*d\r\nA: 1\r\n\r\nFrom x\r\n", 0, []string{"$Label1"}, time.Time{}}}},
		{"a long line", "From a b\nA: 1\n\n" + strings.Repeat("x", 200_000) + "From y\n",
			[]letter{{"A: 1\r\n\r\n" + strings.Repeat("x", 200_000) + "From y\r\n", 0, nil, time.Time{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mbox")
			write(t, path, tt.text)
			from, err := transfer.OpenMbox(path)
			if err != nil {
				t.Fatal(err)
			}
			to := newShelf()
			copyAll(t, from, to)
			if diff := cmp.Diff(tt.want, to.letters["INBOX"]); diff != "" {
				t.Errorf("letters (-want +got):\n%s", diff)
			}
			if sum := copyAll(t, from, to); sum.Messages != 0 {
				t.Errorf("the second run brought %d", sum.Messages)
			}
		})
	}
}

func TestMboxDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Inbox"), "From a b\nA: 1\n\n")
	write(t, filepath.Join(dir, "Sent.mbox"), "From a b\nA: 2\n\n")
	write(t, filepath.Join(dir, "Work.sbd", "2026"), "From a b\nA: 3\n\n")
	write(t, filepath.Join(dir, "Inbox.msf"), "// <!-- <mdb:mork:z v=\"1.4\"/> -->")
	from, err := transfer.OpenMbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := newShelf()
	copyAll(t, from, to)
	if len(to.letters) != 3 || to.letters["INBOX"] == nil || to.letters["Sent"] == nil || to.letters["Work/2026"] == nil {
		t.Errorf("letters: %v", to.letters)
	}
	if _, err := transfer.OpenMbox(filepath.Join(dir, "Inbox.msf")); err == nil {
		t.Error("an index was taken for an mbox")
	}
}

// What is written by one target and read by its source again is what it was.
func TestThereAndBack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target func(string) (transfer.Target, error)
		source func(string) (transfer.Source, error)
		clean  func(string) string
	}{
		{"Maildir", func(d string) (transfer.Target, error) { return transfer.NewMaildir(d) },
			func(d string) (transfer.Source, error) { return transfer.OpenMaildir(d) }, func(s string) string { return s }},
		{"mbox", func(d string) (transfer.Target, error) { return transfer.NewMbox(d) },
			func(d string) (transfer.Source, error) { return transfer.OpenMbox(d) }, withoutStatus},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := maildir(t)
			write(t, filepath.Join(dir, "cur", "1760000009.z:2,S"), "Subject: quotes\n\nFrom here\n>From there\n>>From\n\n\n")
			from, err := transfer.OpenMaildir(dir)
			if err != nil {
				t.Fatal(err)
			}
			out := t.TempDir()
			target, err := tt.target(out)
			if err != nil {
				t.Fatal(err)
			}
			copyAll(t, from, target)
			back, err := tt.source(out)
			if err != nil {
				t.Fatal(err)
			}
			first, second := newShelf(), newShelf()
			copyAll(t, from, first)
			copyAll(t, back, second)
			for name, letters := range second.letters {
				if len(letters) != len(first.letters[name]) {
					t.Errorf("%s has %d letters, had %d", name, len(letters), len(first.letters[name]))
				}
			}
			texts := func(s *shelf) map[string]map[string]letter {
				all := map[string]map[string]letter{}
				for name, letters := range s.letters {
					all[name] = map[string]letter{}
					for _, l := range letters {
						l.Text, l.Received = strings.TrimRight(tt.clean(l.Text), "\r\n"), l.Received.Truncate(time.Second)
						all[name][l.Text] = l
					}
				}
				return all
			}
			if diff := cmp.Diff(texts(first), texts(second)); diff != "" {
				t.Errorf("after there and back (-want +got):\n%s", diff)
			}
		})
	}
}

// withoutStatus takes out the fields that an mbox keeps flags in.
func withoutStatus(text string) string {
	var kept strings.Builder
	for line := range strings.SplitAfterSeq(text, "\r\n") {
		if name, _, _ := strings.Cut(line, ":"); name != "Status" && name != "X-Status" && name != "X-Keywords" {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// A second export leaves alone what is there.
func TestMaildirTargetAgain(t *testing.T) {
	from, err := transfer.OpenMaildir(maildir(t))
	if err != nil {
		t.Fatal(err)
	}
	to, err := transfer.NewMaildir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if sum := copyAll(t, from, to); sum.Messages != 5 {
		t.Fatalf("%+v", sum)
	}
	if sum := copyAll(t, from, to); sum.Messages != 0 || sum.Known != 5 {
		t.Errorf("the second run: %+v", sum)
	}
}

func TestFrames(t *testing.T) {
	var b strings.Builder
	for _, text := range []string{"", "one\r\n", strings.Repeat("two\r\n", 20_000)} {
		m := transfer.Message{Key: text[:min(len(text), 3)], Received: autumn, Keywords: []string{"x"}, Size: int64(len(text)), Body: strings.NewReader(text)}
		if err := transfer.WriteFrame(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	err := transfer.ReadFrames(strings.NewReader(b.String()), func(m transfer.Message) error {
		if m.Key == "one" {
			sizes = append(sizes, -1) // left unread
			return nil
		}
		text, err := io.ReadAll(m.Body)
		sizes = append(sizes, len(text))
		return err
	})
	if diff := cmp.Diff([]int{0, -1, 100_000}, sizes); diff != "" || err != nil {
		t.Errorf("%v, bodies (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"{", "{}", "[]\n", `{"size":5}` + "\n123"} {
		if err := transfer.ReadFrames(strings.NewReader(bad), func(transfer.Message) error { return nil }); err == nil {
			t.Errorf("%q was taken for frames", bad)
		}
	}
	short := transfer.Message{Size: 5, Body: strings.NewReader("1234")}
	if err := transfer.WriteFrame(io.Discard, short); err == nil {
		t.Error("a body shorter than its size was written without an error")
	}
}

func FuzzMbox(f *testing.F) {
	f.Add("From a b\nA: 1\n\n>From x\n\nFrom a b\nA: 2\n\n")
	f.Add("From \n\n\nFrom \r\n\r\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "mbox")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		from, err := transfer.OpenMbox(path)
		if err != nil {
			return
		}
		if _, err := transfer.Copy(t.Context(), from, newShelf(), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
