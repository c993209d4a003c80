package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	theirs "github.com/emersion/go-msgauth/dkim"
)

// Other people's code judges ours, and ours theirs.

func encode(b []byte) string         { return base64.StdEncoding.EncodeToString(b) }
func sum(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

var oracleMessages = map[string]string{
	"plain":     plainMessage,
	"empty":     "From: a@example.com\r\n\r\n",
	"no lines":  "From: a@example.com\r\nSubject: x\r\n\r\n\r\n\r\n",
	"unended":   "From: a@example.com\r\n\r\nlast line",
	"folds":     "From:\r\n\tJane\r\n <a@example.com>\r\nSubject: a\r\n b\r\n\t c \r\nTo:x@example.org,\r\n y@example.org\r\n\r\n a  b\t\r\n\r\nc\r\n",
	"twice":     "Received: 1\r\nTo: a@example.org\r\nTo: b@example.org\r\nFrom: a@example.com\r\n\r\nx\r\n",
	"long":      "From: a@example.com\r\n\r\n" + strings.Repeat("0123456789 abcdef  \r\n", 2000),
	"eight bit": "From: J\xc3\xa9r\xc3\xb4me <a@example.com>\r\nSubject: \xe9\r\n\r\n\xff\xfe\r\n",
}

func oracleZone(t testing.TB) zone {
	keys := testKeys()
	return zone{
		"s._domainkey.example.com":  {record(t, keys.rsa.Public())},
		"ed._domainkey.example.com": {record(t, keys.ed.Public())},
	}
}

func oracleKeys() map[string]crypto.Signer {
	keys := testKeys()
	return map[string]crypto.Signer{"s": keys.rsa, "ed": keys.ed}
}

func forms(yield func(header, body Canonicalization)) {
	for _, h := range []Canonicalization{Relaxed, Simple} {
		for _, b := range []Canonicalization{Relaxed, Simple} {
			yield(h, b)
		}
	}
}

func TestGoMsgauthAcceptsOurs(t *testing.T) {
	z := oracleZone(t)
	lookup := func(name string) ([]string, error) { return z[strings.TrimSuffix(name, ".")], nil }
	for name, text := range oracleMessages {
		for selector, key := range oracleKeys() {
			forms(func(header, body Canonicalization) {
				m := read(t, text)
				s := &Signer{Domain: example, Selector: selector, Key: key, Header: header, Body: body, Expires: time.Hour}
				field, err := s.Sign(m.Header, m.Body, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				results, err := theirs.VerifyWithOptions(strings.NewReader(field+text), &theirs.VerifyOptions{LookupTXT: lookup})
				if err != nil || len(results) != 1 || results[0].Err != nil {
					t.Errorf("%s, %s, %s/%s: %v %+v\n%s", name, selector, header, body, err, results, field)
				}
			})
		}
	}
}

func TestWeAcceptGoMsgauth(t *testing.T) {
	z := oracleZone(t)
	for name, text := range oracleMessages {
		for selector, key := range oracleKeys() {
			forms(func(header, body Canonicalization) {
				var signed bytes.Buffer
				err := theirs.Sign(&signed, strings.NewReader(text), &theirs.SignOptions{
					Domain: "example.com", Selector: selector, Signer: key,
					HeaderCanonicalization: theirs.Canonicalization(header.String()),
					BodyCanonicalization:   theirs.Canonicalization(body.String()),
				})
				if err != nil {
					t.Fatal(err)
				}
				m := read(t, signed.String())
				r := Verify(t.Context(), z, m.Header, m.Body, time.Now())
				if len(r) != 1 || r[0].Result != Pass {
					t.Errorf("%s, %s, %s/%s: %+v", name, selector, header, body, r)
				}
			})
		}
	}
}

// needProgram skips on a person's machine and fails where all must be there.
func needProgram(t *testing.T, present bool, what string) {
	t.Helper()
	if present {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed", what)
}

// runPython runs a program with the library of python3-dkim; args follow it.
func runPython(t *testing.T, program string, stdin []byte, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", append([]string{"-c", program}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, stderr.String())
	}
	return out
}

func needPythonDKIM(t *testing.T) {
	t.Helper()
	err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import dkim, nacl").Run()
	needProgram(t, err == nil, "python3-dkim with python3-nacl")
}

const pythonVerify = `
import sys, json, dkim
job = json.load(sys.stdin)
for m in job["messages"]:
    text = m.encode("latin-1")
    d = dkim.DKIM(text)
    print(all(d.verify(idx=i, dnsfunc=lambda n, timeout=5: job["zone"].get(n.decode().rstrip("."), "").encode()) for i in range(2)))
`

func TestPythonAcceptsOurs(t *testing.T) {
	needPythonDKIM(t)
	z := oracleZone(t)
	var names, texts []string
	for name, text := range oracleMessages {
		m := read(t, text)
		rsa := &Signer{Domain: example, Selector: "s", Key: testKeys().rsa}
		ed := &Signer{Domain: example, Selector: "ed", Key: testKeys().ed, Body: Simple}
		fields, err := Sign(m.Header, m.Body, time.Now(), rsa, ed)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		texts = append(texts, latin1(fields[0]+fields[1]+text))
	}
	flat := map[string]string{}
	for n, r := range z {
		flat[n] = r[0]
	}
	out := strings.Fields(string(runPython(t, pythonVerify, jsonOf(t, map[string]any{"messages": texts, "zone": flat}))))
	for i, verdict := range out {
		if verdict != "True" {
			t.Errorf("%s: dkimpy says %s\n%s", names[i], verdict, texts[i])
		}
	}
	if len(out) != len(texts) {
		t.Errorf("%d answers for %d messages", len(out), len(texts))
	}
}

const pythonSign = `
import sys, json, dkim, base64
job = json.load(sys.stdin)
out = []
for m in job["messages"]:
    text = m.encode("latin-1")
    for h in (b"relaxed", b"simple"):
        for b in (b"relaxed", b"simple"):
            sig = dkim.sign(text, b"s", b"example.com", job["key"].encode(), canonicalize=(h, b))
            out.append((sig + text).decode("latin-1"))
json.dump(out, sys.stdout)
`

func TestWeAcceptPython(t *testing.T) {
	needPythonDKIM(t)
	var texts []string
	for _, text := range oracleMessages {
		texts = append(texts, latin1(text))
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKeys().rsa)})
	var signed []string
	fromJSON(t, runPython(t, pythonSign, jsonOf(t, map[string]any{"messages": texts, "key": string(block)})), &signed)
	if len(signed) != 4*len(texts) {
		t.Fatalf("%d signed messages", len(signed))
	}
	for _, text := range signed {
		m := read(t, octets(text))
		r := Verify(t.Context(), oracleZone(t), m.Header, m.Body, time.Now())
		if len(r) != 1 || r[0].Result != Pass {
			t.Errorf("%s: %s\n%q", r[0].Result, r[0].Reason, text[:min(len(text), 900)])
		}
	}
}

