package show

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
)

func TestZoneLines(t *testing.T) {
	for _, tt := range []struct {
		record finding.Record
		want   string
	}{
		{finding.Record{Name: "a.example.", Type: "a", Value: "192.0.2.1"}, "a.example. IN A 192.0.2.1"},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: "v=spf1 mx -all"}, `a.example. IN TXT "v=spf1 mx -all"`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: `"v=spf1" " -all"`}, `a.example. IN TXT "v=spf1" " -all"`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: `say "hi" \o`}, `a.example. IN TXT "say \"hi\" \\o"`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: ""}, `a.example. IN TXT ""`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: "ü"}, `a.example. IN TXT "\195\188"`},
		{finding.Record{Name: "a.example.", Type: "CAA", Value: `0 issue "ca.example; account=1"`}, `a.example. IN CAA 0 issue "ca.example; account=1"`},
	} {
		if got := strings.Join(zoneLines(tt.record, 80), "\n"); got != tt.want {
			t.Errorf("%v:\n%s\nwant\n%s", tt.record, got, tt.want)
		}
	}
}

// TestZoneLinesCanBePasted reads the lines back with another's zone parser.
func TestZoneLinesCanBePasted(t *testing.T) {
	for _, r := range []finding.Record{
		{Name: "s1._domainkey.red.example.", Type: "TXT", Value: longKey},
		{Name: "red.example.", Type: "TXT", Value: strings.Repeat(`a "b\ ü;(`, 60)},
		{Name: "_25._tcp.mx.red.example.", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("0123456789abcdef", 4)},
		{Name: "7.113.0.203.in-addr.arpa.", Type: "PTR", Value: "mx.red.example."},
		{Name: "red.example.", Type: "MX", Value: "10 mx.red.example."},
	} {
		for _, width := range []int{40, 80, 200, 1000} {
			text := strings.Join(zoneLines(r, width), "\n") + "\n"
			rr := parseOne(t, text)
			if txt, ok := rr.(*dns.TXT); ok {
				if got := unescape(strings.Join(txt.Txt, "")); got != r.Value {
					t.Errorf("width %d: %q came back as %q", width, r.Value, got)
				}
				continue
			}
			if got := strings.TrimPrefix(rr.String(), rr.Header().String()); got != r.Value {
				t.Errorf("width %d: %q came back as %q", width, r.Value, got)
			}
		}
	}
}

func parseOne(t *testing.T, text string) dns.RR {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader("$TTL 3600\n"+text), ".", "")
	rr, ok := zp.Next()
	if !ok {
		t.Fatalf("%v in\n%s", zp.Err(), text)
	}
	if _, more := zp.Next(); more {
		t.Fatalf("more than one record in\n%s", text)
	}
	return rr
}

// unescape turns the presentation format of a character-string into its octets.
func unescape(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b = append(b, s[i])
		case s[i+1] >= '0' && s[i+1] <= '9':
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		default:
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}
