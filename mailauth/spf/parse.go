package spf

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxRecord is the most octets that the data of one DNS record can have (RFC 1035
// section 3.2.1): a longer text did not come out of DNS.
const maxRecord = 65535

// IsRecord reports whether a TXT text is an SPF record at all: v=spf1 in any case,
// then a space or the end (RFC 7208 section 4.5).
func IsRecord(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// Parse reads a record by the grammar of RFC 7208 section 12. It never stops at a
// problem: the record holds every term as far as it could be read, and all the
// problems come back in their order. A record with a problem is a permerror.
func Parse(text string) (*Record, []Problem) {
	record, problems := parse(text)
	for i := range problems {
		problems[i].Hint = hint(record, problems[i])
	}
	return record, problems
}

// parse is Parse without the hints, which a receiver has no use for.
func parse(text string) (*Record, []Problem) {
	p := parser{record: &Record{Text: text}}
	switch {
	case len(text) > maxRecord:
		p.record.Text = text[:maxRecord]
		p.report(BadSize, 0, fmt.Sprintf("the record has %d octets; DNS carries at most %d", len(text), maxRecord))
		return p.record, p.problems
	case !IsRecord(text):
		p.report(BadVersion, 0, `the record does not begin with "v=spf1" and a space`)
		return p.record, p.problems
	}
	p.record.Terms = make([]Term, 0, strings.Count(text, " "))
	for i := len("v=spf1"); i < len(text); {
		if text[i] == ' ' { // section 4.6.1: nothing else separates
			i++
			continue
		}
		end := i
		for end < len(text) && text[end] != ' ' {
			end++
		}
		p.addTerm(text[i:end], i)
		i = end
	}
	return p.record, p.problems
}

// parser collects the terms and problems of one record.
type parser struct {
	record   *Record
	term     *Term // being read; nil outside of terms
	problems []Problem
}

func (p *parser) report(code string, at int, text string) {
	problem := Problem{Code: code, Offset: at, Text: text}
	if p.term != nil {
		problem.Term = p.term.Text
		problem.Offset += p.term.Offset
	}
	p.problems = append(p.problems, problem)
}

// addTerm reads one term. A modifier is a name with "=" right behind it; all else
// is a mechanism (RFC 7208 section 4.6.1).
func (p *parser) addTerm(text string, offset int) {
	p.record.Terms = append(p.record.Terms, Term{Text: text, Offset: offset, Bits4: 32, Bits6: 128})
	p.term = &p.record.Terms[len(p.record.Terms)-1]
	if at := badOctet(text); at >= 0 {
		p.report(BadCharacter, at, fmt.Sprintf("the octet 0x%02X is not visible ASCII", text[at]))
		return
	}
	if name, value := splitModifier(text); name != "" {
		p.modifier(name, value)
		return
	}
	p.directive(text)
}

// splitModifier is the name and value of a modifier, "" when the term is none.
func splitModifier(term string) (name, value string) {
	n := nameLength(term)
	if n == 0 || n == len(term) || term[n] != '=' {
		return "", ""
	}
	return term[:n], term[n+1:]
}

func badOctet(s string) int {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return i
		}
	}
	return -1
}

// nameLength is how much of s is a name: ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ).
func nameLength(s string) int {
	n := 0
	for n < len(s) && (isAlpha(s[n]) || n > 0 && (isDigit(s[n]) || s[n] == '-' || s[n] == '_' || s[n] == '.')) {
		n++
	}
	return n
}

func (p *parser) modifier(name, value string) {
	t := p.term
	t.Name = name
	switch {
	case strings.EqualFold(name, "redirect"):
		t.Kind = Redirect
	case strings.EqualFold(name, "exp"):
		t.Kind = Exp
	default:
		// Unknown ones are ignored, but must be macro strings (section 6).
		t.Kind = UnknownModifier
		p.macroString(value, len(name)+1)
		return
	}
	if first := p.record.First(t.Kind); first != t {
		p.report(BadRepeat, 0, fmt.Sprintf("%s stands more than once", t.Kind)) // section 6
	}
	p.domainSpec(value, len(name)+1)
}

// directive reads a qualifier and a mechanism.
func (p *parser) directive(text string) {
	t := p.term
	at := 0
	t.Qualifier = '+'
	if isQualifier(text[0]) {
		t.Qualifier = Qualifier(text[0])
		at = 1
	}
	n := nameLength(text[at:])
	t.Name = text[at : at+n]
	at += n
	arg := text[at:]
	if t.Name == "" || arg != "" && arg[0] != ':' && arg[0] != '/' {
		p.report(BadTerm, 0, "this is neither a mechanism nor a modifier")
		return
	}
	switch t.Kind = mechanismKind(t.Name); t.Kind {
	case All:
		if arg != "" {
			p.report(BadArgument, at, "all takes no argument")
		}
	case Include, Exists:
		p.needDomain(arg, at)
	case PTR:
		p.maybeDomain(arg, at)
	case A, MX:
		p.hosts(arg, at)
	case IP4, IP6:
		p.network(arg, at)
	default:
		p.report(BadMechanism, 0, fmt.Sprintf("there is no mechanism %q", t.Name))
	}
}

