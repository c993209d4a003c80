//go:build unix

package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

// sink accepts everything and keeps nothing.
type sink struct{}

func (sink) open(context.Context, Peer) (Session, mail.Reply)           { return sink{}, mail.Reply{} }
func (sink) Hello(context.Context, Peer) mail.Reply                     { return mail.Reply{} }
func (sink) Mail(context.Context, mail.Address, MailOptions) mail.Reply { return mail.Reply{} }
func (sink) Rcpt(context.Context, mail.Address, RcptOptions) mail.Reply { return mail.Reply{} }
func (sink) Reset()                                                     {}
func (sink) Close()                                                     {}
func (sink) Data(_ context.Context, body io.Reader) []mail.Reply {
	io.Copy(io.Discard, body)
	return nil
}

// letterOf is a message of about so many octets, in lines as mail has them.
func letterOf(size int) string {
	const line = "A line of seventy-six characters or so, as mail has them by the thousand.\r\n"
	return "Subject: a letter\r\n\r\n" + strings.Repeat(line, size/len(line))
}

// BenchmarkServer is the engine alone on loopback, with clients that pipeline and do as
// little as they can: one message an iteration.
func BenchmarkServer(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10} {
		b.Run(fmt.Sprintf("%dK", size>>10), func(b *testing.B) {
			_, addr := serveOn(b, ServerOptions{Open: sink{}.open})
			message := []byte(letterOf(size) + ".\r\n")
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			b.SetParallelism(8)
			before := processorTime(b)
			b.RunParallel(func(pb *testing.PB) { send(b, addr, message, pb.Next) })
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/message")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// send delivers a message over one connection as long as more says so, in two writes
// and two reads each.
func send(b *testing.B, addr netip.AddrPort, message []byte, more func() bool) {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	until := func(code string) bool {
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Error(err)
				return false
			}
			if string(line[:4]) == code {
				return true
			}
		}
	}
	until("220 ")
	io.WriteString(conn, "EHLO client.example\r\n")
	until("250 ")
	envelope := []byte("MAIL FROM:<someone@sender.example> SIZE=4096\r\nRCPT TO:<somebody@mx.example>\r\nDATA\r\n")
	for more() {
		conn.Write(envelope)
		if !until("354 ") {
			return
		}
		conn.Write(message)
		if !until("250 ") {
			return
		}
	}
}

// BenchmarkEngine is the engine without sockets: what a message costs in the server
// itself.
func BenchmarkEngine(b *testing.B) {
	for _, how := range []string{"DATA", "BDAT"} {
		for _, size := range []int{4 << 10, 50 << 10} {
			b.Run(fmt.Sprintf("%s-%dK", how, size>>10), func(b *testing.B) {
				text := letterOf(size)
				envelope := "MAIL FROM:<someone@sender.example> SIZE=4096\r\nRCPT TO:<somebody@mx.example>\r\n"
				pieces := [][]byte{[]byte(envelope + "DATA\r\n"), []byte(text + ".\r\n")}
				if how == "BDAT" {
					pieces = [][]byte{fmt.Appendf(nil, "%sBDAT %d LAST\r\n%s", envelope, len(text), text)}
				}
				s := NewServer(ServerOptions{Name: mail.MustParseDomain("mx.example"), Open: sink{}.open})
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				c := newConversation(s, &tape{pieces: pieces, more: b.Loop})
				before := processorTime(b)
				c.Run(context.Background())
				b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/message")
				if n := s.Stats(); n.Messages < int64(b.N) {
					b.Fatalf("%+v after %d", n, b.N)
				}
			})
		}
	}
}

// tape is a connection on which a client says the same again and again.
type tape struct {
	net.Conn
	pieces [][]byte
	piece  int
	rest   []byte
	hello  bool
	more   func() bool
}

func (t *tape) Read(p []byte) (int, error) {
	if !t.hello {
		t.hello = true
		return copy(p, "EHLO client.example\r\n"), nil
	}
	if len(t.rest) == 0 {
		if t.piece == 0 && !t.more() {
			return 0, io.EOF
		}
		t.rest = t.pieces[t.piece]
		t.piece = (t.piece + 1) % len(t.pieces)
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

func (t *tape) Write(p []byte) (int, error) { return len(p), nil }
func (t *tape) Close() error                { return nil }

// BenchmarkIdle is the memory of one client that has sent a message and waits, both ends
// of its socket, as far as they lie in this process.
func BenchmarkIdle(b *testing.B) {
	const many = 4000
	for _, secure := range []bool{false, true} {
		b.Run(map[bool]string{false: "clear", true: "TLS"}[secure], func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(idle(b, many, secure)/1024, "KiB/connection")
			}
		})
	}
}

func idle(b *testing.B, many int, secure bool) (octets float64) {
	o := ServerOptions{Open: sink{}.open}
	config := withTLS(b, &o)
	_, addr := serveOn(b, o)
	conns := make([]net.Conn, 0, many)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	before := memory()
	for range many {
		conns = append(conns, waiting(b, addr, config, secure))
	}
	return float64(memory()-before) / float64(many)
}

// waiting gives a connection over which a message went. What the client's side of TLS
// needed is garbage already.
func waiting(b *testing.B, addr netip.AddrPort, config *tls.Config, secure bool) net.Conn {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		b.Fatal(err)
	}
	c := NewClient(conn, ClientOptions{})
	ctx := b.Context()
	c.Greet(ctx)
	c.Hello(ctx)
	if secure {
		c.StartTLS(ctx, config)
		c.Hello(ctx)
	}
	c.Mail(ctx, mail.Address{}, MailOptions{})
	c.Rcpt(ctx, mail.Address{Local: "postmaster"}, RcptOptions{})
	if r, err := c.Data(ctx, strings.NewReader(letterOf(4<<10))); err != nil || r.Code != 250 {
		b.Fatal(r, err)
	}
	return conn
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// processorTime is what this process used, which other load on the machine changes little:
// both sides of the sockets, in BenchmarkServer.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
