package smtp

import "net"

// readAhead is a connection of which some octets were read already.
type readAhead struct {
	net.Conn
	rest []byte
}

// Read gives those octets first.
func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
