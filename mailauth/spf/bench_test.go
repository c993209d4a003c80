package spf_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// BenchmarkEvaluate is the CPU of one evaluation, DNS answered from memory.
func BenchmarkEvaluate(b *testing.B) {
	for name, lines := range map[string][]string{
		"ip4": {"example.com TXT v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all"},
		"mx":  {"example.com TXT v=spf1 mx -all", "example.com MX 10 mx.example.com", "mx.example.com A 192.0.2.1"},
		"includes": {
			"example.com TXT v=spf1 include:a.test include:b.test include:c.test ~all",
			"a.test TXT v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/26 ip4:203.0.113.64/26 ip4:203.0.113.128/26 ~all",
			"b.test TXT v=spf1 include:b1.test ?all", "b1.test TXT v=spf1 ip6:2001:db8::/32 ~all",
			"c.test TXT v=spf1 ip4:192.0.2.0/28 -all",
		},
		"macros": {"example.com TXT v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d2} -all", "1.2.0.192.alice._spf.example.com A 127.0.0.2"},
	} {
		b.Run(name, func(b *testing.B) {
			z := zoneOf(b, lines...)
			req := from("alice@example.com", "192.0.2.1")
			b.ReportAllocs()
			for b.Loop() {
				if e := spf.Evaluate(b.Context(), z, req); e.Result != spf.Pass {
					b.Fatal(e.Text())
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	const text = "v=spf1 a mx/24 include:_spf.example.net ip4:192.0.2.0/24 ip6:2001:db8::/32 exists:%{ir}.%{l1r+-}._spf.%{d} ~all"
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := spf.Parse(text); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

func BenchmarkExpand(b *testing.B) {
	z := zoneOf(b, "example.com TXT v=spf1 mx include:a.test include:b.test -all", "example.com MX 10 mx.example.com", "mx.example.com A 192.0.2.1",
		"a.test TXT v=spf1 ip4:198.51.100.0/24 ~all", "b.test TXT v=spf1 include:a.test a:mx.example.com ~all")
	b.ReportAllocs()
	for b.Loop() {
		if t := spf.Expand(b.Context(), z, mail.MustParseDomain("example.com"), spf.Bounds{}); t.Lookups != 5 {
			b.Fatal(t.Lookups)
		}
	}
}
