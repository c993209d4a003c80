package submit_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.com"}, DNSNames: []string{"mx.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// listen serves on loopback until the test ends.
func listen(t testing.TB, o smtp.ServerOptions) net.Addr {
	t.Helper()
	o.Name = mail.MustParseDomain("mx.example.com")
	o.DSN, o.RequireTLSExt = true, true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(o)
	done := make(chan error, 1)
	go func() { done <- server.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		if err := server.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr()
}

// converse runs a script: "C: " is sent, "S: " must be the beginning of the next
// line, "TLS" shakes hands. {plain} is the password of anna.
func converse(t *testing.T, to net.Addr, script string) {
	t.Helper()
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(conn)
	plain := base64.StdEncoding.EncodeToString([]byte("\x00anna@example.com\x00" + password))
	for n, line := range strings.Split(strings.TrimRight(script, "\n"), "\n") {
		line = strings.ReplaceAll(line, "{plain}", plain)
		switch {
		case line == "TLS":
			secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			conn, in = secure, bufio.NewReader(secure)
		case strings.HasPrefix(line, "C:"):
			if _, err := conn.Write([]byte(strings.TrimPrefix(line[2:], " ") + "\r\n")); err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
		case strings.HasPrefix(line, "S: "):
			got, err := in.ReadString('\n')
			for err == nil && len(got) > 3 && got[3] == '-' {
				got, err = in.ReadString('\n')
			}
			if err != nil || !strings.HasPrefix(got, line[3:]) {
				t.Fatalf("line %d: got %q, %v; want %q", n+1, got, err, line[3:])
			}
		}
	}
}

// TestDialogues holds the sessions to testdata/dialogue-*.txt, on both engines.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogue-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	cert := certificate(t)
	each(t, func(t *testing.T, h *house) {
		h.givePassword()
		dev := account.Device{Name: "printer", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Senders: []account.Sender{{Address: address("bob@example.com")}}, LocalOnly: true}
		h.ok(h.accounts.AddDevice(t.Context(), dev))
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				script, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				o := smtp.ServerOptions{TLS: cert, Submission: true, Open: h.Open}
				if strings.Contains(file, "device") {
					o = smtp.ServerOptions{Normalize: true, Open: h.OpenDevice}
				}
				converse(t, listen(t, o), string(script))
			})
		}
	})
}

// TestLoginsAreNoCrowd: an address has so many connections to the listeners for logins,
// and another one when one ends.
func TestLoginsAreNoCrowd(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...), func(o *submit.Options) { o.Limits = policy.Limits{Connections: 2} })
	peer := smtp.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:40000")}
	var open []smtp.Session
	for i := range 3 {
		s, reply := h.Open(t.Context(), peer)
		if i == 2 {
			if reply.Code != 421 || s != nil {
				t.Errorf("the third connection is told %s", reply)
			}
			break
		}
		open = append(open, s)
	}
	open[0].Close()
	if _, reply := h.Open(t.Context(), peer); !reply.IsZero() {
		t.Errorf("after one has ended: %s", reply)
	}
	if _, reply := h.Open(t.Context(), smtp.Peer{Remote: netip.MustParseAddrPort("198.51.100.1:40000")}); !reply.IsZero() {
		t.Errorf("somebody else: %s", reply)
	}
}

// TestDeviceListenerIsClosedFromOutside: who comes from no device's network is told
// so instead of a greeting.
func TestDeviceListenerIsClosedFromOutside(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	converse(t, listen(t, smtp.ServerOptions{Normalize: true, Open: h.OpenDevice}), "S: 554 5.7.1 127.0.0.1 belongs to no device")
}

