package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Domain is a host or mail domain in its ASCII form: lower case, A-labels, no
// trailing dot, letters, digits and hyphens only. The zero value is no domain.
// Two Domains are the same domain exactly when they are ==.
type Domain struct{ ascii string }

// ErrDomain is wrapped by every error of ParseDomain.
var ErrDomain = errors.New("not a domain name")

// profile maps what a person types to A-labels and is strict about the result:
// RFC 5891 section 5, and the hostname rules of RFC 1123 section 2.1.
var profile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
	idna.Transitional(false),
)

// display keeps unusual but harmless names readable instead of failing.
var display = idna.New(idna.BidiRule())

// ParseDomain reads a domain as a person or a protocol writes it: Unicode or
// ASCII, any case, with or without the final dot. Address literals, empty
// labels, underscores and names over 253 octets are refused.
func ParseDomain(s string) (Domain, error) {
	name := strings.TrimSuffix(s, ".")
	if name == "" {
		return Domain{}, fmt.Errorf("%w: it is empty", ErrDomain)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return Domain{}, fmt.Errorf("%w: %q is an IP address", ErrDomain, s)
	}
	if isPlainHostname(name) {
		return Domain{name}, nil
	}
	ascii, err := profile.ToASCII(name)
	if err != nil {
		return Domain{}, fmt.Errorf("%w: %q (%s)", ErrDomain, s, plainReason(err))
	}
	if !isPlainHostname(ascii) && !hasALabel(ascii) {
		return Domain{}, fmt.Errorf("%w: %q", ErrDomain, s)
	}
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		// RFC 3696 section 2: a top-level label is never all digits, so that a
		// dotted quad cannot be taken for a name.
		return Domain{}, fmt.Errorf("%w: %q ends in a number", ErrDomain, s)
	}
	return Domain{ascii}, nil
}

// MustParseDomain is ParseDomain for names written in the program itself.
func MustParseDomain(s string) Domain {
	d, err := ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return d
}

// isPlainHostname is the fast path: already normal, nothing for IDNA to do.
func isPlainHostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	labels := 0
	for label := range strings.SplitSeq(s, ".") {
		labels++
		if !isPlainLabel(label) {
			return false
		}
	}
	return !isNumeric(s[strings.LastIndexByte(s, '.')+1:])
}

func isPlainLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	if len(s) >= 4 && s[2] == '-' && s[3] == '-' {
		return false // A-labels and their look-alikes are IDNA's to judge
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func hasALabel(s string) bool {
	return strings.HasPrefix(s, "xn--") || strings.Contains(s, ".xn--")
}

func isNumeric(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func plainReason(err error) string {
	return strings.TrimPrefix(err.Error(), "idna: ")
}

// IsZero reports whether there is no domain.
func (d Domain) IsZero() bool { return d.ascii == "" }

// String is the ASCII form, as it goes over the wire.
func (d Domain) String() string { return d.ascii }

// Unicode is the form for people, U-labels where they are valid.
func (d Domain) Unicode() string {
	u, err := display.ToUnicode(d.ascii)
	if err != nil {
		return d.ascii
	}
	return u
}

// Labels counts the labels: 2 for "example.com", 0 for the zero value.
func (d Domain) Labels() int {
	if d.IsZero() {
		return 0
	}
	return strings.Count(d.ascii, ".") + 1
}

// Parent is the domain one label up, the zero value above a top-level domain.
func (d Domain) Parent() Domain {
	_, up, _ := strings.Cut(d.ascii, ".")
	return Domain{up}
}

// IsSubdomainOf reports whether d lies strictly below up.
func (d Domain) IsSubdomainOf(up Domain) bool {
	return !up.IsZero() && strings.HasSuffix(d.ascii, "."+up.ascii)
}

// IsWithin reports whether d is up or lies below it.
func (d Domain) IsWithin(up Domain) bool {
	return d == up && !d.IsZero() || d.IsSubdomainOf(up)
}

// Registrable is the name somebody registered according to the public suffix
// list: "example.co.uk" for "mail.example.co.uk". A public suffix or a
// single label is its own answer. DMARC does not use it (RFC 9989 walks the tree).
func (d Domain) Registrable() Domain {
	r, err := publicsuffix.EffectiveTLDPlusOne(d.ascii)
	if err != nil {
		return d
	}
	return Domain{r}
}
