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

// jailed is what a server needs that has its folders and users compiled in.
type jailed struct {
	settings
	Unpacked  string // the files of its Debian package
	Libraries string
}

// OpenSMTPD starts an OpenSMTPD, unpacked, as root in a mount namespace. It can
// have no certificate: the process that holds the keys in Debian's 6.8 fails with
// OpenSSL 3 ("missing private key"). As a client it does speak STARTTLS.
func OpenSMTPD(tb testing.TB, o Options) *Peer {
	tb.Helper()
	if o.CertFile != "" {
		tb.Fatal("this OpenSMTPD cannot serve TLS")
	}
	unpacked := filepath.Join(debianFolder(), "opensmtpd")
	if _, err := exec.LookPath(filepath.Join(unpacked, "usr/sbin/smtpd")); err != nil {
		missing(tb, "opensmtpd is not unpacked: ./test does it")
	}
	mayMount(tb)
	owner := &user.User{Username: "opensmtpd", Uid: spareUID, Gid: spareUID}
	s := jailed{newSettings(tb, "opensmtpd", o, owner), unpacked, libraries(unpacked)}
	uid, gid := s.ids(tb)
	subfolder(tb, s.Dir, "mail", uid, gid)
	s.inventUsers(tb)
	write(tb, s.settings, "smtpd.conf", "opensmtpd.conf.tmpl")
	script := filepath.Join(s.Dir, "start.sh")
	s.render(tb, script, "opensmtpd.sh.tmpl")
	return launch(tb, s.settings, exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", script))
}

// mayMount skips where nobody may make a namespace, which no package mends.
func mayMount(tb testing.TB) {
	tb.Helper()
	if out, err := exec.Command("unshare", "--mount", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		tb.Skipf("opensmtpd needs a mount namespace, which this machine does not give: %s %s", err, bytes.TrimSpace(out))
	}
}

// inventUsers writes the users of the server, and the owner of all mailboxes.
func (s jailed) inventUsers(tb testing.TB) {
	tb.Helper()
	var mailboxes bytes.Buffer
	for _, m := range s.Mailboxes {
		fmt.Fprintf(&mailboxes, "%s vmail\n", m)
	}
	passwd, group := "root:x:0:0::/root:/bin/sh\n", "root:x:0:\n"
	for _, name := range []string{"opensmtpd", "opensmtpq", "vmail"} {
		id := map[string]string{"opensmtpd": "64997", "opensmtpq": "64998", "vmail": s.UID}[name]
		passwd += fmt.Sprintf("%s:x:%s:%s::/var/lib/opensmtpd/empty:/bin/sh\n", name, id, id)
		group += fmt.Sprintf("%s:x:%s:\n", name, id)
	}
	for name, text := range map[string]string{"passwd": passwd, "group": group, "mailboxes": mailboxes.String()} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

func (s jailed) render(tb testing.TB, path, tmpl string) {
	tb.Helper()
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, tmpl, s); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
}
