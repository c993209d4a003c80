package main

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// A switchboard owns the open sockets of a server and puts each connection through
// to who answers there now. So a reload changes who answers, and no connection is
// refused or dropped meanwhile.
type switchboard struct {
	ports   map[string][]*port // by service and socket: "smtp :25"
	running sync.WaitGroup
}

func newSwitchboard() *switchboard { return &switchboard{ports: map[string][]*port{}} }

// open opens the sockets of a name unless they are open. It reports whether they
// are new.
func (s *switchboard) open(name string, listen func() ([]net.Listener, error)) (opened bool, err error) {
	if _, ok := s.ports[name]; ok {
		return false, nil
	}
	listeners, err := listen()
	if err != nil {
		return false, err
	}
	for _, l := range listeners {
		p := &port{listener: l, closed: make(chan struct{}), changed: make(chan struct{}, 1)}
		s.ports[name] = append(s.ports[name], p)
		s.running.Go(p.accept)
	}
	return true, nil
}

// lines are listeners of the sockets of a name for their next owner. Nothing comes
// in on them before connect.
func (s *switchboard) lines(name string) []*line {
	var lines []*line
	for _, p := range s.ports[name] {
		lines = append(lines, &line{port: p, calls: make(chan call), hungUp: make(chan struct{})})
	}
	return lines
}

// close closes the sockets of a name for good.
func (s *switchboard) close(name string) {
	for _, p := range s.ports[name] {
		close(p.closed)
		_ = p.listener.Close() // nobody listens any more either way
	}
	delete(s.ports, name)
}

// keep closes all sockets but those of these names.
func (s *switchboard) keep(names []string) {
	for name := range s.ports {
		if !slices.Contains(names, name) {
			s.close(name)
		}
	}
}

// closeAll closes every socket and returns when nothing runs any more.
func (s *switchboard) closeAll() {
	for name := range s.ports {
		s.close(name)
	}
	s.running.Wait()
}

// port is one open socket.
type port struct {
	listener net.Listener
	owner    atomic.Pointer[line]
	changed  chan struct{} // wakes a connection that nobody answers
	closed   chan struct{}
}

// call is what came of one accept.
type call struct {
	conn net.Conn
	err  error
}

func (p *port) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if !p.put(call{conn, err}) {
			if conn != nil {
				_ = conn.Close() // the server has stopped before anybody answered
			}
			return
		}
	}
}

// put hands a call to the owner, or to the next one while they change. False: the
// port was closed.
func (p *port) put(c call) bool {
	for {
		var calls chan call
		var hungUp chan struct{}
		if owner := p.owner.Load(); owner != nil {
			calls, hungUp = owner.calls, owner.hungUp
		}
		select {
		case calls <- c:
			return true
		case <-hungUp:
			if !p.awaitOwner(hungUp) {
				return false
			}
		case <-p.changed:
		case <-p.closed:
			return false
		}
	}
}

// awaitOwner waits until another line than the one that hung up is connected.
func (p *port) awaitOwner(hungUp chan struct{}) bool {
	for {
		if owner := p.owner.Load(); owner != nil && owner.hungUp != hungUp {
			return true
		}
		select {
		case <-p.changed:
		case <-p.closed:
			return false
		}
	}
}

// line is a port as one owner sees it: a listener whose end leaves the socket open.
type line struct {
	port   *port
	calls  chan call
	hungUp chan struct{}
	once   sync.Once
}

// connect makes this line the one that answers.
func (l *line) connect() {
	l.port.owner.Store(l)
	select {
	case l.port.changed <- struct{}{}:
	default: // it is woken already
	}
}

// Accept waits for a connection.
func (l *line) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c.conn, c.err
	case <-l.hungUp:
		return nil, net.ErrClosed
	}
}

// Close hangs up. The socket stays open for the next owner.
func (l *line) Close() error {
	l.once.Do(func() { close(l.hungUp) })
	return nil
}

// Addr is the address of the socket.
func (l *line) Addr() net.Addr { return l.port.listener.Addr() }
