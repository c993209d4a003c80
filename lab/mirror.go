package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/allgreen-mail/allgreen/lab/lifetime"
)

// mirrorName is the host that tells everybody which address it sees (STUN).
const mirrorName = "mirror.nameserver.example"

// mirrorPort is the port of STUN (RFC 8489 section 18.6).
const mirrorPort = 3478

// mirror tells who asks how it is seen.
type mirror struct{ *net.UDPConn }

func bindMirror(at netip.AddrPort) (mirror, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	return mirror{conn}, err
}

// serve answers until the context ends.
func (m mirror) serve(ctx context.Context) {
	defer lifetime.Close(ctx, m)()
	buf := make([]byte, 1500)
	for {
		n, from, err := m.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if answer := reflect(buf[:n], from); err == nil && answer != nil {
			m.WriteToUDPAddrPort(answer, from)
		}
	}
}

const (
	bindingRequest  = 0x0001
	bindingResponse = 0x0101
	magicCookie     = 0x2112A442
	xorMapped       = 0x0020
	headerSize      = 20
)

// reflect is the answer to a binding request from an IPv4 address; nil for all else
// (RFC 8489 sections 5 and 14.2).
func reflect(request []byte, from netip.AddrPort) []byte {
	ip := from.Addr().Unmap()
	if len(request) < headerSize || binary.BigEndian.Uint16(request) != bindingRequest ||
		binary.BigEndian.Uint32(request[4:]) != magicCookie || !ip.Is4() {
		return nil
	}
	const attribute = 12
	a := make([]byte, 0, headerSize+attribute)
	a = binary.BigEndian.AppendUint16(a, bindingResponse)
	a = binary.BigEndian.AppendUint16(a, attribute)
	a = append(a, request[4:headerSize]...) // the cookie and the transaction
	a = binary.BigEndian.AppendUint16(a, xorMapped)
	a = binary.BigEndian.AppendUint16(a, attribute-4)
	a = append(a, 0, 1) // IPv4
	a = binary.BigEndian.AppendUint16(a, from.Port()^magicCookie>>16)
	octets := ip.As4()
	return binary.BigEndian.AppendUint32(a, binary.BigEndian.Uint32(octets[:])^magicCookie)
}
