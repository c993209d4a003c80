package web

import "github.com/allgreen-mail/allgreen/finding"

// DNSRecords tells what the domains of the server want published.
var DNSRecords = Call[None, []DomainRecords]{"dns.records"}

// DomainRecords are what one domain wants. With the first come the records of hosts
// that lie in none of the domains.
type DomainRecords struct {
	Domain  string           `json:"domain"`
	Records []finding.Record `json:"records"`
}
