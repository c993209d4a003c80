package identity

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

// ErrSTUN is wrapped by errors about an answer that is no STUN binding response.
var ErrSTUN = errors.New("no STUN answer")

// What a STUN message is made of (RFC 8489 sections 5, 14 and 18).
const (
	stunHeader        = 20
	stunCookie        = 0x2112A442
	stunRequest       = 0x0001
	stunSuccess       = 0x0101
	stunMapped        = 0x0001
	stunXORMapped     = 0x0020
	stunMaxMessage    = 1500
	stunTries         = 3
	stunFirstPatience = 500 * time.Millisecond // RFC 8489 section 6.2.1
)

// transaction tells our answer from others'.
type transaction [12]byte

// askSTUN asks a server which address it sees, from one of ours or any. What a
// stranger on the way could answer just as well is believed no more than an EHLO
// answer is: it is compared.
func askSTUN(ctx context.Context, w *world.World, from netip.Addr, server netip.AddrPort) (netip.Addr, error) {
	conn, err := w.DialUDP(ctx, from, server)
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var id transaction
	rand.Read(id[:])
	patience := stunFirstPatience
	for range stunTries {
		var seen netip.Addr
		if seen, err = exchangeSTUN(conn, id, patience); err == nil || ctx.Err() != nil {
			return seen, errors.Join(err, ctx.Err())
		}
		patience *= 2
	}
	return netip.Addr{}, err
}

// exchangeSTUN sends the request and waits for its answer; others are passed over.
func exchangeSTUN(conn net.Conn, id transaction, patience time.Duration) (netip.Addr, error) {
	if _, err := conn.Write(stunMessage(id)); err != nil {
		return netip.Addr{}, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil { // deadline
		return netip.Addr{}, err
	}
	buf := make([]byte, stunMaxMessage)
	for range 16 {
		n, err := conn.Read(buf)
		if err != nil {
			return netip.Addr{}, err
		}
		if seen, err := parseSTUN(buf[:n], id); err == nil {
			return seen, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%w: many that were not for us", ErrSTUN)
}

// stunMessage is a binding request without attributes.
func stunMessage(id transaction) []byte {
	m := make([]byte, 0, stunHeader)
	m = binary.BigEndian.AppendUint16(m, stunRequest)
	m = binary.BigEndian.AppendUint16(m, 0)
	m = binary.BigEndian.AppendUint32(m, stunCookie)
	return append(m, id[:]...)
}

// parseSTUN reads the address out of the answer to a request.
func parseSTUN(m []byte, id transaction) (netip.Addr, error) {
	if len(m) < stunHeader || binary.BigEndian.Uint16(m) != stunSuccess || binary.BigEndian.Uint32(m[4:]) != stunCookie ||
		transaction(m[8:stunHeader]) != id {
		return netip.Addr{}, fmt.Errorf("%w: not the answer to this request", ErrSTUN)
	}
	rest := m[stunHeader:]
	if length := int(binary.BigEndian.Uint16(m[2:])); length != len(rest) || length%4 != 0 {
		return netip.Addr{}, fmt.Errorf("%w: its length is wrong", ErrSTUN)
	}
	var plain netip.Addr
	for len(rest) >= 4 {
		kind, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		padded := (length + 3) &^ 3
		if len(rest)-4 < padded {
			return netip.Addr{}, fmt.Errorf("%w: an attribute is cut off", ErrSTUN)
		}
		value := rest[4 : 4+length]
		switch kind {
		case stunXORMapped:
			return mappedAddress(value, m[4:stunHeader])
		case stunMapped:
			plain, _ = mappedAddress(value, make([]byte, 16))
		}
		rest = rest[4+padded:]
	}
	if !plain.IsValid() {
		return netip.Addr{}, fmt.Errorf("%w: it names no address", ErrSTUN)
	}
	return plain, nil
}

// mappedAddress reads family, port and address, the address under a mask: the cookie
// and the transaction, or zeros (RFC 8489 section 14.2).
func mappedAddress(value, mask []byte) (netip.Addr, error) {
	const head = 4
	if len(value) < head {
		return netip.Addr{}, fmt.Errorf("%w: an address is cut off", ErrSTUN)
	}
	octets := append([]byte(nil), value[head:]...)
	want := map[byte]int{1: 4, 2: 16}[value[1]]
	if want == 0 || len(octets) != want {
		return netip.Addr{}, fmt.Errorf("%w: an address of no known family", ErrSTUN)
	}
	for i := range octets {
		octets[i] ^= mask[i]
	}
	ip, _ := netip.AddrFromSlice(octets)
	return ip.Unmap(), nil
}
