package imap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Programs that keep a copy of a mailbox, and carry changes both ways.

// maildir is a folder on disk: file names carry the flags.
type maildir string

// have is subject and flags (as letters) of each message.
func (m maildir) have(t *testing.T) (all []string) {
	t.Helper()
	for _, file := range m.files(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, flags, _ := strings.Cut(filepath.Base(file), ":2,")
		all = append(all, strings.TrimSpace(subjectOf(string(text))+" "+flags))
	}
	slices.Sort(all)
	return all
}

func (m maildir) files(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, part := range []string{"cur", "new"} {
		files, err := filepath.Glob(filepath.Join(string(m), part, "*"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	return all
}

func (m maildir) wants(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, m.have(t)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", m, diff)
	}
}

// find is the file of a subject.
func (m maildir) find(t *testing.T, subject string) string {
	t.Helper()
	for _, file := range m.files(t) {
		if text, _ := os.ReadFile(file); subjectOf(string(text)) == subject {
			return file
		}
	}
	t.Fatalf("%s has no %q", m, subject)
	return ""
}

// put adds a message.
func (m maildir) put(t *testing.T, name, flags, text string) {
	t.Helper()
	for _, part := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(string(m), part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(string(m), "cur", name+":2,"+flags), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flag changes the flags of a message.
func (m maildir) flag(t *testing.T, subject, flags string) {
	t.Helper()
	file := m.find(t, subject)
	bare, _, _ := strings.Cut(filepath.Base(file), ":2,")
	if err := os.Rename(file, filepath.Join(string(m), "cur", bare+":2,"+flags)); err != nil {
		t.Fatal(err)
	}
}

// mark changes flags on the server, as another program would.
func (s *site) mark(folder, subject string, flags mailbox.Flags) {
	s.t.Helper()
	at := slices.IndexFunc(s.have(folder), func(line string) bool { return strings.HasPrefix(line, subject) })
	id := s.account("anna")
	s.write(func(tx *store.Tx) error {
		f, err := mailbox.FolderNamed(tx, id, folder)
		if err != nil {
			return err
		}
		all, err := mailbox.Messages(tx, f.ID, 0, 1000)
		if err != nil {
			return err
		}
		_, _, err = mailbox.SetFlags(tx, f.ID, []mailbox.UID{all[at].UID}, mailbox.FlagChange{Op: mailbox.AddFlags, Flags: flags})
		if err == nil && flags&mailbox.Deleted != 0 {
			_, err = mailbox.Expunge(tx, f.ID, []mailbox.UID{all[at].UID})
		}
		return err
	})
}

func (s *site) dir(name string) string {
	s.t.Helper()
	dir := filepath.Join(filepath.Dir(s.ca), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// syncs has a program that syncs both ways prove it: what is new, changed and gone on
// either side arrives on the other.
func (s *site) syncs(inbox, sent maildir, run func()) {
	t := s.t.(*testing.T)
	for _, subject := range []string{"one", "two", "three"} {
		s.deliver("anna", mailAbout(subject))
	}
	run()
	inbox.wants(t, "one", "two", "three")

	sent.put(t, "1.here", "S", unixText(mailAbout("written here")))
	inbox.flag(t, "two", "FS")
	if err := os.Remove(inbox.find(t, "three")); err != nil {
		t.Fatal(err)
	}
	s.mark("INBOX", "one", mailbox.Deleted)
	s.deliver("anna", mailAbout("four"))
	run()
	run() // some programs carry expunges on the next turn
	s.wants("Sent", `written here \Seen`)
	s.wants("INBOX", `two \Seen \Flagged`, "four")
	inbox.wants(t, "two FS", "four")

	s.mark("INBOX", "four", mailbox.Seen|mailbox.Answered)
	run()
	inbox.wants(t, "two FS", "four RS")
	s.wants("INBOX", `two \Seen \Flagged`, `four \Seen \Answered`)
}

// unixText is a message as a Maildir keeps it.
func unixText(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// TestMbsync is isync's program.
func TestMbsync(t *testing.T) {
	t.Parallel()
	peer(t, "mbsync")
	s := newSite(t)
	box := s.dir("box")
	config := s.file("mbsyncrc", `IMAPStore far
Host $HOST
Port $PORT
User $USER
Pass "$PASSWORD"
SSLType IMAPS
CertificateFile $CA

MaildirStore near
Path $DIR/box/
Inbox $DIR/box/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
`)
	s.syncs(maildir(filepath.Join(box, "INBOX")), maildir(filepath.Join(box, "Sent")), func() { foreign(t, "mbsync", "-c", config, "-a") })
	if maildir(filepath.Join(box, "Work/Größe")).put(t, "2.here", "", unixText(mailAbout("below"))); !t.Failed() {
		foreign(t, "mbsync", "-c", config, "-a")
		s.wants("Work/Größe", "below")
	}
}

// TestOfflineIMAP is offlineimap3.
func TestOfflineIMAP(t *testing.T) {
	t.Parallel()
	peer(t, "offlineimap")
	s := newSite(t)
	box := s.dir("box")
	config := s.file("offlineimaprc", `[general]
accounts = anna
metadata = $DIR/metadata
ui = quiet
socktimeout = 60

[Account anna]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = $DIR/box

[Repository far]
type = IMAP
remotehost = $HOST
remoteport = $PORT
ssl = yes
sslcacertfile = $CA
remoteuser = $USER
remotepass = $PASSWORD
auth_mechanisms = PLAIN
`)
	s.syncs(maildir(filepath.Join(box, "INBOX")), maildir(filepath.Join(box, "Sent")), func() { foreign(t, "offlineimap", "-c", config, "-o") })
}

// TestGetmail fetches, and deletes what it has.
func TestGetmail(t *testing.T) {
	t.Parallel()
	peer(t, "getmail")
	s := newSite(t)
	for _, subject := range []string{"one", "two"} {
		s.deliver("anna", mailAbout(subject))
	}
	rc := s.file("getmailrc", `[retriever]
type = SimpleIMAPSSLRetriever
server = $HOST
port = $PORT
username = $USER
password = $PASSWORD
ca_certs = $CA
mailboxes = ("INBOX",)

[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "$DIR/fetched")
allow_root_commands = true
ignore_stderr = true

[options]
delete = true
delivered_to = false
received = false
`)
	foreign(t, "getmail", "--getmaildir", filepath.Dir(rc), "--rcfile", rc)
	fetched, err := os.ReadFile(filepath.Join(filepath.Dir(rc), "fetched"))
	for _, want := range []string{"Subject: one\n", "Grüße, one\n", "Subject: two\n", "Grüße, two\n"} {
		if strings.Count(string(fetched), want) != 1 {
			t.Errorf("%q is not there once: %q (%v)", want, fetched, err)
		}
	}
	s.wants("INBOX")
}

// TestDovecotImapc has Dovecot's doveadm sync a mailbox of its own with ours, over IMAP.
func TestDovecotImapc(t *testing.T) {
	t.Parallel()
	peer(t, "doveadm")
	s := newSite(t)
	dir, err := os.MkdirTemp("", "imapc") // t.TempDir is nobody's to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	s.ca = filepath.Join(dir, "ca.pem")
	os.WriteFile(s.ca, ca, 0o644)
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534 // Dovecot serves no root
	}
	for _, d := range []string{"run", "state", "home", "Maildir"} {
		made := s.dir(d)
		if os.Chown(made, uid, gid) != nil || os.Chown(dir, uid, gid) != nil {
			t.Fatal("cannot give it its folder")
		}
	}
	config := s.file("dovecot.conf", fmt.Sprintf(`mail_uid = %d
mail_gid = %d
first_valid_uid = 1
first_valid_gid = 1
stats_writer_socket_path =
`, uid, gid)+`base_dir = $DIR/run
state_dir = $DIR/state
log_path = $DIR/log
mail_location = maildir:$DIR/Maildir:LAYOUT=fs
mail_home = $DIR/home
ssl_client_ca_file = $CA
imapc_host = 127.0.0.1
imapc_port = $PORT
imapc_user = $USER
imapc_password = $PASSWORD
imapc_ssl = imaps
imapc_features = rfc822.size fetch-headers modseq
mail_prefetch_count = 20
namespace inbox {
  inbox = yes
  separator = /
}
`)
	os.Chmod(config, 0o644)
	sync := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), peerTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, peer(t, "doveadm"), "-c", config, "sync", "imapc:")
		cmd.Env = append(os.Environ(), "USER=nobody", "HOME="+filepath.Join(dir, "home"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("doveadm: %s\n%s%s", err, out, log)
		}
	}
	for _, subject := range []string{"one", "two"} {
		s.deliver("anna", mailAbout(subject))
	}
	sync()
	box := maildir(filepath.Join(dir, "Maildir"))
	box.wants(t, "one", "two")
	s.mark("INBOX", "one", mailbox.Seen|mailbox.Flagged)
	s.deliver("anna", mailAbout("three"))
	there := maildir(filepath.Join(dir, "Maildir/Sent"))
	there.put(t, "1.here", "S", unixText(mailAbout("written there")))
	err = filepath.Walk(string(there), func(path string, _ os.FileInfo, err error) error { return errors.Join(err, os.Chown(path, uid, gid)) })
	if err != nil {
		t.Fatal(err)
	}
	sync()
	box.wants(t, "one FS", "two", "three")
	s.wants("Sent", `written there \Seen`)
}
