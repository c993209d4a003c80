package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds the file.
const maxFile = 1 << 20

// Read reads the file. What is wrong with its content is a Problems; a file that cannot
// be read is an *fs.PathError.
func Read(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("find the folder of %s: %w", path, err)
	}
	return Parse(path, dir, document)
}

// Parse reads a document; name is what problems call it, dir what relative paths are
// relative to. The error is a Problems.
func Parse(name, dir string, document []byte) (*Config, error) {
	if len(document) > maxFile {
		return nil, Problems{{File: name, Text: "the file is longer than 1 MiB"}}
	}
	var tree map[string]any
	if err := toml.Unmarshal(document, &tree); err != nil {
		return nil, Problems{syntaxProblem(name, err)}
	}
	c := Defaults()
	b := &binder{file: name, dir: dir, places: findPlaces(document)}
	b.table("", reflect.ValueOf(c).Elem(), tree)
	unbound := len(b.problems)
	judge(c, b, unbound > 0)
	if len(b.problems) > 0 {
		b.problems.sort()
		return nil, b.problems
	}
	complete(c)
	return c, nil
}

// syntaxProblem is where the document stops being TOML.
func syntaxProblem(name string, err error) Problem {
	p := Problem{File: name, Text: err.Error()}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		p.Line, p.Column = decode.Position()
	}
	return p
}

// complete fills in what follows from other keys.
func complete(c *Config) {
	if c.TLS.ACME.Email.IsZero() {
		c.TLS.ACME.Email = c.Admin
	}
	for i := range c.Devices {
		if c.Devices[i].Owner.IsZero() {
			c.Devices[i].Owner = c.Admin
		}
	}
}
