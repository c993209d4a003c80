package authority

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// ErrText is wrapped by every error about a zone text.
var ErrText = errors.New("not a zone text")

// defaultTTL is an hour: inside what every check calls sane.
const defaultTTL = 3600

// directive is one ";lab" comment: a verb and its words.
type directive struct {
	verb  string
	words []string
}

// parse reads one text into records and directives.
func parse(text string) ([]dns.RR, []directive, error) {
	var directives []directive
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), ";lab "); ok {
			words := strings.Fields(rest)
			if len(words) < 2 {
				return nil, nil, fmt.Errorf("%w: %q says nothing", ErrText, strings.TrimSpace(line))
			}
			directives = append(directives, directive{words[0], words[1:]})
		}
	}
	var rrs []dns.RR
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "")
	parser.SetDefaultTTL(defaultTTL)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		rr.Header().Name = canonical(rr.Header().Name)
		rrs = append(rrs, rr)
	}
	if err := parser.Err(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	return rrs, directives, nil
}

// canonical is the one spelling under which a name is kept: lower case, fully
// qualified, escapes as they come off the wire.
func canonical(name string) string {
	name = dns.CanonicalName(name)
	if !strings.Contains(name, `\`) {
		return name
	}
	var wire [256]byte
	n, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	if err != nil {
		return name
	}
	unpacked, _, err := dns.UnpackDomainName(wire[:n], 0)
	if err != nil {
		return name
	}
	return strings.ToLower(unpacked)
}

// sortKey orders names as DNSSEC does: label by label from the right, as octets
// (RFC 4034 section 6.1). The octets 0 and 1 are escaped, so that the separator
// sorts before every label.
func sortKey(name string) string {
	labels := dns.SplitDomainName(name)
	slices.Reverse(labels)
	var b strings.Builder
	for _, label := range labels {
		b.WriteByte(0)
		for _, c := range rawLabel(label) {
			if c < 2 {
				b.WriteByte(1)
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

func rawLabel(label string) []byte {
	if !strings.Contains(label, `\`) {
		return []byte(label)
	}
	var wire [256]byte
	if _, err := dns.PackDomainName(label+".", wire[:], 0, nil, false); err != nil {
		return []byte(label)
	}
	return wire[1 : 1+wire[0]]
}

// matchName reports whether a name is meant by a pattern: itself, or "*." and the
// name under which everything is meant.
func matchName(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		if suffix == "" {
			suffix = "."
		}
		return dns.IsSubDomain(suffix, name)
	}
	return pattern == name
}

// parentOf is the name one label up; the root is its own parent.
func parentOf(name string) string {
	off, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[off:]
}
