package pop3_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/dialogue"
	"github.com/allgreen-mail/allgreen/dialogue/dialoguetest"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/pop3"
	"github.com/allgreen-mail/allgreen/store"
)

func server(h *dialoguetest.House, implicit bool) *dialogue.Server {
	return pop3.NewServer(pop3.Options{
		Name: func() mail.Domain { return mail.MustParseDomain(dialoguetest.Name) }, TLS: h.TLS, ImplicitTLS: implicit, Store: h.Store, Accounts: h.Accounts, Log: h.Log,
	})
}

func TestScripts(t *testing.T) {
	dialoguetest.PlayFiles(t, 5, func(h *dialoguetest.House, implicit bool) netip.AddrPort { return h.Serve(server(h, implicit)) })
}

// client is a connection within TLS.
func client(h *dialoguetest.House, addr netip.AddrPort) (net.Conn, *bufio.Reader) {
	h.Helper()
	conn, err := tls.Dial("tcp", addr.String(), h.ClientTLS())
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn, bufio.NewReader(conn)
}

// TestShutdown: who waits is told, and the server ends.
func TestShutdown(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	s := server(h, true)
	_, in := client(h, h.Serve(s))
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "+OK") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "-ERR [SYS/TEMP] the server is stopping, come again\r\n" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestGone: what somebody else expunges meanwhile is an error, and QUIT is none.
func TestGone(t *testing.T) {
	h := dialoguetest.NewHouse(t)
	h.Deliver("Subject: one\r\n\r\n" + strings.Repeat("x", 1000))
	h.Deliver("Subject: two\r\n\r\n")
	conn, in := client(h, h.Serve(server(h, true)))
	say := func(line string) string {
		t.Helper()
		fmt.Fprintf(conn, "%s\r\n", line)
		answer, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	_, _ = in.ReadString('\n')
	say("USER anna@example.com")
	if got := say("PASS " + h.Password); !strings.HasPrefix(got, "+OK 2 ") {
		t.Fatal(got)
	}
	h.Write(func(tx *store.Tx) error {
		_, err := mailbox.Expunge(tx, h.Inbox()[0].Folder, []mailbox.UID{1})
		return err
	})
	if _, err := h.Store.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := say("DELE 1"); !strings.HasPrefix(got, "+OK") {
		t.Error(got)
	}
	if got := say("QUIT"); !strings.HasPrefix(got, "+OK") {
		t.Error(got)
	}
	if left := h.Inbox(); len(left) != 1 || left[0].UID != 2 {
		t.Errorf("%+v", left)
	}
}

// FuzzDialogue: whatever a client says after its login, the server ends without a
// panic, and what it did not delete is there.
func FuzzDialogue(f *testing.F) {
	f.Add("STAT\r\nLIST\r\nUIDL\r\nQUIT\r\n")
	f.Add("RETR 1\r\nTOP 1 5\r\nDELE 1\r\nRSET\r\nQUIT\r\n")
	f.Add("CAPA\r\nNOOP\nLIST 1 2\r\nLIST \r\nTOP 1 99999999999\r\n")
	h := dialoguetest.NewHouse(f)
	addr := h.Serve(server(h, true))
	h.Deliver("Subject: one\r\n\r\n.\r\nhello\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		conn, err := tls.Dial("tcp", addr.String(), h.ClientTLS())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		said = strings.ReplaceAll(strings.ToUpper(said), "DELE", "LIST")
		go func() {
			fmt.Fprintf(conn, "USER anna@example.com\r\nPASS %s\r\n%s\r\nQUIT\r\n", h.Password, said)
			conn.CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatal(err)
		}
		mine := *h
		mine.TB = t
		if n := len(mine.Inbox()); n != 1 {
			t.Fatalf("%d messages are left", n)
		}
	})
}
