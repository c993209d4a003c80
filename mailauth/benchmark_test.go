//go:build unix

package mailauth_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/message"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rsaCPU is what one RSA verification costs, which no code of ours makes faster.
func rsaCPU(b *testing.B) time.Duration {
	const times = 2000
	digest := make([]byte, 32)
	signature, err := signingKey().Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	public := signingKey().Public().(*rsa.PublicKey)
	before := cpu(b)
	for range times {
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature); err != nil {
			b.Fatal(err)
		}
	}
	return (cpu(b) - before) / times
}

// BenchmarkVerify authenticates a message of 4 KB with every answer at hand: SPF for
// both identities, iprev, one DKIM signature, DMARC, and the field. It reports the
// processor time of all cores and what is left of it beside the RSA verification.
func BenchmarkVerify(b *testing.B) {
	text := message4K(b, "a@example.net")
	z := newZone(b, sender(b))
	w := worldOf(z)
	one := rsaCPU(b)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		z.asked = z.asked[:0]
		m, err := message.Read(strings.NewReader(text), message.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		r, err := mailauth.Verify(b.Context(), w, envelope(), m)
		if err != nil || r.DMARC.Result != "pass" {
			b.Fatal(err, r.DMARC.Reasons)
		}
		_ = r.Field().String()
	}
	each := (cpu(b) - before) / time.Duration(b.N)
	b.ReportMetric(float64(each.Nanoseconds())/1e3, "cpu-us/op")
	b.ReportMetric(float64((each-one).Nanoseconds())/1e3, "us-beside-RSA/op")
}
