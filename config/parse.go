package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
)

func parseDomain(s string) (mail.Domain, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return mail.Domain{}, fmt.Errorf("%s is an address; a name is wanted here", ip)
	}
	return mail.ParseDomain(s)
}

func parseAddr(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return ip, fmt.Errorf(`%.60q is no address; write "203.0.113.7" or "2001:db8::7"`, s)
	case ip.Zone() != "":
		return ip, fmt.Errorf("%s has a zone; only addresses that the world can see have a place here", ip)
	}
	return ip.Unmap(), nil
}

// parsePrefix reads a network; an address alone is a network of one.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Errorf(`%.60q is no network; write "192.168.1.0/24"`, s)
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits behind its mask; write %s", p, p.Masked())
	}
	return p, nil
}

// parseResolver reads an address with or without its port.
func parseResolver(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 53), nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return at, fmt.Errorf(`%.60q is no resolver; write "127.0.0.1:53"`, s)
	}
	return at, nil
}

// ParseDuration reads "90s", "15m", "4h" or "5d"; days are 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf(`%.40q is no duration; write "90s", "15m", "4h" or "5d"`, s)
	}
	return d, nil
}
