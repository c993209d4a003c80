package tlsprobe

import (
	"crypto/rand"

	"golang.org/x/crypto/cryptobyte"
)

// Protocol versions as they stand on the wire.
const (
	ssl2  uint16 = 0x0002
	ssl3  uint16 = 0x0300
	tls10 uint16 = 0x0301
	tls11 uint16 = 0x0302
	tls12 uint16 = 0x0303
	tls13 uint16 = 0x0304
)

// Extensions that a hello carries (IANA TLS ExtensionType Values).
const (
	extServerName          uint16 = 0
	extSupportedGroups     uint16 = 10
	extPointFormats        uint16 = 11
	extSignatureAlgs       uint16 = 13
	extMasterSecret        uint16 = 23
	extSessionTicket       uint16 = 35
	extEarlyData           uint16 = 42
	extSupportedVersions   uint16 = 43
	extPSKModes            uint16 = 45
	extKeyShare            uint16 = 51
	extRenegotiationInfo   uint16 = 0xff01
	emptyRenegotiationSCSV uint16 = 0x00ff // RFC 5746 section 3.3, for hellos without extensions
)

// Signature schemes (RFC 8446 section 4.2.3) and the pairs of TLS 1.2.
var (
	allSignatures = []uint16{
		0x0403, 0x0503, 0x0603, // ECDSA with SHA-256, 384, 512
		0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, // RSA-PSS
		0x0807, 0x0808, // Ed25519, Ed448
		0x081a, 0x081b, 0x081c, // ECDSA on brainpool curves, TLS 1.3
		0x0401, 0x0501, 0x0601, // RSA PKCS #1
		0x0402, 0x0502, 0x0602, // DSA
		0x0303, 0x0301, 0x0302, // SHA-224
		0x0203, 0x0201, 0x0202, // SHA-1
	}
	weakSignatures = []uint16{0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202}
)

// hello is one ClientHello. Empty lists leave their extension out, but for the key
// shares: TLS 1.3 is always offered without one, so that the server names its group
// in a HelloRetryRequest and no key has to be made (RFC 8446 section 4.2.8).
type hello struct {
	version     uint16   // the highest, and for TLS 1.3 the only one
	suites      []uint16 // best first
	groups      []uint16
	signatures  []uint16
	compression bool // DEFLATE is offered before null (RFC 3749)
	serverName  string
	renegotiate []byte // verify_data of the handshake before; nil in a first hello
}

// marshal is the hello as a handshake message.
func (h hello) marshal() []byte {
	var b cryptobyte.Builder
	b.AddUint8(typeClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(min(h.version, tls12))
		b.AddBytes(random(32))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			if h.version == tls13 {
				b.AddBytes(random(32)) // middlebox compatibility, RFC 8446 appendix D.4
			}
		})
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			addUint16s(b, h.suites)
			if h.version == ssl3 {
				b.AddUint16(emptyRenegotiationSCSV)
			}
		})
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			if h.compression {
				b.AddUint8(1)
			}
			b.AddUint8(0)
		})
		if h.version > ssl3 {
			b.AddUint16LengthPrefixed(h.addExtensions)
		}
	})
	return b.BytesOrPanic()
}

// record is the hello in a record, as the first octets of a connection.
func (h hello) record() []byte {
	return plainRecord(recordHandshake, min(h.version, tls10), h.marshal())
}

func (h hello) addExtensions(b *cryptobyte.Builder) {
	if h.serverName != "" {
		addExtension(b, extServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // host_name
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(h.serverName)) })
			})
		})
	}
	addExtension(b, extRenegotiationInfo, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.renegotiate) })
	})
	addExtension(b, extMasterSecret, nil)
	addExtension(b, extSessionTicket, nil)
	if len(h.groups) > 0 {
		addExtension(b, extSupportedGroups, func(b *cryptobyte.Builder) { addList(b, h.groups) })
		addExtension(b, extPointFormats, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
	}
	if len(h.signatures) > 0 && h.version >= tls12 {
		addExtension(b, extSignatureAlgs, func(b *cryptobyte.Builder) { addList(b, h.signatures) })
	}
	if h.version == tls13 {
		h.addExtensions13(b)
	}
}

func (h hello) addExtensions13(b *cryptobyte.Builder) {
	addExtension(b, extSupportedVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(tls13) // alone: the older ones are asked in hellos of their own
		})
	})
	addExtension(b, extPSKModes, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 1}) })
	addExtension(b, extKeyShare, func(b *cryptobyte.Builder) { addList(b, nil) })
}

func addExtension(b *cryptobyte.Builder, id uint16, body cryptobyte.BuilderContinuation) {
	b.AddUint16(id)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if body != nil {
			body(b)
		}
	})
}

func addList(b *cryptobyte.Builder, list []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, list) })
}

func addUint16s(b *cryptobyte.Builder, list []uint16) {
	for _, v := range list {
		b.AddUint16(v)
	}
}

func random(n int) []byte {
	octets := make([]byte, n)
	rand.Read(octets)
	return octets
}

// ssl2Hello is a CLIENT-HELLO of SSL 2.0 alone, with all of its ciphers. It has a
// record form of its own.
func ssl2Hello() []byte {
	ciphers := []byte{
		0x07, 0x00, 0xc0, // 3DES
		0x01, 0x00, 0x80, // RC4
		0x03, 0x00, 0x80, // RC2
		0x05, 0x00, 0x80, // IDEA
		0x06, 0x00, 0x40, // DES
		0x02, 0x00, 0x80, // RC4 export
		0x04, 0x00, 0x80, // RC2 export
	}
	var b cryptobyte.Builder
	b.AddUint16(0x8000 | uint16(9+len(ciphers)+16))
	b.AddUint8(1) // CLIENT-HELLO
	b.AddUint16(ssl2)
	b.AddUint16(uint16(len(ciphers)))
	b.AddUint16(0) // no session
	b.AddUint16(16)
	b.AddBytes(ciphers)
	b.AddBytes(random(16))
	return b.BytesOrPanic()
}
