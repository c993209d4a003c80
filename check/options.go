package check

import (
	"net/netip"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/reputation"
)

// Options are what a person may say about an audit. The zero value is a polite
// audit of a stranger.
type Options struct {
	IPs        []netip.Addr      // further sending addresses
	HELO       string            // the name we say in EHLO
	Selectors  []string          // DKIM selectors to look at besides the guesses
	Only       []string          // groups and ids; empty: all
	Timeout    time.Duration     // for one target; zero: 60 s
	Battery    bool              // every relay and recipient probe, where proof allows
	Allowed    bool              // the person says that the hosts are theirs
	Token      string            // whose SHA-256 stands in the proof record of the hosts
	ClientIP   netip.Addr        // for messages: who handed it over
	ClientHELO string            // for messages: the name that the client said
	MailFrom   string            // for messages: the reverse-path, "<>" for the null one; "": not told
	Results    *mailauth.Results // for messages: what the receiver found out when the message came; nil: it is found out now
	Parallel   int               // targets at once; zero: 32

	// Lists are the blocklists to ask, with the keys for them; nil: those we know,
	// without keys. One directory serves the whole run, so each list shows only
	// once whether it is in order.
	Lists *reputation.Directory

	// Ours are the addresses of the server that looks at itself. Its own hosts may be
	// asked everything; no other host is spoken to on a port of mail, because whoever
	// sends mail must not be seen to probe. Nil: the audit of anybody else.
	Ours []netip.Addr

	// Foreign says, with Ours, that the target is somebody else's: a host that was not
	// visited for the sake of our good name leaves a gap, and is unknown instead of skipped.
	Foreign bool

	From netip.Addr // the address of ours that speaks to ports of mail; not valid: any

	ProbeDomain   mail.Domain // where probe mail is to arrive; its MX is this machine; zero: the world's, or none
	ProbeListener netip.Addr  // the address of that MX on this machine; zero: every IPv4 address
}

const (
	defaultTimeout  = 60 * time.Second
	defaultParallel = 32
)

func (o Options) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return defaultTimeout
}

// patience is how long one answer of a host is waited for: as long as audit tools
// wait before they call a server dead.
func (o Options) patience() time.Duration { return min(commandPatience, o.timeout()/4) }

// helo is the name that we say to servers. An address literal is honest and valid
// (RFC 5321 section 4.1.4) where no name is known.
func (o Options) helo() string {
	if o.HELO != "" {
		return o.HELO
	}
	return "[127.0.0.1]"
}

// wants reports whether the person asked for this check.
func (o Options) wants(a About) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, a.ID) || slices.Contains(o.Only, a.Group())
}

// outsider is whom relay probes name as the recipient: at a reserved domain, and
// nobody's (RFC 2606).
var outsider = mail.MustParseAddress("relay-probe@example.org")
