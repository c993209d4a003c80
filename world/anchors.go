package world

import (
	"fmt"

	"github.com/miekg/dns"
)

// rootAnchors are the DS records of the root zone's key-signing keys, as IANA
// publishes them (2017 and 2024).
var rootAnchors = []string{
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
}

// anchors are the keys believed without a chain, by zone.
type anchors map[Name][]*dns.DS

// readAnchors reads DS and DNSKEY records in presentation format. A key becomes
// the digest of itself, so that there is one way to match.
func readAnchors(texts []string) (anchors, error) {
	found := make(anchors)
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			return nil, fmt.Errorf("%w: trust anchor %.80q is no record", ErrWorldFile, text)
		}
		ds, ok := rr.(*dns.DS)
		if key, isKey := rr.(*dns.DNSKEY); isKey {
			ds, ok = key.ToDS(dns.SHA256), true
		}
		if !ok || ds == nil {
			return nil, fmt.Errorf("%w: trust anchor %.80q is neither DS nor DNSKEY", ErrWorldFile, text)
		}
		zone := nameIn(ds.Hdr.Name)
		found[zone] = append(found[zone], ds)
	}
	return found, nil
}
