package arc

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

var now = time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC)

type zone map[string]string

func (z zone) Lookup(_ context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	text, ok := z[name.Text()]
	if !ok {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrNoName}
	}
	if text == "!temporary" {
		return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary}
	}
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: name.String(), Rrtype: dns.TypeTXT}, Txt: []string{text}}
	return &world.Answer{Name: name, Type: qtype, Records: []dns.RR{rr}}, nil
}

var edKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))

func edZone(t testing.TB) zone {
	t.Helper()
	record, err := dkim.KeyRecord(edKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	return zone{"s._domainkey.list.example": record}
}

const plain = "From: Jane <jane@example.com>\r\nSubject: hello\r\n\r\nHello Joe\r\n"

// edits change the tag lists of a set before it is signed.
type edits struct {
	results, message, seal func(string) string
}

func apply(f func(string) string, s string) string {
	if f == nil {
		return s
	}
	return f(s)
}

// seal adds a set as a handler would, by the letter of RFC 8617 section 5.1, with
// the canonical forms of package dkim and nothing of package arc.
func seal(t testing.TB, text string, instance int, e edits) string {
	t.Helper()
	cv := "pass"
	if instance == 1 {
		cv = "none"
	}
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(m.Body)
	bodyHash := sha256.Sum256([]byte(strings.TrimRight(string(body), "\r\n") + "\r\n")) // relaxed, as no test body has odd spaces
	results := message.NewField("ARC-Authentication-Results", apply(e.results, fmt.Sprintf("i=%d; list.example; spf=pass", instance)))
	ams := fmt.Sprintf("i=%d; a=ed25519-sha256; c=relaxed/relaxed; d=list.example; s=s; h=from:subject; bh=%s; b=", instance, base64.StdEncoding.EncodeToString(bodyHash[:]))
	ams = apply(e.message, ams)
	var signed []byte
	dkim.SelectFields(m.Header, []string{"from", "subject"}, func(f message.Field) { signed = dkim.Relaxed.AppendField(signed, f) })
	ams += sign(dkim.Relaxed.AppendUnsigned(signed, message.NewField("ARC-Message-Signature", ams)))
	signature := message.NewField("ARC-Message-Signature", ams)

	as := apply(e.seal, fmt.Sprintf("i=%d; a=ed25519-sha256; cv=%s; d=list.example; s=s; t=%d; b=", instance, cv, now.Unix()))
	signed = nil
	for i := 1; i < instance; i++ {
		for _, name := range []string{"ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"} {
			for f := range m.Header.All(name) {
				if strings.Contains(f.Value(), fmt.Sprintf("i=%d;", i)) {
					signed = dkim.Relaxed.AppendField(signed, f)
				}
			}
		}
	}
	signed = dkim.Relaxed.AppendField(signed, results)
	signed = dkim.Relaxed.AppendField(signed, signature)
	as += sign(dkim.Relaxed.AppendUnsigned(signed, message.NewField("ARC-Seal", as)))
	return message.NewField("ARC-Seal", as).Raw() + signature.Raw() + results.Raw() + text
}

func sign(signed []byte) string {
	digest := sha256.Sum256(signed)
	return base64.StdEncoding.EncodeToString(ed25519.Sign(edKey, digest[:]))
}

func chain(t testing.TB, n int) string {
	text := plain
	for i := range n {
		text = seal(t, text, i+1, edits{})
	}
	return text
}

func judge(t testing.TB, z zone, text string) Chain {
	t.Helper()
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return Verify(t.Context(), z, m.Header, m.Body, now)
}

func swap(old, by string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, by, 1) }
}

