package route

import (
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

func TestParseTLSRPT(t *testing.T) {
	tests := []struct {
		text        string
		mail, https int
		codes       string
	}{
		{"v=TLSRPTv1; rua=mailto:tls@example.com", 1, 0, ""},
		{"v=TLSRPTv1;rua=mailto:a@example.com , https://r.example/v1;", 1, 1, ""},
		{"v=TLSRPTv1; rua=mailto:a%2Cb@example.com", 0, 0, "uri no-rua!"},
		{"v=TLSRPTv1; rua=mailto:tls@example.com; ext=1", 1, 0, ""},
		{"v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com", 2, 0, "duplicate"},
		{"v=TLSRPTv1; rua=mailto:a@example.com!10m", 0, 0, "uri no-rua!"},
		{"v=TLSRPTv1; rua=http://r.example/", 0, 0, "scheme no-rua!"},
		{"v=TLSRPTv1; rua=tls@example.com", 0, 0, "scheme no-rua!"},
		{"v=TLSRPTv1; rua=", 0, 0, "scheme no-rua!"},
		{"v=TLSRPTv1;", 0, 0, "no-rua!"},
		{"v=TLSRPTV1; rua=mailto:a@example.com", 1, 0, "version!"},
		{"v=TLSRPTv1", 0, 0, "version! no-rua!"},
		{"v=TLSRPTv1; rua", 0, 0, "syntax! no-rua!"},
	}
	for _, tt := range tests {
		rec, problems := ParseTLSRPT(tt.text)
		if len(rec.Mail) != tt.mail || len(rec.HTTPS) != tt.https || codes(problems) != tt.codes {
			t.Errorf("%q: %d mail, %d https, %s; want %d, %d, %s", tt.text,
				len(rec.Mail), len(rec.HTTPS), codes(problems), tt.mail, tt.https, tt.codes)
		}
	}
}

func TestLookupTLSRPT(t *testing.T) {
	z := newZone(t, `_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:tls@example.com"`)
	if r := LookupTLSRPT(t.Context(), z, domain("example.com")); r.Err != nil || len(r.Problems) > 0 || len(r.Record.Mail) != 1 {
		t.Errorf("got %+v", r)
	}
	if r := LookupTLSRPT(t.Context(), world.None(), domain("example.com")); r.Err == nil {
		t.Error("a world without names has a record")
	}
}

func FuzzTLSRPT(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:tls@example.com,https://x.example/?q=1")
	f.Fuzz(func(t *testing.T, s string) {
		rec, problems := ParseTLSRPT(s)
		if !HasFatal(problems) && len(rec.Mail)+len(rec.HTTPS) == 0 {
			t.Errorf("%q passes without a place for reports", s)
		}
	})
}
