package mailauth_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/authres"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// signingKey is one RSA key for all tests.
var signingKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// sender is the zone of a domain that does everything right.
func sender(t testing.TB) string {
	record, err := dkim.KeyRecord(signingKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	return `1.2.0.192.in-addr.arpa PTR mail.example.net
mail.example.net A 192.0.2.1
mail.example.net TXT v=spf1 a -all
example.net TXT v=spf1 ip4:192.0.2.0/24 -all
_dmarc.example.net TXT v=DMARC1; p=reject; rua=mailto:d@example.net
s1._domainkey.example.net TXT ` + record + "\n"
}

// message4K is a message of 4 KB from that domain, signed.
func message4K(t testing.TB, from string) string {
	t.Helper()
	header := "From: " + from + "\r\nTo: user@example.com\r\nSubject: four kilobytes\r\n" +
		"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n"
	body := strings.Repeat("It is a line of text, like any other, and there are many of them.\r\n", 58)
	s := &dkim.Signer{Domain: mail.MustParseDomain("example.net"), Selector: "s1", Key: signingKey()}
	field, err := s.Sign(message.ParseHeader(header), strings.NewReader(body), noon)
	if err != nil {
		t.Fatal(err)
	}
	return field + header + body
}

func worldOf(z *zone) *world.World {
	return &world.World{Resolver: z, Clock: func() time.Time { return noon }}
}

// envelope is the session of an honest delivery.
func envelope() mailauth.Envelope {
	return mailauth.Envelope{IP: netip.MustParseAddr("192.0.2.1"), HELO: "mail.example.net",
		ReversePath: mail.MustParseAddress("a@example.net"), Receiver: "mx.example.com"}
}

func verify(t testing.TB, zoneText, text string, e mailauth.Envelope) mailauth.Results {
	t.Helper()
	m, err := message.Read(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := mailauth.Verify(context.Background(), worldOf(newZone(t, zoneText)), e, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// summary is iprev, helo, mailfrom, dkim, dmarc, disposition, spf and dkim aligned.
func summary(r mailauth.Results) string {
	words := []string{string(r.IPRev.Result), string(r.SPF.HELO.Result), string(r.SPF.Result)}
	for _, s := range r.DKIM {
		words = append(words, s.Result.String())
	}
	return strings.Join(append(words, string(r.DMARC.Result), string(r.DMARC.Disposition), fmt.Sprint(r.DMARC.SPFAligned), fmt.Sprint(r.DMARC.DKIMAligned)), " ")
}

func TestVerify(t *testing.T) {
	const author = "Ann <a@example.net>"
	signed := message4K(t, author)
	unsigned := signed[strings.Index(signed, "From: "):]
	with := func(change func(*mailauth.Envelope)) mailauth.Envelope {
		e := envelope()
		change(&e)
		return e
	}
	elsewhere := with(func(e *mailauth.Envelope) { e.IP = netip.MustParseAddr("198.51.100.1") })
	for _, c := range []struct {
		name, zone, text string
		envelope         mailauth.Envelope
		want             string
	}{
		{"all well", sender(t), signed, envelope(), "pass pass pass pass pass none true true"},
		{"not signed", sender(t), unsigned, envelope(), "pass pass pass pass none true false"},
		{"forwarded", sender(t), signed, elsewhere, "permerror fail fail pass pass none false true"},
		{"forged", sender(t), unsigned, elsewhere, "permerror fail fail fail reject false false"},
		{"changed and forwarded", sender(t), signed + "A footer.\r\n", elsewhere, "permerror fail fail fail fail reject false false"},
		{"null reverse-path of the same organization", sender(t), unsigned, with(func(e *mailauth.Envelope) { e.ReversePath = mail.Address{} }), "pass pass pass pass none true false"},
		{"reverse-path of another", sender(t) + "example.org TXT v=spf1 ip4:192.0.2.1 -all\n", unsigned, with(func(e *mailauth.Envelope) { e.ReversePath = mail.MustParseAddress("b@example.org") }), "pass pass pass fail reject false false"},
		{"no client known", sender(t), signed, mailauth.Envelope{Receiver: "mx.example.com"}, " none none pass pass none false true"},
		{"key not answered", strings.ReplaceAll(sender(t), "s1._domainkey.example.net TXT", "s1._domainkey.example.net SERVFAIL\nx TXT"), signed, elsewhere, "permerror fail fail temperror temperror none false false"},
		{"policy not answered", strings.ReplaceAll(sender(t), "_dmarc.example.net TXT", "_dmarc.example.net SERVFAIL\nx TXT"), signed, envelope(), "pass pass pass pass temperror none false false"},
		{"no policy", strings.ReplaceAll(sender(t), "_dmarc.example.net", "x"), signed, envelope(), "pass pass pass pass none none false false"},
		{"two From fields", sender(t), "From: b@example.org\r\n" + signed, envelope(), "pass pass pass fail permerror none false false"},
		{"two authors", sender(t), message4K(t, author+", b@example.org"), envelope(), "pass pass pass pass permerror none false false"},
		{"an author nobody can read", sender(t), message4K(t, author+", b@@"), envelope(), "pass pass pass pass permerror none false false"},
		{"two mailboxes of one author domain", sender(t), message4K(t, author+", b@EXAMPLE.net"), envelope(), "pass pass pass pass pass none true true"},
		{"no From", sender(t), "Subject: x\r\n\r\n", envelope(), "pass pass pass permerror none false false"},
		{"empty", "", "", mailauth.Envelope{}, " none none permerror none false false"},
	} {
		r := verify(t, c.zone, c.text, c.envelope)
		if got := summary(r); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s\n%s", c.name, got, c.want, strings.Join(r.DMARC.Reasons, "\n"))
		}
		if f, err := authres.Parse(r.Field().String()); err != nil || len(f.Of("dmarc")) != 1 {
			t.Errorf("%s: %q, %v", c.name, r.Field(), err)
		}
	}
}

func TestField(t *testing.T) {
	r := verify(t, sender(t), message4K(t, "a@example.net"), envelope())
	f := r.Field()
	b := f.Of("dkim")[0].Property("header", "b")
	if len(b) != 8 {
		t.Errorf("header.b is %q", b)
	}
	got := strings.ReplaceAll(strings.ReplaceAll(f.String(), `"`+b+`"`, "SIG"), b, "SIG")
	want := "mx.example.com; iprev=pass (mail.example.net) policy.iprev=192.0.2.1; spf=pass (ip4:192.0.2.0/24) smtp.mailfrom=a@example.net; " +
		"spf=pass (a) smtp.helo=mail.example.net; dkim=pass header.d=example.net header.s=s1 header.a=rsa-sha256 header.b=SIG; " +
		"dmarc=pass header.from=example.net policy.dmarc=reject"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// seal adds one ARC set by the letter of RFC 8617 section 5.1.
func seal(t testing.TB, text string) string {
	t.Helper()
	header := message.ParseHeader(text)
	sum := sha256.Sum256([]byte(text[header.Size:]))
	value := func(signed []byte) string {
		digest := sha256.Sum256(signed)
		b, err := signingKey().Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	const who = "i=1; a=rsa-sha256; d=example.net; s=s1; "
	results := message.NewField("ARC-Authentication-Results", "i=1; list.example; spf=pass")
	ams := who + "c=relaxed/simple; h=from:subject; bh=" + base64.StdEncoding.EncodeToString(sum[:]) + "; b="
	var signed []byte
	dkim.SelectFields(header, []string{"from", "subject"}, func(f message.Field) { signed = dkim.Relaxed.AppendField(signed, f) })
	signature := message.NewField("ARC-Message-Signature", ams+value(dkim.Relaxed.AppendUnsigned(signed, message.NewField("ARC-Message-Signature", ams))))
	as := who + "cv=none; b="
	signed = dkim.Relaxed.AppendField(dkim.Relaxed.AppendField(nil, results), signature)
	return message.NewField("ARC-Seal", as+value(dkim.Relaxed.AppendUnsigned(signed, message.NewField("ARC-Seal", as)))).Raw() + signature.Raw() + results.Raw() + text
}

// ARC is shown and moves nothing.
func TestARCDoesNotOverride(t *testing.T) {
	unsigned := message4K(t, "a@example.net")
	unsigned = unsigned[strings.Index(unsigned, "From: "):]
	e := envelope()
	e.IP = netip.MustParseAddr("198.51.100.1")
	for _, c := range []struct{ text, want, method string }{
		{seal(t, unsigned), "pass", "arc=pass (i=1)"},
		{seal(t, unsigned) + "A footer.\r\n", "fail", "arc=fail (i=1) reason="},
		{unsigned, "none", ""},
	} {
		r := verify(t, sender(t), c.text, e)
		if r.ARC.Result.String() != c.want || r.DMARC.Result != "fail" || r.DMARC.Disposition != "reject" {
			t.Errorf("arc=%s (%s), dmarc=%s", r.ARC.Result, r.ARC.Reason, r.DMARC.Result)
		}
		if f := r.Field(); !strings.Contains(f.String(), c.method) || len(f.Of("arc")) > 0 != (c.method != "") {
			t.Errorf("%s", f)
		}
	}
}

// The keys of `allgreen verify --json` are a contract.
func TestJSONKeepsItsKeys(t *testing.T) {
	for _, r := range []mailauth.Results{verify(t, sender(t), message4K(t, "a@example.net"), envelope()), verify(t, "", "", mailauth.Envelope{})} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var top map[string]json.RawMessage
		if err := json.Unmarshal(text, &top); err != nil {
			t.Fatal(err)
		}
		if got, want := slices.Sorted(maps.Keys(top)), strings.Fields("arc authentication_results dkim dmarc iprev spf"); !slices.Equal(got, want) {
			t.Errorf("keys %q", got)
		}
		has := func(what string, object json.RawMessage, keys string) {
			var fields map[string]any
			if err := json.Unmarshal(object, &fields); err != nil {
				t.Fatalf("%s: %v in %s", what, err, object)
			}
			for _, key := range strings.Fields(keys) {
				if v, ok := fields[key]; !ok || v == nil {
					t.Errorf("%s has no %s: %s", what, key, object)
				}
			}
		}
		has("iprev", top["iprev"], "result ip name names reason")
		has("spf", top["spf"], "result helo mailfrom")
		has("arc", top["arc"], "result reason sets")
		has("dmarc", top["dmarc"], "result domain policy disposition spf_aligned dkim_aligned reasons trace identifiers")
		var signatures []json.RawMessage
		if err := json.Unmarshal(top["dkim"], &signatures); err != nil || signatures == nil {
			t.Fatalf("dkim is %s", top["dkim"])
		}
		for _, s := range signatures {
			has("dkim", s, "result domain selector algorithm bits reason")
		}
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	broken := errors.New("the line went dead")
	text := message4K(t, "a@example.net")
	m, err := message.Read(io.MultiReader(strings.NewReader(text[:2000]), iotest.ErrReader(broken)), message.Limits{})
	if err != nil && !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := mailauth.Verify(context.Background(), worldOf(newZone(t, sender(t))), envelope(), m); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// A server has the body in pieces of any size, and may ask for SPF first.
func TestPieces(t *testing.T) {
	text := message4K(t, "a@example.net")
	want := verify(t, sender(t), text, envelope())
	header := message.ParseHeader(text)
	for _, size := range []int{1, 7, 4096} {
		v := mailauth.Begin(context.Background(), worldOf(newZone(t, sender(t))), envelope())
		if iprev, s := v.Session(); iprev.Result != "pass" || s.Result != "pass" {
			t.Errorf("session: %s, %s", iprev.Result, s.Result)
		}
		v.Header(header)
		for body := range slices.Chunk([]byte(text[header.Size:]), size) {
			if n, err := v.Write(body); n != len(body) || err != nil {
				t.Fatal(n, err)
			}
		}
		if d := cmp.Diff(want.Field().String(), v.Results().Field().String()); d != "" {
			t.Errorf("pieces of %d: %s", size, d)
		}
	}
}

// Whatever a stranger sends, the field stays one field and the JSON is JSON.
func FuzzVerify(f *testing.F) {
	f.Add(message4K(f, "a@example.net"), "mail.example.net", "a@example.net")
	f.Add("From: a@example.net\r\nDKIM-Signature: v=1; a=rsa-sha256; d=x\r\n y; s=\"; b=;;\r\n\r\n", "x; dkim=pass\r\nX: y", "\"a b\"@example.net")
	zoneText := sender(f)
	f.Fuzz(func(t *testing.T, text, helo, from string) {
		e := envelope()
		e.HELO = helo
		e.ReversePath, _ = mail.ParseAddress(from)
		r := verify(t, zoneText, text, e)
		field := r.Field()
		back, err := authres.Parse(field.String())
		if err != nil || len(back.Results) != len(field.Results) || strings.ContainsAny(field.String(), "\r\n") {
			t.Errorf("%q: %v", field, err)
		}
		if text, err := json.Marshal(r); err != nil || !json.Valid(text) {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// silent is a resolver that never answers; it obeys its context.
type silent struct{}

func (silent) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	<-ctx.Done()
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary, Detail: ctx.Err().Error()}
}

// Closing ends what was begun, at once; the bubble fails if a goroutine is left.
func TestCloseLeavesNothingBehind(t *testing.T) {
	text := message4K(t, "a@example.net")
	synctest.Test(t, func(t *testing.T) {
		v := mailauth.Begin(t.Context(), &world.World{Resolver: silent{}}, envelope())
		v.Header(message.ParseHeader(text))
		began := time.Now()
		v.Close()
		if d := time.Since(began); d != 0 {
			t.Errorf("closing took %s", d)
		}
	})
}

// A DNS that never answers ends in temperror within the context's time.
func TestSilentDNS(t *testing.T) {
	text := message4K(t, "a@example.net")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		m, err := message.Read(strings.NewReader(text), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		w := &world.World{Resolver: silent{}, Clock: func() time.Time { return noon }}
		r, err := mailauth.Verify(ctx, w, envelope(), m)
		if got := summary(r); err != nil || got != "temperror temperror temperror temperror temperror none false false" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// TestKnownClient: what one message told of a client and its domain is not asked for
// the next.
func TestKnownClient(t *testing.T) {
	z := newZone(t, sender(t)+`example.org TXT v=spf1 exists:%{l}.ok.example.org -all
a.ok.example.org A 192.0.2.9
`)
	clock := noon
	text := message4K(t, "a@example.net")
	verify := func(from, text string, known mailauth.Client) mailauth.Results {
		z.asked = nil
		w := worldOf(z)
		w.Clock = func() time.Time { return clock }
		e := envelope()
		e.ReversePath = mail.MustParseAddress(from)
		v := mailauth.BeginFor(t.Context(), w, e, known)
		m, err := message.Read(strings.NewReader(text), message.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v.Header(m.Header)
		if _, err := io.Copy(v, m.Body); err != nil {
			t.Fatal(err)
		}
		return v.Results()
	}
	first := verify("a@example.net", text, mailauth.Client{})
	asked := len(z.asked)
	second := verify("a@example.net", text, first.Client())
	if got, want := second.Field().String(), first.Field().String(); got != want {
		t.Errorf("the second message says\n%s\nthe first said\n%s", got, want)
	}
	if len(z.asked) != 1 { // the key
		t.Errorf("asked %d questions, then %d: %q", asked, len(z.asked), z.asked)
	}
	t.Run("another sender", func(t *testing.T) {
		r := verify("b@example.net", strings.Replace(text, "a@example.net", "a@example.org", 1), second.Client())
		if r.SPF.Result != spf.Pass || len(z.asked) < 2 || r.DMARC.Author != mail.MustParseDomain("example.org") {
			t.Errorf("SPF %s, author %s, asked %q", r.SPF.Result, r.DMARC.Author, z.asked)
		}
	})
	t.Run("a record about one sender", func(t *testing.T) {
		one := verify("a@example.org", text, second.Client())
		other := verify("b@example.org", text, one.Client())
		if one.SPF.Result != spf.Pass || other.SPF.Result != spf.Fail {
			t.Errorf("%s, then %s", one.SPF.Result, other.SPF.Result)
		}
	})
	t.Run("not for long", func(t *testing.T) {
		clock = clock.Add(time.Minute)
		verify("a@example.net", text, second.Client())
		if len(z.asked) != asked-4 { // all but PTR and A of iprev, TXT and A of the HELO name
			t.Errorf("asked %d questions, a minute later %d: %q", asked, len(z.asked), z.asked)
		}
	})
	first.IPRev.Result, first.SPF.HELO.Result, first.SPF.MailFrom.Result = mailauth.IPRevTempError, spf.TempError, spf.TempError
	first.DMARC.Discovery.Err = world.ErrTemporary
	if known := first.Client(); known.IPRev.Result != "" || known.HELO.Result != "" || known.MailFrom.Result != "" || !known.Policy.Author.IsZero() {
		t.Error("a failed lookup is remembered")
	}
}
