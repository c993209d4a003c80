package mailauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/world"
)

func TestIPRev(t *testing.T) {
	const v4, v6 = "1.2.0.192.in-addr.arpa", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
	many := ""
	for i := range 30 {
		many += fmt.Sprintf("%s PTR n%02d.example\nn%02d.example A 198.51.100.1\n", v4, i, i)
	}
	for _, c := range []struct{ name, ip, zone, want string }{ // result name
		{"confirmed", "192.0.2.1", v4 + " PTR mx.example\nmx.example A 192.0.2.1", "pass mx.example"},
		{"confirmed by one of several addresses", "192.0.2.1", v4 + " PTR mx.example\nmx.example A 192.0.2.9\nmx.example A 192.0.2.1", "pass mx.example"},
		{"confirmed by the second name", "192.0.2.1", v4 + " PTR a.example\n" + v4 + " PTR b.example\nb.example A 192.0.2.1", "pass b.example"},
		{"IPv6", "2001:db8::1", v6 + " PTR mx.example\nmx.example AAAA 2001:db8::1", "pass mx.example"},
		{"the other family does not count", "192.0.2.1", v4 + " PTR mx.example\nmx.example AAAA 2001:db8::1", "fail"},
		{"mapped", "::ffff:192.0.2.1", v4 + " PTR mx.example\nmx.example A 192.0.2.1", "pass mx.example"},
		{"no PTR", "192.0.2.1", "", "permerror"},
		{"PTR without data", "192.0.2.1", "x." + v4 + " A 192.0.2.1", "permerror"},
		{"leads elsewhere", "192.0.2.1", v4 + " PTR mx.example\nmx.example A 192.0.2.2", "fail"},
		{"leads nowhere", "192.0.2.1", v4 + " PTR gone.example", "fail"},
		{"reverse fails", "192.0.2.1", v4 + " SERVFAIL", "temperror"},
		{"reverse is bogus", "192.0.2.1", v4 + " BOGUS", "temperror"},
		{"forward fails", "192.0.2.1", v4 + " PTR mx.example\nmx.example SERVFAIL", "temperror"},
		{"forward fails, another confirms", "192.0.2.1", v4 + " PTR a.example\na.example SERVFAIL\n" + v4 + " PTR b.example\nb.example A 192.0.2.1", "pass b.example"},
		{"delegated by CNAME", "192.0.2.1", v4 + " CNAME 1.0-63.2.0.192.in-addr.arpa\n1.0-63.2.0.192.in-addr.arpa PTR mx.example\nmx.example A 192.0.2.1", "pass mx.example"},
		{"the eleventh name is not followed", "192.0.2.1", many + "n20.example A 192.0.2.1", "fail"},
	} {
		z := newZone(t, c.zone)
		v := mailauth.CheckIPRev(context.Background(), z, netip.MustParseAddr(c.ip))
		got := string(v.Result)
		if v.Name != "" {
			got += " " + v.Name.Text()
		}
		if got != c.want || v.Reason == "" || (v.Err != nil) != strings.HasSuffix(string(v.Result), "error") {
			t.Errorf("%s: %q, %s, %v", c.name, got, v.Reason, v.Err)
		}
		if len(v.Names) > 10 {
			t.Errorf("%s: %d names followed", c.name, len(v.Names))
		}
	}
}

func TestIPRevWithoutAddress(t *testing.T) {
	v := mailauth.CheckIPRev(context.Background(), world.None(), netip.Addr{})
	if v.Result != "" || !strings.Contains(v.Reason, "no client address") {
		t.Errorf("%+v", v)
	}
	v = mailauth.CheckIPRev(context.Background(), world.None(), netip.MustParseAddr("192.0.2.1"))
	if v.Result != mailauth.IPRevTempError || !errors.Is(v.Err, world.ErrNoWorld) {
		t.Errorf("%+v", v)
	}
}
