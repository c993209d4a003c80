package world

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadResolvConf(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"usual", "# made by hand\nsearch example.com\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions edns0\n", []string{"192.0.2.1:53", "[2001:db8::1]:53"}},
		{"empty means this machine", "", []string{"127.0.0.1:53"}},
		{"only comments", "; nameserver 192.0.2.1\n#nameserver 192.0.2.1\n", []string{"127.0.0.1:53"}},
		{"zone of a link-local address", "nameserver fe80::1%eth0\n", []string{"[fe80::1%eth0]:53"}},
		{"nonsense is skipped", "nameserver\nnameserver dns.example\nnameserver 192.0.2.256\nnameserver\t192.0.2.2  # that one\n", []string{"192.0.2.2:53"}},
		{"said twice", "nameserver 192.0.2.1\nnameserver 192.0.2.1\n", []string{"192.0.2.1:53"}},
		{"Windows line ends", "nameserver 192.0.2.1\r\n", []string{"192.0.2.1:53"}},
	}
	for _, test := range tests {
		got, err := readResolvConf(strings.NewReader(test.text))
		var texts []string
		for _, at := range got {
			texts = append(texts, at.String())
		}
		if err != nil || !slices.Equal(texts, test.want) {
			t.Errorf("%s: got %v, %v, want %v", test.name, texts, err, test.want)
		}
	}
}

func TestSystemResolvers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolv.conf")
	if got, err := systemResolvers(path); err != nil || len(got) != 1 || got[0].String() != "127.0.0.1:53" {
		t.Errorf("without a file: %v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := systemResolvers(path); err != nil || len(got) != 1 || got[0].String() != "192.0.2.9:53" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := systemResolvers(dir); err == nil {
		t.Errorf("a folder gave %v", got)
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nnameserver ::1\n")
	f.Add(strings.Repeat("nameserver 192.0.2.1\n", 20))
	f.Add("nameserver \x00\nnameserver fe80::1%\n")
	f.Add(strings.Repeat("x", 70000))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readResolvConf(strings.NewReader(text))
		if err == nil && (len(got) == 0 || len(got) > maxResolvers) {
			t.Fatalf("%d resolvers", len(got))
		}
		if slices.ContainsFunc(got, func(at netip.AddrPort) bool { return !at.IsValid() }) {
			t.Fatalf("an invalid one among %v", got)
		}
	})
}
