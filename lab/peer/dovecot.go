package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
)

// Dovecot starts a Dovecot that takes mail by LMTP, at its address and at Socket, and
// keeps it in a Maildir for each mailbox. It must run as root. It relays nothing and
// speaks no TLS: of the options only the address, the names, the users and Extra count.
func Dovecot(tb testing.TB, o Options) *Peer {
	tb.Helper()
	program, err := exec.LookPath("/usr/sbin/dovecot")
	if err != nil {
		missing(tb, "dovecot is not installed: apt-get install dovecot-core dovecot-lmtpd")
	}
	if _, err := exec.LookPath("/usr/lib/dovecot/lmtp"); err != nil {
		missing(tb, "dovecot speaks no LMTP: apt-get install dovecot-lmtpd")
	}
	if os.Getuid() != 0 {
		missing(tb, "dovecot starts as root only")
	}
	owner, err := user.Lookup("dovecot")
	if err != nil {
		missing(tb, "dovecot is not installed whole: its user is missing")
	}
	s := newSettings(tb, "dovecot", o, owner)
	uid, gid := s.ids(tb)
	subfolder(tb, s.Dir, "mail", uid, gid)
	var users bytes.Buffer
	for _, m := range s.Mailboxes {
		fmt.Fprintf(&users, "%s::%d:%d::%s/mail/%s::\n", m, uid, gid, s.Dir, m)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "users"), users.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	return launch(tb, s, exec.Command(program, "-F", "-c", write(tb, s, "dovecot.conf", "dovecot.conf.tmpl")))
}

// Socket is where a Dovecot listens besides.
func (p *Peer) Socket() string { return filepath.Join(p.dir, "lmtp") }
