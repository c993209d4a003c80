package world

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
)

// authorityPEM is a root certificate made up for a test.
func authorityPEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func wholeFile(t *testing.T) *File {
	return &File{
		Resolvers:    []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5353")},
		TrustAnchors: rootAnchors,
		Roots:        authorityPEM(t),
		Page:         "http://127.0.0.1:8080/",
		PID:          os.Getpid(),
		Probe:        Probe{Domain: "probe.test", Listen: netip.MustParseAddr("127.10.0.9")},
		Map: Map{
			Ports:  map[uint16]uint16{25: 2525, 53: 5353},
			Nets:   []NetMap{{netip.MustParsePrefix("2001:db8::/96")}},
			Public: []netip.Prefix{netip.MustParsePrefix("127.10.0.0/16")},
		},
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.json")
	want := wholeFile(t)
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	w, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Roots == nil || w.Probe != want.Probe || w.Resolver == nil || w.Exchanger == nil || w.Network == nil {
		t.Errorf("got %+v", w)
	}
	if at := w.Resolver.(*client).resolvers.list[0].at; at != want.Resolvers[0] {
		t.Errorf("the resolver is %s", at)
	}
	other := netip.MustParseAddrPort("127.0.0.2:5353")
	w, err = Open(path, Options{Resolvers: []netip.AddrPort{other}})
	if err != nil || w.Resolver.(*client).resolvers.list[0].at != other {
		t.Errorf("the option does not replace the file's resolver: %v", err)
	}
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, "bad")
	if err := os.WriteFile(path, []byte("resolvers = 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrWorldFile) {
		t.Errorf("no JSON: %v", err)
	}
	resolver := []netip.AddrPort{first}
	for name, f := range map[string]*File{
		"no roots in the roots": {Resolvers: resolver, Roots: "x"},
		"an anchor of noise":    {Resolvers: resolver, TrustAnchors: []string{"tree"}},
		"an empty anchor":       {Resolvers: resolver, TrustAnchors: []string{""}},
		"an anchor of type A":   {Resolvers: resolver, TrustAnchors: []string{". A 192.0.2.1"}},
		"no resolver":           {},
		"a resolver of nothing": {Resolvers: []netip.AddrPort{{}}},
	} {
		if w, err := f.World(Options{}); !errors.Is(err, ErrWorldFile) || w != nil {
			t.Errorf("%s: got %v, %v", name, w, err)
		}
	}
}

func TestSystem(t *testing.T) {
	w, err := System(Options{Resolvers: []netip.AddrPort{first}})
	if err != nil {
		t.Fatal(err)
	}
	c := w.Resolver.(*client)
	if len(c.validator.anchors[Root]) != 2 || c.timeout != defaultTimeout || w.Roots != nil {
		t.Errorf("got anchors %v, time-out %s", c.validator.anchors, c.timeout)
	}
	if w, err := System(Options{}); err != nil || len(w.Resolver.(*client).resolvers.list) == 0 {
		t.Errorf("by the machine's own resolv.conf: %v", err)
	}
}

// TestAnchorOfKey: an anchor may be a DNSKEY; it is the same as its DS.
func TestAnchorOfKey(t *testing.T) {
	a := newAuthority(t)
	root := a.zone(Root)
	a.start()
	f := &File{Resolvers: []netip.AddrPort{a.at}, TrustAnchors: []string{root.key.String()}}
	w, err := f.World(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Lookup(t.Context(), Root, dns.TypeSOA); err != nil || got.Security != Secure {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"resolvers":["127.0.0.1:53"],"ports":{"25":2525},"nets":[{"from":"2001:db8::/96"}],"public":["127.0.0.0/8"]}`))
	f.Add([]byte(`{"trust_anchors":[". DS 1 8 2 AB"],"probe":{"listen":"::1"}}`))
	f.Add([]byte(`{"ports":{"99999":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "world.json")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := ReadFile(path)
		if err != nil {
			if !errors.Is(err, ErrWorldFile) {
				t.Fatal(err)
			}
			return
		}
		file.Map.Socket(netip.MustParseAddrPort("[2001:db8::7f0a:19]:25"))
		file.World(Options{})
	})
}
