package imap

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// Programs by other people that read their mail here.

// peerTime is how long one of their programs may run.
const peerTime = 2 * time.Minute

// peer finds a program of somebody else's. A person's machine may lack it.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// foreign runs a program that must succeed, and gives what it said.
func foreign(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), peerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer(t, name), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s\n%s", name, err, out)
	}
	return string(out)
}

// site is a server that others can find, and somebody with a mailbox on it.
type site struct {
	*house
	addr           netip.AddrPort
	ca             string // a file
	user, password string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{house: newHouse(t), ca: filepath.Join(t.TempDir(), "ca.pem")}
	s.user, s.password = s.login("anna")
	_, s.addr = s.serve()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.options.TLS.Certificates[0].Certificate[0]}
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(block), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) port() string { return strconv.Itoa(int(s.addr.Port())) }

// file writes a file for a program, with the site's particulars in it.
func (s *site) file(name, text string) string {
	s.t.Helper()
	text = strings.NewReplacer("$HOST", "localhost", "$PORT", s.port(), "$USER", s.user, "$PASSWORD", s.password, "$CA", s.ca,
		"$DIR", filepath.Dir(s.ca)).Replace(text)
	path := filepath.Join(filepath.Dir(s.ca), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// mailAbout is a message like those that people get.
func mailAbout(subject string) string {
	return "From: Zoë <zoe@elsewhere.example>\r\nTo: anna@example.com\r\nSubject: " + subject +
		"\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", ".") + "@elsewhere.example>\r\nDate: Mon, 2 Nov 2026 12:00:00 +0000\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, " + subject + "\r\n"
}

// have is what a folder holds: subject and flags of each message, in order of their UIDs.
func (s *site) have(folder string) (all []string) {
	s.t.Helper()
	id := s.account("anna")
	var f mailbox.Folder
	var messages []mailbox.Message
	err := s.store.Read(context.Background(), func(tx *store.Tx) (err error) {
		if f, err = mailbox.FolderNamed(tx, id, folder); err != nil {
			return err
		}
		messages, err = mailbox.Messages(tx, f.ID, 0, 1000)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range messages {
		body, err := s.store.OpenBody(context.Background(), messages[i].Body)
		if err != nil {
			s.t.Fatal(err)
		}
		var text bytes.Buffer
		text.ReadFrom(body)
		body.Close()
		all = append(all, strings.Join(append([]string{subjectOf(text.String())}, flagWords(&messages[i])...), " "))
	}
	return all
}

func subjectOf(text string) string {
	for line := range strings.Lines(text) {
		if subject, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSpace(subject)
		}
	}
	return ""
}

// wants compares what a folder has with what it should have, in any order.
func (s *site) wants(folder string, want ...string) {
	s.t.Helper()
	got := s.have(folder)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", folder, diff)
	}
}

// goClient logs in with the client of emersion/go-imap.
func (s *site) goClient(o *imapclient.Options) *imapclient.Client {
	s.t.Helper()
	o.TLSConfig = s.clientTLS()
	c, err := imapclient.DialTLS(s.addr.String(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	s.must(c.Login(s.user, s.password).Wait())
	return c
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestGoIMAP(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	arrived := make(chan uint32, 10)
	watcher := s.goClient(&imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
		if d.NumMessages != nil {
			arrived <- *d.NumMessages
		}
	}}})
	_, err := watcher.Select("INBOX", nil).Wait()
	s.must(err)
	idle, err := watcher.Idle()
	s.must(err)

	c := s.goClient(&imapclient.Options{})
	if !c.Caps().Has(goimap.CapIMAP4rev2) || !c.Caps().Has(goimap.CapMove) {
		t.Errorf("capabilities %v", c.Caps())
	}
	_, err = c.Enable(goimap.CapIMAP4rev2).Wait()
	s.must(err)
	s.must(c.Create("Größe/Sub", nil).Wait())
	for _, subject := range []string{"one", "two", "three"} {
		text := mailAbout(subject)
		w := c.Append("INBOX", int64(len(text)), &goimap.AppendOptions{Flags: []goimap.Flag{goimap.FlagSeen}})
		w.Write([]byte(text))
		s.must(w.Close())
		data, err := w.Wait()
		s.must(err)
		if data.UID == 0 || data.UIDValidity == 0 {
			t.Errorf("APPENDUID %+v", data)
		}
	}
	for n := uint32(0); n < 3; n = <-arrived { // the program that idles
	}
	s.must(idle.Close())
	s.must(idle.Wait())

	box, err := c.Select("INBOX", nil).Wait()
	s.must(err)
	if box.NumMessages != 3 || box.UIDNext != 4 {
		t.Errorf("INBOX %+v", box)
	}
	all := goimap.UIDSet{}
	all.AddRange(1, 0)
	section := &goimap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(all, &goimap.FetchOptions{Envelope: true, Flags: true, BodyStructure: &goimap.FetchItemBodyStructure{Extended: true},
		BodySection: []*goimap.FetchItemBodySection{section}}).Collect()
	s.must(err)
	for i, subject := range []string{"one", "two", "three"} {
		m := got[i]
		if m.Envelope.Subject != subject || m.BodyStructure.MediaType() != "text/plain" || string(m.FindBodySection(section)) != mailAbout(subject) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
	found, err := c.UIDSearch(&goimap.SearchCriteria{Body: []string{"Grüße, two"}}, nil).Wait()
	s.must(err)
	if diff := cmp.Diff([]goimap.UID{2}, found.AllUIDs()); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	s.must(c.Store(goimap.UIDSetNum(2), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagFlagged, "$Work"}}, nil).Close())
	_, err = c.Copy(goimap.UIDSetNum(2), "Größe/Sub").Wait()
	s.must(err)
	_, err = c.Move(goimap.UIDSetNum(1), "Trash").Wait()
	s.must(err)
	s.must(c.Store(goimap.UIDSetNum(3), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagDeleted}}, nil).Close())
	s.must(c.UIDExpunge(goimap.UIDSetNum(3)).Close())
	s.wants("INBOX", `two \Seen \Flagged $Work`)
	s.wants("Größe/Sub", `two \Seen \Flagged $Work`)
	s.wants("Trash", `one \Seen`)

	list, err := c.List("", "*", &goimap.ListOptions{ReturnStatus: &goimap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	s.must(err)
	names := map[string]uint32{}
	for _, l := range list {
		if l.Status != nil && l.Status.NumMessages != nil {
			names[l.Mailbox] = *l.Status.NumMessages
		}
	}
	if names["INBOX"] != 1 || names["Größe/Sub"] != 1 || names["Trash"] != 1 || names["Sent"] != 0 {
		t.Errorf("LIST-STATUS: %v", names)
	}
	s.must(c.Logout().Wait())
}

const imaplibScript = `
import imaplib, ssl, sys
host, port, ca, user, password = sys.argv[1:]
m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=ca))
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
ok(m.login(user, password))
assert "IDLE" in m.capabilities, m.capabilities
for line in sorted(ok(m.list())):
    print(line.decode())
ok(m.create("Work"))
ok(m.append("Work", "(\\Seen)", None, open(sys.stdin.fileno(), "rb").read()))
ok(m.subscribe("Work"))
print(ok(m.status("Work", "(MESSAGES UNSEEN)"))[0].decode())
ok(m.select("INBOX"))
print(ok(m.search(None, "ALL"))[0].decode())
print(ok(m.uid("SEARCH", "SUBJECT", "two"))[0].decode())
print(ok(m.fetch("1", "(RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))[0][1].decode().strip())
ok(m.store("1", "+FLAGS", "(\\Flagged)"))
ok(m.copy("1:2", "Work"))
ok(m.store("2", "+FLAGS", "\\Deleted"))
print(ok(m.expunge())[0].decode())
print(ok(m.sort("(REVERSE SUBJECT)", "UTF-8", "ALL"))[0].decode())
print(ok(m.thread("REFERENCES", "UTF-8", "ALL"))[0].decode())
ok(m.getquotaroot("INBOX"))
ok(m.close())
ok(m.rename("Work", "Werk"))
m.logout()
`

func TestPythonImaplib(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, subject := range []string{"one", "two", "three"} {
		s.deliver("anna", mailAbout(subject))
	}
	ctx, cancel := context.WithTimeout(t.Context(), peerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer(t, "python3"), "-c", imaplibScript, "localhost", s.port(), s.ca, s.user, s.password)
	cmd.Stdin = strings.NewReader(mailAbout("appended"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%s", err, out)
	}
	const want = `(\HasNoChildren \Archive) "/" "Archive"
(\HasNoChildren \Drafts) "/" "Drafts"
(\HasNoChildren \Junk) "/" "Junk"
(\HasNoChildren \Sent) "/" "Sent"
(\HasNoChildren \Trash) "/" "Trash"
(\HasNoChildren) "/" "INBOX"
"Work" (MESSAGES 1 UNSEEN 0)
1 2 3
2
Subject: one
2
2 1
(1)(2)
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.wants("INBOX", `one \Flagged`, "three")
	s.wants("Werk", `appended \Seen`, `one \Flagged`, "two")
}
