package peer

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

const (
	eximUser = "Debian-exim" // compiled into Debian's Exim
	spareUID = "64999"       // for a root who lacks that user; Exim refuses to run as root
)

// Exim starts an Exim, installed or unpacked, as root or anybody.
func Exim(tb testing.TB, o Options) *Peer {
	tb.Helper()
	unpacked := filepath.Join(debianFolder(), "exim")
	program, err := exec.LookPath("/usr/sbin/exim4")
	if err != nil {
		program, err = exec.LookPath(filepath.Join(unpacked, "usr/sbin/exim4"))
	}
	if err != nil {
		missing(tb, "exim is neither installed nor unpacked: ./test does it, or apt-get install exim4-daemon-light")
	}
	owner, known := eximOwner(tb)
	s := newSettings(tb, "exim", o, owner)
	uid, gid := s.ids(tb)
	for _, name := range []string{"spool", "log", "mail"} {
		subfolder(tb, s.Dir, name, uid, gid)
	}
	conf := write(tb, s, "exim.conf", "exim.conf.tmpl")
	env := []string{"LD_LIBRARY_PATH=" + libraries(unpacked)}
	if !known {
		env = append(env, inventUser(tb, s, unpacked)...)
	}
	itself(tb, s, program, env)
	cmd := exec.Command(program, "-C", conf, "-bdf", "-q30m")
	cmd.Env = append(os.Environ(), env...)
	return launch(tb, s, cmd)
}

// itself is what Exim starts when it has something to report, in the environment that
// it does not pass on: a copy of the program, for the loader obeys no environment when
// another user starts one with the setuid bit.
func itself(tb testing.TB, s settings, program string, env []string) {
	tb.Helper()
	octets, err := os.ReadFile(program)
	if err != nil {
		tb.Fatal(err)
	}
	double := filepath.Join(s.Dir, "exim4")
	script := "#!/bin/sh\nexport " + strings.Join(env, " ") + "\nexec " + double + " \"$@\"\n"
	for path, content := range map[string][]byte{double: octets, filepath.Join(s.Dir, "exim"): []byte(script)} {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
}

// eximOwner is the user it runs as: its own for root, else whoever we are. It is
// not known when the system has no user of that name and number.
func eximOwner(tb testing.TB) (owner *user.User, known bool) {
	tb.Helper()
	own, err := user.Lookup(eximUser)
	if err == nil && os.Getuid() == 0 {
		return own, true
	}
	if os.Getuid() == 0 {
		return &user.User{Username: eximUser, Uid: spareUID, Gid: spareUID}, false
	}
	me, err := user.Current()
	if err != nil {
		tb.Fatal(err)
	}
	return me, false
}

// inventUser gives the environment in which the user of Exim exists.
func inventUser(tb testing.TB, s settings, unpacked string) []string {
	tb.Helper()
	var found []string
	for _, root := range []string{unpacked, "/"} {
		more, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/libnss_wrapper.so"))
		found = append(found, more...)
	}
	if len(found) == 0 {
		missing(tb, "exim lacks its user, and libnss-wrapper is not there to do without: ./test unpacks it")
	}
	passwd, group := filepath.Join(s.Dir, "passwd"), filepath.Join(s.Dir, "group")
	for path, text := range map[string]string{
		passwd: fmt.Sprintf("root:x:0:0::/:/bin/sh\n%s:x:%s:%s::/:/bin/false\n", eximUser, s.UID, s.GID),
		group:  fmt.Sprintf("root:x:0:\nmail:x:8:\n%s:x:%s:\n", eximUser, s.GID),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return []string{"LD_PRELOAD=" + found[0], "NSS_WRAPPER_PASSWD=" + passwd, "NSS_WRAPPER_GROUP=" + group}
}

// libraries is where the libraries of an unpacked program lie.
func libraries(unpacked string) string {
	found, _ := filepath.Glob(filepath.Join(unpacked, "usr/lib/*-linux-*"))
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// debianFolder is where ./test unpacks what cannot be installed.
func debianFolder() string {
	if dir := os.Getenv("ALLGREEN_DEBIAN"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "debian")
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return ""
}
