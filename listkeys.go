package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

// directory is the blocklists with the keys of the person, and what earlier runs
// saw of their control points.
func (c *checkCommand) directory(w *world.World) (*reputation.Directory, error) {
	o := reputation.Options{Keys: map[string]string{}, Memory: c.listMemory(w), Now: w.Now}
	for _, text := range c.ListKey {
		list, key, ok := strings.Cut(text, "=")
		if !ok || !reputation.IsKey(key) {
			return nil, usage(fmt.Errorf("--list-key wants LIST=KEY; the key of %q is one word of letters, digits and hyphens", list), keyHint())
		}
		if !slices.Contains(keyNames(), list) {
			return nil, usage(fmt.Errorf("there is no list %q that takes a key", list), keyHint())
		}
		o.Keys[list] = key
	}
	return reputation.NewDirectory(o), nil
}

// keyNames are the names under which keys are given: of one list, or of the lists
// that share a key.
func keyNames() []string {
	var names []string
	for _, l := range reputation.NewDirectory(reputation.Options{}).Lists() {
		if l.KeyZone != "" {
			names = append(names, l.KeyName, l.ID)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func keyHint() string { return "lists that take one: " + strings.Join(keyNames(), ", ") }

// listMemory keeps what control points showed, apart for each set of resolvers:
// lists answer some and refuse others. A lab lives too short to be remembered.
func (c *checkCommand) listMemory(w *world.World) reputation.Memory {
	dir, err := os.UserCacheDir()
	if err != nil || c.Lab {
		return nil
	}
	asker := sha256.Sum256([]byte(fmt.Sprint(w.Resolvers())))
	return reputation.DiskMemory{Dir: filepath.Join(dir, "allgreen", "lists", fmt.Sprintf("%x", asker[:6]))}
}
