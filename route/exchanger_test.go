package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

const exchangeZone = `
good.example.       MX 10 mx1.good.example.
good.example.       MX 20 mx2.good.example.
mx1.good.example.   A 192.0.2.1
mx1.good.example.   AAAA 2001:db8::1
mx2.good.example.   A 192.0.2.2
null.example.       MX 0 .
null7.example.      MX 7 .
mixed.example.      MX 0 .
mixed.example.      MX 10 mx1.good.example.
implicit.example.   A 192.0.2.3
www.implicit.example. CNAME implicit.example.
empty.example.      TXT "nothing else"
alias.example.      MX 10 cname.alias.example.
cname.alias.example. CNAME mx1.good.example.
address.example.    MX 10 192.0.2.9.
under.example.      MX 10 _mx.under.example.
dead.example.       MX 10 gone.dead.example.
twice.example.      MX 10 mx1.good.example.
twice.example.      MX 20 mx1.good.example.
slow4.example.      MX 10 slow4.mx.example.
`

func TestLookupExchangers(t *testing.T) {
	z := newZone(t, exchangeZone)
	z.fail["slow.example. MX"] = world.ErrTemporary
	z.fail["bogus.example. MX"] = world.ErrBogus
	z.fail["slowaddr.example. MX"] = world.ErrNoData
	z.fail["slowaddr.example. A"] = world.ErrTemporary
	z.fail["slow4.mx.example. A"] = world.ErrTemporary
	tests := []struct {
		domain, want string
		err          error
	}{
		{"good.example", "mx: 10 mx1.good.example(192.0.2.1 2001:db8::1)[] 20 mx2.good.example(192.0.2.2)[]", nil},
		{"null.example", "null:", nil},
		{"null7.example", "null: null-preference", nil},
		{"mixed.example", "mx: 10 mx1.good.example(192.0.2.1 2001:db8::1)[] null-among-others", nil},
		{"implicit.example", "implicit: 0 implicit.example(192.0.2.3)[]", nil},
		{"www.implicit.example", "implicit: 0 www.implicit.example(192.0.2.3)[]", nil},
		{"empty.example", "nowhere:", world.ErrNoData},
		{"missing.example", "nowhere:", world.ErrNoName},
		{"slow.example", "unknown:", world.ErrTemporary},
		{"bogus.example", "unknown:", world.ErrBogus},
		{"slowaddr.example", "unknown:", world.ErrTemporary},
		{"alias.example", "mx: 10 cname.alias.example(192.0.2.1 2001:db8::1)[alias]", nil},
		{"address.example", "mx: 10 192.0.2.9()[address]", nil},
		{"under.example", "mx: 10 _mx.under.example()[not-a-host]", nil},
		{"dead.example", "mx: 10 gone.dead.example()[]", nil},
		{"twice.example", "mx: 10 mx1.good.example(192.0.2.1 2001:db8::1)[] duplicate", nil},
		{"slow4.example", "mx: 10 slow4.mx.example()[]", nil},
	}
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			x := LookupExchangers(t.Context(), z, domain(tt.domain))
			if got := describe(x); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !errors.Is(x.Err, tt.err) || (x.Err != nil) != (tt.err != nil) {
				t.Errorf("error %v, want %v", x.Err, tt.err)
			}
		})
	}
}

func describe(x Exchangers) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", x.Kind)
	for _, h := range x.Hosts {
		ips := strings.Trim(fmt.Sprint(h.Addresses()), "[]")
		fmt.Fprintf(&b, " %d %s(%s)[%s]", h.Preference, h.Name.Text(), ips, codes(h.Problems))
	}
	if len(x.Problems) > 0 {
		b.WriteString(" " + codes(x.Problems))
	}
	return b.String()
}

func TestExchangerErr(t *testing.T) {
	z := newZone(t, exchangeZone)
	z.fail["slow4.mx.example. A"] = world.ErrNoData
	z.fail["slow4.mx.example. AAAA"] = world.ErrTemporary
	for name, want := range map[string]error{
		"slow4.example": world.ErrTemporary, "dead.example": world.ErrNoName, "under.example": ErrNoHost, "good.example": nil,
	} {
		x := LookupExchangers(t.Context(), z, domain(name))
		if err := x.Hosts[0].Err(); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestExchangersAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 250 {
		fmt.Fprintf(&b, "many.example. MX 10 mx%d.many.example.\n", i)
	}
	for i := range 100 {
		fmt.Fprintf(&b, "mx0.many.example. A 192.0.2.%d\n", i)
	}
	x := LookupExchangers(t.Context(), newZone(t, b.String()), domain("many.example"))
	if len(x.Hosts) != maxExchangers || x.Dropped != 150 {
		t.Errorf("%d hosts, %d dropped", len(x.Hosts), x.Dropped)
	}
	if h := x.Hosts[0]; len(h.V4) != maxAddresses || h.Dropped != 36 {
		t.Errorf("%d addresses, %d dropped", len(h.V4), h.Dropped)
	}
}

func TestZeroValuesPermitNothing(t *testing.T) {
	var n Need
	if n.Verify(nil, nil, testTime) == nil {
		t.Error("the zero Need lets mail through")
	}
	var x Exchangers
	if x.Kind != Unknown || len(x.Hosts) > 0 {
		t.Error("the zero Exchangers knows hosts")
	}
	var s STS
	if s.Usable() || s.Policy.Allows(domain("example.com")) {
		t.Error("the zero STS has a policy")
	}
	var d TLSASet
	if _, err := d.Match(nil, nil, testTime); d.Binding() || err == nil {
		t.Error("the zero TLSASet vouches")
	}
}
