package zone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// Set is all records of one name and type (RFC 2181 section 5). Without values there
// is none.
type Set struct {
	Name   world.Name `json:"name"`
	Type   string     `json:"type"`
	TTL    int        `json:"ttl,omitempty"` // seconds; zero: usualTTL
	Values []string   `json:"values"`        // presentation format
}

// usualTTL is what records get that say nothing else.
const usualTTL = 3600

func (s Set) seconds() int {
	if s.TTL <= 0 {
		return usualTTL
	}
	return s.TTL
}

// Change makes one set another. Both have the same name and type.
type Change struct {
	Before Set `json:"before"`
	After  Set `json:"after"`
}

// Provider reads and writes the zones of one account or name server. Values go in and
// come out as Canonical has them. It is safe for concurrent use.
type Provider interface {
	// Read gives the sets at these names, of any type. A name that is not there has none.
	Read(ctx context.Context, zone world.Name, names []world.Name) ([]Set, error)
	// Write makes the changes if all that they are to change is as it was. The error
	// wraps ErrChanged where it is not; then nothing of it was done.
	Write(ctx context.Context, zone world.Name, changes []Change) error
}

// Errors of providers.
var (
	ErrChanged = errors.New("the zone was changed by somebody else in the meantime")
	ErrRefused = errors.New("the provider refuses")
	ErrNoZone  = errors.New("the provider has no such zone")
)

// Names are the names of records, each once.
func Names(records []finding.Record) []world.Name {
	var all []world.Name
	for _, r := range records {
		if n := world.Name(r.Name); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// ChangedNames are the names of changes, each once.
func ChangedNames(changes []Change) []world.Name {
	var all []world.Name
	for _, c := range changes {
		if !slices.Contains(all, c.After.Name) {
			all = append(all, c.After.Name)
		}
	}
	return all
}

// errValue is wrapped by errors about a value that is none of its type.
var errValue = errors.New("no such record")

// Canonical is the one way to write a value, so that two can be compared: names in lower
// case and with their dot, text cut into strings of 255 octets.
func Canonical(kind, value string) (string, error) {
	_, known := dns.StringToType[kind]
	if !known || strings.TrimSpace(value) == "" || strings.ContainsAny(value, "\r\n\x00") || kind != "TXT" && strings.ContainsAny(value, "()") {
		return "", fmt.Errorf("%w: %s %.60q", errValue, kind, value)
	}
	rr, err := dns.NewRR("x. 0 IN " + kind + " " + value)
	if err != nil || rr == nil {
		return "", fmt.Errorf("%w: %s %.60q: %v", errValue, kind, value, err)
	}
	return canonicalOf(rr), nil
}

// canonicalOf is Canonical for a record of the DNS library.
func canonicalOf(rr dns.RR) string {
	if txt, ok := rr.(*dns.TXT); ok {
		return finding.TXT("", textOf(txt)).Value
	}
	value := strings.TrimPrefix(rr.String(), rr.Header().String())
	switch rr.Header().Rrtype {
	case dns.TypeCAA:
		if f := strings.SplitN(value, " ", 3); len(f) == 3 {
			value = f[0] + " " + strings.ToLower(f[1]) + " " + f[2]
		}
	case dns.TypeMX, dns.TypeCNAME, dns.TypeSRV, dns.TypeNS, dns.TypePTR, dns.TypeTLSA, dns.TypeDS:
		value = strings.ToLower(value)
	}
	return value
}

// textOf is the text of a record of the DNS library, which keeps its strings escaped.
func textOf(rr *dns.TXT) string {
	quoted := make([]string, len(rr.Txt))
	for i, s := range rr.Txt {
		quoted[i] = `"` + s + `"`
	}
	text, err := finding.Record{Value: strings.Join(quoted, " ")}.Text()
	if err != nil {
		return strings.Join(rr.Txt, "")
	}
	return text
}

// canonical is a set in the one way to write it.
func (s Set) canonical() (Set, error) {
	s.Values = slices.Clone(s.Values)
	for i, v := range s.Values {
		var err error
		if s.Values[i], err = Canonical(s.Type, v); err != nil {
			return s, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	slices.Sort(s.Values)
	s.Values = slices.Compact(s.Values)
	return s, nil
}

// sameValues reports whether two sets have the same values, in any order.
func sameValues(a, b Set) bool {
	a, errA := a.canonical()
	b, errB := b.canonical()
	return errA == nil && errB == nil && slices.Equal(a.Values, b.Values)
}

// find is the set of a name and type; without values where there is none.
func find(sets []Set, name world.Name, kind string) Set {
	for _, s := range sets {
		if s.Name == name && s.Type == kind {
			return s
		}
	}
	return Set{Name: name, Type: kind}
}

// gather makes sets of single records, in the order of their first.
func gather(records []Set) []Set {
	var all []Set
	for _, r := range records {
		i := slices.IndexFunc(all, func(s Set) bool { return s.Name == r.Name && s.Type == r.Type })
		if i < 0 {
			all = append(all, Set{Name: r.Name, Type: r.Type, TTL: r.TTL})
			i = len(all) - 1
		}
		all[i].Values = append(all[i].Values, r.Values...)
	}
	return all
}

// sortSets puts sets in the order of their names and types.
func sortSets(sets []Set) {
	slices.SortFunc(sets, func(a, b Set) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
}

// unchanged checks what the changes begin from against what is there now.
func unchanged(ctx context.Context, p Provider, zone world.Name, changes []Change) error {
	present, err := p.Read(ctx, zone, ChangedNames(changes))
	if err != nil {
		return err
	}
	for _, c := range changes {
		if now := find(present, c.Before.Name, c.Before.Type); !sameValues(now, c.Before) {
			return fmt.Errorf("%w: %s %s is now %q", ErrChanged, c.Before.Name, c.Before.Type, now.Values)
		}
	}
	return nil
}

// relative is a name without its zone, as providers want it; apex is their word for
// the zone itself.
func relative(name, zone world.Name, apex string) string {
	if name == zone {
		return apex
	}
	return name.TrimZone(zone)
}

// absolute is the opposite of relative.
func absolute(name string, zone world.Name) (world.Name, error) {
	if name == "" || name == "@" {
		return zone, nil
	}
	return world.ParseName(name + "." + zone.String())
}

// undotted is a zone as most providers call it.
func undotted(n world.Name) string { return strings.TrimSuffix(n.String(), ".") }
