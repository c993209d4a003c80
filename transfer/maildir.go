package transfer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/imap/syntax"
	"github.com/allgreen-mail/allgreen/mailbox"
)

// Maildir is a tree of Maildirs on disk: Maildir++, where the folder Lists/Go is the
// directory .Lists.Go, or nested directories. It is only read.
type Maildir struct {
	dir   string
	names names // directories
	spool spool
}

// ErrNoMaildir says that a directory is no Maildir and has none below it.
var ErrNoMaildir = errors.New("there is no Maildir")

// OpenMaildir opens the Maildir in a directory, with all its folders.
func OpenMaildir(dir string) (*Maildir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m := &Maildir{dir: dir, names: names{}}
	if isMaildir(dir) {
		m.names.add("INBOX", dir)
	}
	if err := m.discover(dir, ""); err != nil {
		return nil, fmt.Errorf("open Maildir: %w", err)
	}
	if len(m.names) == 0 {
		return nil, fmt.Errorf("%w in %s: a Maildir has directories cur and new", ErrNoMaildir, dir)
	}
	return m, nil
}

// discover finds the folders below a directory.
func (m *Maildir) discover(dir, above string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || name == "cur" || name == "new" || name == "tmp" {
			continue
		}
		path := filepath.Join(dir, name)
		switch flat, isFlat := strings.CutPrefix(name, "."); {
		case isFlat && above == "" && isMaildir(path):
			m.names.add(folderName(strings.Split(flat, ".")), path)
		case !isFlat:
			nested := folderName([]string{name})
			if above != "" {
				nested = above + "/" + nested
			}
			if isMaildir(path) {
				m.names.add(nested, path)
			}
			if err := m.discover(path, nested); err != nil {
				return err
			}
		}
	}
	return nil
}

func isMaildir(dir string) bool {
	for _, sub := range []string{"cur", "new"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// folderName joins levels whose names may be in modified UTF-7.
func folderName(levels []string) string {
	for i, level := range levels {
		levels[i] = levelName(readable(level))
	}
	return strings.Join(levels, "/")
}

// readable is a name out of modified UTF-7. What is none stays as it is.
func readable(name string) string {
	if text, ok := syntax.DecodeName(name, false); ok {
		return text
	}
	return strings.ToValidUTF8(name, "_")
}

// Name is the directory.
func (m *Maildir) Name() string { return "maildir:" + m.dir }

// Folders are the inbox and then the others by name.
func (m *Maildir) Folders(context.Context) ([]Folder, error) {
	subscribed, listed := m.subscriptions()
	var all []Folder
	for name, dir := range m.names {
		files, err := messageFiles(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, Folder{Name: name, Role: roleOf(name), Messages: int64(len(files)), Subscribed: !listed || subscribed[name]})
	}
	sortFolders(all)
	return all, nil
}

// subscriptions are those that Dovecot keeps beside the folders. Without its file all
// folders count as subscribed.
func (m *Maildir) subscriptions() (names map[string]bool, listed bool) {
	text, err := os.ReadFile(filepath.Join(m.dir, "subscriptions"))
	if err != nil {
		return nil, false
	}
	names = map[string]bool{"INBOX": true}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		levels := strings.FieldsFunc(line, func(r rune) bool { return r == '.' || r == '/' || r == '\t' })
		names[folderName(levels)] = true
	}
	return names, true
}

// file is one message of a Maildir.
type file struct {
	path   string
	unique string // without flags: it does not change
	info   string // "S" of "...:2,S"
	recent bool   // it is in new
}

// messageFiles lists the messages of a folder in the order of their arrival, as their
// names tell it.
func messageFiles(dir string) ([]file, error) {
	var all []file
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") { // no link to elsewhere, no pipe
				continue
			}
			unique, info, _ := strings.Cut(e.Name(), ":2,")
			all = append(all, file{filepath.Join(dir, sub, e.Name()), unique, info, sub == "new"})
		}
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.unique, b.unique) })
	return all, nil
}

