package tlsprobe

import (
	"bytes"
	"context"
	"crypto"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"os"
)

// askRenegotiation shakes hands in TLS 1.2 and then, over the keys of that
// handshake, asks for another one, which crypto/tls as a client never does. A server
// that begins it is open to exhaustion (CVE-2011-1473).
func (s *scanner) askRenegotiation(ctx context.Context) {
	switch {
	case s.result.acceptsOldTLS() != Yes:
		s.result.ClientRenegotiation = notBefore13(s.result)
		return
	case s.result.Version(tls12).Is != Yes:
		s.result.ClientRenegotiation = Answer{Unknown, "it is asked in TLS 1.2 only"}
		return
	}
	var answer Answer
	err := s.connect(ctx, func(conn net.Conn) (err error) {
		answer, err = s.renegotiate(ctx, conn)
		return err
	})
	if err != nil {
		answer = Answer{Unknown, err.Error()}
	}
	s.result.ClientRenegotiation = answer
}

// gcmSuites are those whose records are written here.
var gcmSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
}

func (s *scanner) renegotiate(ctx context.Context, conn net.Conn) (Answer, error) {
	var log bytes.Buffer
	heard := &tap{Conn: conn}
	channel := tls.Client(heard, &tls.Config{
		ServerName: s.options.ServerName.String(), CipherSuites: gcmSuites,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // nothing is said over this channel
		KeyLogWriter:       &log,
	})
	if err := channel.HandshakeContext(ctx); err != nil {
		return Answer{}, err
	}
	master, err := loggedSecret(log.String(), "CLIENT_RANDOM")
	if err != nil {
		return Answer{}, err
	}
	key, verifyData, err := clientKey12(channel.ConnectionState().CipherSuite, master, heard.octets(), heard.sent)
	if err != nil {
		return Answer{}, err
	}
	h := helloFor(tls12)
	h.compression, h.suites = false, gcmSuites
	h.serverName, h.renegotiate = s.options.ServerName.String(), verifyData
	if _, err := conn.Write(key.seal(recordHandshake, h.marshal())); err != nil {
		return Answer{}, closedOr(err)
	}
	return readRenegotiation(conn)
}

// readRenegotiation goes by the type of the next record, which TLS 1.2 leaves
// readable.
func readRenegotiation(conn net.Conn) (Answer, error) {
	kind, _, err := newRecordReader(conn).next()
	switch {
	case errors.Is(err, errTooEarly):
		return Answer{No, "the server hung up"}, nil
	case errors.Is(err, errNotTLS): // Exim goes on in clear, to say that the channel is lost
		return Answer{No, "the server gave TLS up"}, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Answer{Unknown, "no reaction"}, nil
	case err != nil:
		return Answer{}, err
	case kind == recordHandshake:
		return Answer{Yes, "the server began another handshake"}, nil
	case kind == recordAlert:
		return Answer{No, "alert"}, nil
	}
	return Answer{Unknown, "the server sent data"}, nil
}

// key12 writes the AES-GCM records of our direction (RFC 5288 section 3).
type key12 struct {
	aead cipher.AEAD
	salt []byte
	seq  uint64
}

// clientKey12 derives our key from what went over the wire, and our verify_data out
// of the Finished that crypto/tls sent.
func clientKey12(suite uint16, master, in, sent []byte) (*key12, []byte, error) {
	server, err := firstRandom(in)
	if err != nil {
		return nil, nil, err
	}
	client, err := firstRandom(sent)
	if err != nil {
		return nil, nil, err
	}
	hash, length := crypto.SHA256, 16
	switch suite {
	case tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
		hash, length = crypto.SHA384, 32
	}
	// RFC 5246 section 6.3: both keys, then both salts; an AEAD has no MAC keys.
	block := prf12(hash, master, "key expansion", append(server, client...), 2*length+8)
	aead, err := newGCM(block[:length])
	if err != nil {
		return nil, nil, err
	}
	key := &key12{aead: aead, salt: block[2*length : 2*length+4]}
	verifyData, err := key.openFinished(sent)
	return key, verifyData, err
}

// firstRandom is the random of the hello that begins a direction.
func firstRandom(octets []byte) ([]byte, error) {
	_, body, err := newRecordReader(bytes.NewReader(octets)).message()
	if err != nil || len(body) < 34 {
		return nil, errGarbled
	}
	return bytes.Clone(body[2:34]), nil
}

// openFinished decrypts the record behind our ChangeCipherSpec, the first under the
// key.
func (k *key12) openFinished(sent []byte) ([]byte, error) {
	rr := newRecordReader(bytes.NewReader(sent))
	for changed := false; ; {
		kind, payload, err := rr.next()
		if err != nil || changed && len(payload) < 8 {
			return nil, errGarbled
		}
		if changed {
			nonce := append(bytes.Clone(k.salt), payload[:8]...)
			plain, err := k.aead.Open(nil, nonce, payload[8:], k.additional(kind, len(payload)-8-k.aead.Overhead()))
			if err != nil || len(plain) != 16 || plain[0] != typeFinished {
				return nil, errGarbled
			}
			k.seq++
			return plain[4:], nil
		}
		changed = kind == recordChangeCipher
	}
}

func (k *key12) additional(kind byte, length int) []byte {
	head := binary.BigEndian.AppendUint64(nil, k.seq)
	return append(head, kind, 3, 3, byte(length>>8), byte(length))
}

func (k *key12) seal(kind byte, plain []byte) []byte {
	explicit := binary.BigEndian.AppendUint64(nil, k.seq)
	nonce := append(bytes.Clone(k.salt), explicit...)
	sealed := k.aead.Seal(explicit, nonce, plain, k.additional(kind, len(plain)))
	k.seq++
	return plainRecord(kind, tls12, sealed)
}

// prf12 is the pseudorandom function of RFC 5246 section 5.
func prf12(hash crypto.Hash, secret []byte, label string, seed []byte, length int) []byte {
	seed = append([]byte(label), seed...)
	mac := func(data ...[]byte) []byte {
		h := hmac.New(hash.New, secret)
		for _, d := range data {
			h.Write(d)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := mac(seed); len(out) < length; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:length]
}