func TestVerifyTable(t *testing.T) {
	good := edZone(t)
	two := chain(t, 2)
	tests := []struct {
		name   string
		text   string
		zone   zone
		result Result
		reason string
		sets   int
	}{
		{"none", plain, good, None, "no ARC set", 0},
		{"one", chain(t, 1), good, Pass, "", 1},
		{"two", two, good, Pass, "", 2},
		{"fifty", chain(t, 50), good, Pass, "", 50},
		{"as a file", strings.ReplaceAll(two, "\r\n", "\n"), good, Pass, "", 2},
		{"changed between", seal(t, swap("hello", "[list] hello")(chain(t, 1)), 2, edits{}), good, Pass, "", 2},
		{"field added above", "Received: x\r\n" + two, good, Pass, "", 2},

		{"body changed", two + "buy!\r\n", good, Fail, "message signature 2: the body was changed", 2},
		{"header changed", swap("hello", "hullo")(two), good, Fail, "message signature 2: the signature does not match", 2},
		{"results changed", swap("i=2; list.example; spf=pass", "i=2; list.example; spf=fail")(two), good, Fail, "seal 2: the signature does not match", 2},
		{"old results changed", swap("i=1; list.example; spf=pass", "i=1; list.example; spf=fail")(two), good, Fail, "seal 2: the signature does not match", 2},
		{"old set forged", seal(t, swap("i=1; list.example; spf=pass", "i=1; list.example; spf=fail")(chain(t, 1)), 2, edits{}), good, Fail, "seal 1: the signature does not match", 2},
		{"fifty-one", chain(t, 51), good, Fail, "instance \"51\"", 0},
		{"instance 0", swap("i=1;", "i=0;")(chain(t, 1)), good, Fail, "instance \"0\"", 0},
		{"no instance", swap("ARC-Seal: i=1;", "ARC-Seal:")(chain(t, 1)), good, Fail, "ARC-Seal has no instance", 0},
		{"gap", seal(t, plain, 2, edits{}), good, Fail, "set 1: ARC-Authentication-Results is missing", 2},
		{"seal missing", drop(two, "ARC-Seal"), good, Fail, "set 2: ARC-Seal is missing", 2},
		{"signature missing", drop(two, "ARC-Message-Signature"), good, Fail, "set 2: ARC-Message-Signature is missing", 2},
		{"results missing", drop(two, "ARC-Authentication-Results"), good, Fail, "set 2: ARC-Authentication-Results is missing", 2},
		{"two seals", "ARC-Seal: i=1; a=x\r\n" + two, good, Fail, "set 1 has two ARC-Seal fields", 2},
		{"first says pass", seal(t, plain, 1, edits{seal: swap("cv=none", "cv=pass")}), good, Fail, "begins with none", 1},
		{"second says none", seal(t, chain(t, 1), 2, edits{seal: swap("cv=pass", "cv=none")}), good, Fail, "goes on with pass", 2},
		{"ended by its handler", seal(t, chain(t, 1), 2, edits{seal: swap("cv=pass", "cv=fail")}), good, Fail, "found the chain broken", 2},
		{"no cv", seal(t, plain, 1, edits{seal: swap("cv=none; ", "")}), good, Fail, "cv= is \"\"", 1},
		{"h= in the seal", seal(t, plain, 1, edits{seal: swap("b=", "h=from; b=")}), good, Fail, "h= must not be there", 1},
		{"seal in h=", seal(t, plain, 1, edits{message: swap("from:subject", "from:arc-seal")}), good, Fail, "h= names ARC-Seal", 1},
		{"From not signed", seal(t, plain, 1, edits{message: swap("from:subject", "subject")}), good, Fail, "From is not signed", 1},
		{"seal by rsa-sha1", seal(t, plain, 1, edits{seal: swap("ed25519-sha256", "rsa-sha1")}), good, Fail, "rsa-sha1", 1},
		{"no key", two, zone{}, Fail, "there is no key", 2},
		{"no answer", two, zone{"s._domainkey.list.example": "!temporary"}, Fail, "could not be fetched", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := judge(t, tt.zone, tt.text)
			if c.Result != tt.result || !strings.Contains(c.Reason, tt.reason) || tt.reason == "" && c.Reason != "" {
				t.Errorf("%s: %q, want %s: %q", c.Result, c.Reason, tt.result, tt.reason)
			}
			if len(c.Sets) != tt.sets {
				t.Errorf("%d sets, want %d", len(c.Sets), tt.sets)
			}
			if c.Temporary != (tt.name == "no answer") {
				t.Errorf("temporary: %v", c.Temporary)
			}
		})
	}
}

