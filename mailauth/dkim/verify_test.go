package dkim

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

func TestVerifyRFC6376AppendixA(t *testing.T) {
	text := crlfFile(t, "rfc6376-a2.eml")
	for name, text := range map[string]string{"crlf": text, "file": strings.ReplaceAll(text, "\r\n", "\n")} {
		results := verify(t, rfcZone, text)
		if len(results) != 1 {
			t.Fatalf("%s: %d results", name, len(results))
		}
		got := results[0]
		if got.Signature == nil || got.Key == nil || !strings.HasPrefix(got.Field, "DKIM-Signature: v=1") {
			t.Errorf("%s: the parse trees are missing", name)
		}
		got.Signature, got.Key, got.Field = nil, nil, ""
		want := Verification{
			Result: Pass, Domain: example, Selector: "brisbane", AUID: "joe@football.example.com",
			Algorithm: RSASHA256, Bits: 1024, Canonicalization: "simple/simple", Security: world.Secure,
			Signed: []string{"Received", "From", "To", "Subject", "Date", "Message-ID"},
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b mail.Domain) bool { return a == b })); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestVerifyRFC8463AppendixA(t *testing.T) {
	results := verify(t, rfcZone, crlfFile(t, "rfc8463-a3.eml"))
	if len(results) != 2 {
		t.Fatalf("%d results", len(results))
	}
	for i, a := range []Algorithm{Ed25519SHA256, RSASHA256} {
		if r := results[i]; r.Result != Pass || r.Algorithm != a {
			t.Errorf("%s %s: %s", r.Algorithm, r.Result, r.Reason)
		}
	}
}

// craft signs plainMessage with tags of the test's choice, wrong ones too: the
// Signer would refuse to.
func craft(t testing.TB, key crypto.Signer, edit func(tags map[string]string)) string {
	t.Helper()
	return craftMessage(t, key, plainMessage, edit)
}

func craftMessage(t testing.TB, key crypto.Signer, text string, edit func(tags map[string]string)) string {
	t.Helper()
	m := read(t, text)
	tags := map[string]string{
		"v": "1", "a": "rsa-sha256", "c": "relaxed/relaxed", "d": "example.com", "s": "s",
		"h": "From:To:Subject:Date:Message-ID", "t": fmt.Sprint(now.Unix()),
	}
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		tags["a"] = "ed25519-sha256"
	}
	edit(tags)
	var list strings.Builder
	for _, name := range []string{"v", "a", "c", "d", "s", "i", "t", "x", "q", "l", "z", "bh", "h", "zz"} {
		if v, ok := tags[name]; ok {
			fmt.Fprintf(&list, " %s=%s;", name, v)
		}
	}
	s, _ := ParseSignature(list.String() + " b=AAAA; bh=AAAA")
	if _, ok := tags["bh"]; !ok {
		var b bodies
		h := b.want(s.Body, s.Length)
		io.Copy(&b, m.Body)
		b.close()
		fmt.Fprintf(&list, " bh=%s;", encode(h.sum))
	}
	field := "DKIM-Signature:" + list.String() + " b="
	if b, ok := tags["b"]; ok {
		return field + b + "\r\n" + text
	}
	var buf []byte
	SelectFields(m.Header, s.Signed, func(f message.Field) { buf = s.Header.AppendField(buf, f) })
	value, err := signDigest(key, s.Algorithm, sum(s.Header.AppendUnsigned(buf, message.ParseField(field))))
	if err != nil {
		t.Fatal(err)
	}
	return field + encode(value) + "\r\n" + text
}

