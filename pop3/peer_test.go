package pop3_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/dialogue/dialoguetest"
)

// program finds other people's program, or says which Debian package has it.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing (Debian: %s)", name, debian)
		}
		t.Skipf("%s is missing (Debian: %s)", name, debian)
	}
	return path
}

// letters are what the peers fetch: dots, no last line end, octets over 127.
var letters = []string{
	"From: joe@sender.example\r\nSubject: one\r\n\r\nhello\r\n.\r\n..dots\r\nno end",
	"From: joe@sender.example\r\nSubject: two\r\n\r\nK\xe4se and \xc3\xa4\r\n",
}

func stocked(t *testing.T) *dialoguetest.House {
	h := dialoguetest.NewHouse(t)
	for _, l := range letters {
		h.Deliver(l)
	}
	return h
}

func runs(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// TestPoplib has Python's client fetch, look and delete, over STLS.
func TestPoplib(t *testing.T) {
	h := stocked(t)
	addr := h.Serve(server(h, false))
	file := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(file, []byte(`
import poplib, ssl, sys
port, password, ca = sys.argv[1:]
c = poplib.POP3('127.0.0.1', int(port), timeout=60)
assert 'STLS' in c.capa() and 'SASL' not in c.capa()
c.stls(context=ssl.create_default_context(cafile=ca))
assert 'SCRAM-SHA-256' in c.capa()['SASL']
c.user('anna@example.com'); c.pass_(password)
assert c.stat()[0] == 2
lines = c.retr(1)[1]
assert lines[-4:] == [b'hello', b'.', b'..dots', b'no end'], lines
assert c.top(1, 1)[1][-1] == b'hello'
assert b'K\xe4se and \xc3\xa4' in c.retr(2)[1]
assert len(set(c.uidl()[1])) == 2
c.dele(1)
c.quit()
`), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, program(t, "python3", "python3"), file, fmt.Sprint(addr.Port()), h.Password, h.CertFile())
	if left := h.Inbox(); len(left) != 1 || left[0].UID != 2 || left[0].Flags != 1 {
		t.Errorf("%+v", left)
	}
}

// TestCurl has curl list and fetch over TLS from the first octet, with SASL.
func TestCurl(t *testing.T) {
	h := stocked(t)
	addr := h.Serve(server(h, true))
	curl := program(t, "curl", "curl")
	base := fmt.Sprintf("pop3s://localhost:%d/", addr.Port())
	args := []string{"-sS", "--max-time", "60", "--cacert", h.CertFile(), "-u", "anna@example.com:" + h.Password}
	if got := runs(t, curl, append(args, base)...); got != fmt.Sprintf("1 %d\r\n2 %d\r\n", len(letters[0]), len(letters[1])) {
		t.Errorf("listed %q", got)
	}
	if got := runs(t, curl, append(args, base+"1")...); got != letters[0]+"\r\n" {
		t.Errorf("fetched %q", got)
	}
	if got := runs(t, curl, append(args, "--login-options", "AUTH=PLAIN", base+"2")...); got != letters[1] {
		t.Errorf("fetched %q", got)
	}
}

// TestGetmail has getmail move everything out, to a program, for it files nothing as
// root.
func TestGetmail(t *testing.T) {
	getmail, tee := program(t, "getmail", "getmail6"), program(t, "tee", "coreutils")
	h := stocked(t)
	addr := h.Serve(server(h, true))
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	config := fmt.Sprintf(`[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = %d
username = anna@example.com
password = %s
ca_certs = %s
timeout = 60
[destination]
type = MDA_external
path = %s
arguments = ("-a", "%s")
allow_root_commands = true
[options]
delete = true
verbose = 1
delivered_to = false
received = false
`, addr.Port(), h.Password, h.CertFile(), tee, taken)
	if err := os.WriteFile(filepath.Join(dir, "getmailrc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	said := runs(t, getmail, "--getmaildir", dir)
	text, err := os.ReadFile(taken)
	if err != nil || len(h.Inbox()) != 0 {
		t.Fatalf("%d left: %v\n%s", len(h.Inbox()), err, said)
	}
	for _, want := range []string{"..dots\nno end", "K\xe4se and \xc3\xa4"} {
		if !strings.Contains(strings.ReplaceAll(string(text), "\r\n", "\n"), want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}
