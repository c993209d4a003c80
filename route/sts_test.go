package route

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/world"
)

func TestParseSTSRecord(t *testing.T) {
	tests := []struct{ text, id, codes string }{
		{"v=STSv1; id=20260101T000000", "20260101T000000", ""},
		{"v=STSv1;id=1", "1", ""},
		{"v=STSv1;\tid=1 ; ", "1", ""},
		{"v=STSv1; id=1;", "1", ""},
		{"v=STSv1; id=1; x.y-z=/a:b", "1", ""},
		{"v=STSv1", "", "version! no-id!"},
		{"v=STSv1;", "", "no-id!"},
		{"v=STSV1; id=1", "1", "version!"},
		{" v=STSv1; id=1", "1", "version!"},
		{"v=STSv1 ; id=1", "1", "version!"},
		{"v=STSv1; id=", "", "id!"},
		{"v=STSv1; id=2026-01-01", "2026-01-01", "id!"},
		{"v=STSv1; id=" + strings.Repeat("a", 33), strings.Repeat("a", 33), "id!"},
		{"v=STSv1; id=1; id=2", "1", "duplicate!"},
		{"v=STSv1; id = 1", "", "syntax! no-id!"},
		{"v=STSv1; id=1;; x=y", "1", "empty-field!"},
		{"v=STSv1; id=1; word", "1", "syntax!"},
		{"v=STSv1; id=1; x=a b", "1", "syntax!"},
		{"", "", "version! no-id!"},
	}
	for _, tt := range tests {
		rec, problems := ParseSTSRecord(tt.text)
		if rec.ID != tt.id || codes(problems) != tt.codes {
			t.Errorf("%q: id %q, %s; want %q, %s", tt.text, rec.ID, codes(problems), tt.id, tt.codes)
		}
	}
}

func TestParseSTSPolicy(t *testing.T) {
	const good = "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: *.example.net\nmax_age: 604800\n"
	tests := []struct{ name, body, codes string }{
		{"good", good, ""},
		{"crlf", strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"no final line end", strings.TrimSuffix(good, "\n"), ""},
		{"trailing space", strings.ReplaceAll(good, "\n", "  \r\n"), ""},
		{"tight", "version:STSv1\nmode:testing\nmx:a.example\nmax_age:1\n", ""},
		{"none without mx", "version: STSv1\nmode: none\nmax_age: 86400\n", ""},
		{"unknown key", good + "future: \"some\" thing\n", ""},
		{"version later", "mode: enforce\nversion: STSv1\nmx: a.example\nmax_age: 1\n", "version-not-first"},
		{"blank line", good + "\n", "blank-line"},
		{"duplicate mode", good + "mode: none\n", "duplicate"},
		{"old age", "version: STSv1\nmode: none\nmax_age: 31557601\n", "max-age-too-long"},
		{"age beyond a Duration", "version: STSv1\nmode: none\nmax_age: 9999999999\n", "max-age-too-long"},
		{"empty", "", "blank-line version! mode! max-age!"},
		{"html", "<!DOCTYPE html>\n", "syntax! version! mode! max-age!"},
		{"bare cr", strings.ReplaceAll(good, "\n", "\r"), "syntax! version! mode! max-age!"},
		{"case", strings.Replace(good, "version", "Version", 1), "version!"},
		{"version 2", strings.Replace(good, "STSv1", "STSv2", 1), "version!"},
		{"mode case", strings.Replace(good, "enforce", "Enforce", 1), "mode!"},
		{"age sign", strings.Replace(good, "604800", "+60480", 1), "max-age!"},
		{"age word", strings.Replace(good, "604800", "1 week", 1), "max-age!"},
		{"age digits", strings.Replace(good, "604800", "00000000001", 1), "max-age!"},
		{"age nothing", strings.Replace(good, "604800", "", 1), "max-age!"},
		{"mx address", strings.Replace(good, "mx1.example.com", "192.0.2.1", 1), "mx!"},
		{"mx dot", strings.Replace(good, "mx1.example.com", "mx1.example.com.", 1), "mx!"},
		{"mx inner star", strings.Replace(good, "*.example.net", "mx.*.example.net", 1), "mx!"},
		{"mx old style", strings.Replace(good, "*.example.net", ".example.net", 1), "mx!"},
		{"no mx", "version: STSv1\nmode: testing\nmax_age: 1\n", "no-mx!"},
		{"byte order mark", "\xEF\xBB\xBF" + good, "encoding!"},
		{"latin 1", good + "x: \xE4\n", "encoding!"},
		{"too large", good + strings.Repeat("x: y\n", 1<<14), "too-large!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, problems := ParseSTSPolicy([]byte(tt.body)); codes(problems) != tt.codes {
				t.Errorf("got %q, want %q", codes(problems), tt.codes)
			}
		})
	}
	p, _ := ParseSTSPolicy([]byte(good))
	if p.Mode != STSEnforce || p.MaxAge != 7*24*time.Hour || len(p.MX) != 2 || p.MX[1].String() != "*.example.net" {
		t.Errorf("got %+v", p)
	}
}

