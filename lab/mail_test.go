package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/world"
)

// The house's own validator must agree with delv.
func TestWorldValidatesTheLab(t *testing.T) {
	l := start(t, lab.Options{})
	w := l.World()
	for name, want := range map[world.Name]world.Security{
		"green.example.": world.Secure, "nsec3.example.": world.Secure,
		"insecure.example.": world.Insecure, "bulk-hosting.test.": world.Insecure,
	} {
		answer, err := w.Lookup(t.Context(), name, dns.TypeMX)
		var failed *world.LookupError
		switch {
		case err == nil && answer.Security != want:
			t.Errorf("%s is %s, want %s", name, answer.Security, want)
		case errors.As(err, &failed) && errors.Is(err, world.ErrNotFound) && failed.Security != want:
			t.Errorf("the absence of %s is %s, want %s", name, failed.Security, want)
		case err != nil && !errors.Is(err, world.ErrNotFound):
			t.Error(err)
		}
	}
	for _, name := range []world.Name{"bogus.example.", "expired-sig.example.", "wrong-ds.example."} {
		if _, err := w.Lookup(t.Context(), name, dns.TypeMX); !errors.Is(err, world.ErrBogus) {
			t.Errorf("%s: %v, want bogus", name, err)
		}
	}
	if len(l.Questions()) == 0 {
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
