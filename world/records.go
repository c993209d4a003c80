package world

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/mail"
)

// TXT is one TXT record: its strings joined with nothing between them, as SPF,
// DKIM and the rest read it (RFC 7208 section 3.3), and the strings as they came.
type TXT struct {
	Text    string
	Strings []string
}

// LookupTXT asks for the TXT records at a name, octets unescaped.
func LookupTXT(ctx context.Context, r Resolver, name Name) ([]TXT, *Answer, error) {
	a, err := r.Lookup(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, nil, err
	}
	var texts []TXT
	for _, rr := range a.Records {
		if t, ok := rr.(*dns.TXT); ok {
			texts = append(texts, textOf(t))
		}
	}
	return texts, a, nil
}

func textOf(rr *dns.TXT) TXT {
	t := TXT{Strings: make([]string, len(rr.Txt))}
	for i, s := range rr.Txt {
		t.Strings[i] = unescape(s)
	}
	t.Text = strings.Join(t.Strings, "")
	return t
}

// unescape undoes the \DDD and \X of the message library: the octets as sent.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + (s[i+3] - '0'))
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// MX is one mail exchanger. Host is the root for a null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       Name
}

// LookupMX asks for the MX records, best first; equal preferences keep the order
// of their names so that reports do not flicker.
func LookupMX(ctx context.Context, r Resolver, name Name) ([]MX, *Answer, error) {
	a, err := r.Lookup(ctx, name, dns.TypeMX)
	if err != nil {
		return nil, nil, err
	}
	var mxs []MX
	for _, rr := range a.Records {
		if mx, ok := rr.(*dns.MX); ok {
			mxs = append(mxs, MX{mx.Preference, nameIn(mx.Mx)})
		}
	}
	slices.SortStableFunc(mxs, func(a, b MX) int {
		return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Host, b.Host))
	})
	return mxs, a, nil
}

// LookupPTR asks for the names of an address, as DNS names: they need not be
// valid host names.
func LookupPTR(ctx context.Context, r Resolver, ip netip.Addr) ([]Name, *Answer, error) {
	a, err := r.Lookup(ctx, ReverseName(ip), dns.TypePTR)
	if err != nil {
		return nil, nil, err
	}
	var names []Name
	for _, rr := range a.Records {
		if ptr, ok := rr.(*dns.PTR); ok {
			names = append(names, nameIn(ptr.Ptr))
		}
	}
	slices.Sort(names)
	return names, a, nil
}

// LookupA asks for the IPv4 addresses of a name.
func LookupA(ctx context.Context, r Resolver, name Name) ([]netip.Addr, *Answer, error) {
	return lookupAddresses(ctx, r, name, dns.TypeA)
}

// LookupAAAA asks for the IPv6 addresses of a name.
func LookupAAAA(ctx context.Context, r Resolver, name Name) ([]netip.Addr, *Answer, error) {
	return lookupAddresses(ctx, r, name, dns.TypeAAAA)
}

func lookupAddresses(ctx context.Context, r Resolver, name Name, qtype uint16) ([]netip.Addr, *Answer, error) {
	a, err := r.Lookup(ctx, name, qtype)
	if err != nil {
		return nil, nil, err
	}
	var ips []netip.Addr
	for _, rr := range a.Records {
		if ip, ok := addressOf(rr); ok {
			ips = append(ips, ip)
		}
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return ips, a, nil
}

func addressOf(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		ip, ok := netip.AddrFromSlice(rr.A.To4())
		return ip, ok
	case *dns.AAAA:
		ip, ok := netip.AddrFromSlice(rr.AAAA.To16())
		return ip, ok
	}
	return netip.Addr{}, false
}

// LookupAddresses asks for the IPv4 and IPv6 addresses of a name, v4 first. When
// one family fails and the other answers, the answer counts; when neither has
// addresses the worse error is returned, a temporary one before an absence.
func LookupAddresses(ctx context.Context, r Resolver, name Name) ([]netip.Addr, error) {
	v4, _, err4 := LookupA(ctx, r, name)
	v6, _, err6 := LookupAAAA(ctx, r, name)
	if ips := append(v4, v6...); len(ips) > 0 {
		return ips, nil
	}
	if err4 != nil && !errors.Is(err4, ErrNotFound) {
		return nil, err4
	}
	return nil, cmp.Or(notAbsence(err6), err4, err6)
}

func notAbsence(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// LookupHost is LookupAddresses for a domain.
func LookupHost(ctx context.Context, r Resolver, host mail.Domain) ([]netip.Addr, error) {
	return LookupAddresses(ctx, r, NameOf(host))
}
