package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

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

// maxName is the longest name in octets without its final dot (RFC 1035 section
// 2.3.4), and maxUnicode more than its Unicode form can have.
const (
	maxName    = 253
	maxUnicode = 4 * maxName
)

// ParseDomain reads a domain as a person or a protocol writes it: Unicode or
// ASCII, any case, with or without the final dot. Address literals, empty
// labels, underscores and names over 253 octets are refused.
func ParseDomain(s string) (Domain, error) {
	name := strings.TrimSuffix(s, ".")
	if isPlainHostname(name) { // nearly all; no IP address is one
		return Domain{name}, nil
	}
	switch _, err := netip.ParseAddr(name); {
	case name == "":
		return Domain{}, fmt.Errorf("%w: it is empty", ErrDomain)
	case len(name) > maxUnicode:
		return Domain{}, fmt.Errorf("%w: %.40q... is too long", ErrDomain, s)
	case err == nil:
		return Domain{}, fmt.Errorf("%w: %q is an IP address", ErrDomain, s)
	case !utf8.ValidString(name):
		return Domain{}, fmt.Errorf("%w: %q is not UTF-8", ErrDomain, s)
	}
	ascii, err := toASCII(name)
	if err != nil {
		return Domain{}, fmt.Errorf("%w: %q (%s)", ErrDomain, s, err)
	}
	return Domain{ascii}, nil
}

// toASCII gives the normal form, all its labels checked.
func toASCII(name string) (string, error) {
	if isPlainHostname(name) {
		return name, nil
	}
	if lower := strings.ToLower(name); isPlainHostname(lower) && isASCII(name) {
		return lower, nil
	}
	ascii, err := profile.ToASCII(name)
	if err != nil {
		return "", errors.New(plainReason(err))
	}
	labels := strings.Split(ascii, ".")
	for _, label := range labels {
		if !isPlainLabel(label) && !isALabel(label) {
			return "", fmt.Errorf("the label %q", label)
		}
	}
	if isNumeric(labels[len(labels)-1]) {
		// RFC 3696 section 2: a top-level label is never all digits, so that a
		// dotted quad cannot be taken for a name.
		return "", errors.New("it ends in a number")
	}
	return ascii, nil
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
	if len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isPlainLabel(label) {
			return false
		}
	}
	return !isNumeric(s[strings.LastIndexByte(s, '.')+1:])
}

// isPlainLabel is a letters-digits-hyphen label in lower case that is no A-label:
// those are IDNA's to judge. Hyphens in its third and fourth place are reserved
// (RFC 5890 section 2.3.1), but hosts have them.
func isPlainLabel(s string) bool { return isLabel(s) && !strings.HasPrefix(s, "xn--") }

// isALabel is for labels that went through IDNA, which knows the valid ones.
func isALabel(s string) bool { return isLabel(s) && strings.HasPrefix(s, "xn--") }

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
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
