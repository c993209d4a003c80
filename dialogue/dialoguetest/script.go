package dialoguetest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long an answer may take on a busy machine.
const patience = time.Minute

// player is one client in a written dialogue.
type player struct {
	*House
	conn net.Conn
	r    *bufio.Reader
	next func() *player // a new connection
}

// Play speaks a written dialogue:
//
//	C: text       the client sends the line with CRLF
//	C! "text"     the client sends exactly these octets, quoted as in Go
//	S: text       the client must read this line, ended by CRLF
//	S* text       the client must read lines until one begins with this
//	tls           the client shakes hands
//	again         the client connects anew
//	closed        the server must have closed, and said nothing more
//	deliver "m"   a message comes into the INBOX
//	inbox 2 seen 1   so many messages are there, and of them seen
//	# text        a remark
//
// In lines of both sides PASSWORD is Anna's password and {PLAIN} her message of that
// mechanism.
func (h *House) Play(addr netip.AddrPort, implicit bool, lines []string) {
	h.Helper()
	open := func() *player {
		conn, err := h.World.Dial(h.Context(), addr)
		if err != nil {
			h.Fatal(err)
		}
		h.Cleanup(func() { conn.Close() })
		p := &player{House: h}
		p.use(conn)
		if implicit {
			p.use(tls.Client(conn, h.ClientTLS()))
		}
		return p
	}
	p := open()
	p.next = open
	for i, line := range lines {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.play(line); err != nil {
			h.Fatalf("line %d, %s: %s", i+1, line, err)
		}
	}
}

func (p *player) use(c net.Conn) {
	c.SetDeadline(time.Now().Add(patience)) // deadline
	p.conn, p.r = c, bufio.NewReader(c)
}

func (p *player) fill(text string) string {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00anna@example.com\x00" + p.Password))
	return strings.NewReplacer("PASSWORD", p.Password, "{PLAIN}", plain).Replace(text)
}

func (p *player) play(line string) error {
	word, text, _ := strings.Cut(p.fill(line), " ")
	switch word {
	case "C:":
		_, err := io.WriteString(p.conn, text+"\r\n")
		return err
	case "C!":
		octets, err := strconv.Unquote(text)
		if err == nil {
			_, err = io.WriteString(p.conn, octets)
		}
		return err
	case "S:":
		got, err := p.r.ReadString('\n')
		if got != text+"\r\n" {
			return fmt.Errorf("got %q (%v)", got, err)
		}
		return nil
	case "S*":
		for seen := ""; ; {
			got, err := p.r.ReadString('\n')
			if seen += got; err != nil || strings.HasPrefix(got, text) {
				if err != nil {
					return fmt.Errorf("got %q (%v)", seen, err)
				}
				return nil
			}
		}
	case "tls":
		c := tls.Client(p.conn, p.ClientTLS())
		p.use(c)
		return c.HandshakeContext(p.Context())
	case "again":
		p.conn.Close()
		fresh := p.next()
		p.conn, p.r = fresh.conn, fresh.r
		return nil
	case "closed":
		if rest, err := io.ReadAll(p.r); len(rest) > 0 || err != nil {
			return fmt.Errorf("the server said more: %q, %v", rest, err)
		}
		return nil
	}
	return p.judge(word, text)
}

// judge looks into the INBOX, or puts something there.
func (p *player) judge(word, text string) error {
	switch word {
	case "deliver":
		letter, err := strconv.Unquote(text)
		if err == nil {
			p.Deliver(letter)
		}
		return err
	case "inbox":
		all, seen := p.Inbox(), 0
		for _, m := range all {
			if m.Flags&1 != 0 {
				seen++
			}
		}
		if got := fmt.Sprintf("%d seen %d", len(all), seen); got != text {
			return fmt.Errorf("there are %s", got)
		}
		return nil
	}
	return fmt.Errorf("this is no line of a script")
}

// PlayFiles plays every script of testdata, each in a house of its own: the first word
// of the first line is "server", and "implicit" behind it means TLS from the first octet.
func PlayFiles(t *testing.T, atLeast int, serve func(h *House, implicit bool) netip.AddrPort) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < atLeast {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(text), "\n")
			if !strings.HasPrefix(lines[0], "server") {
				t.Fatalf("%q is no first line", lines[0])
			}
			implicit := strings.Contains(lines[0], "implicit")
			h := NewHouse(t)
			h.Play(serve(h, implicit), implicit, append([]string{""}, lines[1:]...))
		})
	}
}
