package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
)

func TestWorldSeesTheLab(t *testing.T) {
	l := start(t, lab.Options{})
	w := l.World()
	_, err := w.Lookup(t.Context(), "green.example.", dns.TypeMX)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.Questions()); n == 0 {
		t.Error("the resolver counted no question")
	}
}

func TestSwaksDeliversWithTLS(t *testing.T) {
	swaks := program(t, "swaks", "swaks")
	l := start(t, lab.Options{})
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, []byte(l.File().Roots), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, err := l.Addr("mx.green.example")
	if err != nil {
		t.Fatal(err)
	}
	base := []string{
		"--server", addr.String(), "--port", itoa(l.File().Ports[25]), "--helo", "client.example",
		"--from", "me@probe.example", "--body", "hello", "--hide-informational",
	}
	out := output(t, swaks, append(base, "--to", "alice@green.example", "--tls",
		"--tls-verify", "--tls-ca-path", roots)...)
	if !strings.Contains(out, "250 2.0.0 Taken") {
		t.Fatalf("swaks could not deliver:\n%s", out)
	}
	msg, err := l.WaitForMail(t.Context(), func(m host.Message) bool { return m.Host == "mx.green.example" })
	if err != nil {
		t.Fatal(err)
	}
	if !msg.TLS || msg.From != "me@probe.example" || !strings.Contains(string(msg.Data), "hello") {
		t.Errorf("arrived: %+v", msg)
	}
	for _, c := range []struct{ to, want string }{
		{"nobody@green.example", "550 5.1.1"},
		{"alice@elsewhere.example", "550 5.7.1"},
		{"alice%elsewhere.example@green.example", "550 5.1.1"},
	} {
		if out := output(t, swaks, append(base, "--to", c.to)...); !strings.Contains(out, c.want) {
			t.Errorf("RCPT %s: want %s in\n%s", c.to, c.want, out)
		}
	}
}