// Read reads a folder. A message that another program takes away or renames meanwhile
// is passed over: the next run finds it.
func (m *Maildir) Read(ctx context.Context, f Folder, known func(string) bool, take func(Message) error) error {
	dir, ok := m.names[f.Name]
	if !ok {
		return fmt.Errorf("%w: %q", ErrFolder, f.Name)
	}
	files, err := messageFiles(dir)
	if err != nil {
		return err
	}
	keywords := readKeywords(dir)
	defer m.spool.reset()
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if known(file.key()) {
			continue
		}
		msg, err := m.load(file, keywords)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := take(msg); err != nil {
			return err
		}
	}
	return nil
}

// key is short for names that are long: keys are remembered by the thousand.
func (f file) key() string {
	if len(f.unique) <= 64 {
		return f.unique
	}
	sum := sha256.Sum256([]byte(f.unique))
	return fmt.Sprintf("%x", sum[:16])
}

func (m *Maildir) load(f file, keywords map[byte]string) (Message, error) {
	name, err := filepath.Rel(m.dir, f.path)
	if err != nil {
		return Message{}, err
	}
	in, err := os.OpenInRoot(m.dir, name) // its owner may lead us, who may read more, elsewhere
	if err != nil {
		return Message{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return Message{}, err
	}
	if err := m.spool.fill(bufio.NewReaderSize(in, 64<<10)); err != nil {
		return Message{}, fmt.Errorf("read %s: %w", f.path, err)
	}
	body, err := m.spool.open()
	if err != nil {
		return Message{}, err
	}
	flags, words := f.flags(keywords)
	return Message{Key: f.key(), Received: info.ModTime().Truncate(time.Second), Flags: flags, Keywords: words, Size: m.spool.size, Body: body}, nil
}

// flagLetters are those of Maildir's info.
var flagLetters = map[byte]mailbox.Flags{'S': mailbox.Seen, 'R': mailbox.Answered, 'F': mailbox.Flagged, 'T': mailbox.Deleted, 'D': mailbox.Draft}

// forwarded is the keyword for the letter P, "passed" (RFC 5788 registers it).
const forwarded = "$Forwarded"

func (f file) flags(keywords map[byte]string) (flags mailbox.Flags, words []string) {
	for i := range len(f.info) {
		letter := f.info[i]
		switch word := keywords[letter]; {
		case letter == 'P':
			words = append(words, forwarded)
		case word != "":
			words = append(words, word)
		default:
			flags |= flagLetters[letter]
		}
	}
	return flags, words
}

// readKeywords reads what the letters a to z mean: lines of "0 $Junk".
func readKeywords(dir string) map[byte]string {
	text, err := os.ReadFile(filepath.Join(dir, "dovecot-keywords"))
	if err != nil {
		return nil
	}
	words := map[byte]string{}
	for line := range strings.Lines(string(text)) {
		var n int
		var word string
		if _, err := fmt.Sscan(line, &n, &word); err == nil && n >= 0 && n < 26 && isKeyword(word) {
			words['a'+byte(n)] = word
		}
	}
	return words
}

// isKeyword reports an atom (RFC 9051, flag-keyword).
func isKeyword(word string) bool {
	return word != "" && len(word) <= 100 && strings.IndexFunc(word, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r)
	}) < 0
}

// roles are the names under which folders of a special use go in other programs.
var roles = map[string]mailbox.Role{
	"INBOX": mailbox.Inbox, "Sent": mailbox.Sent, "Sent Items": mailbox.Sent, "Sent Messages": mailbox.Sent, "Sent Mail": mailbox.Sent,
	"Drafts": mailbox.Drafts, "Junk": mailbox.Junk, "Spam": mailbox.Junk, "Junk Email": mailbox.Junk, "Junk E-mail": mailbox.Junk,
	"Trash": mailbox.Trash, "Deleted Items": mailbox.Trash, "Deleted Messages": mailbox.Trash, "Archive": mailbox.Archive, "Archives": mailbox.Archive,
}

func roleOf(name string) mailbox.Role { return roles[name] }

// sortFolders puts the inbox first and the others by name, so that a folder stands
// before those below it, and gives each role to one folder only.
func sortFolders(all []Folder) {
	slices.SortFunc(all, func(a, b Folder) int {
		switch {
		case a.Name == b.Name:
			return 0
		case a.Name == "INBOX":
			return -1
		case b.Name == "INBOX":
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	taken := map[mailbox.Role]bool{}
	for i := range all {
		if taken[all[i].Role] {
			all[i].Role = ""
		}
		taken[all[i].Role] = all[i].Role != ""
	}
}
