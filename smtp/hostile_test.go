package smtp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// TestHostileServers wants each of them to end in a clear error, in time, with
// nothing left running (synctest waits for all goroutines).
func TestHostileServers(t *testing.T) {
	tests := []struct {
		name   string
		serve  func(net.Conn)
		want   error
		within time.Duration // of made time
	}{
		{"says nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, ErrTimeout, time.Minute},
		{"an octet a minute", func(c net.Conn) { drip(c, "220 mx.example ESMTP\r\n", 40*time.Second) }, ErrTimeout, time.Minute},
		{"a line every ten seconds", func(c net.Conn) { repeat(c, "220-wait\r\n", 10*time.Second) }, ErrTimeout, time.Minute},
		{"endless lines", func(c net.Conn) { repeat(c, "220-more\r\n", 0) }, ErrLimit, 0},
		{"an endless line", func(c net.Conn) { repeat(c, strings.Repeat("x", 1000), 0) }, ErrLimit, 0},
		{"endless empty lines", func(c net.Conn) { repeat(c, "\r\n", 0) }, ErrProtocol, 0},
		{"NULs", func(c net.Conn) { repeat(c, "\x00\x00\x00\n", 0) }, ErrProtocol, 0},
		{"HTTP", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, ErrProtocol, 0},
		{"hangs up", func(c net.Conn) {}, ErrClosed, 0},
		{"hangs up in a line", func(c net.Conn) { io.WriteString(c, "220 mx.exa") }, ErrClosed, 0},
		{"a code of one digit", func(c net.Conn) { io.WriteString(c, "2 mx\r\n") }, ErrProtocol, 0},
		{"a code of the sixth class", func(c net.Conn) { io.WriteString(c, "600 mx\r\n") }, ErrProtocol, 0},
		{"a 1yz code", func(c net.Conn) { io.WriteString(c, "150 mx\r\n") }, ErrProtocol, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				gone := make(chan struct{})
				go func() { defer close(gone); defer theirs.Close(); tt.serve(theirs) }()
				c := NewClient(ours, ClientOptions{Timeout: time.Minute})
				defer func() { c.Close(); <-gone }()
				start := time.Now()
				_, err := c.Greet(t.Context())
				if !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if d := time.Since(start); d != tt.within {
					t.Errorf("took %s, want %s", d, tt.within)
				}
			})
		})
	}
}

func drip(c net.Conn, text string, pause time.Duration) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func repeat(c net.Conn, text string, pause time.Duration) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// TestContextEndsTheDialogue wants cancellation to be told from a slow server.
func TestContextEndsTheDialogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := NewClient(ours, ClientOptions{})
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		_, err := c.Greet(ctx)
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestRefusedInTheMiddle wants the reason of a server that does not read a message to
// its end.
func TestRefusedInTheMiddle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.ReadFull(conn, make([]byte, len("DATA\r\n")))
		io.WriteString(conn, "354 go on\r\n")
		io.ReadFull(conn, make([]byte, 1<<20))
		io.WriteString(conn, "552 5.3.4 too big\r\n")
		conn.(*net.TCPConn).CloseWrite()
		io.CopyN(io.Discard, conn, 1<<20)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(conn, ClientOptions{Timeout: time.Minute})
	defer c.Close()
	line := bytes.Repeat([]byte("x"), 998)
	body := &endless{line: append(line, "\r\n"...), left: 64 << 20}
	r, err := c.Data(t.Context(), body)
	// The reset may overtake the reply; then the loss is the answer. Silence never is.
	if err == nil && r.Code != 552 || err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("%q, %v", r, err)
	}
	if body.left < 32<<20 {
		t.Errorf("%d octets were sent after the refusal", 64<<20-body.left)
	}
}

// endless repeats a line until left octets are read.
type endless struct {
	line []byte
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		m := copy(p[n:], e.line[e.at:])
		n, e.at = n+m, (e.at+m)%len(e.line)
	}
	e.left -= n
	return n, nil
}

func TestTranscriptIsBounded(t *testing.T) {
	tr := newTranscript()
	for range 3 * maxTranscript {
		tr.add(FromServer, false, strings.Repeat("\x00", 100_000))
	}
	if n, d := len(tr.Lines()), tr.Dropped(); n != maxTranscript || d != 2*maxTranscript {
		t.Errorf("%d lines kept, %d dropped", n, d)
	}
	if n := len(tr.String()); n > maxTranscript*(4*maxTranscriptLine+10)+100 {
		t.Errorf("%d octets kept", n)
	}
	if e := tr.Evidence(); e[len(e)-1] != "*: 2000 more lines" {
		t.Errorf("the end does not tell: %q", e[len(e)-1])
	}
}

func TestTranscriptAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		time.Sleep(1500 * time.Microsecond)
		tr.add(FromServer, true, "220 \x1b[2J<script>")
		got, err := tr.MarshalJSON()
		want := `[{"at":1500000,"side":"S","tls":true,"text":"220 \\x1b[2J\u003cscript\u003e"}]`
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	})
}

func TestLMTPWithoutRecipients(t *testing.T) {
	var none mail.Reply
	c := NewClient(nil, ClientOptions{LMTP: true})
	if r, err := c.Bdat(t.Context(), nil, true); !errors.Is(err, ErrCommand) || r.Code != none.Code {
		t.Errorf("%v, %v", r, err)
	}
}
