package authority

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

// idle is how long a TCP connection may stay silent (RFC 7766 section 6.2.3).
const idle = 5 * time.Second

// Socket is one address on which questions are taken, over UDP and TCP.
type Socket struct {
	udp *net.UDPConn
	tcp *net.TCPListener
}

// Bind takes an address. The caller must Serve or Close it.
func Bind(at netip.AddrPort) (*Socket, error) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("taking questions: %w", err)
	}
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		udp.Close()
		return nil, fmt.Errorf("taking questions: %w", err)
	}
	return &Socket{udp: udp, tcp: tcp}, nil
}

// Close gives the address back.
func (s *Socket) Close() error {
	s.udp.Close()
	return s.tcp.Close()
}

// Serve answers until the context ends, then closes the socket and waits for all
// that it started.
func (s *Socket) Serve(ctx context.Context, r Responder) {
	var all sync.WaitGroup
	defer lifetime.Close(ctx, s)()
	all.Go(func() { s.serveUDP(ctx, r) })
	all.Go(func() { s.serveTCP(ctx, r) })
	all.Wait()
}

func (s *Socket) serveUDP(ctx context.Context, r Responder) {
	var answers sync.WaitGroup
	defer answers.Wait()
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error about an earlier answer
		}
		query := new(dns.Msg)
		if query.Unpack(buf[:n]) != nil || query.Response {
			continue
		}
		answers.Go(func() {
			if wire := pack(r.Answer(ctx, query, false)); wire != nil {
				s.udp.WriteToUDPAddrPort(wire, from)
			}
		})
	}
}

func (s *Socket) serveTCP(ctx context.Context, r Responder) {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			defer conn.Close()
			defer lifetime.Close(ctx, conn)()
			for serveOne(ctx, conn, r) {
			}
		})
	}
}

// serveOne takes one question from a TCP connection; false ends the connection.
func serveOne(ctx context.Context, conn net.Conn, r Responder) bool {
	conn.SetDeadline(time.Now().Add(idle))
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return false
	}
	wire := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, wire); err != nil {
		return false
	}
	query := new(dns.Msg)
	if query.Unpack(wire) != nil || query.Response {
		return false
	}
	reply := pack(r.Answer(ctx, query, true))
	if reply == nil {
		return false
	}
	conn.SetDeadline(time.Now().Add(idle))
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err == nil
}

// pack is the wire form; nothing for silence. What cannot be packed is a failure
// of the server, as the asker must see it.
func pack(reply *dns.Msg) []byte {
	if reply == nil {
		return nil
	}
	wire, err := reply.Pack()
	if err != nil {
		wire, err = new(dns.Msg).SetRcode(reply, dns.RcodeServerFailure).Pack()
	}
	if err != nil {
		return nil
	}
	return wire
}
