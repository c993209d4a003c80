package suppression

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
)

// ErrLink is a token that was not made here, or was changed on its way.
var ErrLink = errors.New("not a token of ours")

const (
	macSize = 16  // octets of the MAC, which is the IV too; nobody tries 2^128
	maxLink = 800 // octets of a token: the longest stream and address with room
)

// coding is that of RFC 4648 section 5, and one token has one form only.
var coding = base64.RawURLEncoding.Strict()

// Link seals a stream and an address for a URL: the same ones give the same token, which
// holds as long as the secret. Only who has the secret can make or read one.
func Link(secret []byte, stream string, address mail.Address) string {
	text := []byte(stream + "\x00" + address.String())
	mac := macOf(secret, text)
	return coding.EncodeToString(append(mac, mask(secret, mac, text)...))
}

// Read gives back what was sealed. The error is ErrLink.
func Read(secret []byte, token string) (stream string, address mail.Address, err error) {
	if len(token) > maxLink {
		return "", mail.Address{}, ErrLink
	}
	sealed, err := coding.DecodeString(token)
	if err != nil || len(sealed) < macSize || strings.ContainsAny(token, "\r\n") {
		return "", mail.Address{}, ErrLink
	}
	mac := sealed[:macSize]
	text := mask(secret, mac, sealed[macSize:])
	if !hmac.Equal(mac, macOf(secret, text)) {
		return "", mail.Address{}, ErrLink
	}
	stream, rest, _ := strings.Cut(string(text), "\x00")
	address, err = mail.ParseAddress(rest)
	if err != nil || !IsStream(stream) {
		return "", mail.Address{}, ErrLink
	}
	return stream, address, nil
}

// macOf is HMAC-SHA256 of the text, cut.
func macOf(secret, text []byte) []byte {
	h := hmac.New(sha256.New, keyFor(secret, "authenticate"))
	h.Write(text)
	return h.Sum(nil)[:macSize]
}

// mask hides the text, and shows it again. The IV is the MAC, as in SIV (RFC 5297 section
// 1.3): it differs with every text, and needs no randomness that could fail.
func mask(secret, iv, text []byte) []byte {
	block, err := aes.NewCipher(keyFor(secret, "hide"))
	if err != nil {
		panic(fmt.Sprintf("suppression: %v", err)) // only for keys of another size
	}
	out := make([]byte, len(text))
	cipher.NewCTR(block, iv).XORKeyStream(out, text)
	return out
}

// keyFor keeps the two uses of the secret apart.
func keyFor(secret []byte, use string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "unsubscribe link: "+use, sha256.Size)
	if err != nil {
		panic(fmt.Sprintf("suppression: %v", err)) // only for more octets than HKDF gives
	}
	return key
}