// drop takes the first field of a name out.
func drop(text, name string) string {
	i := strings.Index(text, name+":")
	n := strings.Index(text[i:], "\r\n")
	return text[:i] + text[i+n+2:]
}

func TestChainIsExposed(t *testing.T) {
	c := judge(t, edZone(t), chain(t, 2))
	s := c.Sets[1]
	if s.Instance != 2 || s.Results != "list.example; spf=pass" || s.CV != "pass" || s.Seal.Domain.String() != "list.example" || !s.Message.Signs("From") {
		t.Errorf("%+v", s)
	}
	if len(c.Seals) != 2 || c.Seals[0].Result != dkim.Pass || c.Message.Result != dkim.Pass {
		t.Errorf("%+v", c)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	m, _ := message.Read(strings.NewReader(chain(t, 1)), message.Limits{})
	c := Verify(t.Context(), edZone(t), m.Header, iotest.ErrReader(errors.New("connection lost")), now)
	if c.Result != Fail || !strings.Contains(c.Reason, "connection lost") {
		t.Errorf("%s: %s", c.Result, c.Reason)
	}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	return key
})

// pythonSeal lets dkimpy seal a message as often as it is told, with a change by
// each handler.
const pythonSeal = `
import sys, json, dkim
job = json.load(sys.stdin)
m = job["message"].encode()
for i in range(job["hops"]):
    ar = b"Authentication-Results: list.example; spf=pass smtp.mailfrom=example.com"
    if i: ar += b"; arc=pass"
    m = ar + b"\r\n" + m + b"footer %d  \r\n\r\n" % i
    sets = dkim.arc_sign(m, b"s", b"list.example", job["key"].encode(), b"list.example")
    m = b"".join(sets) + m[len(ar)+2:]
sys.stdout.buffer.write(m)
`

func TestWeAcceptPythonChains(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import dkim, authres").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-dkim and python3-authres are not installed")
		}
		t.Skip("python3-dkim and python3-authres are not installed")
	}
	record, err := dkim.KeyRecord(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	z := zone{"s._domainkey.list.example": record}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey())})
	for _, hops := range []int{1, 2, 5} {
		job, _ := json.Marshal(map[string]any{"message": plain, "hops": hops, "key": string(block)})
		cmd := exec.CommandContext(t.Context(), python, "-c", pythonSeal)
		cmd.Stdin = bytes.NewReader(job)
		sealed, err := cmd.Output()
		if err != nil {
			t.Fatalf("python3: %v", err)
		}
		m, err := message.Read(bytes.NewReader(sealed), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		c := Verify(t.Context(), z, m.Header, m.Body, time.Now())
		if c.Result != Pass || len(c.Sets) != hops {
			t.Errorf("%d hops: %s: %s\n%s", hops, c.Result, c.Reason, sealed)
		}
		m, _ = message.Read(strings.NewReader(string(sealed)+"more\r\n"), message.Limits{})
		if c := Verify(t.Context(), z, m.Header, m.Body, time.Now()); c.Result != Fail {
			t.Errorf("%d hops, body changed: %s", hops, c.Result)
		}
	}
}

// The seals of a chain cannot be had without the key: whatever passes has them.
func FuzzVerify(f *testing.F) {
	z := edZone(f)
	f.Add(chain(f, 1))
	f.Add(chain(f, 3))
	f.Add("ARC-Seal: i=1\r\nARC-Seal: i=50\r\nARC-Authentication-Results: i=2;;\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := judge(t, z, text)
		if c.Result == Pass && (len(c.Sets) == 0 || len(c.Seals) != len(c.Sets)) || c.Result == None && len(c.Sets) > 0 {
			t.Fatalf("%+v", c)
		}
	})
}