// Broken signatures, each with its word and the reason a person is told.
func TestVerifyTable(t *testing.T) {
	keys := testKeys()
	good := record(t, keys.rsa.Public())
	set := func(kv ...string) func(map[string]string) {
		return func(tags map[string]string) {
			for i := 0; i < len(kv); i += 2 {
				if kv[i+1] == "-" {
					delete(tags, kv[i])
				} else {
					tags[kv[i]] = kv[i+1]
				}
			}
		}
	}
	unix := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	tests := []struct {
		name   string
		edit   func(map[string]string)
		record string // "" is good, "-" is none; several are split at |
		change func(string) string
		result Result
		reason string
	}{
		{name: "good", result: Pass},
		{name: "simple", edit: set("c", "simple/simple"), result: Pass},
		{name: "c= without body", edit: set("c", "relaxed"), result: Pass},
		{name: "no c=", edit: set("c", "-"), result: Pass},
		{name: "no t=", edit: set("t", "-"), result: Pass},
		{name: "unknown tag", edit: set("zz", "what"), result: Pass},
		{name: "several queries", edit: set("q", "dns/https:dns/txt"), result: Pass},
		{name: "i= below d=", edit: set("i", "jane@news.example.com"), result: Pass},
		{name: "i= in quoted-printable", edit: set("i", "ja=6Ee@example.com"), result: Pass},
		{name: "oversigned", edit: set("h", "From:From:To:To:Subject:Subject:Cc"), result: Pass},
		{name: "not expired", edit: set("x", unix(time.Minute)), result: Pass},
		{name: "a little early", edit: set("t", unix(time.Minute)), result: Pass},
		{name: "bare RSAPublicKey", record: bareRecord(keys.rsa), result: Pass},
		{name: "key without v=", record: strings.TrimPrefix(good, "v=DKIM1; "), result: Pass},
		{name: "key for email", record: good + "; s=email; h=sha1:sha256; n=note", result: Pass},
		{name: "key tests", record: good + "; t=y", result: Pass, reason: "only tests"},
		{name: "key strict", record: good + "; t=s", result: Pass},
		{name: "second record fits", record: "v=spf1 -all|" + good, result: Pass},
		{name: "second key fits", record: rfc6376Key + "|" + good, result: Pass},
		{name: "white space changed", change: replace("hello   world", "hello world"), result: Pass},
		{name: "field added above, not oversigned", change: func(s string) string { return "Subject: bad\r\n" + s }, result: Pass},
		{name: "lines at the end", change: func(s string) string { return s + "\r\n\r\n" }, result: Pass},

		{name: "body changed", change: replace("this is it", "this is not it"), result: Fail, reason: "the body was changed"},
		{name: "header changed", change: replace("hello", "hullo"), result: Fail, reason: "the header was changed"},
		{name: "white space changed, simple", edit: set("c", "simple/relaxed"), change: replace("hello   world", "hello world"), result: Fail, reason: "the header was changed"},
		{name: "From added, oversigned", edit: set("h", "From:From:Subject"), change: func(s string) string { return "From: x@evil.example\r\n" + s }, result: Fail, reason: "the header was changed"},
		{name: "other key", record: rfc6376Key, result: Fail, reason: "the key is another"},
		{name: "b= is too short", edit: set("b", "AAAA"), result: Fail, reason: "does not match"},

		{name: "l=", edit: set("l", "12"), result: Pass, reason: "l= leaves 15 octets"},
		{name: "l= and appended", edit: set("l", "12"), change: func(s string) string { return s + "buy!\r\n" }, result: Pass, reason: "l= leaves"},
		{name: "l= of nothing", edit: set("l", "0"), result: Pass, reason: "l= leaves 27 octets"},
		{name: "l= beyond the body", edit: set("l", "1000"), result: Fail, reason: "l= covers 1000 octets, the body has 27"},
		{name: "l= is no number", edit: set("l", "-1"), result: Neutral, reason: "not a length"},
		{name: "l= is huge", edit: set("l", strings.Repeat("9", 70)), result: Fail, reason: "l= covers"},

		{name: "no v=", edit: set("v", "-"), result: Neutral, reason: "v= is missing"},
		{name: "v=2", edit: set("v", "2"), result: Neutral, reason: "not version 1"},
		{name: "no d=", edit: set("d", "-"), result: Neutral, reason: "d= is missing"},
		{name: "d= is no domain", edit: set("d", "exa mple"), result: Neutral, reason: "d= not a domain"},
		{name: "no s=", edit: set("s", "-"), result: Neutral, reason: "s= is missing"},
		{name: "s= is no selector", edit: set("s", "a..b"), result: Neutral, reason: "not a selector"},
		{name: "no h=", edit: set("h", "-"), result: Neutral, reason: "h= is missing"},
		{name: "no bh=", edit: set("bh", ""), result: Neutral, reason: "bh= is empty"},
		{name: "bh= is no base64", edit: set("bh", "!!"), result: Neutral, reason: "bh= is not base64"},
		{name: "b= is empty", edit: set("b", ""), result: Neutral, reason: "b= is empty"},
		{name: "unknown algorithm", edit: set("a", "rsa-md5", "b", "AAAA"), result: Neutral, reason: "a= \"rsa-md5\" is not known"},
		{name: "unknown canonicalization", edit: set("c", "nofws"), result: Neutral, reason: "c= "},
		{name: "unknown query", edit: set("q", "dns/https"), result: Neutral, reason: "q= "},
		{name: "x= before t=", edit: set("x", unix(-time.Hour)), result: Neutral, reason: "x= is not after t="},
		{name: "duplicate tag", change: replace("d=example.com", "d=example.com; d=example.com"), result: Neutral, reason: "d= stands twice"},
		{name: "empty tag", change: replace("d=example.com;", "d=example.com;;"), result: Neutral, reason: "is no tag"},
		{name: "i= is nobody", edit: set("i", "jane"), result: Neutral, reason: "i= "},

		{name: "From not signed", edit: set("h", "To:Subject"), result: PermError, reason: "From is not signed"},
		{name: "i= outside d=", edit: set("i", "jane@example.org"), result: PermError, reason: "not within d="},
		{name: "rsa-sha1", edit: set("a", "rsa-sha1"), result: PermError, reason: "rsa-sha1"},
		{name: "expired", edit: set("t", unix(-2*time.Hour), "x", unix(-time.Hour)), result: PermError, reason: "expired at 2026-11-21T15:05:00Z"},
		{name: "from the future", edit: set("t", unix(48*time.Hour)), result: PermError, reason: "in the future"},

		{name: "no key", record: "-", result: PermError, reason: "there is no key at s._domainkey.example.com"},
		{name: "no answer", record: "!temporary", result: TempError, reason: "could not be fetched"},
		{name: "bogus answer", record: "!bogus", result: TempError, reason: "fails DNSSEC"},
		{name: "revoked", record: "v=DKIM1; p=", result: PermError, reason: "revoked"},
		{name: "key without p=", record: "v=DKIM1; k=rsa", result: PermError, reason: "p= is missing"},
		{name: "not a key", record: "v=spf1 -all", result: PermError, reason: "is no key: "},
		{name: "key of another version", record: "v=DKIM2; p=AAAA", result: PermError, reason: "not DKIM1"},
		{name: "v= not first", record: "k=rsa; v=DKIM1; p=" + good[strings.Index(good, "p=")+2:], result: PermError, reason: "does not come first"},
		{name: "key is broken", record: "v=DKIM1; p=AAAA", result: PermError, reason: "not an RSA key"},
		{name: "key is cut off", record: good[:300], result: PermError, reason: "p= is not"},
		{name: "key type differs", record: rfc8463Key, result: PermError, reason: "the key is for ed25519"},
		{name: "key type unknown", record: "v=DKIM1; k=dsa; p=AAAA", result: PermError, reason: "k= "},
		{name: "key hash differs", record: good + "; h=sha1", result: PermError, reason: "does not allow sha256"},
		{name: "key not for email", record: good + "; s=tlsrpt", result: PermError, reason: "not for email"},
		{name: "key strict, i= below", edit: set("i", "a@news.example.com"), record: good + "; t=y:s", result: PermError, reason: "allows no subdomains"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.edit == nil {
				tt.edit = set()
			}
			text := craft(t, keys.rsa, tt.edit)
			if tt.change != nil {
				changed := tt.change(text)
				if changed == text {
					t.Fatal("the test changes nothing")
				}
				text = changed
			}
			z := zone{"s._domainkey.example.com": strings.Split(tt.record, "|")}
			switch tt.record {
			case "":
				z["s._domainkey.example.com"] = []string{good}
			case "-":
				z = nil
			}
			results := verify(t, z, text)
			if len(results) != 1 {
				t.Fatalf("%d results", len(results))
			}
			r := results[0]
			if r.Result != tt.result || !strings.Contains(r.Reason, tt.reason) || tt.reason == "" && r.Reason != "" {
				t.Errorf("%s: %q, want %s: %q\n%.400s", r.Result, r.Reason, tt.result, tt.reason, text)
			}
		})
	}
}

