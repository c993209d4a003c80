package account_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
)

func TestCheckNetworks(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.168.1.10"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::10%eth0")}
	gateways := []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("::ffff:10.0.0.138"), netip.MustParseAddr("fe80::1%eth0")}
	for network, want := range map[string]string{
		"192.168.1.32/27":     "",
		"192.168.1.20/32":     "",
		"10.9.0.0/16":         "",
		"172.18.0.0/16":       "",
		"127.0.0.0/8":         "",
		"::1/128":             "",
		"fd00::/8":            "",
		"203.0.113.0/24":      "",
		"203.0.113.7/32":      "",
		"2001:db8:1::/64":     "",
		"192.168.1.0/24":      "contains 192.168.1.1",
		"192.168.1.8/29":      "contains 192.168.1.10, an address of this machine",
		"172.17.0.0/16":       "contains 172.17.0.1",
		"10.0.0.0/8":          "contains ::ffff:10.0.0.138",
		"fe80::/64":           "contains fe80::1",
		"203.0.112.0/23":      "public and wider than /24",
		"0.0.0.0/0":           "public and wider than /24",
		"100.64.0.0/10":       "public and wider than /24",
		"192.0.0.0/8":         "public and wider than /24", // holds private space, and much more
		"2001:db8::/48":       "public and wider than /64",
		"::/0":                "public and wider than /64",
		"::ffff:10.2.0.0/112": "IPv6 form",
		"::ffff:0:0/96":       "IPv6 form",
	} {
		err := account.CheckNetworks([]netip.Prefix{netip.MustParsePrefix(network)}, own, gateways)
		if want == "" && err != nil || want != "" && (!errors.Is(err, account.ErrNetwork) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", network, err, want)
		}
	}
	if err := account.CheckNetworks([]netip.Prefix{{}}, nil, nil); !errors.Is(err, account.ErrNetwork) {
		t.Errorf("the zero network: %v", err)
	}
}
