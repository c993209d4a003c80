package tlsprobe

import (
	"bytes"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
)

// reply is what a server answered to one hello, as far as it goes without keys.
type reply struct {
	version     uint16
	suite       uint16
	compression byte
	random      []byte
	extensions  map[uint16][]byte
	group       uint16   // of HelloRetryRequest, key share or ServerKeyExchange; zero: none
	dhBits      int      // size of the prime where the group was given in full
	signature   uint16   // scheme of the ServerKeyExchange; zero: none, or before TLS 1.2
	chain       [][]byte // DER, as presented; nil in TLS 1.3
}

// retryRandom marks a ServerHello as a HelloRetryRequest (RFC 8446 section 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// readReply reads the server's first flight: up to its ServerHelloDone, or in TLS
// 1.3 up to its ServerHello, because the rest is encrypted.
func readReply(rr *recordReader) (*reply, error) {
	kind, body, err := rr.message()
	if err != nil {
		return nil, err
	}
	if kind != typeServerHello {
		return nil, errGarbled
	}
	r, err := parseServerHello(body)
	if err != nil || r.version == tls13 {
		return r, err
	}
	for {
		kind, body, err := rr.message()
		if err != nil {
			return nil, err
		}
		switch kind {
		case typeServerHelloDone:
			return r, nil
		case typeCertificate:
			r.chain, err = parseCertificates(body)
		case typeServerKeyExchange:
			err = r.parseKeyExchange(body)
		}
		if err != nil {
			return nil, err
		}
	}
}

// parseServerHello reads ServerHello and HelloRetryRequest.
func parseServerHello(body []byte) (*reply, error) {
	r := &reply{extensions: make(map[uint16][]byte)}
	s := cryptobyte.String(body)
	var session, extensions cryptobyte.String
	if !s.ReadUint16(&r.version) || !s.ReadBytes(&r.random, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16(&r.suite) || !s.ReadUint8(&r.compression) {
		return nil, errGarbled
	}
	if !s.Empty() && (!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty()) {
		return nil, errGarbled
	}
	for !extensions.Empty() {
		var id uint16
		var value cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&value) {
			return nil, errGarbled
		}
		r.extensions[id] = value
	}
	return r, r.readExtensions13()
}

// readExtensions13 takes the true version and the group out of their extensions.
func (r *reply) readExtensions13() error {
	if v, ok := r.extensions[extSupportedVersions]; ok {
		s := cryptobyte.String(v)
		if !s.ReadUint16(&r.version) || !s.Empty() || r.version < tls13 {
			return errGarbled // RFC 8446 section 4.2.1: never for an older version
		}
	}
	if r.version < ssl3 || r.version > tls13 {
		return errGarbled
	}
	share, ok := r.extensions[extKeyShare]
	if r.version != tls13 || !ok {
		return nil
	}
	s := cryptobyte.String(share)
	var key cryptobyte.String
	if !s.ReadUint16(&r.group) {
		return errGarbled
	}
	if !bytes.Equal(r.random, retryRandom[:]) && !s.ReadUint16LengthPrefixed(&key) || !s.Empty() {
		return errGarbled
	}
	return nil
}

// parseCertificates reads the Certificate message of TLS 1.2 and older (RFC 5246
// section 7.4.2).
func parseCertificates(body []byte) ([][]byte, error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, errGarbled
	}
	var chain [][]byte
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) {
			return nil, errGarbled
		}
		chain = append(chain, der)
	}
	return chain, nil
}

// parseKeyExchange reads group and signature scheme of a ServerKeyExchange, by the
// key exchange that the suite implies.
func (r *reply) parseKeyExchange(body []byte) error {
	s := cryptobyte.String(body)
	ok := false
	switch keyExchangeOf(find(suites(), r.suite)) {
	case ecdhe:
		ok = r.readCurve(&s)
	case dhe:
		ok = r.readPrime(&s)
	default:
		return nil // RSA export and unknown suites: nothing here that is asked for
	}
	if !ok {
		return errGarbled
	}
	if r.version == tls12 && !s.Empty() && !s.ReadUint16(&r.signature) {
		return errGarbled
	}
	return nil
}

func (r *reply) readCurve(s *cryptobyte.String) bool {
	const namedCurve = 3
	var kind uint8
	var point cryptobyte.String
	return s.ReadUint8(&kind) && kind == namedCurve && s.ReadUint16(&r.group) && s.ReadUint8LengthPrefixed(&point)
}

func (r *reply) readPrime(s *cryptobyte.String) bool {
	var p, g, y cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&p) || !s.ReadUint16LengthPrefixed(&g) || !s.ReadUint16LengthPrefixed(&y) {
		return false
	}
	r.dhBits = 8 * len(bytes.TrimLeft(p, "\x00"))
	return true
}
