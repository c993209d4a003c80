package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
)

// MboxTarget writes one mbox for each folder into a directory. It begins each file
// anew: an mbox cannot be asked what it has.
type MboxTarget struct {
	dir string
	out *os.File
	w   *bufio.Writer
	at  string // where the file goes when it is whole
}

// NewMbox writes into a directory, which is made.
func NewMbox(dir string) (*MboxTarget, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &MboxTarget{dir: dir}, os.MkdirAll(dir, 0o700)
}

// Open begins the file of a folder: Lists/Go is Lists/Go.mbox.
func (t *MboxTarget) Open(_ context.Context, _ string, f Folder) (func(string) bool, error) {
	levels := strings.Split(f.Name, "/")
	for i, level := range levels {
		levels[i] = fileName(level, i < len(levels)-1)
	}
	t.at = filepath.Join(append([]string{t.dir}, levels...)...) + ".mbox"
	if err := os.MkdirAll(filepath.Dir(t.at), 0o700); err != nil {
		return nil, err
	}
	var err error
	t.out, err = os.OpenFile(t.at+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	t.w = bufio.NewWriterSize(t.out, 64<<10)
	return func(string) bool { return false }, err
}

// fileName is what a level of a folder's name is called on disk: neither hidden nor
// upwards, and a directory nothing that a file is called. Two levels never have one.
func fileName(level string, isAbove bool) string {
	if strings.HasPrefix(strings.TrimLeft(level, "_"), ".") {
		level = "_" + level
	}
	if bare := strings.TrimRight(level, "_"); isAbove && (strings.HasSuffix(bare, ".mbox") || strings.HasSuffix(bare, ".mbox.part")) {
		level += "_"
	}
	return level
}

// Put appends a message with LF lines, quoted after mboxrd, its flags in fields of
// their own at the top.
func (t *MboxTarget) Put(_ context.Context, m Message) error {
	received := m.Received
	if received.IsZero() {
		received = time.Unix(0, 0)
	}
	fmt.Fprintf(t.w, "From MAILER-DAEMON %s\n%s", received.UTC().Format(time.ANSIC), statusFields(m))
	in := bufio.NewReaderSize(m.Body, 64<<10)
	start, last := true, byte('\n')
	for {
		line, err := in.ReadSlice('\n')
		if start && bytesIsFrom(line) {
			t.w.WriteByte('>')
		}
		if n := len(line); n > 0 {
			last = line[n-1]
			if n > 1 && last == '\n' && line[n-2] == '\r' {
				line = append(line[:n-2], '\n')
			}
		}
		t.w.Write(line) // errors stay in the writer until Flush
		start = last == '\n'
		switch {
		case errors.Is(err, io.EOF):
			if last != '\n' {
				t.w.WriteByte('\n')
			}
			return t.w.WriteByte('\n')
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// bytesIsFrom reports a line that needs a quote.
func bytesIsFrom(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte(separator))
}

// statusFields carry the flags (as c-client and Dovecot write them): ownFields, all of
// them, so that what a message says of itself is not taken for ours.
func statusFields(m Message) string {
	status, more := "O", ""
	if m.Flags&mailbox.Seen != 0 {
		status = "RO"
	}
	for _, f := range []struct {
		flag   mailbox.Flags
		letter string
	}{{mailbox.Answered, "A"}, {mailbox.Flagged, "F"}, {mailbox.Draft, "T"}, {mailbox.Deleted, "D"}} {
		if m.Flags&f.flag != 0 {
			more += f.letter
		}
	}
	var b strings.Builder
	for i, value := range []string{status, more, strings.Join(m.Keywords, " ")} {
		b.WriteString(strings.TrimSpace(ownFields[i]+" "+value) + "\n")
	}
	return b.String()
}

// Flush ends the file of the folder, and puts it in the place of an older one.
func (t *MboxTarget) Flush(context.Context) error {
	if err := errors.Join(t.w.Flush(), t.out.Sync(), t.out.Close()); err != nil {
		return err
	}
	return os.Rename(t.at+".part", t.at)
}

// Abandon gives up the file of a folder that could not be read to its end. An older one
// stays as it was.
func (t *MboxTarget) Abandon() error {
	return errors.Join(t.out.Close(), os.Remove(t.at+".part"))
}
