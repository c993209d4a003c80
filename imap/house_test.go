package imap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

// A house is a server with its mailboxes.
type house struct {
	t        testing.TB
	store    *store.Store
	accounts *account.Directory
	options  Options
	pool     *x509.CertPool

	mu        sync.Mutex
	passwords map[string]string
}

// noon is when everything happens. It gives UIDVALIDITY its value.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// serverName is in the certificate.
const serverName = "imap.example.com"

func newHouse(t testing.TB) *house {
	st := storetest.OpenWith(t, store.Options{Schemas: []store.Schema{account.Schema, mailbox.Schema}, Clock: func() time.Time { return noon }})
	return furnish(t, st)
}

func furnish(t testing.TB, st *store.Store) *house {
	w := &world.World{Network: world.Machine(), Clock: func() time.Time { return noon }}
	h := &house{t: t, store: st, passwords: map[string]string{}}
	h.accounts = account.Open(st, account.Options{Domains: []mail.Domain{mail.MustParseDomain("example.com")}, World: w,
		Created: func(tx *store.Tx, id account.ID) error { return mailbox.Create(tx, int64(id)) }})
	t.Cleanup(h.accounts.Close)
	cert, pool := certificate(t)
	h.pool = pool
	h.options = Options{Name: mail.MustParseDomain(serverName), Store: st, Accounts: h.accounts, World: w,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, ImplicitTLS: true, Log: testLog(t)}
	return h
}

// testLog shows what went wrong inside.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{serverName, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// login is the address of somebody, who is made if need be, and an app password.
func (h *house) login(name string) (user, password string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	user = name + "@example.com"
	if p := h.passwords[user]; p != "" {
		return user, p
	}
	id, err := h.accounts.Create(context.Background(), account.New{Address: mail.MustParseAddress(user)})
	if err != nil {
		h.t.Fatal(err)
	}
	p, err := h.accounts.AppPassword(context.Background(), id, "test")
	if err != nil {
		h.t.Fatal(err)
	}
	h.passwords[user] = p
	return user, p
}

// account is the number of somebody's mailbox.
func (h *house) account(name string) int64 {
	h.t.Helper()
	user, _ := h.login(name)
	a, err := h.accounts.Get(context.Background(), mail.MustParseAddress(user))
	if err != nil {
		h.t.Fatal(err)
	}
	return int64(a.ID)
}

func (h *house) write(f func(*store.Tx) error) {
	h.t.Helper()
	if err := h.store.Write(context.Background(), f); err != nil {
		h.t.Fatal(err)
	}
}

// deliver puts a message into somebody's INBOX, as mail from elsewhere comes.
func (h *house) deliver(name, text string) {
	h.t.Helper()
	id := h.account(name)
	spool := h.store.NewSpool()
	defer spool.Close()
	spool.Write([]byte(text))
	h.write(func(tx *store.Tx) error {
		body, err := tx.PutBody(spool)
		if err != nil {
			return err
		}
		_, err = mailbox.Deliver(tx, mailbox.Delivery{Account: id, Body: body, Size: spool.Size(), Received: noon, Trace: mail.NewTraceID(noon)})
		return err
	})
}

// serve starts the server on loopback. It is shut down with the test.
func (h *house) serve() (*Server, netip.AddrPort) {
	h.t.Helper()
	l, err := h.options.World.Listen(context.Background(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		h.t.Fatal(err)
	}
	s := NewServer(h.options)
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	h.t.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			h.t.Error(err)
		}
		if n := s.Stats().Panics; n > 0 {
			h.t.Errorf("%d panics", n)
		}
	})
	return s, netip.MustParseAddrPort(l.Addr().String())
}

// clientTLS trusts the server.
func (h *house) clientTLS() *tls.Config { return &tls.Config{ServerName: serverName, RootCAs: h.pool} }
