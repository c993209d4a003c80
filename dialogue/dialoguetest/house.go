package dialoguetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// House is a store with mailboxes of example.com. Anna has an account; her app password
// is Password.
type House struct {
	testing.TB
	Store    *store.Store
	Accounts *account.Directory
	World    *world.World
	TLS      *tls.Config // of the server
	Pool     *x509.CertPool
	Anna     account.ID
	Password string
	Log      *slog.Logger

	cert []byte
}

// Noon is when everything happens, so that UIDVALIDITY is known.
var Noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// Name is in the certificate.
const Name = "mx.example.com"

// NewHouse makes one, which ends with the test.
func NewHouse(t testing.TB) *House {
	w := &world.World{Network: world.Machine(), Clock: func() time.Time { return Noon }}
	st := storetest.OpenWith(t, store.Options{Schemas: []store.Schema{account.Schema, mailbox.Schema}, Clock: w.Now})
	h := &House{TB: t, Store: st, World: w, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	h.Accounts = account.Open(st, account.Options{Domains: []mail.Domain{mail.MustParseDomain("example.com")}, World: w,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) }})
	t.Cleanup(h.Accounts.Close)
	h.certify()
	var err error
	if h.Anna, err = h.Accounts.Create(context.Background(), account.New{Address: mail.MustParseAddress("anna@example.com")}); err != nil {
		t.Fatal(err)
	}
	if h.Password, err = h.Accounts.AppPassword(context.Background(), h.Anna, "test"); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *House) certify() {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.Fatal(err)
	}
	now := time.Now() // elapsed: certificates are judged by the clients' clocks
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Name}, DNSNames: []string{Name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	if h.cert, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		h.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(h.cert)
	if err != nil {
		h.Fatal(err)
	}
	h.Pool = x509.NewCertPool()
	h.Pool.AddCert(leaf)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{h.cert}, PrivateKey: key}}}
}

// CertFile is the certificate as a file, for other people's programs.
func (h *House) CertFile() string {
	h.Helper()
	path := filepath.Join(h.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert}), 0o644); err != nil {
		h.Fatal(err)
	}
	return path
}

// ClientTLS trusts the server.
func (h *House) ClientTLS() *tls.Config { return &tls.Config{ServerName: Name, RootCAs: h.Pool} }

// Write runs a transaction.
func (h *House) Write(f func(*store.Tx) error) {
	h.Helper()
	if err := h.Store.Write(context.Background(), f); err != nil {
		h.Fatal(err)
	}
}

// Deliver puts a message into Anna's INBOX.
func (h *House) Deliver(text string) {
	h.Helper()
	spool := h.Store.NewSpool()
	defer spool.Close()
	if _, err := spool.Write([]byte(text)); err != nil {
		h.Fatal(err)
	}
	h.Write(func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		_, err = mailbox.Deliver(tx, mailbox.Delivery{Account: int64(h.Anna), Body: body, Size: spool.Size(), Received: Noon, Trace: mail.NewTraceID(Noon)})
		return err
	})
}

// Inbox is what is in Anna's INBOX.
func (h *House) Inbox() (all []mailbox.Message) {
	h.Helper()
	if err := h.Store.Read(context.Background(), func(tx *store.Tx) error {
		f, err := mailbox.FolderOf(tx, int64(h.Anna), mailbox.Inbox)
		if err == nil {
			all, err = mailbox.Messages(tx, f.ID, 0, 1000)
		}
		return err
	}); err != nil {
		h.Fatal(err)
	}
	return all
}

// Serve starts a server on loopback. It is shut down with the test.
func (h *House) Serve(s *dialogue.Server) netip.AddrPort {
	h.Helper()
	l, err := h.World.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		h.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	h.Cleanup(func() {
		_ = s.Shutdown(context.Background()) // clients that were left are cut
		if err := <-served; err != nil {
			h.Error(err)
		}
		if n := s.Stats().Panics; n > 0 {
			h.Errorf("%d panics", n)
		}
	})
	return netip.MustParseAddrPort(l.Addr().String())
}
