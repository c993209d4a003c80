package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/imap/syntax"
)

// MaildirTarget writes a Maildir++ that Dovecot, mutt and others read. Messages that
// are there already are left alone, so a second run brings what is new.
type MaildirTarget struct {
	dir      string
	folder   string // directory of the folder that is open
	there    map[string]bool
	keywords []string // of the folder, by letter
	source   string
}

// NewMaildir writes into a directory, which is made.
func NewMaildir(dir string) (*MaildirTarget, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &MaildirTarget{dir: dir}, makeMaildir(dir)
}

func makeMaildir(dir string) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Open makes the folder: INBOX is the directory itself, Lists/Go is .Lists.Go.
func (t *MaildirTarget) Open(_ context.Context, source string, f Folder) (func(string) bool, error) {
	t.folder, t.source, t.there = t.dir, source, map[string]bool{}
	if f.Name != "INBOX" {
		levels := strings.Split(f.Name, "/")
		for i := range levels {
			levels[i] = syntax.EncodeName(strings.ReplaceAll(levels[i], ".", "-"))
		}
		t.folder = filepath.Join(t.dir, "."+strings.Join(levels, "."))
	}
	if err := makeMaildir(t.folder); err != nil {
		return nil, err
	}
	if t.folder != t.dir {
		if err := os.WriteFile(filepath.Join(t.folder, "maildirfolder"), nil, 0o600); err != nil {
			return nil, err
		}
	}
	files, err := messageFiles(t.folder)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		t.there[file.unique] = true
	}
	t.keywords = nil
	words := readKeywords(t.folder)
	for letter := byte('a'); words[letter] != ""; letter++ {
		t.keywords = append(t.keywords, words[letter])
	}
	return func(key string) bool { return t.there[uniqueName(key)] }, t.subscribe(f)
}

// uniqueName is the name of a message's file without its flags.
func uniqueName(key string) string {
	return strings.NewReplacer("/", "_", ":", "_").Replace(key) + ".allgreen"
}

// subscribe adds the folder to Dovecot's list.
func (t *MaildirTarget) subscribe(f Folder) error {
	if !f.Subscribed || f.Name == "INBOX" {
		return nil
	}
	path := filepath.Join(t.dir, "subscriptions")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	line := strings.TrimPrefix(filepath.Base(t.folder), ".")
	if slices.Contains(strings.Split(string(text), "\n"), line) {
		return nil
	}
	return os.WriteFile(path, append(text, line+"\n"...), 0o600)
}

// Put writes a message under tmp, syncs it, and moves it into cur, as Maildir asks. The
// lines end in CRLF as on the wire.
func (t *MaildirTarget) Put(_ context.Context, m Message) error {
	info, err := t.info(m)
	if err != nil {
		return err
	}
	name := uniqueName(m.Key)
	path := filepath.Join(t.folder, "tmp", name)
	if err := writeFile(path, m); err != nil {
		return err
	}
	t.there[name] = true
	return os.Rename(path, filepath.Join(t.folder, "cur", name+":2,"+info))
}

func writeFile(path string, m Message) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 64<<10)
	_, err = io.Copy(w, m.Body)
	err = errors.Join(err, w.Flush(), out.Sync(), out.Close())
	if err == nil && !m.Received.IsZero() {
		err = os.Chtimes(path, m.Received, m.Received)
	}
	return err
}

// info are the letters of the flags, sorted, as Maildir wants them.
func (t *MaildirTarget) info(m Message) (string, error) {
	var letters []byte
	for letter, flag := range flagLetters {
		if m.Flags&flag != 0 {
			letters = append(letters, letter)
		}
	}
	for _, word := range m.Keywords {
		letter, err := t.letter(word)
		if err != nil {
			return "", err
		}
		if letter != 0 {
			letters = append(letters, letter)
		}
	}
	slices.Sort(letters)
	return string(slices.Compact(letters)), nil
}

// letter is that of a keyword; the 27th has none, and is lost.
func (t *MaildirTarget) letter(word string) (byte, error) {
	if word == forwarded {
		return 'P', nil
	}
	if n := slices.Index(t.keywords, word); n >= 0 {
		return 'a' + byte(n), nil
	}
	if len(t.keywords) == 26 {
		return 0, nil
	}
	t.keywords = append(t.keywords, word)
	var text strings.Builder
	for n, word := range t.keywords {
		fmt.Fprintf(&text, "%d %s\n", n, word)
	}
	return 'a' + byte(len(t.keywords)-1), os.WriteFile(filepath.Join(t.folder, "dovecot-keywords"), []byte(text.String()), 0o600)
}

// Flush syncs the directory, so that the names are there after a power cut.
func (t *MaildirTarget) Flush(context.Context) error { return syncDir(filepath.Join(t.folder, "cur")) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
