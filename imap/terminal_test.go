package imap

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// terminalScript plays a person at a terminal: it waits for words on the screen, and
// types. Arguments: seconds, then words and keys in turn, then "--" and the program.
const terminalScript = `
import os, pty, select, sys, time
split = sys.argv.index("--")
patience, steps, program = float(sys.argv[1]), sys.argv[2:split], sys.argv[split + 1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(program[0], program)
screen = b""
def until(words):
    global screen
    end = time.monotonic() + patience
    while words.encode() not in screen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        try:
            some = os.read(terminal, 65536) if ready else b""
        except OSError:
            some = b""
        if not some:
            sys.stdout.buffer.write(screen)
            sys.exit("%r never came" % words)
        screen += some
for words, keys in zip(steps[::2], steps[1::2]):
    until(words)
    screen = b""
    os.write(terminal, keys.encode().decode("unicode_escape").encode())
try:
    while os.read(terminal, 65536):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

// TestMutt is NeoMutt in a terminal: it lists the INBOX, flags a message, deletes one and
// saves one into another folder, and sees what comes meanwhile.
func TestMutt(t *testing.T) {
	t.Parallel()
	mutt := peer(t, "neomutt")
	s := newSite(t)
	for _, subject := range []string{"first letter", "second letter", "third letter"} {
		s.deliver("anna", mailAbout(subject))
	}
	rc := s.file("muttrc", `set imap_user="$USER"
set imap_pass="$PASSWORD"
set folder="imaps://$HOST:$PORT/"
set spoolfile="+INBOX"
set ssl_ca_certificates_file="$CA"
set certificate_file="$DIR/certificates"
set header_cache=""
set confirmappend=no
set delete=yes
set mail_check=1
set timeout=1
set imap_idle=yes
set sort=mailbox-order
set mark_old=no
set sleep_time=0
set wait_key=no
set quit=yes
set auto_tag=no
`)
	ctx, cancel := context.WithTimeout(t.Context(), peerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer(t, "python3"), "-c", terminalScript, "60",
		"third letter", "1\\nF", // to the first message, and flag it
		"!", "2\\nd", // delete the second
		"third", "3\\ns", // save the third
		"Save", "\\x15=Archive\\n",
		"Archive...", "q",
		"--", mutt, "-F", rc, "-n")
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(rc), "TERM=xterm", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%q", err, out)
	}
	s.wants("INBOX", `first letter \Flagged`)
	s.wants("Archive", "third letter")
}
