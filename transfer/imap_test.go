package transfer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/transfer"
	"github.com/allgreen-mail/allgreen/world"
)

type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// otherServer is an IMAP server that somebody else wrote, with a mailbox in it.
func otherServer(t *testing.T, begin func(*imapmemserver.User)) (at netip.AddrPort, roots *x509.CertPool) {
	t.Helper()
	user := imapmemserver.NewUser("anna", "secret")
	begin(user)
	backend := imapmemserver.New()
	backend.AddUser(user)
	certificate, roots := certify(t)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return backend.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
	})
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })
	return netip.MustParseAddrPort(l.Addr().String()), roots
}

func certify(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestIMAP(t *testing.T) {
	want := map[string][]letter{}
	at, roots := otherServer(t, func(u *imapmemserver.User) {
		for _, name := range []string{"INBOX", "Sent", "Listen/Müll"} {
			if err := u.Create(name, nil); err != nil {
				t.Fatal(err)
			}
			for n := range 60 { // more than one window
				text := fmt.Sprintf("Subject: %s %d\r\n\r\n%s\r\n", name, n, strings.Repeat("x", n*100))
				_, err := u.Append(name, literal{strings.NewReader(text)}, &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen, "$Label1"}, Time: autumn})
				if err != nil {
					t.Fatal(err)
				}
				want[name] = append(want[name], letter{text, mailbox.Seen, []string{"$label1"}, autumn})
			}
		}
	})
	w := &world.World{Network: world.Machine(), Roots: roots}
	o := transfer.IMAPOptions{Host: "127.0.0.1", Port: at.Port(), User: "anna", Password: "wrong"}
	if _, err := transfer.DialIMAP(t.Context(), w, o); err == nil {
		t.Fatal("a wrong password was let in")
	}
	o.Password = "secret"
	if _, err := transfer.DialIMAP(t.Context(), &world.World{Network: world.Machine(), Roots: x509.NewCertPool()}, o); err == nil {
		t.Fatal("a certificate of nobody was trusted")
	}
	from, err := transfer.DialIMAP(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to := newShelf()
	to.fail = 70
	if _, err := transfer.Copy(t.Context(), from, to, transfer.Options{}); err == nil {
		t.Fatal("the error of the target was lost")
	}
	sum := copyAll(t, from, to)
	if sum.Known != 69 || sum.Messages != 111 {
		t.Errorf("after an interruption: %+v", sum)
	}
	if diff := cmp.Diff(want, to.letters); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if to.folders["Sent"].Role != mailbox.Sent {
		t.Errorf("Sent is %+v", to.folders["Sent"])
	}
}
