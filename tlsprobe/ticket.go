package tlsprobe

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/cryptobyte"
)

// ticket is what a NewSessionTicket of TLS 1.3 tells that matters here.
type ticket struct {
	lifetime     uint32 // seconds
	maxEarlyData uint32 // octets; zero: no early data
}

var errNoKey = errors.New("the key of the server's records is not known")

// ticketsIn finds the tickets in all that a server sent, as it stood on the wire. The
// key comes from the log that crypto/tls writes: this is our own connection.
func ticketsIn(octets []byte, suite uint16, keylog string) ([]ticket, error) {
	secret, err := loggedSecret(keylog, "SERVER_TRAFFIC_SECRET_0")
	if err != nil {
		return nil, err
	}
	k, err := newKey13(suite, secret)
	if err != nil {
		return nil, err
	}
	var messages []byte
	rr := newRecordReader(bytes.NewReader(octets))
	for {
		kind, payload, err := rr.next()
		if err != nil {
			break // the end of what came
		}
		// The records of the handshake itself were under another key and do not open.
		if inner, ok := k.open(payload); kind == recordData && ok {
			messages = append(messages, inner...)
		}
	}
	return parseTickets(messages)
}

// loggedSecret finds a secret in NSS key log format.
func loggedSecret(keylog, label string) ([]byte, error) {
	for line := range strings.Lines(keylog) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == label {
			return hex.DecodeString(f[2])
		}
	}
	return nil, errNoKey
}

// key13 opens the records of one direction (RFC 8446 sections 5.2, 5.3 and 7.3).
type key13 struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

func newKey13(suite uint16, secret []byte) (*key13, error) {
	hash, length := crypto.SHA256, 16
	switch suite {
	case tls.TLS_AES_256_GCM_SHA384:
		hash, length = crypto.SHA384, 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		length = chacha20poly1305.KeySize
	case tls.TLS_AES_128_GCM_SHA256:
	default:
		return nil, errNoKey
	}
	key, err := expandLabel(hash, secret, "key", length)
	if err != nil {
		return nil, err
	}
	iv, err := expandLabel(hash, secret, "iv", 12)
	if err != nil {
		return nil, err
	}
	if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		aead, err := chacha20poly1305.New(key)
		return &key13{aead: aead, iv: iv}, err
	}
	aead, err := newGCM(key)
	return &key13{aead: aead, iv: iv}, err
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// expandLabel is HKDF-Expand-Label without context.
func expandLabel(hash crypto.Hash, secret []byte, label string, length int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(length))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8(0)
	return hkdf.Expand(hash.New, secret, string(b.BytesOrPanic()), length)
}

// open decrypts a record and gives its handshake octets; none for other types.
func (k *key13) open(payload []byte) ([]byte, bool) {
	nonce := bytes.Clone(k.iv)
	for i := range 8 {
		nonce[11-i] ^= byte(k.seq >> (8 * i))
	}
	head := []byte{recordData, 3, 3, byte(len(payload) >> 8), byte(len(payload))}
	inner, err := k.aead.Open(nil, nonce, payload, head)
	if err != nil {
		return nil, false
	}
	k.seq++
	inner = bytes.TrimRight(inner, "\x00")
	if len(inner) == 0 || inner[len(inner)-1] != recordHandshake {
		return nil, true
	}
	return inner[:len(inner)-1], true
}

// parseTickets reads the NewSessionTicket messages among others (RFC 8446 section
// 4.6.1). A message that is not whole ends the list: the connection ended there.
func parseTickets(messages []byte) ([]ticket, error) {
	var tickets []ticket
	s := cryptobyte.String(messages)
	for {
		var kind uint8
		var body cryptobyte.String
		if !s.ReadUint8(&kind) || !s.ReadUint24LengthPrefixed(&body) {
			return tickets, nil
		}
		if kind != typeNewSessionTicket {
			continue
		}
		t, ok := parseTicket(body)
		if !ok {
			return nil, fmt.Errorf("%w: its NewSessionTicket", errGarbled)
		}
		tickets = append(tickets, t)
	}
}

func parseTicket(s cryptobyte.String) (t ticket, ok bool) {
	var ageAdd uint32
	var nonce, label, extensions cryptobyte.String
	if !s.ReadUint32(&t.lifetime) || !s.ReadUint32(&ageAdd) || !s.ReadUint8LengthPrefixed(&nonce) ||
		!s.ReadUint16LengthPrefixed(&label) || !s.ReadUint16LengthPrefixed(&extensions) {
		return t, false
	}
	for !extensions.Empty() {
		var id uint16
		var value cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&value) {
			return t, false
		}
		if id == extEarlyData && !value.ReadUint32(&t.maxEarlyData) {
			return t, false
		}
	}
	return t, true
}