// The Perl library is asked through its own script of Debian's package.
func TestPerlAcceptsOurs(t *testing.T) {
	err := exec.CommandContext(t.Context(), "perl", "-MMail::DKIM::Verifier", "-e", "1").Run()
	needProgram(t, err == nil, "libmail-dkim-perl")
	dir := t.TempDir()
	for name, text := range oracleMessages {
		if name == "unended" {
			continue // Mail::DKIM forgets the CRLF that RFC 6376 section 3.4.3 adds
		}
		m := read(t, text)
		s := &Signer{Domain: example, Selector: "s", Key: testKeys().rsa, Header: Relaxed, Body: Simple}
		field, err := s.Sign(m.Header, m.Body, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(field+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const program = `
use Mail::DKIM::Verifier; use Mail::DKIM::PublicKey;
my $key = shift; no warnings 'redefine';
*Mail::DKIM::PublicKey::fetch_async = sub { my $class = shift; my %p = @_; my $k = Mail::DKIM::PublicKey->parse($key);
  return sub { $p{Callbacks}{Success}->($k) } };
for my $file (@ARGV) { my $v = Mail::DKIM::Verifier->new; open my $f, '<:raw', $file or die; local $/; my $text = <$f>;
  $v->PRINT($text); $v->CLOSE; print $v->result_detail, "\n" }
`
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	out, err := exec.CommandContext(t.Context(), "perl", append([]string{"-e", program, record(t, testKeys().rsa.Public())}, files...)...).CombinedOutput()
	verdicts := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(verdicts) != len(files) {
		t.Fatalf("perl: %v\n%s", err, out)
	}
	for i, v := range verdicts {
		if v != "pass" {
			t.Errorf("%s: Mail::DKIM says %s", filepath.Base(files[i]), v)
		}
	}
}
