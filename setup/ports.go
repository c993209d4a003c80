package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// usualPorts are those of a server whose configuration is not written yet.
var usualPorts = []uint16{25, 465, 587, 143, 993, 80, 443}

// lookAtPorts finds out whether the server could listen, and who is in the way.
func (s *Setup) lookAtPorts(ctx context.Context, settings Settings, out *Outcome) {
	ports := settings.Ports
	if len(ports) == 0 {
		ports = usualPorts
	}
	var held, forbidden []string
	for _, port := range ports {
		listeners, err := s.World.ListenOn(ctx, fmt.Sprintf(":%d", port), s.machine.addresses)
		for _, l := range listeners {
			_ = l.Close() // it was only to see
		}
		switch {
		case errors.Is(err, world.ErrInUse):
			held = append(held, fmt.Sprintf("%d%s", port, holderOf("/proc", port)))
		case errors.Is(err, fs.ErrPermission):
			forbidden = append(forbidden, strconv.Itoa(int(port)))
		case err != nil:
			out.note(finding.Unknown, fmt.Sprintf("whether port %d is free could not be seen: %s", port, err), "")
		}
	}
	switch {
	case len(held) > 0:
		out.stop("another program has the ports "+strings.Join(held, ", "), "stop it, and keep it from starting again:", "systemctl disable --now NAME")
	case len(forbidden) > 0:
		out.note(finding.Yellow, "this user may not listen on the ports "+strings.Join(forbidden, ", "), "run setup as root, or let systemd start the server: packaging/systemd")
	default:
		out.note(finding.Green, "the ports of mail and web are free", "")
	}
}

// holderOf is the program that listens on a port, as " (postfix)"; "" where the system
// does not tell.
func holderOf(proc string, port uint16) string {
	var inodes []string
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		inodes = append(inodes, listening(filepath.Join(proc, table), port)...)
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*")) // the pattern is right
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !slices.Contains(inodes, target) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(link)), "comm"))
		if err == nil {
			return " (" + strings.TrimSpace(string(name)) + ")"
		}
	}
	return ""
}

// listening are the sockets of a table of /proc/net that listen on a port, as the links
// of processes name them. The columns are those of proc(5): local address, remote
// address, state, and the inode tenth.
func listening(path string, port uint16) (inodes []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const listen = "0A"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		columns := strings.Fields(lines.Text())
		if len(columns) < 10 || columns[3] != listen {
			continue
		}
		_, hex, _ := strings.Cut(columns[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			inodes = append(inodes, "socket:["+columns[9]+"]")
		}
	}
	return inodes
}