// mechanismKind finds the mechanism; names are case-insensitive (section 4.6.1).
func mechanismKind(name string) Kind {
	for _, k := range [...]Kind{All, Include, A, MX, PTR, IP4, IP6, Exists} {
		if len(name) == len(k) && strings.EqualFold(name, string(k)) {
			return k
		}
	}
	return Unreadable
}

func (p *parser) needDomain(arg string, at int) {
	if arg == "" || arg[0] != ':' {
		p.report(BadArgument, at, fmt.Sprintf(`%s needs ":" and a domain`, p.term.Kind))
		return
	}
	p.domainSpec(arg[1:], at+1)
}

func (p *parser) maybeDomain(arg string, at int) {
	switch {
	case arg == "":
	case arg[0] == ':':
		p.domainSpec(arg[1:], at+1)
	default:
		p.report(BadArgument, at, fmt.Sprintf("%s takes no prefix length", p.term.Kind))
	}
}

// hosts reads the argument of a and mx: a domain, prefix lengths, or both.
func (p *parser) hosts(arg string, at int) {
	domain, bits := cutBits(arg)
	if domain != "" && domain[0] != ':' {
		p.report(BadPrefix, at, "prefix lengths are written /24 for IPv4, //64 for IPv6, /24//64 for both")
		return
	}
	if domain != "" {
		p.domainSpec(domain[1:], at+1)
	}
	p.dualBits(bits, at+len(domain))
}

// cutBits splits off the longest "/n", "//n" or "/n//n" at the end. A slash may
// also stand inside of a domain-spec, so that only the end can tell.
func cutBits(s string) (domain, bits string) {
	i := skipDigits(s)
	if i == 0 || s[i-1] != '/' {
		return s, ""
	}
	i--
	if i > 0 && s[i-1] == '/' {
		i--
		if j := skipDigits(s[:i]); j > 0 && j < i && s[j-1] == '/' {
			i = j - 1
		}
	}
	return s[:i], s[i:]
}

// skipDigits is where the digits at the end of s begin.
func skipDigits(s string) int {
	i := len(s)
	for i > 0 && isDigit(s[i-1]) {
		i--
	}
	return i
}

func (p *parser) dualBits(bits string, at int) {
	four, six, both := strings.Cut(bits, "//")
	if four != "" {
		p.term.Bits4 = p.bits(four[1:], 32, at+1)
	}
	if both {
		p.term.Bits6 = p.bits(six, 128, at+len(four)+2)
	}
}

// bits reads a prefix length: no sign, no leading zero, not over the limit
// (RFC 7208 section 12).
func (p *parser) bits(digits string, limit, at int) int {
	n := smallNumber(digits)
	switch {
	case digits == "" || skipDigits(digits) != 0:
		p.report(BadPrefix, at, "the prefix length is not a number")
	case digits[0] == '0' && len(digits) > 1:
		p.report(BadPrefix, at, "the prefix length begins with a zero")
	case n > limit:
		p.report(BadPrefix, at, fmt.Sprintf("the prefix length is over %d", limit))
	default:
		return n
	}
	return limit
}

// network reads the argument of ip4 and ip6.
func (p *parser) network(arg string, at int) {
	t := p.term
	if arg == "" || arg[0] != ':' || len(arg) == 1 {
		p.report(BadArgument, at, fmt.Sprintf(`%s needs ":" and an address`, t.Kind))
		return
	}
	text, digits, sliced := strings.Cut(arg[1:], "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" || ip.Is4() != (t.Kind == IP4) {
		p.report(BadAddress, at+1, fmt.Sprintf("%q is no %s address", text, familyName(t.Kind)))
		return
	}
	n := ip.BitLen()
	if sliced {
		n = p.bits(digits, n, at+1+len(text)+1)
	}
	t.Network = netip.PrefixFrom(ip, n)
}

func familyName(k Kind) string {
	if k == IP4 {
		return "IPv4"
	}
	return "IPv6"
}

func (p *parser) macroString(text string, at int) bool {
	m, flaws := parseMacroString(text, domainLetters)
	p.term.Target = m
	for _, f := range flaws {
		p.report(BadMacro, at+f.at, f.text)
	}
	return len(flaws) == 0
}

func (p *parser) domainSpec(text string, at int) {
	if !p.macroString(text, at) {
		return
	}
	if f := p.term.Target.domainFlaw(); f.text != "" {
		p.report(BadDomain, at+f.at, f.text)
	}
}
