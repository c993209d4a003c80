package reputation

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"
)

//go:embed generic.json
var genericJSON []byte

// Class is what the name of an address looks like to a receiver that knows
// nothing else of it.
type Class string

// The classes. The empty Class means that nothing was judged.
const (
	Fine          Class = "fine"
	HosterDefault Class = "hoster-default" // what a provider gives every server; change it
	Dynamic       Class = "dynamic"        // a home or office connection; many receivers refuse it
)

// NameJudgement is a class and what led to it.
type NameJudgement struct {
	Class   Class
	Reasons []string
}

// patterns are the words of generic.json.
type patterns struct {
	Dynamic     []string `json:"dynamic"`      // count always
	Weak        []string `json:"weak"`         // count beside a number
	Static      []string `json:"static"`       // a fixed address, named by the provider
	Hoster      []string `json:"hoster"`       // count before a long number
	HosterZones []string `json:"hoster_zones"` // every name in them is a default
	Softeners   []string `json:"softeners"`    // say that mail is meant
}

var loadPatterns = sync.OnceValue(func() patterns {
	var p patterns
	if err := json.Unmarshal(genericJSON, &p); err != nil {
		panic(fmt.Sprintf("reputation: generic.json: %s", err))
	}
	return p
})

// nameParts is a name taken apart for judging. Words of the registered domain do
// not count: a company may be called Cable.
type nameParts struct {
	host   string   // what stands left of the registered domain
	first  []string // words and numbers of the first label
	tokens []string // of all of host
}

// JudgeName judges whether the reverse name of an address looks like a person's
// connection or like a provider's default (RDNS checks of many receivers).
func JudgeName(name string, ip netip.Addr) NameJudgement {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || !ip.IsValid() {
		return NameJudgement{}
	}
	p := loadPatterns()
	parts := cutName(name)
	j := judging{p: p, parts: parts, own: ownAddress(parts.host, ip.Unmap())}
	if zone := p.hosterZone(name); zone != "" {
		return NameJudgement{HosterDefault, []string{"every name in " + zone + " is a provider's default"}}
	}
	return j.judge()
}

// judging holds what is known of one name while the rules are gone through.
type judging struct {
	p     patterns
	parts nameParts
	own   string // how the name contains the address, "" when it does not
}

func (j *judging) judge() NameJudgement {
	strong, weak := firstOf(j.parts.tokens, j.p.Dynamic), firstOf(j.parts.tokens, j.p.Weak)
	static, soft := firstOf(j.parts.tokens, j.p.Static), firstOf(j.parts.first, j.p.Softeners)
	var reasons []string
	if j.own != "" {
		reasons = append(reasons, "it contains "+j.own)
	}
	word := strong
	if word == "" && j.numbered() {
		word = weak
	}
	if word != "" {
		reasons = append(reasons, fmt.Sprintf("it contains the word %q", word))
	}
	switch {
	case soft != "" && j.softened(strong):
		return NameJudgement{Fine, []string{fmt.Sprintf("the word %q says that it is a mail host", soft)}}
	case static != "" && strong == "" && (j.own != "" || j.numbered()):
		return NameJudgement{HosterDefault, append(reasons, fmt.Sprintf("the word %q says that the provider named it", static))}
	case word != "" || j.own != "":
		return NameJudgement{Dynamic, reasons}
	}
	if hosted := j.hosted(); hosted != "" {
		return NameJudgement{HosterDefault, []string{hosted}}
	}
	return NameJudgement{Class: Fine}
}

// softened reports whether a mail word in the first label outweighs the rest: not
// when a dynamic word stands beside it, nor with the whole address in a zone of
// dynamic names.
func (j *judging) softened(strong string) bool {
	return firstOf(j.parts.first, j.p.Dynamic) == "" && (j.own == "" || strong == "")
}

// longNumber is how many digits make a number one that nobody chose.
const longNumber = 4

// numbered reports whether the name has numbers as machines give them: two, or one
// of three digits. node1 and home2 are names of people.
func (j *judging) numbered() bool {
	count := 0
	for _, t := range j.parts.tokens {
		if isNumber(t) {
			count++
			if len(t) >= longNumber-1 {
				return true
			}
		}
	}
	return count > 1
}

// hosted says whether the name is a provider's word with a long number: vps48211.
func (j *judging) hosted() string {
	for i, t := range j.parts.first[:max(0, len(j.parts.first)-1)] {
		next := j.parts.first[i+1]
		if slices.Contains(j.p.Hoster, t) && isNumber(next) && len(next) >= longNumber {
			return fmt.Sprintf("%q with the number %s is a provider's default", t, next)
		}
	}
	return ""
}

