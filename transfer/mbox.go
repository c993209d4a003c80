package transfer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mailbox"
)

// Mbox is a file of messages, or a directory of such files, each a folder. It is only
// read.
type Mbox struct {
	path  string
	names names // files
	spool spool
}

// ErrNoMbox says that a file does not begin as an mbox does.
var ErrNoMbox = errors.New("not an mbox")

// OpenMbox opens an mbox, which becomes the inbox, or all that are in a directory and
// below it. Files that are no mbox are passed over there.
func OpenMbox(path string) (*Mbox, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open mbox: %w", err)
	}
	m := &Mbox{path: path, names: names{}}
	if !info.IsDir() {
		m.names["INBOX"] = path
		if !isMbox(path) {
			return nil, fmt.Errorf("%w: %s does not begin with a line \"From \"", ErrNoMbox, path)
		}
		return m, nil
	}
	if err := m.discover(); err != nil {
		return nil, fmt.Errorf("open mbox: %w", err)
	}
	if len(m.names) == 0 {
		return nil, fmt.Errorf("%w: there is none in %s", ErrNoMbox, path)
	}
	return m, nil
}

func (m *Mbox) discover() error {
	return filepath.WalkDir(m.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") || !isMbox(path) {
			return err
		}
		relative, err := filepath.Rel(m.path, path)
		if err != nil {
			return err
		}
		levels := strings.Split(filepath.ToSlash(strings.TrimSuffix(relative, ".mbox")), "/")
		for i := range levels {
			levels[i] = strings.TrimSuffix(levels[i], ".sbd") // where Thunderbird keeps the folders below
		}
		m.names.add(folderName(levels), path)
		return nil
	})
}

// isMbox reports whether a file is empty or begins with a From_ line.
func isMbox(path string) bool {
	in, err := os.Open(path)
	if err != nil {
		return false
	}
	defer in.Close()
	begin := make([]byte, len(separator))
	n, _ := io.ReadFull(in, begin)
	return n == 0 || string(begin[:n]) == separator
}

const separator = "From "

// Name is the path.
func (m *Mbox) Name() string { return "mbox:" + m.path }

// Folders are the files; how many messages they have is not known before they are
// read.
func (m *Mbox) Folders(context.Context) ([]Folder, error) {
	var all []Folder
	for name := range m.names {
		all = append(all, Folder{Name: name, Role: roleOf(name), Subscribed: true})
	}
	sortFolders(all)
	return all, nil
}

