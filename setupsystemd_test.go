package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSystemdInstall installs into a folder, twice.
func TestSystemdInstall(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "allgreen.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var ran []string
	s := &systemd{
		root: root, executable: "/opt/allgreen/allgreen",
		command: func(_ context.Context, name string, args ...string) error {
			ran = append(ran, strings.Join(append([]string{name}, args...), " "))
			return nil
		},
		group: func(string) (int, error) { return os.Getegid(), nil },
	}
	for range 2 {
		if err := s.install(t.Context(), file, filepath.Join(root, "no-secret")); err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(root, "etc/systemd/system/allgreen.service")
		text, err := os.ReadFile(unit)
		if err != nil || !strings.Contains(string(text), "ExecStart=/opt/allgreen/allgreen --config /etc/allgreen/allgreen.toml serve\n") && string(text) != "own" {
			t.Fatalf("%v: %s", err, text)
		}
		if err := os.WriteFile(unit, []byte("own"), 0o644); err != nil { // the second time it is a person's
			t.Fatal(err)
		}
	}
	once := []string{"systemd-sysusers", "systemctl daemon-reload", "systemctl enable --now allgreen.service"}
	if diff := cmp.Diff(append(once, once...), ran); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the server could not read its configuration: %v, %v", info.Mode(), err)
	}
}