func (p patterns) hosterZone(name string) string {
	for _, zone := range p.HosterZones {
		if strings.HasSuffix(name, "."+zone) {
			return zone
		}
	}
	return ""
}

func firstOf(tokens, words []string) string {
	for _, t := range tokens {
		if slices.Contains(words, t) {
			return t
		}
	}
	return ""
}

func cutName(name string) nameParts {
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann && strings.Contains(suffix, ".") {
		// The private part of the list has providers' zones; their words count.
		_, suffix, _ = strings.Cut(suffix, ".")
		suffix, icann = publicsuffix.PublicSuffix(suffix)
	}
	registered := name
	if rest := strings.TrimSuffix(name, "."+suffix); rest != name {
		registered = rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
	}
	host := strings.TrimSuffix(strings.TrimSuffix(name, registered), ".")
	first, _, _ := strings.Cut(host, ".")
	return nameParts{host: host, first: cutTokens(first), tokens: cutTokens(host)}
}

// cutTokens splits into runs of letters and runs of digits.
func cutTokens(s string) []string {
	var tokens []string
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && i > start && kindOf(s[i]) == kindOf(s[start]) {
			continue
		}
		if i > start && kindOf(s[start]) != 0 {
			tokens = append(tokens, s[start:i])
		}
		start = i
	}
	return tokens
}

func kindOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return 1
	case c >= 'a' && c <= 'z':
		return 2
	}
	return 0
}

func isNumber(s string) bool { return s != "" && kindOf(s[0]) == 1 }

// ownAddress says how a name contains the address it belongs to, "" when it does
// not. Numbers of another address prove nothing.
func ownAddress(host string, ip netip.Addr) string {
	if ip.Is4() {
		return ownIPv4(host, ip.As4())
	}
	return ownIPv6(host, ip)
}

// minOctets is how many octets in a row make up an address in a name; two could be
// chance.
const minOctets = 3

func ownIPv4(host string, ip [4]byte) string {
	octets := []int{int(ip[0]), int(ip[1]), int(ip[2]), int(ip[3])}
	reversed := slices.Clone(octets)
	slices.Reverse(reversed)
	numbers := numbersOf(host)
	for _, order := range []struct {
		name string
		want []int
	}{{"its address", octets}, {"its address reversed", reversed}} {
		for n := len(order.want); n >= minOctets; n-- {
			for from := 0; from+n <= len(order.want); from++ {
				if hasRun(numbers, order.want[from:from+n]) {
					return order.name
				}
			}
		}
	}
	return ownPacked(host, ip)
}

// ownPacked finds the address written without separators: padded, in hexadecimal,
// as one number, each in both directions.
func ownPacked(host string, ip [4]byte) string {
	back := ip
	slices.Reverse(back[:])
	for _, b := range [][4]byte{ip, back} {
		number := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		for _, form := range []struct{ name, text string }{
			{"its address, padded", fmt.Sprintf("%03d%03d%03d%03d", b[0], b[1], b[2], b[3])},
			{"its address as a number", strconv.FormatUint(number, 10)},
			{"its address, hexadecimal", hex.EncodeToString(b[:])},
			{"its address, hexadecimal", fmt.Sprintf("%02x-%02x-%02x-%02x", b[0], b[1], b[2], b[3])},
		} {
			if len(form.text) >= 8 && strings.Contains(host, form.text) {
				return form.name
			}
		}
	}
	return ""
}

// numbersOf is the runs of digits of a name; -1 for one that is no octet.
func numbersOf(host string) []int {
	var numbers []int
	for _, digits := range strings.FieldsFunc(host, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(digits)
		if err != nil || n > 255 {
			n = -1
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func hasRun(numbers, want []int) bool {
	for i := 0; i+len(want) <= len(numbers); i++ {
		if slices.Equal(numbers[i:i+len(want)], want) {
			return true
		}
	}
	return false
}

// ownIPv6 finds the whole address, or its lower half when that is no small number
// somebody chose, with any separators.
func ownIPv6(host string, ip netip.Addr) string {
	bytes := ip.As16()
	whole := hex.EncodeToString(bytes[:])
	packed := strings.NewReplacer("-", "", ".", "", "_", "").Replace(host)
	back := []byte(whole)
	slices.Reverse(back)
	switch lower := whole[16:]; {
	case strings.Contains(packed, whole):
		return "its address"
	case strings.Contains(packed, string(back)):
		return "its address reversed"
	case !strings.HasPrefix(lower, "00000000") && strings.Contains(packed, lower):
		return "the lower half of its address"
	}
	for _, sep := range []string{"-", "."} {
		if short := strings.ReplaceAll(ip.String(), ":", sep); strings.Contains(host, short) {
			return "its address"
		}
	}
	return ""
}
