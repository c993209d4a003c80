package imap

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/store"
)

// program is a client that knows no more than a benchmark needs.
type program struct {
	t    testing.TB
	conn net.Conn // the socket
	w    io.Writer
	r    *bufio.Reader
}

func (h *house) program(addr netip.AddrPort, name string) *program {
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		h.t.Fatal(err)
	}
	channel := tls.Client(conn, h.clientTLS())
	p := &program{h.t, conn, channel, bufio.NewReader(channel)}
	p.line()
	user, password := h.login(name)
	p.do(fmt.Sprintf("LOGIN %s \"%s\"", user, password))
	return p
}

func (p *program) line() string {
	line, err := p.r.ReadString('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	return line
}

// do says a command and waits for its end.
func (p *program) do(command string) {
	io.WriteString(p.w, "x "+command+"\r\n")
	p.end()
}

func (p *program) end() {
	for {
		line := p.line()
		if strings.HasPrefix(line, "x OK") {
			return
		}
		if strings.HasPrefix(line, "x ") {
			p.t.Fatal(line)
		}
	}
}

// BenchmarkIdle is the memory of one program that waits in IDLE, both ends of its
// socket, as far as they lie in this process. A thousand may take 100 MB.
func BenchmarkIdle(b *testing.B) {
	const many = 1000
	for _, packed := range []bool{false, true} {
		b.Run(map[bool]string{false: "TLS", true: "TLS and DEFLATE"}[packed], func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(idle(b, many, packed)/1024, "KiB/session")
			}
		})
	}
}

func idle(b *testing.B, many int, packed bool) (octets float64) {
	h := newHouse(b)
	h.options.MaxPerAccount = many
	for range 100 {
		h.deliver("anna", "Subject: x\r\n\r\nhello\r\n")
	}
	_, addr := h.serve()
	conns := make([]net.Conn, 0, many)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	conns = append(conns, h.waiting(addr, packed))
	before := memory()
	for range many - 1 {
		conns = append(conns, h.waiting(addr, packed))
	}
	h.deliver("anna", "Subject: x\r\n\r\nhello\r\n") // wakes all of them
	return float64(memory()-before) / float64(many-1)
}

// waiting gives a connection whose program idles. What the client's side of TLS needed is
// garbage already.
func (h *house) waiting(addr netip.AddrPort, packed bool) net.Conn {
	p := h.program(addr, "anna")
	if packed {
		p.do("COMPRESS DEFLATE")
		w, _ := flate.NewWriter(p.w, flate.BestSpeed)
		p.w, p.r = flushed{w}, bufio.NewReader(flate.NewReader(p.r))
	}
	p.do("SELECT INBOX")
	io.WriteString(p.w, "x IDLE\r\n")
	p.line()
	return p.conn
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkSelect opens a folder of a hundred thousand messages, every tenth of which was
// expunged.
func BenchmarkSelect(b *testing.B) {
	h := newHouse(b)
	h.fill("anna", 100_000)
	_, addr := h.serve()
	p := h.program(addr, "anna")
	for b.Loop() {
		p.do("SELECT INBOX")
	}
}

// fill gives somebody many messages, all of one body.
func (h *house) fill(name string, many int) {
	h.deliver(name, "Subject: x\r\n\r\nhello\r\n")
	id := h.account(name)
	h.write(func(tx *store.Tx) error {
		f, err := mailbox.FolderOf(tx, id, mailbox.Inbox)
		if err != nil {
			return err
		}
		var d mailbox.Delivery
		if err := mailbox.Fetch(tx, f.ID, []mailbox.UIDRange{{First: 1, Last: 1}}, mailbox.Facts, func(m *mailbox.Message) error {
			d = mailbox.Delivery{Body: m.Body, Size: m.Size, Received: m.Received}
			return nil
		}); err != nil {
			return err
		}
		all := make([]mailbox.Delivery, many-1)
		for i := range all {
			all[i] = d
		}
		if _, _, err := mailbox.AppendAll(tx, f.ID, all); err != nil {
			return err
		}
		var tenth []mailbox.UID
		for uid := mailbox.UID(10); int(uid) < many; uid += 10 {
			tenth = append(tenth, uid)
		}
		_, err = mailbox.Expunge(tx, f.ID, tenth)
		return err
	})
}

// BenchmarkAppend has twenty programs append messages of 4 KB, each durable.
func BenchmarkAppend(b *testing.B) {
	h := newHouse(b)
	_, addr := h.serve()
	const clients = 20
	message := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 64)
	var programs []*program
	for i := range clients {
		programs = append(programs, h.program(addr, fmt.Sprintf("user%d", i)))
	}
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, p := range programs {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				fmt.Fprintf(p.w, "x APPEND INBOX {%d+}\r\n%s\r\n", len(message), message)
				p.end()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
