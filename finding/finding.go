package finding

// Who can mend what a finding shows.
type Who string

// The four who can act. Every fix belongs to one of them.
const (
	DNSOwner   Who = "dns-owner"   // whoever edits the zone of the domain
	IPOwner    Who = "ip-owner"    // the hoster or provider of the address
	ThisServer Who = "this-server" // whoever runs the audited server
	OtherSide  Who = "other-side"  // a list, a receiver, somebody else
)

// Finding is one answer to one check about one subject.
type Finding struct {
	Check    string   `json:"check"`   // stable id, "group.name"
	Group    string   `json:"group"`   // the part before the dot
	Status   Status   `json:"status"`  //
	Code     string   `json:"code"`    // stable word for what was found, "no-ptr"
	Subject  string   `json:"subject"` // what was judged: a domain, host, address, record
	Summary  string   `json:"summary"` // one line for people
	Evidence []string `json:"evidence,omitempty"`
	Why      string   `json:"why,omitempty"`
	Fix      string   `json:"fix,omitempty"`
	Records  []Record `json:"records,omitempty"`
	Who      Who      `json:"who,omitempty"`
	Refs     []string `json:"refs,omitempty"`
	Affects  []string `json:"affects,omitempty"` // provider ids that act on it
}
