package tlsprobe

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// Record types and handshake types (RFC 8446 sections 5.1 and 4).
const (
	recordChangeCipher byte = 20
	recordAlert        byte = 21
	recordHandshake    byte = 22
	recordData         byte = 23

	typeClientHello       byte = 1
	typeServerHello       byte = 2
	typeNewSessionTicket  byte = 4
	typeCertificate       byte = 11
	typeServerKeyExchange byte = 12
	typeServerHelloDone   byte = 14
	typeFinished          byte = 20
)

// Limits of what is read from one server on one connection.
const (
	maxRecord  = 1<<14 + 2048 // RFC 5246 section 6.2.3
	maxRecords = 64
	maxMessage = 128 << 10 // a chain of certificates fits many times
)

// What a server can send instead of an answer.
var (
	errNotTLS   = errors.New("the server does not answer in TLS")
	errTooMuch  = errors.New("the server sends more than a handshake holds")
	errGarbled  = errors.New("the server's handshake cannot be parsed")
	errTooEarly = errors.New("the server closed the connection without an alert")
)

// alert is a refusal in the words of the protocol.
type alert byte

// Error is the alert by number and name.
func (a alert) Error() string {
	if name, ok := alertNames[a]; ok {
		return fmt.Sprintf("alert %d, %s", byte(a), name)
	}
	return fmt.Sprintf("alert %d", byte(a))
}

// alertNames are the alerts that answer a hello (RFC 8446 section 6).
var alertNames = map[alert]string{
	0: "close notify", 10: "unexpected message", 20: "bad record MAC", 40: "handshake failure",
	47: "illegal parameter", 50: "decode error", 51: "decrypt error", 70: "protocol version",
	71: "insufficient security", 80: "internal error", 86: "inappropriate fallback",
	90: "user canceled", 100: "no renegotiation", 109: "missing extension",
	110: "unsupported extension", 112: "unrecognized name", 120: "no application protocol",
}

func plainRecord(kind byte, version uint16, payload []byte) []byte {
	head := []byte{kind, byte(version >> 8), byte(version), byte(len(payload) >> 8), byte(len(payload))}
	return append(head, payload...)
}

// recordReader takes plaintext records and handshake messages off a connection.
type recordReader struct {
	r       *bufio.Reader
	count   int
	pending []byte // handshake octets not yet made into a message
}

func newRecordReader(r io.Reader) *recordReader { return &recordReader{r: bufio.NewReader(r)} }

// next is one record of any type.
func (rr *recordReader) next() (kind byte, payload []byte, err error) {
	if rr.count++; rr.count > maxRecords {
		return 0, nil, errTooMuch
	}
	var head [5]byte
	if _, err := io.ReadFull(rr.r, head[:]); err != nil {
		return 0, nil, closedOr(err)
	}
	length := int(binary.BigEndian.Uint16(head[3:]))
	if head[0] < recordChangeCipher || head[0] > recordData || head[1] != 3 || length > maxRecord {
		return 0, nil, errNotTLS
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(rr.r, payload); err != nil {
		return 0, nil, closedOr(err)
	}
	return head[0], payload, nil
}

// closedOr keeps time-outs apart from a server that hung up.
func closedOr(err error) error {
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return errTooEarly
		}
	}
	return err
}

// message is the next handshake message: its type and its body.
func (rr *recordReader) message() (kind byte, body []byte, err error) {
	for {
		if len(rr.pending) >= 4 {
			length := int(rr.pending[1])<<16 | int(rr.pending[2])<<8 | int(rr.pending[3])
			if length > maxMessage {
				return 0, nil, errTooMuch
			}
			if len(rr.pending) >= 4+length {
				kind, body = rr.pending[0], rr.pending[4:4+length]
				rr.pending = rr.pending[4+length:]
				return kind, body, nil
			}
		}
		if err := rr.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// fill adds one record of handshake octets to what is pending.
func (rr *recordReader) fill() error {
	kind, payload, err := rr.next()
	if err != nil {
		return err
	}
	switch kind {
	case recordHandshake:
		rr.pending = append(rr.pending, payload...)
	case recordAlert:
		return readAlert(payload)
	case recordData:
		return errGarbled
	}
	return nil
}

// readAlert is nil for the one warning that says nothing about the hello: the
// server goes on without the name (RFC 6066 section 3).
func readAlert(payload []byte) error {
	const warning, unrecognizedName = 1, 112
	if len(payload) != 2 {
		return errGarbled
	}
	if payload[0] == warning && payload[1] == unrecognizedName {
		return nil
	}
	return alert(payload[1])
}