func TestSTSPolicyAllows(t *testing.T) {
	p, _ := ParseSTSPolicy([]byte("version: STSv1\nmode: enforce\nmax_age: 1\nmx: MX1.Example.com\nmx: *.example.net\n"))
	for host, want := range map[string]bool{
		"mx1.example.com": true, "a.mx1.example.com": false, "mx.example.net": true,
		"example.net": false, "a.b.example.net": false, "notexample.net": false, "net": false,
	} {
		if got := p.Allows(domain(host)); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestFetchSTSPolicy(t *testing.T) {
	ca, stranger := newAuthority(t, nil), newAuthority(t, nil)
	const policy = "version: STSv1\nmode: none\nmax_age: 86400\n"
	serve := func(status int, media, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", media)
			rw.Header().Set("Location", "https://elsewhere.example/")
			rw.WriteHeader(status)
			io.WriteString(rw, body)
		}
	}
	year := testTime.AddDate(1, 0, 0)
	tests := []struct {
		name   string
		signer *authority
		san    string
		until  time.Time
		h      http.HandlerFunc
		want   FetchReason
	}{
		{"good", ca, "mta-sts.example.com", year, serve(200, "text/plain; charset=utf-8", policy), ""},
		{"redirect", ca, "mta-sts.example.com", year, serve(301, "text/plain", policy), FetchRedirect},
		{"missing", ca, "mta-sts.example.com", year, serve(404, "text/plain", policy), FetchStatus},
		{"html", ca, "mta-sts.example.com", year, serve(200, "text/html", policy), FetchMediaType},
		{"large", ca, "mta-sts.example.com", year, serve(200, "text/plain", strings.Repeat("x", maxPolicy+1)), FetchTooLarge},
		{"wrong name", ca, "www.example.com", year, serve(200, "text/plain", policy), FetchWrongName},
		{"expired", ca, "mta-sts.example.com", testTime.AddDate(0, 0, -1), serve(200, "text/plain", policy), FetchExpired},
		{"untrusted", stranger, "mta-sts.example.com", year, serve(200, "text/plain", policy), FetchUntrusted},
		{"broken off", ca, "mta-sts.example.com", year, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "text/plain")
			rw.Header().Set("Content-Length", "1000")
			io.WriteString(rw, policy)
		}, FetchInterrupted},
	}
	z := newZone(t, "mta-sts.example.com. A 127.0.0.1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert, key := tt.signer.leaf(t, tt.until, tt.san)
			w := policyWorld(t, z, ca, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}, tt.h)
			body, err := FetchSTSPolicy(t.Context(), w, domain("example.com"))
			if got := reasonOf(err); got != tt.want {
				t.Fatalf("reason %q (%v), want %q", got, err, tt.want)
			}
			if err == nil && string(body) != policy {
				t.Errorf("body %q", body)
			}
		})
	}
}

func reasonOf(err error) FetchReason {
	if e, ok := errors.AsType[*FetchError](err); ok {
		return e.Reason
	}
	return ""
}

func TestFetchSTSPolicyUnreachable(t *testing.T) {
	z := newZone(t, "mta-sts.closed.example. A 127.0.0.1")
	z.fail["mta-sts.slow.example. A"] = world.ErrTemporary
	z.fail["mta-sts.bogus.example. A"] = world.ErrBogus
	w := &world.World{Resolver: z, Network: world.Machine(), Map: world.Map{Public: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Roots: x509.NewCertPool()}
	w.Map.Ports = map[uint16]uint16{443: 1} // nobody listens there
	for name, want := range map[string]FetchReason{
		"closed.example": FetchConnect, "missing.example": FetchNoHost, "slow.example": FetchDNS, "bogus.example": FetchBogus,
	} {
		if _, err := FetchSTSPolicy(t.Context(), w, domain(name)); reasonOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestLookupSTSRecord(t *testing.T) {
	z := newZone(t, `
_mta-sts.one.example.  TXT "google-site-verification=1"
_mta-sts.one.example.  TXT "v=STSv1; " "id=7"
_mta-sts.two.example.  TXT "v=STSv1; id=7"
_mta-sts.two.example.  TXT "v=STSv1; id=8"
_mta-sts.slip.example. TXT "V=STSv1; id=7"
_mta-sts.wild.example. TXT "v=spf1 -all"
`)
	z.fail["_mta-sts.slow.example. TXT"] = world.ErrTemporary
	for name, want := range map[string]string{
		"one.example": "", "two.example": "several!", "slip.example": "version!",
	} {
		s := LookupSTSRecord(t.Context(), z, domain(name))
		if s.RecordErr != nil || codes(s.RecordProblems) != want || s.Record.ID != "7" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for name, want := range map[string]error{
		"wild.example": world.ErrNoData, "none.example": world.ErrNoName, "slow.example": world.ErrTemporary,
	} {
		if s := LookupSTSRecord(t.Context(), z, domain(name)); !errors.Is(s.RecordErr, want) {
			t.Errorf("%s: %v, want %v", name, s.RecordErr, want)
		}
	}
}

func FuzzSTSRecord(f *testing.F) {
	f.Add("v=STSv1; id=20260101; x=y")
	f.Add("v=STSv1;;id")
	f.Fuzz(func(t *testing.T, s string) {
		rec, problems := ParseSTSRecord(s)
		if len(problems) == 0 && (rec.ID == "" || !strings.HasPrefix(s, stsVersion)) {
			t.Errorf("%q passes as %+v", s, rec)
		}
	})
}

func FuzzSTSPolicy(f *testing.F) {
	f.Add([]byte("version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 86400\r\n"))
	f.Add([]byte("\xEF\xBB\xBFmax_age: 99999999999\n:\n"))
	f.Add([]byte("max_age: 9999999999\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, problems := ParseSTSPolicy(body)
		if len(problems) > maxProblems+1 || p.MaxAge < 0 || p.MaxAge > MaxSTSAge {
			t.Errorf("%d problems, max_age %s", len(problems), p.MaxAge)
		}
		if !HasFatal(problems) && p.Mode != STSNone && len(p.MX) == 0 {
			t.Error("a policy without mx passes")
		}
	})
}
