package pages_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// codeNow is what an authenticator app shows, written a second time from RFC 6238.
func codeNow(t *testing.T, secret string, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	counter := make([]byte, 8)
	binary.BigEndian.PutUint64(counter, uint64(now.Unix())/30)
	mac := hmac.New(sha1.New, key)
	mac.Write(counter)
	h := mac.Sum(nil)
	o := h[19] & 0xf
	return fmt.Sprintf("%06d", (uint32(h[o]&0x7f)<<24|uint32(h[o+1])<<16|uint32(h[o+2])<<8|uint32(h[o+3]))%1000000)
}
