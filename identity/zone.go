package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// Fragment prints records as a piece of a zone file (RFC 1035 section 5.1) for whoever
// edits the zone of a domain. What does not belong in that zone comes as comments.
func Fragment(origin mail.Domain, records []finding.Record) string {
	zone := world.NameOf(origin)
	var inside, outside strings.Builder
	width := 0
	for _, r := range records {
		width = max(width, len(relative(r.Name, zone)))
	}
	for _, r := range records {
		if name := world.Name(r.Name); name.IsWithin(zone) {
			fmt.Fprintf(&inside, "%-*s  IN  %-5s  %s\n", width, relative(r.Name, zone), r.Type, folded(r))
		} else {
			fmt.Fprintf(&outside, "; %s  IN  %s  %s\n", r.Name, r.Type, r.Value)
		}
	}
	text := fmt.Sprintf("$ORIGIN %s\n$TTL 3600\n%s", zone, inside.String())
	if outside.Len() > 0 {
		text += "\n; For the zones of others, as that of the addresses:\n" + outside.String()
	}
	return text
}

func relative(name string, zone world.Name) string {
	if n := world.Name(name); n.IsWithin(zone) {
		return n.TrimZone(zone)
	}
	return ""
}

// folded writes a TXT record of several strings over several lines, in brackets.
func folded(r finding.Record) string {
	if r.Type != "TXT" || !strings.Contains(r.Value, `" "`) {
		return r.Value
	}
	return "(\n\t" + strings.ReplaceAll(r.Value, `" "`, "\"\n\t\"") + " )"
}

// SortRecords puts records into the order of their names, then types and values, so
// that two lists can be compared.
func SortRecords(records []finding.Record) {
	slices.SortFunc(records, func(a, b finding.Record) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
}
