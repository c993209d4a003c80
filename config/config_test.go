package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/allgreen-mail/allgreen/mail"
)

// five is the smallest file.
const five = `hostname  = "mx.example.com"
domains   = ["example.com"]
admin     = "anna@example.com"
data      = "/var/lib/allgreen"
addresses = ["203.0.113.7", "2001:db8::7"]
`

var comparer = cmpopts.EquateComparable(mail.Domain{}, netip.Addr{}, netip.Prefix{}, netip.AddrPort{})

func TestFiveLines(t *testing.T) {
	got, err := Parse("allgreen.toml", "/etc/allgreen", []byte(five))
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Hostname = mail.MustParseDomain("mx.example.com")
	want.Domains = []mail.Domain{mail.MustParseDomain("example.com")}
	want.Admin = mail.MustParseAddress("anna@example.com")
	want.TLS.ACME.Email = want.Admin
	want.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")}
	if diff := cmp.Diff(want, got, comparer); diff != "" {
		t.Error(diff)
	}
	if got.TLS.Source() != FromACME || len(got.Egress()) != 2 || got.Egress()[1].Name != want.Hostname {
		t.Errorf("source %v, egress %v", got.TLS.Source(), got.Egress())
	}
}

func TestWholeFile(t *testing.T) {
	c, err := Read("testdata/whole.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := filepath.Abs("testdata")
	for _, tt := range []struct{ what, got, want any }{
		{"data", c.Data, filepath.Join(dir, "mail")},
		{"smtp", fmt.Sprint(c.Listen.SMTP), "[203.0.113.7:25 [2001:db8::7]:25]"},
		{"http", c.Listen.HTTP, []Socket{}},
		{"lmtp", c.Listen.LMTP[0].Path, "/run/allgreen/lmtp.sock"},
		{"proxy", c.Listen.ProxyFrom[0].String(), "10.0.0.2/32"},
		{"pairs", len(c.TLS.Pairs()), 2},
		{"second key", c.TLS.Pairs()[1].Key, filepath.Join(dir, "imap.key")},
		{"source", c.TLS.Source(), FromFiles},
		{"egress name", c.Egress()[0].Name.String(), "out.example.com"},
		{"size", c.Receive.MaxSize, 20 * MiB},
		{"blocklists", c.Receive.Blocklists == nil, false},
		{"limit", c.Submit.RecipientsPerHour, 100},
		{"day", c.Submit.RecipientsPerDay, 1000},
		{"device", c.Devices[0].Owner.String(), "anna@example.com"},
		{"second device", c.Devices[1].Owner.String(), "bob@example.com"},
		{"smarthost", c.Deliver.Smarthost.Port, uint16(465)},
		{"resolver", c.DNS.Resolvers[0].String(), "127.0.0.1:53"},
		{"imap", c.Names.IMAP.String(), "imap.example.com"},
		{"postgresql", string(c.Store.PostgreSQL), "postgres://allgreen@db/mail"},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s = %v, want %v", tt.what, tt.got, tt.want)
		}
	}
}

func TestSecretFromAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), []byte(text), mode), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("good", " hunter2\n", 0o640)
	write("open", "hunter2", 0o644)
	write("empty", "\n", 0o600)
	for _, tt := range []struct{ line, want string }{
		{`password_file = "good"`, ""},
		{`password_file = "open"`, "chmod o="},
		{`password_file = "empty"`, "is empty"},
		{`password_file = "none"`, "no such file"},
		{`password_file = "."`, "is no file"},
		{`password_file = 3`, "as a string"},
		{"password = \"x\"\npassword_file = \"good\"", "contradict"},
	} {
		document := five + "[deliver.smarthost]\nhost = \"relay.example.net\"\nuser = \"u\"\n" + tt.line + "\n"
		c, err := Parse("x.toml", dir, []byte(document))
		switch {
		case tt.want == "" && (err != nil || string(c.Deliver.Smarthost.Password) != "hunter2"):
			t.Errorf("%s: %v", tt.line, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.line, err, tt.want)
		}
	}
}

func TestSecretsPrintHidden(t *testing.T) {
	s := Smarthost{Password: "hunter2"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "smarthost", s, "password", s.Password)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%q", s.Password), log.String()} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"50MB": 50e6, "1KiB": 1024, "3B": 3, "0B": 0, "2 GB": 2e9, "7tib": 7 << 40} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%s is written as %s and read as %d", text, got, again)
		}
	}
	for _, text := range []string{"", "50", "MB", "-1MB", "1.5MB", "9999999999TB", "5 parsecs", "B50"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q read as %d", text, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "5d": 120 * time.Hour, "1h30m": 90 * time.Minute} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "-3h", "d", "99999999d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q read as %v", text, got)
		}
	}
}

func TestSockets(t *testing.T) {
	for _, text := range []string{":25", "203.0.113.7:25", "[2001:db8::7]:587", "unix:/run/x.sock"} {
		s, err := ParseSocket(text)
		if err != nil || s.String() != text {
			t.Errorf("%s read as %s, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "25", ":0", ":70000", "unix:x.sock", "[fe80::1%eth0]:25", "mx.example.com:25"} {
		if s, err := ParseSocket(text); err == nil {
			t.Errorf("%q read as %s", text, s)
		}
	}
	if at := (Socket{Port: 25}).Address(); at.String() != "[::]:25" {
		t.Errorf("all addresses are %s", at)
	}
}
