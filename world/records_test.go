package world

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"net/netip"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
)

func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{
			"a.test. 60 MX 20 B.Test.", "a.test. 60 MX 10 z.test.", "a.test. 60 MX 10 c.test.", "null.test. 60 MX 0 .",
			`a.test. 60 TXT "v=spf1 " "-all"`, `a.test. 60 TXT "\"q\" \\ \195\164 \000;"`, `none.test. 60 A 192.0.2.1`,
			"a.test. 60 A 192.0.2.2", "a.test. 60 A 192.0.2.1", "a.test. 60 AAAA 2001:db8::1", "four.test. 60 A 192.0.2.4",
			"1.2.0.192.in-addr.arpa. 60 PTR Z.Test.", `1.2.0.192.in-addr.arpa. 60 PTR A_\(b.Test.`,
		}}
		w, _ := worldOf(t, Options{}, answering(r.reply))
		mxs, _, err := LookupMX(t.Context(), w, "a.test.")
		if want := []MX{{10, "c.test."}, {10, "z.test."}, {20, "b.test."}}; err != nil || !slices.Equal(mxs, want) {
			t.Errorf("got %v, %v, want %v", mxs, err, want)
		}
		if mxs, _, err := LookupMX(t.Context(), w, "null.test."); err != nil || len(mxs) != 1 || mxs[0].Host != Root {
			t.Errorf("the null MX is %v, %v", mxs, err)
		}
		texts, answer, err := LookupTXT(t.Context(), w, "a.test.")
		if err != nil || texts[0].Text != "v=spf1 -all" || len(texts[0].Strings) != 2 || texts[1].Text != "\"q\" \\ ä \x00;" || answer.Name != "a.test." {
			t.Errorf("got %q, %v", texts, err)
		}
		names, _, err := LookupPTR(t.Context(), w, netip.MustParseAddr("192.0.2.1"))
		if want := []Name{`a_\(b.test.`, "z.test."}; err != nil || !slices.Equal(names, want) {
			t.Errorf("got %q, %v", names, err)
		}
		ips, err := LookupHost(t.Context(), w, mail.MustParseDomain("a.test"))
		if err != nil || fmt.Sprint(ips) != "[192.0.2.1 192.0.2.2 2001:db8::1]" {
			t.Errorf("got %v, %v", ips, err)
		}
		if ips, err := LookupAddresses(t.Context(), w, "four.test."); err != nil || len(ips) != 1 {
			t.Errorf("one family: %v, %v", ips, err)
		}
		if _, err := LookupAddresses(t.Context(), w, "nowhere.test."); !errors.Is(err, ErrNoName) {
			t.Errorf("got %v", err)
		}
		if _, _, err := LookupTXT(t.Context(), w, "none.test."); !errors.Is(err, ErrNoData) {
			t.Errorf("got %v", err)
		}
	})
}

// TestLookupAddressesWorseError: that one family could not be asked for is worse
// than that the other has nothing.
func TestLookupAddressesWorseError(t *testing.T) {
	for _, failing := range []uint16{dns.TypeA, dns.TypeAAAA} {
		synctest.Test(t, func(t *testing.T) {
			r := &records{t: t}
			w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
				if q.Question[0].Qtype == failing {
					return refusing(dns.RcodeServerFailure)(network, q)
				}
				return r.reply(network, q)
			}))
			if _, err := LookupAddresses(t.Context(), w, "a.test."); !errors.Is(err, ErrTemporary) {
				t.Errorf("%s fails: got %v", TypeName(failing), err)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"v=spf1", `\`, `\"\\\000\999`, "ä\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 255 {
			return
		}
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: "a.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Rdlength: uint16(len(s) + 1)}}
		wire := append([]byte{byte(len(s))}, s...)
		got, _, err := dns.UnpackRRWithHeader(rr.Hdr, wire, 0)
		if err != nil {
			t.Fatal(err)
		}
		if text := textOf(got.(*dns.TXT)).Text; text != s {
			t.Fatalf("%q came out as %q", s, text)
		}
		if strings.Contains(printable(s), "\x1b") {
			t.Fatal("an escape got through")
		}
	})
}