func replace(old, by string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, by, 1) }
}

// Keys under 1024 bits cannot even be made here, so the record alone has to do.
func TestVerifyRefusesShortKeys(t *testing.T) {
	short := "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMB5eJzPZ0n7lrpCdP0SJ0Y2tH6wPZ7m3gCzgdw7mC8gqvZQoUWTxMA0TkTTpsJZkr7f4hbDjCrp4tXqKuVzG+0CAwEAAQ=="
	k, err := ParseKey(short)
	if err != nil || k.Bits != 512 {
		t.Fatalf("%d bits, %v", k.Bits, err)
	}
	text := craft(t, testKeys().rsa, func(map[string]string) {})
	r := verify(t, zone{"s._domainkey.example.com": {short}}, text)[0]
	if r.Result != PermError || r.Bits != 512 || !strings.Contains(r.Reason, "512 bits") {
		t.Errorf("%s: %s", r.Result, r.Reason)
	}
}

func TestVerifyWithoutSignature(t *testing.T) {
	if results := verify(t, nil, plainMessage); len(results) != 0 {
		t.Errorf("%v", results)
	}
}

func TestVerifyBodyThatBreaksOff(t *testing.T) {
	keys := testKeys()
	m := read(t, craft(t, keys.rsa, func(map[string]string) {}))
	z := zone{"s._domainkey.example.com": {record(t, keys.rsa.Public())}}
	body := io.MultiReader(strings.NewReader("Hello"), iotest.ErrReader(errors.New("connection lost")))
	r := Verify(t.Context(), z, m.Header, body, now)[0]
	if r.Result != TempError || !strings.Contains(r.Reason, "connection lost") {
		t.Errorf("%s: %s", r.Result, r.Reason)
	}
}

// Every signature is judged by itself, and only the first eight cost anything.
func TestVerifySeveral(t *testing.T) {
	keys := testKeys()
	z := zone{
		"s._domainkey.example.com":  {record(t, keys.rsa.Public())},
		"ed._domainkey.example.com": {record(t, keys.ed.Public())},
	}
	text := plainMessage
	for i := range 10 {
		key, name := crypto.Signer(keys.rsa), "s"
		if i%2 == 1 {
			key, name = keys.ed, "ed"
		}
		text = craftMessage(t, key, text, func(tags map[string]string) {
			tags["s"] = name
			if i == 6 {
				tags["h"] = "To"
			}
			if i%3 == 0 {
				tags["c"] = "simple/simple"
			}
			if i == 3 {
				tags["l"] = "5"
			}
		})
	}
	var got []string
	for _, r := range verify(t, z, text) {
		got = append(got, r.Result.String())
	}
	want := "pass pass pass permerror pass pass pass pass policy policy"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}

func TestVerifyReportsAreBounded(t *testing.T) {
	text := strings.Repeat("DKIM-Signature: x\r\n", 1000) + plainMessage
	if n := len(verify(t, nil, text)); n != maxReported {
		t.Errorf("%d results", n)
	}
}
