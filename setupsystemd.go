package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/config"
)

var (
	//go:embed packaging/systemd/allgreen.service
	serviceUnit string
	//go:embed packaging/systemd/allgreen.sysusers
	serviceUser string
)

// systemd has the server run for ever. The zero root is the machine's own.
type systemd struct {
	root       string
	executable string
	command    func(ctx context.Context, name string, args ...string) error
	group      func(name string) (gid int, err error)
}

func newSystemd() (*systemd, error) {
	path, err := os.Executable()
	return &systemd{root: "/", executable: path, command: command, group: groupID}, err
}

// command runs a program of the system; what it says of an error is part of it.
func command(ctx context.Context, name string, args ...string) error {
	if said, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(said)))
	}
	return nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// mayInstall reports whether systemd could run this server: root asks, systemd runs the
// machine, and everything lies in the places that the unit names.
func (h *setupHouse) mayInstall(s *systemd) bool {
	info, err := os.Stat(filepath.Join(s.root, "run/systemd/system"))
	return err == nil && info.IsDir() && os.Geteuid() == 0 && !h.lab && !strings.Contains(s.executable, "go-build") &&
		h.path == config.DefaultPath && h.settings().Data == config.Defaults().Data
}

// unit is that of packaging, for the program where it lies.
func (s *systemd) unit() string {
	return strings.ReplaceAll(serviceUnit, "/usr/bin/allgreen", s.executable)
}

// install makes the user and the unit where there are none, lets that user read the
// files, and starts the server, now and with the machine.
func (s *systemd) install(ctx context.Context, files ...string) error {
	for _, f := range []struct{ packaged, path, text string }{
		{"usr/lib/sysusers.d/allgreen.conf", "etc/sysusers.d/allgreen.conf", serviceUser},
		{"usr/lib/systemd/system/allgreen.service", "etc/systemd/system/allgreen.service", s.unit()},
	} {
		if _, err := os.Stat(filepath.Join(s.root, f.packaged)); err == nil {
			continue // a package brought it
		}
		if err := s.write(f.path, f.text); err != nil {
			return err
		}
	}
	if err := s.command(ctx, "systemd-sysusers"); err != nil {
		return err
	}
	gid, err := s.group("allgreen")
	if err != nil {
		return err
	}
	for _, path := range files {
		err := os.Chown(path, -1, gid)
		if err == nil {
			err = os.Chmod(path, 0o640)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.command(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	return s.command(ctx, "systemctl", "enable", "--now", "allgreen.service")
}

// write leaves a file that somebody has written alone.
func (s *systemd) write(path, text string) error {
	path = filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
