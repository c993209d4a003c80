package tlsprobe

import (
	"net"
	"sync"
)

// maxTap bounds what is kept of one direction of a connection.
const maxTap = 256 << 10

// tap is a connection that keeps what crypto/tls reads and writes, because it does
// not show the messages that some questions are about.
type tap struct {
	net.Conn
	mu   sync.Mutex
	in   []byte
	sent []byte
}

// Read keeps what came.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in = keep(t.in, p[:n])
	return n, err
}

// Write keeps what went.
func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.sent = keep(t.sent, p)
	t.mu.Unlock()
	return t.Conn.Write(p)
}

func keep(kept, more []byte) []byte {
	return append(kept, more[:min(len(more), maxTap-len(kept))]...)
}

func (t *tap) octets() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.in
}
