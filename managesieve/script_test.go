package managesieve_test

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/dialogue/dialoguetest"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/managesieve"
	"github.com/allgreen-mail/allgreen/store"
)

func server(h *dialoguetest.House) *dialogue.Server {
	return managesieve.NewServer(managesieve.Options{
		Name: func() mail.Domain { return mail.MustParseDomain(dialoguetest.Name) }, TLS: h.TLS, Store: h.Store, Accounts: h.Accounts, Log: h.Log,
	})
}

func TestScripts(t *testing.T) {
	dialoguetest.PlayFiles(t, 3, func(h *dialoguetest.House, _ bool) netip.AddrPort { return h.Serve(server(h)) })
}

// TestTooLarge: a script that is too large is refused in words, whole as it comes, and
// the dialogue goes on.
func TestTooLarge(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	addr := h.Serve(server(h))
	for _, size := range []int{mailbox.MaxScriptSize + 1, 1 << 20} {
		text := strings.Repeat("#", size)
		want := `S* NO`
		h.Play(addr, false, []string{
			`S* OK`, `C: STARTTLS`, `S: OK "go ahead"`, `tls`, `S* OK`, `C: AUTHENTICATE "PLAIN" "{PLAIN}"`, `S: OK "welcome"`,
			fmt.Sprintf(`C! %q`, fmt.Sprintf("PUTSCRIPT \"x\" {%d+}\r\n%s\r\n", size, text)), want, `C: NOOP`, `S: OK "done"`, `C: LOGOUT`, `S: OK "goodbye"`, `closed`,
		})
	}
}

// TestStrangersLiteral: before a login nobody makes us keep more than a login needs.
func TestStrangersLiteral(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	h.Play(h.Serve(server(h)), false, []string{
		`S* OK`, fmt.Sprintf(`C! %q`, fmt.Sprintf("CHECKSCRIPT {%d+}\r\n%s\r\n", 13<<10, strings.Repeat("#", 13<<10))), `S: NO "That is too large"`,
		fmt.Sprintf(`C! %q`, "CHECKSCRIPT {5+}\r\nstop;\r\n"), `S: NO "Log in first"`, `C: LOGOUT`, `S: OK "goodbye"`, `closed`,
	})
}

// TestNetManageSieve asks a client of other people (Debian: libnet-managesieve-perl).
func TestNetManageSieve(t *testing.T) {
	if err := exec.Command("perl", "-MNet::ManageSieve", "-MAuthen::SASL", "-e", "1").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Net::ManageSieve is missing (Debian: libnet-managesieve-perl)")
		}
		t.Skip("Net::ManageSieve is missing (Debian: libnet-managesieve-perl)")
	}
	h := dialoguetest.NewHouse(t)
	addr := h.Serve(server(h))
	program := filepath.Join(t.TempDir(), "client.pl")
	if err := os.WriteFile(program, []byte(`use strict; use Net::ManageSieve;
my ($port, $user, $password, $ca) = @ARGV;
my $s = Net::ManageSieve->new('127.0.0.1', Port => $port, Timeout => 60, tls => {mode => 'require', SSL_ca_file => $ca}) or die "connect: $@";
$s->auth($user, $password) or die "auth: " . $s->error;
$s->havespace('main', 100) or die "havespace";
$s->putscript('main', "keep;\r\n") or die "put: " . $s->error;
eval { $s->putscript('broken', "frob;\r\n") } and die "a broken script was kept";
$s->setactive('main') or die "activate";
my $list = $s->listscripts; print join(",", @$list), "\n";
print $s->getscript('main');
$s->logout;
`), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "perl", program, fmt.Sprint(addr.Port()), "anna@example.com", h.Password, h.CertFile()).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "main") || !strings.Contains(string(out), "keep;") {
		t.Fatalf("%s: %v", out, err)
	}
	var active mailbox.SieveScript
	if err := h.Store.Read(t.Context(), func(tx *store.Tx) (err error) {
		active, err = mailbox.ActiveScript(tx, int64(h.Anna))
		return err
	}); err != nil || active.Name != "main" || active.Text != "keep;\r\n" {
		t.Errorf("%+v, %v", active, err)
	}
}

// FuzzDialogue: whatever a client says, the server ends without a panic.
func FuzzDialogue(f *testing.F) {
	f.Add("CAPABILITY\r\nNOOP \"x\"\r\nLOGOUT\r\n")
	f.Add("PUTSCRIPT \"x\" {5+}\r\nkeep;\r\nHAVESPACE \"x\" 10\r\n")
	f.Add("AUTHENTICATE \"SCRAM-SHA-256\" \"biwsbj1hLHI9Yg==\"\r\n\"*\"\r\n{9}\r\n")
	h := dialoguetest.NewHouse(f)
	addr := h.Serve(server(h))
	f.Fuzz(func(t *testing.T, said string) {
		conn, err := h.World.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		said = strings.ReplaceAll(strings.ToUpper(said), "STARTTLS", "NOOP")
		go func() {
			fmt.Fprintf(conn, "%s\r\nLOGOUT\r\n", said)
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
		}()
		// A reset is how a client is cut that says more after its end.
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}
	})
}
