package reputation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/allgreen-mail/allgreen/world"
)

// The zones of Team Cymru's mapping of addresses to networks.
const (
	originZone  = "origin.asn.cymru.com."
	origin6Zone = "origin6.asn.cymru.com."
	asZone      = "asn.cymru.com."
)

// maxOrigins bounds how many records and how many systems of one are read.
const maxOrigins = 16

// Origin is the network an address belongs to, as the routing tables have it.
type Origin struct {
	ASNs      []uint32 // several when several systems announce the prefix
	Prefix    netip.Prefix
	Country   string // of the registration, two letters; may be empty
	Registry  string // "ripencc", "arin", ...
	Allocated string // "2006-01-02"; may be empty
}

// System is an autonomous system by name.
type System struct {
	ASN      uint32
	Country  string
	Registry string
	Name     string
}

// ErrOrigin is wrapped by every error of ParseOrigin and ParseSystem.
var ErrOrigin = errors.New("not an origin record")

// LookupOrigin asks which network announces an address, taking the most specific
// prefix. world.ErrNotFound means that nobody announces it.
func LookupOrigin(ctx context.Context, r world.Resolver, ip netip.Addr) (Origin, error) {
	ip = ip.Unmap()
	zone := originZone
	if ip.Is6() {
		zone = origin6Zone
	}
	texts, _, err := world.LookupTXT(ctx, r, world.MustParseName(world.ReverseLabels(ip)+"."+zone))
	if err != nil {
		return Origin{}, fmt.Errorf("look up the network of %s: %w", ip, err)
	}
	var best Origin
	for _, t := range texts[:min(len(texts), maxOrigins)] {
		o, perr := ParseOrigin(t.Text)
		switch {
		case perr != nil:
			err = perr
		case o.Prefix.Contains(ip) && (best.ASNs == nil || o.Prefix.Bits() > best.Prefix.Bits()):
			best = o
		}
	}
	if best.ASNs == nil && err == nil {
		err = fmt.Errorf("%w: no record covers %s", ErrOrigin, ip)
	}
	if best.ASNs != nil {
		err = nil
	}
	return best, err
}

// LookupSystem asks the name of an autonomous system.
func LookupSystem(ctx context.Context, r world.Resolver, asn uint32) (System, error) {
	texts, _, err := world.LookupTXT(ctx, r, world.MustParseName(fmt.Sprintf("as%d.%s", asn, asZone)))
	if err != nil {
		return System{}, fmt.Errorf("look up AS%d: %w", asn, err)
	}
	if len(texts) == 0 {
		return System{}, fmt.Errorf("%w: AS%d has no text", ErrOrigin, asn)
	}
	return ParseSystem(texts[0].Text)
}

// ParseOrigin reads "64500 64501 | 192.0.2.0/24 | DE | ripencc | 2006-01-02".
func ParseOrigin(text string) (Origin, error) {
	f, err := cutFields(text, 5)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Country: f[2], Registry: f[3], Allocated: f[4]}
	for word := range strings.FieldsSeq(f[0]) {
		asn, err := strconv.ParseUint(word, 10, 32)
		if err != nil || len(o.ASNs) == maxOrigins {
			return Origin{}, fmt.Errorf("%w: %.60q are no AS numbers", ErrOrigin, f[0])
		}
		o.ASNs = append(o.ASNs, uint32(asn))
	}
	o.Prefix, err = netip.ParsePrefix(f[1])
	if err != nil || len(o.ASNs) == 0 {
		return Origin{}, fmt.Errorf("%w: %.80q", ErrOrigin, text)
	}
	return o, nil
}

// ParseSystem reads "64500 | DE | ripencc | 2006-01-02 | EXAMPLE-AS Example, DE".
func ParseSystem(text string) (System, error) {
	f, err := cutFields(text, 5)
	if err != nil {
		return System{}, err
	}
	asn, err := strconv.ParseUint(f[0], 10, 32)
	if err != nil {
		return System{}, fmt.Errorf("%w: %.40q is no AS number", ErrOrigin, f[0])
	}
	return System{ASN: uint32(asn), Country: f[1], Registry: f[2], Name: f[4]}, nil
}

// cutFields splits at the bars; the last field keeps what bars it has.
func cutFields(text string, n int) ([]string, error) {
	fields := strings.SplitN(plain(text), "|", n)
	if len(fields) != n {
		return nil, fmt.Errorf("%w: %.80q has %d fields, not %d", ErrOrigin, text, len(fields), n)
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields, nil
}
