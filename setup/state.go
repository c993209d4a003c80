package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

// State is what setup has done for one domain. It is a note of the past and proves
// nothing: every stage looks again.
type State struct {
	Domain  string          `json:"domain"`
	Begun   time.Time       `json:"begun"`
	Stages  map[string]Done `json:"stages,omitempty"`  // by their names
	Undo    []UndoFile      `json:"undo,omitempty"`    // the newest last
	Outside string          `json:"outside,omitempty"` // the address elsewhere that a message has reached
	path    string
	written []byte
}

// Done is how a stage ended when it last ran.
type Done struct {
	Time   time.Time      `json:"time"`
	Status finding.Status `json:"status"`
	Line   string         `json:"line"`
}

// UndoFile tells how something that was published is taken back.
type UndoFile struct {
	Time time.Time `json:"time"`
	Path string    `json:"path"`
	What string    `json:"what"`
}

// StatePath is the state file of a domain in a data folder.
func StatePath(data string, domain mail.Domain) string {
	return filepath.Join(data, "setup", domain.String()+".json")
}

// ReadState reads the state of a domain, which is empty where setup never ran.
func ReadState(data string, domain mail.Domain) (*State, error) {
	s := &State{Domain: domain.String(), path: StatePath(data, domain)}
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("read what setup has done: %w", err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read what setup has done, in %s: %w", s.path, err)
	}
	s.written = text
	return s, nil
}

// Save writes the state where something has changed: whole or not at all, so that a crash
// leaves the one before. It writes nothing while there is no data folder.
func (s *State) Save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if string(text) == string(s.written) {
		return nil
	}
	dir := filepath.Dir(s.path)
	if _, err := os.Stat(filepath.Dir(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil // stage 2 makes the data folder, and saves
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := replaceFile(s.path, text); err != nil {
		return fmt.Errorf("write what setup has done: %w", err)
	}
	s.written = text
	return nil
}

// replaceFile writes a file beside the old one and then takes its place.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
