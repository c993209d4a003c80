package peer

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Postfix starts a Postfix. It must run as root, as Postfix itself insists.
func Postfix(tb testing.TB, o Options) *Peer {
	tb.Helper()
	postconf, err := exec.LookPath("/usr/sbin/postconf")
	if err != nil {
		missing(tb, "postfix is not installed: apt-get install postfix")
	}
	if os.Getuid() != 0 {
		missing(tb, "postfix starts as root only")
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		missing(tb, "postfix is not installed whole: its user is missing")
	}
	daemons, err := exec.Command(postconf, "-dh", "daemon_directory").Output()
	if err != nil {
		tb.Fatal(err)
	}
	s := newSettings(tb, "postfix", o, owner)
	uid, gid := s.ids(tb)
	subfolder(tb, s.Dir, "data", uid, gid)
	subfolder(tb, s.Dir, "mail", uid, gid)
	postfixQueue(tb, s.Dir, uid, gid)
	write(tb, s, "main.cf", "postfix-main.cf.tmpl")
	write(tb, s, "master.cf", "postfix-master.cf.tmpl")
	// The master itself, not postfix start: the script around it looks at the
	// system's own instance.
	master := filepath.Join(strings.TrimSpace(string(daemons)), "master")
	cmd := exec.Command(master, "-c", s.Dir, "-d")
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+s.Dir)
	return launch(tb, s, cmd)
}

// postfixQueue makes the folders in which the daemons meet; pid stays root's.
func postfixQueue(tb testing.TB, dir string, uid, gid int) {
	tb.Helper()
	subfolder(tb, dir, "spool", 0, 0)
	subfolder(tb, dir, "spool/pid", 0, 0)
	for _, name := range []string{
		"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
		"maildrop", "private", "public", "saved", "trace",
	} {
		subfolder(tb, dir, filepath.Join("spool", name), uid, gid)
	}
}

func newSettings(tb testing.TB, name string, o Options, owner *user.User) settings {
	tb.Helper()
	o = o.withDefaults(tb)
	return settings{
		Options: o, Dir: folder(tb, name), Mailboxes: o.mailboxes(),
		User: owner.Username, UID: owner.Uid, GID: owner.Gid,
	}
}

// ids are the user's numbers.
func (s settings) ids(tb testing.TB) (uid, gid int) {
	tb.Helper()
	uid, err := strconv.Atoi(s.UID)
	if err != nil {
		tb.Fatal(err)
	}
	gid, err = strconv.Atoi(s.GID)
	if err != nil {
		tb.Fatal(err)
	}
	return uid, gid
}
