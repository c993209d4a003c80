package zone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/world"
)

// pick makes sets of what an API gave: records with names relative to the zone, each a
// set of one. Only the names asked for are kept. A value that cannot be read is an
// error: planning without it could overwrite it.
func pick(zone world.Name, names []world.Name, records []Set) ([]Set, error) {
	var kept []Set
	for _, r := range records {
		name, err := absolute(strings.ToLower(string(r.Name)), zone)
		if err != nil || !slices.Contains(names, name) {
			continue // somebody else's names, however odd
		}
		r.Name = name
		if _, known := dns.StringToType[r.Type]; known { // ALIAS and the like stay as they are
			if r, err = r.canonical(); err != nil {
				return nil, fmt.Errorf("read %w", err)
			}
		}
		kept = append(kept, r)
	}
	all := gather(kept)
	sortSets(all)
	return all, nil
}

// quotedText is the value of a TXT record of which an API shows the text, sometimes in
// quotes.
func quotedText(content string) string {
	if _, err := (finding.Record{Value: content}).Text(); err == nil {
		return content
	}
	return finding.TXT("", content).Value
}

// plainText is the text of a TXT value.
func plainText(value string) string {
	text, err := finding.Record{Value: value}.Text()
	if err != nil {
		return value
	}
	return text
}