// TestDSNIsKept: what the client wants to be told goes on with the message.
func TestDSNIsKept(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	h.givePassword()
	converse(t, listen(t, smtp.ServerOptions{TLS: certificate(t), ImplicitTLS: true, Submission: true, Open: h.Open}), `TLS
S: 220
C: EHLO laptop
S: 250
C: AUTH PLAIN {plain}
S: 235
C: MAIL FROM:<anna@example.com> RET=HDRS ENVID=QQ+2B314159 REQUIRETLS BODY=8BITMIME
S: 250
C: RCPT TO:<x@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2Bx@example.net
S: 250
C: DATA
S: 354
C: From: anna@example.com
C:
C: Grüße
C: .
S: 250 2.0.0 accepted as
C: QUIT
S: 221
`)
	var id mail.TraceID
	h.ok(h.store.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT trace FROM queue_job`).Scan(&id) }))
	j := h.queued(id)[0]
	r := j.Recipients[0]
	if j.Return != "HDRS" || j.EnvelopeID != "QQ+314159" || !j.RequireTLS || !j.EightBit || j.SMTPUTF8 || j.Origin != "anna@example.com" || j.Owner != 1 ||
		strings.Join(r.Notify, ",") != "SUCCESS,DELAY" || r.Original != "rfc822;old+2Bx@example.net" {
		t.Errorf("queued %+v", j)
	}
	if text := h.text(j.Body); !strings.Contains(text, "with ESMTPSA") || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "laptop") {
		t.Errorf("the trail says too much or too little:\n%s", text)
	}
}

// TestLimitsAndHoldsAreToldAtRCPT: while the client can still do something about it.
func TestLimitsAndHoldsAreToldAtRCPT(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	dev := account.Device{Name: "printer", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Senders: []account.Sender{{Address: address("bob@example.com")}}, Limits: account.Limits{PerHour: 2, PerDay: 9}}
	h.ok(h.accounts.AddDevice(t.Context(), dev))
	to := listen(t, smtp.ServerOptions{Normalize: true, Open: h.OpenDevice})
	converse(t, to, `S: 220
C: EHLO printer
S: 250
C: MAIL FROM:<x@y.example>
S: 250
C: RCPT TO:<a@example.net>
S: 250
C: RCPT TO:<anna@example.com>
S: 250
C: RCPT TO:<c@example.net>
S: 450 4.7.28 You may write to 2 recipients an hour
C: RSET
S: 250
`)
	h.ok(h.accounts.Hold(t.Context(), "device:printer", "a test"))
	converse(t, to, `S: 220
C: EHLO printer
S: 250
C: MAIL FROM:<x@y.example>
S: 250
C: RCPT TO:<anna@example.com>
S: 450 4.7.1 The mail of device:printer is on hold
C: RCPT TO:<a@example.net>
S: 250
C: DATA
S: 354
C: Subject: x
C:
C: bare line ends
C: .
S: 250
`)
	held, err := h.queue.List(t.Context(), queue.Selection{Origin: "device:printer", States: []queue.State{queue.Held}}, 0, 9)
	h.ok(err)
	if len(held) != 1 || held[0].HeldWhy != "its sender is on hold" {
		t.Errorf("held: %+v", held)
	}
}

// TestAppPasswordsLogIn with what programs use: PLAIN, LOGIN and SCRAM.
func TestAppPasswordsLogIn(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	secret, err := h.accounts.AppPassword(t.Context(), 1, "laptop")
	h.ok(err)
	session, _ := h.Open(t.Context(), smtp.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:1234"), TLS: &tls.ConnectionState{}})
	a := session.(smtp.Authenticator)
	if r := a.Plain(t.Context(), "", "anna@example.com", secret); !r.IsZero() {
		t.Errorf("PLAIN: %s", r)
	}
	if r := a.Plain(t.Context(), "bob@example.com", "anna@example.com", secret); r.Code != 535 {
		t.Errorf("as somebody else: %s", r)
	}
	if keys, r := a.SCRAM(t.Context(), "anna@example.com"); !r.IsZero() || len(keys.StoredKey) != 32 || keys.Iterations < 4096 {
		t.Errorf("SCRAM: %+v %s", keys, r)
	}
	if keys, r := a.SCRAM(t.Context(), "nobody@example.com"); !r.IsZero() || len(keys.Salt) == 0 {
		t.Errorf("SCRAM tells who exists: %+v %s", keys, r)
	}
	if r := a.Authenticated(t.Context(), "anna@example.com", "SCRAM-SHA-256"); !r.IsZero() {
		t.Errorf("after SCRAM: %s", r)
	}
	if r := session.Mail(t.Context(), address("anna@example.com"), smtp.MailOptions{}); !r.IsZero() {
		t.Errorf("MAIL: %s", r)
	}
	clear, _ := h.Open(t.Context(), smtp.Peer{Remote: netip.MustParseAddrPort("192.0.2.1:1234")})
	if r := clear.(smtp.Authenticator).Plain(t.Context(), "", "anna@example.com", secret); !r.IsPermanent() {
		t.Errorf("a password in the clear: %s", r)
	}
}
