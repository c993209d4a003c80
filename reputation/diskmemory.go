package reputation

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// DiskMemory is a Memory in a directory, one file for each list, so that runs and
// processes share it and no writer spoils another's work. What cannot be read was
// never remembered; what cannot be written is forgotten: both cost a question. The
// zero value remembers nothing.
//
// What control points show depends on who asks. Give each resolver a directory of
// its own.
type DiskMemory struct {
	Dir string // made when something is remembered
}

// maxMemory is far above what a control result takes, in octets.
const maxMemory = 64 << 10

// Recall finds what another run remembered.
func (m DiskMemory) Recall(key string) (Control, bool) {
	if m.Dir == "" {
		return Control{}, false
	}
	f, err := os.Open(m.path(key))
	if err != nil {
		return Control{}, false
	}
	defer f.Close()
	var c Control
	if err := json.NewDecoder(io.LimitReader(f, maxMemory)).Decode(&c); err != nil {
		return Control{}, false
	}
	return c, true
}

// Remember writes the result beside its place and moves it there, so that others
// see the old one or the new one, whole.
func (m DiskMemory) Remember(key string, c Control) {
	if m.Dir == "" || os.MkdirAll(m.Dir, 0o700) != nil {
		return
	}
	text, err := json.Marshal(c)
	if err != nil {
		return
	}
	f, err := os.CreateTemp(m.Dir, ".new-*")
	if err != nil {
		return
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), m.path(key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// path is the file of a key. Keys are list ids with marks behind them; the slash
// of the family must not become a directory.
func (m DiskMemory) path(key string) string {
	return filepath.Join(m.Dir, strings.NewReplacer("/", "-v", "\\", "_").Replace(key)+".json")
}
