package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/allgreen-mail/allgreen/mail"
)

// ErrEdit is wrapped by errors about a file that only a person can edit.
var ErrEdit = errors.New("edit the configuration by hand")

// AddDomain writes one more domain into the list of a document. Everything else stays as
// it was written, to the last octet. dir is what relative paths are relative to.
func AddDomain(dir string, document []byte, d mail.Domain) ([]byte, error) {
	return editDomains(dir, document, append(domainsIn(dir, document), d), func(list []span) []byte {
		return insert(document, list, `"`+d.String()+`"`)
	})
}

// RemoveDomain takes one domain out of the list of a document, with the comment behind it
// where it has a line of its own.
func RemoveDomain(dir string, document []byte, d mail.Domain) ([]byte, error) {
	before := domainsIn(dir, document)
	at := slices.Index(before, d)
	if at < 0 {
		return nil, fmt.Errorf("%w: there is no domain %s", ErrEdit, d)
	}
	return editDomains(dir, document, slices.Delete(slices.Clone(before), at, at+1), func(list []span) []byte {
		return cut(document, list, at)
	})
}

// EditFile edits the file as a whole or not at all: a reader sees the old one or the new
// one. It keeps its owner and its mode, and a link leads where it led.
func EditFile(path string, edit func(document []byte) ([]byte, error)) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := edit(before)
	if err != nil {
		return err
	}
	if err := replace(path, info, after); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func replace(path string, info os.FileInfo, document []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(document)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()))
	err = errors.Join(err, giveTo(f, info))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// giveTo makes a new file that of another one's owner and group: root edits what the
// group of the server reads.
func giveTo(f *os.File, info os.FileInfo) error {
	fresh, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok := info.Sys().(*syscall.Stat_t)
	have, also := fresh.Sys().(*syscall.Stat_t)
	if !ok || !also || want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}

// span is where a value stands in a document.
type span struct{ start, end int }

// editDomains edits, and reads what came of it: a document that says anything else than
// was meant is not handed on.
func editDomains(dir string, document []byte, want []mail.Domain, edit func([]span) []byte) ([]byte, error) {
	before, err := Parse("the configuration", dir, document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEdit, err)
	}
	list := findDomains(document)
	if len(list) != len(before.Domains) {
		return nil, fmt.Errorf("%w: its list of domains is written in an unusual way", ErrEdit)
	}
	edited := edit(list)
	after, err := Parse("the configuration", dir, edited)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEdit, err)
	}
	if !slices.Equal(after.Domains, want) {
		return nil, fmt.Errorf("%w: its list of domains is written in an unusual way", ErrEdit)
	}
	after.Domains = before.Domains
	if !reflect.DeepEqual(before, after) {
		return nil, fmt.Errorf("%w: more than the domains would change", ErrEdit)
	}
	return edited, nil
}

func domainsIn(dir string, document []byte) []mail.Domain {
	c, err := Parse("", dir, document)
	if err != nil {
		return nil // editDomains says why
	}
	return c.Domains
}

// findDomains are the values of the key domains.
func findDomains(document []byte) (list []span) {
	var p unstable.Parser
	p.Reset(document)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.Table || e.Kind == unstable.ArrayTable {
			return list // below are the keys of tables
		}
		key := e.Key()
		if e.Kind != unstable.KeyValue || !key.Next() || string(key.Node().Data) != "domains" || e.Value().Kind != unstable.Array {
			continue
		}
		for it := e.Value().Children(); it.Next(); {
			raw := it.Node().Raw
			list = append(list, span{int(raw.Offset), int(raw.Offset + raw.Length)})
		}
	}
	return list
}

// insert puts a value behind the last, into a line of its own where the last has one.
func insert(document []byte, list []span, value string) []byte {
	last := list[len(list)-1]
	lineStart := bytes.LastIndexByte(document[:last.start], '\n') + 1
	indent := document[lineStart:last.start]
	comma, rest := splitComma(document[last.end:])
	lineEnd := bytes.IndexByte(rest, '\n')
	if len(bytes.TrimSpace(indent)) > 0 || lineEnd < 0 || !isEndOfLine(rest[:lineEnd]) {
		return slices.Concat(document[:last.end], []byte(", "+value), document[last.end:])
	}
	if len(comma) == 0 {
		comma = []byte(",")
	}
	return slices.Concat(document[:last.end], comma, rest[:lineEnd+1], indent, []byte(value+",\n"), rest[lineEnd+1:])
}

// cut takes the value at an index out, with its line where it has one of its own.
func cut(document []byte, list []span, at int) []byte {
	v := list[at]
	lineStart := bytes.LastIndexByte(document[:v.start], '\n') + 1
	_, rest := splitComma(document[v.end:])
	lineEnd := bytes.IndexByte(rest, '\n')
	switch {
	case len(bytes.TrimSpace(document[lineStart:v.start])) == 0 && lineEnd >= 0 && isEndOfLine(rest[:lineEnd]):
		return slices.Concat(document[:lineStart], rest[lineEnd+1:])
	case at > 0:
		return slices.Concat(document[:list[at-1].end], document[v.end:])
	case len(list) > 1:
		return slices.Concat(document[:v.start], document[list[1].start:])
	}
	return slices.Concat(document[:v.start], rest)
}

// splitComma is the comma behind a value, if it has one, and what follows.
func splitComma(text []byte) (comma, rest []byte) {
	trimmed := bytes.TrimLeft(text, " \t")
	if len(trimmed) > 0 && trimmed[0] == ',' {
		n := len(text) - len(trimmed) + 1
		return text[:n], text[n:]
	}
	return nil, text
}

// isEndOfLine reports whether nothing but a comment is left of a line.
func isEndOfLine(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) == 0 || text[0] == '#'
}
