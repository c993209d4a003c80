package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// zone is a resolver that knows TXT records by name; "!temporary" and "!bogus"
// are errors, a missing name does not exist.
type zone map[string][]string

func (z zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	texts := z[name.Text()]
	fail := func(kind error) (*world.Answer, error) {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: kind}
	}
	if len(texts) == 0 {
		return fail(world.ErrNoName)
	}
	switch texts[0] {
	case "!temporary":
		return fail(world.ErrTemporary)
	case "!bogus":
		return fail(world.ErrBogus)
	}
	a := &world.Answer{Name: name, Type: qtype, Security: world.Secure}
	for _, t := range texts {
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: name.String(), Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
		for t != "" {
			n := min(len(t), 255)
			rr.Txt = append(rr.Txt, t[:n])
			t = t[n:]
		}
		a.Records = append(a.Records, rr)
	}
	return a, nil
}

// Keys of the RFCs: RFC 6376 appendix C, RFC 8463 appendix A.
const (
	rfc6376Key = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ" +
		"KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" +
		"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v" +
		"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi" +
		"tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
	rfc8463RSA = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
		"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3" +
		"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
	rfc8463Key  = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rfc8463Seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
)

var rfcZone = zone{
	"brisbane._domainkey.example.com":          {rfc6376Key},
	"test._domainkey.football.example.com":     {rfc8463RSA},
	"brisbane._domainkey.football.example.com": {rfc8463Key},
}

var now = time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC)

// testKeys are made once: RSA keys are slow to find.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, short *rsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.short, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.ed = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	return k
})

func record(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	r, err := KeyRecord(public)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func bareRecord(key *rsa.PrivateKey) string {
	return "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
}

// read splits a message into header and body.
func read(t testing.TB, text string) *message.Message {
	t.Helper()
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// crlfFile reads a testdata file as it would travel.
func crlfFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\n", "\r\n")
}

func verify(t testing.TB, z zone, text string) []Verification {
	t.Helper()
	m := read(t, text)
	return Verify(t.Context(), z, m.Header, m.Body, now)
}

var example = mail.MustParseDomain("example.com")

const plainMessage = "From: Jane <jane@example.com>\r\n" +
	"To: joe@example.org\r\n" +
	"Subject:  hello   world \r\n" +
	"Date: Sat, 21 Nov 2026 16:05:00 +0000\r\n" +
	"Message-ID: <1@example.com>\r\n" +
	"List-Unsubscribe: <https://example.com/u>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" +
	"\r\n" +
	"Hello  Joe, \r\n\r\nthis is it.\t\r\n\r\n\r\n"
