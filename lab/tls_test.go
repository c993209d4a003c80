package lab_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
)

// socket is a port of a host of the lab, on this machine.
func socket(t *testing.T, l *lab.Lab, name string, port uint16) string {
	t.Helper()
	addr, err := l.Addr(name)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(addr, l.File().Ports[port]).String()
}

func TestOpenSSLJudgesCertificates(t *testing.T) {
	openssl := program(t, "openssl", "openssl")
	l := start(t, lab.Options{})
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, []byte(l.File().Roots), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host string
		port uint16
		want string
	}{
		{"mx.green.example", 25, "Verification: OK"},
		{"mx.green.example", 587, "Verification: OK"},
		{"mx.green.example", 465, "Verification: OK"},
		{"imap.green.example", 993, "Verification: OK"},
		{"imap.green.example", 143, "Verification: OK"},
		{"imap.green.example", 110, "Verification: OK"},
		{"mx.bad-cert.example", 25, "hostname mismatch"},
		{"mx.expired-cert.example", 25, "certificate has expired"},
		{"mx.self-signed.example", 25, "self-signed certificate"},
		{"mx.garbage-tls.example", 25, "error"},
		{"mx.old-tls.example", 25, "alert protocol version"},
		{"mx.red.example", 25, "alert protocol version"},
	} {
		args := []string{
			"s_client", "-connect", socket(t, l, c.host, c.port), "-CAfile", roots,
			"-verify_hostname", c.host, "-verify_return_error", "-brief", "-no_tls1", "-no_tls1_1",
		}
		if starttls := map[uint16]string{25: "smtp", 587: "smtp", 143: "imap", 110: "pop3"}[c.port]; starttls != "" {
			args = append(args, "-starttls", starttls)
		}
		if got := output(t, openssl, args...); !strings.Contains(got, c.want) {
			t.Errorf("%s %d: want %q in\n%s", c.host, c.port, c.want, got)
		}
	}
}

func TestOldTLSWorksForOldClients(t *testing.T) {
	l := start(t, lab.Options{})
	config := &tls.Config{
		ServerName: "mx.old-tls.example", RootCAs: roots(t, l),
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
	}
	c, err := smtp.DialStartTLS(socket(t, l, "mx.old-tls.example", 25), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Noop(); err != nil {
		t.Fatal(err)
	}
	if state, _ := c.TLSConnectionState(); state.Version != tls.VersionTLS10 {
		t.Errorf("version %x", state.Version)
	}
}

func roots(t *testing.T, l *lab.Lab) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(l.File().Roots)) {
		t.Fatal("the lab has no roots")
	}
	return pool
}

func TestGoSMTPDelivers(t *testing.T) {
	l := start(t, lab.Options{})
	c, err := smtp.DialStartTLS(socket(t, l, "mx.green.example", 25), &tls.Config{ServerName: "mx.green.example", RootCAs: roots(t, l)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := "Subject: dots\r\n\r\n.one\r\n..two\r\n"
	if err := c.SendMail("a@probe.example", []string{"alice@green.example"}, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	msg, err := l.WaitForMail(t.Context(), func(m host.Message) bool { return m.Host == "mx.green.example" })
	if err != nil {
		t.Fatal(err)
	}
	if string(msg.Data) != body {
		t.Errorf("arrived as %q", msg.Data)
	}
	var refusal *smtp.SMTPError
	err = c.SendMail("a@probe.example", []string{"nobody@green.example"}, strings.NewReader(body))
	if !errors.As(err, &refusal) || refusal.Code != 550 || refusal.EnhancedCode != (smtp.EnhancedCode{5, 1, 1}) {
		t.Errorf("an unknown mailbox: %v", err)
	}
}

// What stands behind STARTTLS in clear must have no effect inside TLS, except on the
// host that is there to show it.
func TestInjection(t *testing.T) {
	l := start(t, lab.Options{})
	for name, obeys := range map[string]bool{"green.example": false, "injectable.example": true} {
		conn, err := net.Dial("tcp", socket(t, l, "mx."+name, 25))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		in := bufio.NewReader(conn)
		in.ReadString('\n')
		io.WriteString(conn, "STARTTLS\r\nNOOP\r\n")
		if line, err := in.ReadString('\n'); !strings.HasPrefix(line, "220") {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		secure := tls.Client(conn, &tls.Config{ServerName: "mx." + name, RootCAs: roots(t, l)})
		if err := secure.Handshake(); err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		io.WriteString(secure, "QUIT\r\n")
		answers, _ := io.ReadAll(secure)
		if got := strings.HasPrefix(string(answers), "250"); got != obeys {
			t.Errorf("%s: injected command obeyed: %v, want %v: %q", name, got, obeys, answers)
		}
	}
}

func TestWebSites(t *testing.T) {
	l := start(t, lab.Options{})
	get := func(method, url string) (int, string, error) {
		client := &http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DisableKeepAlives: true,
				TLSClientConfig:   &tls.Config{RootCAs: roots(t, l)},
				DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
					name, _, _ := strings.Cut(address, ":")
					var d net.Dialer
					return d.DialContext(ctx, "tcp", socket(t, l, name, 443))
				},
			},
		}
		request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		return response.StatusCode, string(body), err
	}
	for _, c := range []struct {
		method, url string
		status      int
		want        string
	}{
		{"GET", "https://mta-sts.green.example/.well-known/mta-sts.txt", 200, "mode: enforce\r\nmx: mx.green.example\r\n"},
		{"GET", "https://green.example/imprint", 200, "Laboratory"},
		{"GET", "https://www.green.example/.well-known/security.txt", 200, "Contact: mailto:security@green.example"},
		{"GET", "https://green.example/bimi/logo.svg", 200, `baseProfile="tiny-ps"`},
		{"POST", "https://green.example/unsubscribe", 200, "off the list"},
		{"GET", "https://green.example/nothing", 404, ""},
		{"GET", "https://mta-sts.sts-wrong.example/.well-known/mta-sts.txt", 200, "mx: mx.elsewhere.example"},
		{"GET", "https://mta-sts.sts-redirect.example/.well-known/mta-sts.txt", 302, ""},
		{"GET", "https://mta-sts.sts-missing.example/.well-known/mta-sts.txt", 404, ""},
		{"GET", "https://mta-sts.sts-endless.example/.well-known/mta-sts.txt", 200, "and so on"},
	} {
		status, body, err := get(c.method, c.url)
		if err != nil || status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d, %v, %.200q", c.method, c.url, status, err, body)
		}
	}
	var wrongName x509.HostnameError
	if _, _, err := get("GET", "https://mta-sts.sts-cert.example/.well-known/mta-sts.txt"); !errors.As(err, &wrongName) {
		t.Errorf("sts-cert: %v", err)
	}
}
