package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/config"
)

// systemd understands the units, finds the service well fenced in, and the names of
// the sockets are those that the server takes over.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is not installed")
		}
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	units, err := filepath.Glob("packaging/systemd/allgreen*.s*t")
	service := "packaging/systemd/allgreen.service"
	if err != nil || len(units) != 10 {
		t.Fatalf("socket units %q, %v", units, err)
	}
	args := []string{"verify", "--man=no"}
	listen := config.Defaults().Listen
	ports := map[string][]config.Socket{
		"smtp": listen.SMTP, "submission": listen.Submission, "submissions": listen.Submissions,
		"imap": listen.IMAP, "imaps": listen.IMAPS, "pop3": listen.POP3, "pop3s": listen.POP3S, "managesieve": listen.ManageSieve, "http": listen.HTTP, "https": listen.HTTPS,
	}
	for _, path := range append(units, service) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(path), ".socket"), "allgreen-"); ok {
			port := strings.TrimPrefix(ports[name][0].String(), ":")
			if !strings.Contains(string(text), "FileDescriptorName="+name+"\n") || !strings.Contains(string(text), "ListenStream="+port+"\n") {
				t.Errorf("%s does not pass port %s as %s", path, port, name)
			}
		}
		// The program and its user are not there yet.
		text = []byte(strings.NewReplacer("/usr/bin/allgreen", "/bin/true", "User=allgreen", "DynamicUser=yes", "Group=allgreen", "").Replace(string(text)))
		copied := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, copied)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	args = []string{"security", "--offline=true", "--threshold=25", filepath.Join(dir, "allgreen.service")}
	if out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput(); err != nil {
		t.Errorf("the service is exposed: %v\n%s", err, out)
	}
}
