package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/zone"
)

// The calls about what the domains of the server want published.
var (
	DNSRecords = Call[None, []DomainRecords]{"dns.records"}
	DNSDiff    = Call[DomainName, []zone.Step]{"dns.diff"} // asks the name servers of the domain
)

// DomainRecords are what one domain wants. With the first come the records of hosts
// that lie in none of the domains.
type DomainRecords struct {
	Domain  string           `json:"domain"`
	Records []finding.Record `json:"records"`
}

// Comparer looks at what is published of the records of a domain.
type Comparer func(context.Context, DomainRecords) ([]zone.Step, error)

func addDNS(mux *http.ServeMux, records func() []DomainRecords, compare Comparer) {
	answer(mux, DNSRecords, func(context.Context, None) ([]DomainRecords, error) { return records(), nil })
	if compare == nil {
		return
	}
	answer(mux, DNSDiff, func(ctx context.Context, in DomainName) ([]zone.Step, error) {
		all := records()
		i := slices.IndexFunc(all, func(d DomainRecords) bool { return d.Domain == in.Domain })
		if i < 0 {
			return nil, &Error{Kind: NotFound, Text: in.Domain + " is no domain of this server", Hint: "the configuration lists the domains"}
		}
		steps, err := compare(ctx, all[i])
		if err != nil {
			return nil, &Error{Kind: Temporary, Text: err.Error(), Hint: "the name servers of the domain could not be asked; try again later"}
		}
		return whole(steps), nil
	})
}

// whole has lists where there is nothing, as programs expect.
func whole(steps []zone.Step) []zone.Step {
	all := make([]zone.Step, 0, len(steps))
	for _, s := range steps {
		for _, list := range []*[]string{&s.Present, &s.Wanted, &s.Result} {
			if *list == nil {
				*list = []string{}
			}
		}
		all = append(all, s)
	}
	return all
}
