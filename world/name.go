package world

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	"github.com/miekg/dns/dnsutil"

	"github.com/allgreen-mail/allgreen/mail"
)

// Name is a DNS name in presentation format: lower case, fully qualified with
// its final dot, octets outside printable ASCII as \DDD. Any octets may stand in
// it, as DNS allows (RFC 2181 section 11) and SPF macros produce.
type Name string

// Root is the name of the root zone.
const Root Name = "."

// NameOf is the DNS name of a domain.
func NameOf(d mail.Domain) Name { return Name(d.String() + ".") }

// ParseName reads a name in presentation format, relative or fully qualified. It
// refuses empty labels, labels over 63 and names over 255 octets on the wire.
// Names that are the same to DNS come out the same: only ASCII letters have a
// case (RFC 4343), and an octet is escaped in one way only.
func ParseName(s string) (Name, error) {
	if isPlainName(s) {
		return Name(s), nil
	}
	fqdn := dns.Fqdn(s)
	if _, ok := dns.IsDomainName(fqdn); !ok || s == "" {
		return "", fmt.Errorf("%.80q is no DNS name", s)
	}
	var wire [maxNameOctets + 1]byte
	end, err := dns.PackDomainName(fqdn, wire[:], 0, nil, false)
	if err != nil || end > maxNameOctets {
		return "", fmt.Errorf("%.80q is no DNS name", s)
	}
	return nameOnWire(wire[:end]), nil
}

// maxNameOctets is the longest name on the wire (RFC 1035 section 2.3.4).
const maxNameOctets = 255

// isPlainName is the fast path: lower case letters, digits, hyphens, underscores
// and asterisks, fully qualified, so that its text is its octets.
func isPlainName(s string) bool {
	if len(s) < 2 || len(s) >= maxNameOctets {
		return s == "."
	}
	start := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if i == start || i-start > 63 {
				return false
			}
			start = i + 1
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '*':
		default:
			return false
		}
	}
	return start == len(s)
}

// nameOnWire writes the labels of a packed, uncompressed name.
func nameOnWire(wire []byte) Name {
	if wire[0] == 0 {
		return Root
	}
	var b strings.Builder
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		for _, c := range wire[i+1 : i+1+int(wire[i])] {
			writeEscaped(&b, lowerOctet(c))
		}
		b.WriteByte('.')
	}
	return Name(b.String())
}

func lowerOctet(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// nameIn is a name as it stands in a message that was unpacked: it is valid, but
// its case and escapes are the sender's and the message library's.
func nameIn(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		return Name(s)
	}
	return n
}

// MustParseName is ParseName for names written in the program itself.
func MustParseName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// NameFromLabels builds a name from raw labels, each any octets.
func NameFromLabels(labels []string) (Name, error) {
	var b strings.Builder
	for _, label := range labels {
		for i := range len(label) {
			writeEscaped(&b, label[i])
		}
		b.WriteByte('.')
	}
	return ParseName(b.String())
}

func writeEscaped(b *strings.Builder, c byte) {
	switch {
	case c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '$':
		b.WriteByte('\\')
		b.WriteByte(c)
	case c <= ' ' || c > '~':
		fmt.Fprintf(b, "\\%03d", c)
	default:
		b.WriteByte(c)
	}
}

// ReverseName is the in-addr.arpa or ip6.arpa name of an address (RFC 1035
// section 3.5, RFC 3596 section 2.5).
func ReverseName(ip netip.Addr) Name {
	arpa, err := dns.ReverseAddr(ip.Unmap().WithZone("").String())
	if err != nil {
		panic("world: the reverse name of an invalid address was asked for")
	}
	return Name(arpa)
}

// ReverseLabels is the address turned round as blocklists and SPF want it, with
// no suffix: "1.2.0.192", or 32 nibbles.
func ReverseLabels(ip netip.Addr) string {
	rev := string(ReverseName(ip))
	return strings.TrimSuffix(strings.TrimSuffix(rev, ".in-addr.arpa."), ".ip6.arpa.")
}

// Under is label.name: world.NameOf(d).Under("_dmarc"). The label may be several.
// The result is not checked: too long a name is found out when it is asked for.
func (n Name) Under(labels string) Name {
	if n == Root {
		return nameIn(labels + ".")
	}
	return nameIn(labels + "." + string(n))
}

// Parent is the name one label up; the parent of the root is the root.
func (n Name) Parent() Name {
	off, end := dns.NextLabel(string(n), 0)
	if end {
		return Root
	}
	return n[off:]
}

// Labels counts the labels; the root has none.
func (n Name) Labels() int { return dns.CountLabel(string(n)) }

// IsWithin reports whether n is zone or lies below it.
func (n Name) IsWithin(zone Name) bool { return dns.IsSubDomain(string(zone), string(n)) }

// Domain is the name as a host or mail domain, if it is one: PTR targets, SRV
// targets and names with underscores or odd octets are not always.
func (n Name) Domain() (mail.Domain, error) { return mail.ParseDomain(string(n)) }

// String is the presentation format, with the final dot.
func (n Name) String() string { return string(n) }

// Text is the presentation format for people: no final dot.
func (n Name) Text() string {
	if n == Root {
		return "."
	}
	return strings.TrimSuffix(string(n), ".")
}

// TrimZone is the name relative to a zone, "@" for the zone itself: what stands
// in the zone's file.
func (n Name) TrimZone(zone Name) string { return dnsutil.TrimDomainName(string(n), string(zone)) }
