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
		{finding.Record{Name: "a.example.", Type: "TXT", Value: `"v=spf1" " -all"`}, `a.example. IN TXT "v=spf1 -all"`},
		{finding.TXT("a.example.", `say "hi" \o`), `a.example. IN TXT "say \"hi\" \\o"`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: `"v=DMARC1; p=none" ) $INCLUDE x`}, `a.example. IN TXT "\"v=DMARC1; p=none\" ) $INCLUDE x"`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: "\"a\nb. IN A 192.0.2.1\""}, `a.example. IN TXT "\"a\010b. IN A 192.0.2.1\""`},
		{finding.Record{Name: "a.example.", Type: "TXT", Value: strings.Repeat("a", 4097)}, "; a.example. IN TXT: 4097 octets, too long to be shown; --json has it"},
		{finding.Record{Name: "$INCLUDE x", Type: "MX\n", Value: "10  mx.example.\n$INCLUDE x"}, `\$INCLUDE\032x IN MX\010 10 mx.example.\010\$INCLUDE x`},
		{finding.Record{Name: `a\.b\;c.example.`, Type: "MX", Value: `10 m;x\(\`}, `a\.b\;c.example. IN MX 10 m\;x\(\\`},
		{finding.Record{Name: `a\099\256.`, Type: "CAA", Value: `0 issue "ca.example ) $INCLUDE`}, `a\099\\256. IN CAA 0 issue \"ca.example\032\)\032\$INCLUDE`},
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
		finding.TXT("s1._domainkey.red.example.", longKey),
		finding.TXT("red.example.", strings.Repeat(`a "b\ ü;(`, 60)),
		{Name: "_25._tcp.mx.red.example.", Type: "TLSA", Value: "3 1 1 " + strings.Repeat("0123456789abcdef", 4)},
		{Name: "7.113.0.203.in-addr.arpa.", Type: "PTR", Value: "mx.red.example."},
		{Name: "red.example.", Type: "MX", Value: "10 mx.red.example."},
	} {
		for _, width := range []int{40, 80, 200, 1000} {
			text := strings.Join(zoneLines(r, width), "\n") + "\n"
			rr := parseOne(t, text)
			if txt, ok := rr.(*dns.TXT); ok {
				if want, err := r.Text(); err != nil || unescape(strings.Join(txt.Txt, "")) != want {
					t.Errorf("width %d: %q came back as %q, %v", width, want, txt.Txt, err)
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

// Whatever a record holds, it stays one record in a zone file, and its text the
// same at every width.
func FuzzZoneLines(f *testing.F) {
	f.Add("a.example.", "TXT", `"v=spf1" " -all"`, 80)
	f.Add("a.example.", "TXT", `"a" ) $INCLUDE b`, 20)
	f.Add("$ORIGIN x", "CAA", "0 issue \"a\nb", 40)
	f.Add("a;b\\", "MX", `10 "\`, 0)
	f.Fuzz(func(t *testing.T, name, kind, value string, limit int) {
		r := finding.Record{Name: "x" + name, Type: kind, Value: value}
		lines := zoneLines(r, limit)
		for i, line := range lines {
			if strings.ContainsAny(line, "\n\r") || i > 0 && !strings.HasPrefix(line, "    ") {
				t.Fatalf("line %d leaves its record: %q", i, lines)
			}
		}
		if isText(r) && len(value) <= maxText {
			want, err := r.Text()
			if err != nil {
				want = value
			}
			r.Name = "a.example."
			rr := parseOne(t, strings.Join(zoneLines(r, limit), "\n")+"\n")
			if txt, ok := rr.(*dns.TXT); ok && unescape(strings.Join(txt.Txt, "")) != want {
				t.Errorf("%q came back as %q", want, txt.Txt)
			}
		}
	})
}
