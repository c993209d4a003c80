package provider

// Provider is one big receiver, or a gateway that many use. What is not known is
// the zero value.
type Provider struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Kind       Kind       `json:"kind,omitempty"`
	MX         []string   `json:"mx,omitempty"`      // host names; with a dot before them: all below
	Domains    []string   `json:"domains,omitempty"` // of recipients; a last label "*" means any country
	Words      []string   `json:"words,omitempty"`   // that give it away in a reply, lower case
	Kin        []string   `json:"kin,omitempty"`     // ids of those whose replies it shares
	Pages      Pages      `json:"pages,omitzero"`
	Limits     Limits     `json:"limits,omitzero"`
	Wants      Wants      `json:"wants,omitzero"`
	Complaints Complaints `json:"complaints,omitzero"`
	Figures    string     `json:"figures,omitempty"` // that it shows to senders
	Delisting  Delisting  `json:"delisting,omitzero"`
	Notes      []string   `json:"notes,omitempty"`
	Sure       string     `json:"sure"` // how well this is known: high, medium, low
}

// Kind is what sort of receiver a Provider is.
type Kind string

// The kinds. The zero value is a place with mailboxes.
const (
	Mailboxes Kind = ""
	Gateway   Kind = "gateway"   // stands before other people's servers
	Forwarder Kind = "forwarder" // passes mail on
	Data      Kind = "data"      // judges for others, takes no mail
)

// Pages are the addresses of what a provider publishes.
type Pages struct {
	Postmaster string `json:"postmaster,omitempty"`
	Guidelines string `json:"guidelines,omitempty"`
	Errors     string `json:"errors,omitempty"` // what its replies mean
	FAQ        string `json:"faq,omitempty"`
}

// Limits are what to begin with towards a provider, not a promise of it. Zero
// means unknown.
type Limits struct {
	Connections           int    `json:"connections,omitempty"` // at a time
	MessagesPerConnection int    `json:"messages_per_connection,omitempty"`
	RecipientsPerMessage  int    `json:"recipients_per_message,omitempty"`
	Megabytes             int    `json:"megabytes,omitempty"`  // of a message
	PerSecond             int    `json:"per_second,omitempty"` // messages
	TLS                   string `json:"tls,omitempty"`        // required or advised
}

// Wants is what a provider demands, in plain words.
type Wants struct {
	All  []string `json:"all,omitempty"`  // of everybody
	Bulk []string `json:"bulk,omitempty"` // of those who send much
}

// Complaints is how a provider tells that a recipient called mail spam.
type Complaints struct {
	Kind string `json:"kind,omitempty"` // arf, aggregate, programme
	Name string `json:"name,omitempty"`
	How  string `json:"how,omitempty"`
	URL  string `json:"url,omitempty"`
	Paid bool   `json:"paid,omitempty"`
}

// Delisting is whom to ask for the end of a block.
type Delisting struct {
	Form string `json:"form,omitempty"`
	Mail string `json:"mail,omitempty"`
	How  string `json:"how,omitempty"`
}
