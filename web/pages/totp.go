package pages

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What every authenticator app understands: SHA-1, six digits, half a minute.
const (
	codeDigits = 6
	codeStep   = 30 * time.Second
	codeSecret = 20 // octets, as RFC 4226 section 4 recommends
)

// newCodeSecret is a secret to share with an app.
func newCodeSecret() []byte {
	secret := make([]byte, codeSecret)
	rand.Read(secret)
	return secret
}

// codeAt is the code of a time step (RFC 6238 section 4.2, RFC 4226 section 5.3).
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%0*d", codeDigits, binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// stepOf finds the step whose code this is: that of now, or one beside it, for clocks
// differ (RFC 6238 section 5.2). All are compared, in a time that tells nothing. Zero:
// none.
func stepOf(secret []byte, code string, now time.Time) (step int64) {
	code = strings.ReplaceAll(code, " ", "")
	at := now.Unix() / int64(codeStep/time.Second)
	for _, s := range []int64{at - 1, at, at + 1} {
		if subtle.ConstantTimeCompare([]byte(codeAt(secret, s)), []byte(code)) == 1 {
			step = s
		}
	}
	return step
}

// codeText is the secret as people type it.
func codeText(secret []byte) string { return base32.StdEncoding.EncodeToString(secret) }

// codeURL is what the picture for the app says.
func codeURL(secret []byte, issuer, who string) string {
	q := url.Values{"secret": {codeText(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+who) + "?" + q.Encode()
}
