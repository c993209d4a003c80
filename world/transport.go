package world

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// ednsBuffer avoids fragments on all usual paths (RFC 9715 section 3).
	ednsBuffer = 1232
	// udpBuffer is read into: more than we announce, as some servers send more.
	udpBuffer = 4096
	// maxStrays is how many packets that are no answer to our question are
	// skipped before the exchange is given up: a flood, or somebody guessing.
	maxStrays = 100
)

// What makes a packet or message no answer to what was asked.
var (
	errGarbage   = errors.New("not a DNS message")
	errStray     = errors.New("an answer to another question")
	errFlood     = errors.New("too many packets that are no answer")
	errTruncated = errors.New("truncated even over TCP")
)

// isMisanswer reports whether something came that was no answer.
func isMisanswer(err error) bool {
	return errors.Is(err, errGarbage) || errors.Is(err, errStray)
}

// transport sends one message to one socket and brings back the answer to it.
type transport struct {
	network func() Network
	sent    atomic.Uint64 // messages
	tcp     atomic.Uint64 // of them over TCP
}

// exchange sends a message over UDP, and once more over TCP when the answer is
// truncated (RFC 7766 section 5).
func (t *transport) exchange(ctx context.Context, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	answer, err := t.overUDP(ctx, m, to)
	if err != nil || !answer.Truncated {
		return answer, err
	}
	return t.overTCP(ctx, m, to)
}

// open dials and makes every read and write end with the context.
func (t *transport) open(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, closed func(), err error) {
	n := t.network()
	if n == nil {
		return nil, nil, ErrNoWorld
	}
	conn, err = n.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}

// overUDP asks from a socket of its own: the system picks the port at random and,
// as the socket is connected, drops what does not come from the server (RFC 5452
// sections 4.3 and 9.2).
func (t *transport) overUDP(ctx context.Context, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	wire, err := m.Pack()
	if err != nil {
		return nil, err
	}
	conn, done, err := t.open(ctx, "udp", to)
	if err != nil {
		return nil, err
	}
	defer done()
	t.sent.Add(1)
	if _, err := conn.Write(wire); err != nil {
		return nil, orContext(ctx, err)
	}
	return awaitAnswer(ctx, conn, m)
}

// awaitAnswer reads packets until one answers the question. The others are
// skipped, or whoever sends faster than the server could silence it.
func awaitAnswer(ctx context.Context, conn net.Conn, m *dns.Msg) (*dns.Msg, error) {
	buf := make([]byte, udpBuffer)
	var stray error
	for range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, misanswered(orContext(ctx, err), stray)
		}
		answer, err := readAnswer(buf[:n], m)
		if err == nil {
			return answer, nil
		}
		stray = err
	}
	return nil, misanswered(errFlood, stray)
}

// misanswered adds to an error what came instead of an answer.
func misanswered(err, stray error) error {
	if stray == nil {
		return err
	}
	return fmt.Errorf("%w, %w came", err, stray)
}

func (t *transport) overTCP(ctx context.Context, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	wire, err := m.Pack()
	if err != nil {
		return nil, err
	}
	conn, done, err := t.open(ctx, "tcp", to)
	if err != nil {
		return nil, fmt.Errorf("over TCP: %w", err)
	}
	defer done()
	t.sent.Add(1)
	t.tcp.Add(1)
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(wire)), uint16(len(wire)))
	if _, err := conn.Write(append(framed, wire...)); err != nil {
		return nil, fmt.Errorf("over TCP: %w", orContext(ctx, err))
	}
	text, err := readFrame(conn)
	if err != nil {
		return nil, fmt.Errorf("over TCP: %w", orContext(ctx, err))
	}
	answer, err := readAnswer(text, m)
	if err == nil && answer.Truncated {
		err = errTruncated
	}
	return answer, err
}

// readFrame reads one message with its length (RFC 1035 section 4.2.2): at most
// 64 KB.
func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, text)
	return text, err
}

// readAnswer reads a message and makes sure that it answers the one sent: same
// id, same single question (RFC 5452 section 9.1). A refusal may leave the
// question out, as servers that cannot read a query do.
func readAnswer(wire []byte, asked *dns.Msg) (*dns.Msg, error) {
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		if !m.Truncated || m.Id != asked.Id { // a truncated one may end anywhere
			return nil, errGarbage
		}
		m.Answer, m.Ns, m.Extra = nil, nil, nil
	}
	if m.Id != asked.Id || !m.Response || m.Opcode != dns.OpcodeQuery {
		return nil, errStray
	}
	if len(m.Question) == 0 && isRefusal(m.Rcode) {
		return m, nil
	}
	if len(m.Question) != 1 || !sameQuestion(m.Question[0], asked.Question[0]) {
		return nil, errStray
	}
	return m, nil
}

func isRefusal(rcode int) bool {
	return rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && nameIn(a.Name) == nameIn(b.Name)
}

// orContext says that the context ended rather than that a deadline in the past
// was hit, which is how open ends reads.
func orContext(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}