// Read reads an mbox. An empty line and a line that begins with "From " divide
// messages; ">From ", with any number of >, loses one (mboxrd).
func (m *Mbox) Read(ctx context.Context, f Folder, known func(string) bool, take func(Message) error) error {
	path, ok := m.names[f.Name]
	if !ok {
		return fmt.Errorf("%w: %q", ErrFolder, f.Name)
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	defer m.spool.reset()
	r := &mboxReader{in: bufio.NewReaderSize(in, 64<<10), seen: map[string]int{}}
	if err := r.begin(); err != nil {
		return err
	}
	for !r.ended {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.readOne(r, known, take); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (m *Mbox) readOne(r *mboxReader, known func(string) bool, take func(Message) error) error {
	received := fromDate(r.line)
	if err := r.next(); err != nil {
		return err
	}
	digest := sha256.New()
	if err := m.spool.fill(bufio.NewReader(io.TeeReader(&messageReader{mbox: r}, digest))); err != nil {
		return err
	}
	if m.spool.size == 0 {
		return nil
	}
	key := fmt.Sprintf("%x", digest.Sum(nil)[:16])
	if r.seen[key]++; r.seen[key] > 1 { // the same octets again are another message
		key = fmt.Sprintf("%s-%d", key, r.seen[key])
	}
	if known(key) {
		return nil
	}
	body, err := m.spool.open()
	if err != nil {
		return err
	}
	msg := Message{Key: key, Received: received, Size: m.spool.size, Body: body}
	msg.Flags, msg.Keywords = statusOf(cmp.Or(r.own.String(), r.head.String()))
	return take(msg)
}

// mboxReader knows where a message ends.
type mboxReader struct {
	in    *bufio.Reader
	line  []byte // the next one, or a part of it
	whole bool   // line ends here
	start bool   // line begins here
	ended bool
	seen  map[string]int  // keys
	head  strings.Builder // of the message being read
	own   strings.Builder // fields that MboxTarget put before it
}

// next reads a line, or a part of one that is very long.
func (r *mboxReader) next() error {
	r.start = r.whole
	line, err := r.in.ReadSlice('\n')
	r.whole = err == nil
	r.line = append(r.line[:0], line...)
	switch {
	case errors.Is(err, io.EOF):
		r.ended = len(line) == 0
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		return err
	}
	return nil
}

// begin finds the first From_ line.
func (r *mboxReader) begin() error {
	r.whole = true
	if err := r.next(); err != nil || r.ended {
		return err
	}
	if !bytes.HasPrefix(r.line, []byte(separator)) {
		return ErrNoMbox
	}
	return nil
}

// messageReader reads one message out of an mbox.
type messageReader struct {
	mbox    *mboxReader
	out     []byte
	blank   []byte // an empty line that may belong to the separator
	inBody  bool
	atStart bool
	own     int // how many of ownFields came, -1: something else did
	done    bool
}

// Read gives the message without its separator and the quotes of mboxrd.
func (m *messageReader) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		if m.done {
			return 0, io.EOF
		}
		if err := m.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// advance takes the next line.
func (m *messageReader) advance() error {
	r := m.mbox
	if !m.atStart {
		m.atStart = true
		r.head.Reset()
		r.own.Reset()
	}
	if r.ended {
		m.done = true
		return nil
	}
	if r.start && bytes.HasPrefix(r.line, []byte(separator)) && (m.blank != nil || !m.inBody && r.head.Len() == 0) {
		m.done = true
		return nil
	}
	if m.takeOwn() {
		return r.next()
	}
	line := bytes.Clone(r.line)
	isBlank := r.start && len(bytes.TrimRight(line, "\r\n")) == 0
	if !m.inBody {
		if m.inBody = isBlank; !isBlank && r.head.Len() < maxHead {
			r.head.Write(line)
		}
	}
	m.out, m.blank = append(m.out[:0], m.blank...), nil
	switch {
	case isBlank:
		m.blank = line
	case r.start:
		m.out = append(m.out, unquote(line)...)
	default:
		m.out = append(m.out, line...)
	}
	return r.next()
}

// ownFields are those that MboxTarget puts before every message, in this order.
var ownFields = []string{"Status:", "X-Status:", "X-Keywords:"}

// takeOwn takes the line if it is one of them: it is no part of the message.
func (m *messageReader) takeOwn() bool {
	r := m.mbox
	if m.own < 0 || m.own == len(ownFields) || !r.start || !r.whole || !bytes.HasPrefix(r.line, []byte(ownFields[m.own])) {
		m.own = -1
		return false
	}
	m.own++
	r.own.Write(r.line)
	return true
}

// maxHead bounds what of a header is looked at for Status fields.
const maxHead = 256 << 10

// unquote takes one > from ">From ", ">>From " and so on.
func unquote(line []byte) []byte {
	if rest := bytes.TrimLeft(line, ">"); len(rest) < len(line) && bytes.HasPrefix(rest, []byte(separator)) {
		return line[1:]
	}
	return line
}

// fromDate is the date in "From anna@example.com Sat Nov 21 16:05:00 2026".
func fromDate(line []byte) time.Time {
	words := strings.Fields(string(line))
	for i := 2; i < len(words); i++ {
		rest := strings.Join(words[i:], " ")
		for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006", "Mon Jan 2 15:04:05 MST 2006"} {
			if t, err := time.Parse(layout, rest); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// statusOf reads the flags in Status, X-Status and X-Keywords, as mail programs write
// them into an mbox. Without a Status the message was never looked at.
func statusOf(head string) (flags mailbox.Flags, keywords []string) {
	letters := map[byte]mailbox.Flags{'R': mailbox.Seen, 'A': mailbox.Answered, 'F': mailbox.Flagged, 'D': mailbox.Deleted, 'T': mailbox.Draft}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "status", "x-status":
			for i := range len(value) {
				flags |= letters[value[i]]
			}
		case "x-keywords":
			for _, word := range strings.Fields(value) {
				if isKeyword(word) && len(keywords) < 30 {
					keywords = append(keywords, word)
				}
			}
		}
	}
	return flags, keywords
}
