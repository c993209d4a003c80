package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
)

// readingNames have mail programs read under a name of its own.
const readingNames = "[names]\nimap = \"imap.allgreen.example\"\n"

// reader is a mail program, by hand.
type reader struct {
	t *testing.T
	r *bufio.Reader
	c *tls.Conn
}

func (v village) reader(t *testing.T) *reader {
	t.Helper()
	conn, err := v.world.Dial(t.Context(), v.home.address(993))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute)) // deadline
	c := tls.Client(conn, &tls.Config{ServerName: "imap.allgreen.example", RootCAs: v.world.Roots})
	r := &reader{t, bufio.NewReader(c), c}
	r.until("* OK [CAPABILITY ")
	return r
}

// until reads up to a line that begins so.
func (r *reader) until(begin string) string {
	r.t.Helper()
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("waiting for %q: %v", begin, err)
		}
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
}

func (r *reader) say(format string, args ...any) { fmt.Fprintf(r.c, format+"\r\n", args...) }

// Programs read under a name and certificate of their own, of which others think well;
// they are told of mail the moment it comes, a reload does not disconnect them, and the
// stop says goodbye.
func TestServeReaders(t *testing.T) {
	v := settle(t, readingNames, lab.Options{})
	t.Run("audit", func(t *testing.T) {
		got := allgreen(t, "", "check", "--lab", "--json", "--only", "access", "allgreen.example")
		var codes []string
		for _, f := range decode[object](t, got.out)[0]["findings"].([]any) {
			f := f.(object)
			if codes = append(codes, fmt.Sprint(f["check"], " ", f["status"], " ", f["code"])); f["status"] != "green" {
				t.Errorf("%v", f)
			}
		}
		for _, want := range []string{"access.offered green answers", "access.login green after-tls", "access.certificate green valid", "access.names green apart"} {
			if !strings.Contains(strings.Join(codes, "\n"), want) {
				t.Errorf("%q is missing among %q", want, codes)
			}
		}
	})
	r := v.reader(t)
	r.say("a LOGIN %s \"%s\"", v.home.settings.Admin, v.home.password)
	r.until("a OK ")
	r.say("b SELECT INBOX")
	r.until("b OK ")
	r.say("c IDLE")
	r.until("+ ")
	v.rewrite(t, homeConfig+readingNames+"[receive]\nmax_size = \"1MB\"\n")
	if got := allgreen(t, "", "serve", "--reload", "--lab"); got.code != 0 {
		t.Fatalf("reload: %s%s", got.out, got.err)
	}
	v.deliverOver(t, v.session(t), "to who idles")
	r.until("* 1 EXISTS")
	r.say("DONE")
	r.until("c OK ")
	r.say("d CAPABILITY")
	if line := r.until("* CAPABILITY"); !strings.Contains(line, "APPENDLIMIT=1000000") {
		t.Errorf("after the reload it says %s", line)
	}
	r.until("d OK ")
	if err := v.home.stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	v.home.server = nil
	r.until("* BYE [UNAVAILABLE] imap.allgreen.example is shutting down")
}
