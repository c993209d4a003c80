package spf

import (
	"net/netip"
	"sort"
	"strings"
)

// hint guesses what was meant, from mistakes that are really published. It is a
// term that parses, or "".
func hint(r *Record, p Problem) string {
	t := r.at(p.Offset)
	if t == nil {
		return ""
	}
	guess := ""
	switch p.Code {
	case BadCharacter:
		guess = plainASCII(t.Text)
	case BadTerm:
		guess = hintTerm(t.Text)
	case BadMechanism:
		guess = hintMechanism(t)
	case BadArgument:
		guess = hintArgument(t)
	case BadPrefix:
		guess = hintPrefix(t)
	case BadAddress:
		guess = hintAddress(t)
	case BadDomain:
		guess = hintDomain(t)
	}
	if _, problems := parse("v=spf1 " + guess); len(problems) > 0 || strings.Contains(guess, " ") {
		return ""
	}
	return guess
}

// at is the term around an offset.
func (r *Record) at(offset int) *Term {
	i := sort.Search(len(r.Terms), func(i int) bool { return r.Terms[i].Offset > offset })
	if i == 0 {
		return nil
	}
	return &r.Terms[i-1]
}

// sign is the qualifier as one writes it: none for '+'.
func (t *Term) sign() string {
	if t.Qualifier == '+' || t.Qualifier == 0 {
		return ""
	}
	return string(rune(t.Qualifier))
}

// plainASCII puts back what word processors changed: dashes, spaces that do not
// break, marks nobody sees. Behind a line break another term may have begun, and
// nobody can tell where.
func plainASCII(term string) string {
	if strings.ContainsAny(term, "\r\n\t") {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x2010 && r <= 0x2015, r == 0x2212:
			return '-'
		case r <= ' ', r > '~':
			return -1
		}
		return r
	}, term)
}

func hintTerm(term string) string {
	rest := strings.TrimLeft(term, "+-~?")
	if strings.HasPrefix(strings.ToLower(rest), "redirect=") {
		return rest // modifiers carry no qualifier
	}
	address, bits := cutBits(term)
	if ip, err := netip.ParseAddr(address); err == nil {
		return termFor(ip, bits)
	}
	return strings.Trim(term, `"';,`)
}

func hintMechanism(t *Term) string {
	right := ""
	switch strings.ToLower(t.Name) {
	case "redirect", "exp":
		return strings.Replace(t.Text, ":", "=", 1)
	case "ip", "ipv4":
		right = "ip4"
	case "ipv6":
		right = "ip6"
	case "host", "aaaa":
		right = "a"
	case "includes":
		right = "include"
	case "exist":
		right = "exists"
	}
	if right != "" {
		return strings.Replace(t.Text, t.Name, right, 1)
	}
	if address, bits := cutBits(t.Text); isDomainLike(address) {
		return "include:" + address + bits
	}
	return strings.TrimRight(t.Text, ".,;")
}

func isDomainLike(s string) bool {
	return strings.Contains(s, ".") && strings.Trim(s, "0123456789.") != "" &&
		!strings.HasSuffix(s, ".") && !strings.ContainsAny(s, ":/")
}

// hintArgument drops an argument that may not be.
func hintArgument(t *Term) string {
	if t.Kind == All || t.Kind == PTR {
		return t.sign() + t.Name
	}
	return ""
}

// hintPrefix doubles the slash that parts the two families.
func hintPrefix(t *Term) string {
	rest, six := cutBits(t.Text)
	rest, four := cutBits(rest)
	if four == "" {
		return ""
	}
	return rest + four + "/" + six
}

func hintAddress(t *Term) string {
	_, arg, _ := strings.Cut(t.Text, ":")
	address, bits := cutBits(arg)
	if ip, err := netip.ParseAddr(address); err == nil && ip.Zone() == "" {
		return t.sign() + termFor(ip, bits)
	}
	if host, _, ported := strings.Cut(address, ":"); ported && t.Kind == IP4 {
		return t.sign() + "ip4:" + host
	}
	if isDomainLike(address) {
		return t.sign() + "a:" + address
	}
	return ""
}

// hintDomain mends an address that stands where a name belongs.
func hintDomain(t *Term) string {
	ip, err := netip.ParseAddr(t.Target.Text)
	if err != nil || !t.IsMechanism() {
		return ""
	}
	_, bits := cutBits(t.Text)
	return t.sign() + termFor(ip, bits)
}

func termFor(ip netip.Addr, bits string) string {
	if ip.Is4() {
		return "ip4:" + ip.String() + bits
	}
	return "ip6:" + ip.String() + bits
}
