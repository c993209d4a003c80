package smtp

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// link is one end of a connection in memory that, unlike net.Pipe, buffers what is
// written, as sockets do: pipelining needs that. It can hand out what came in small
// pieces.
type link struct {
	in, out *flow
	ip      string
}

// flow is one direction.
type flow struct {
	mu       sync.Mutex
	moved    *sync.Cond
	buf      []byte
	step     int // octets of one Read at the most; zero: any number
	closed   bool
	deadline time.Time
	alarm    *time.Timer
}

func newLink(step int) (client, server *link) {
	up, down := &flow{step: step}, &flow{}
	up.moved, down.moved = sync.NewCond(&up.mu), sync.NewCond(&down.mu)
	return &link{down, up, "192.0.2.1"}, &link{up, down, "192.0.2.25"}
}

func (l *link) Read(p []byte) (int, error) {
	f := l.in
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case !f.deadline.IsZero() && !time.Now().Before(f.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(f.buf) > 0:
			if f.step > 0 {
				p = p[:min(len(p), f.step)]
			}
			n := copy(p, f.buf)
			f.buf = f.buf[n:]
			return n, nil
		case f.closed:
			return 0, io.EOF
		}
		f.moved.Wait()
	}
}

func (l *link) Write(p []byte) (int, error) {
	f := l.out
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, net.ErrClosed
	}
	f.buf = append(f.buf, p...)
	f.moved.Broadcast()
	return len(p), nil
}

func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.moved.Broadcast()
}

func (l *link) Close() error      { l.in.close(); l.out.close(); return nil }
func (l *link) CloseWrite() error { l.out.close(); return nil }

func (l *link) SetReadDeadline(t time.Time) error {
	f := l.in
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = t
	if f.alarm != nil {
		f.alarm.Stop()
	}
	if !t.IsZero() {
		f.alarm = time.AfterFunc(max(0, time.Until(t)), f.moved.Broadcast)
	}
	f.moved.Broadcast()
	return nil
}

func (l *link) SetDeadline(t time.Time) error      { return l.SetReadDeadline(t) }
func (l *link) SetWriteDeadline(t time.Time) error { return nil }

func (l *link) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(l.ip), Port: 25} }
func (l *link) RemoteAddr() net.Addr {
	if l.ip == "192.0.2.25" {
		return &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 40000}
	}
	return &net.TCPAddr{IP: net.ParseIP("192.0.2.25"), Port: 25}
}

// links is a listener to which a test hands connections.
type links struct {
	waiting chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func newLinks() *links {
	return &links{waiting: make(chan net.Conn), closed: make(chan struct{})}
}

// connect gives the client's end of a new connection.
func (l *links) connect(step int) *link {
	client, server := newLink(step)
	select {
	case l.waiting <- server:
	case <-l.closed:
		server.Close()
	}
	return client
}

func (l *links) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *links) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *links) Addr() net.Addr { return &net.TCPAddr{} }
