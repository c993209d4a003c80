package testaddress

import (
	"crypto/tls"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/smtp"
)

// Arrival is what only the session knows that took a message.
type Arrival struct {
	Trace    mail.TraceID    `json:"trace"`
	Time     time.Time       `json:"time"`
	Client   netip.Addr      `json:"client,omitzero"` // zero: a server in front took it
	PTR      string          `json:"ptr,omitempty"`   // that leads back to the client
	HELO     string          `json:"helo,omitempty"`
	EHLO     bool            `json:"ehlo,omitempty"`
	Protocol string          `json:"protocol,omitempty"` // of Received: ESMTPS
	TLS      string          `json:"tls,omitempty"`      // "": in the clear
	Cipher   string          `json:"cipher,omitempty"`
	From     string          `json:"from"` // reverse-path: "<>" or an address
	To       string          `json:"to"`
	Size     int64           `json:"size"`              // octets, without what the server put in front
	Results  json.RawMessage `json:"results,omitempty"` // of authentication, as `allgreen verify` prints them
	Chain    []Name          `json:"chain,omitempty"`
	Here     Opinion         `json:"here"`

	known *mailauth.Results
}

// Name is one name in the chain of those who stand behind a message, and whether it belongs
// to the organization of the author.
type Name struct {
	What         string `json:"what"` // From, envelope, DKIM, HELO, PTR
	Name         string `json:"name"`
	Organization string `json:"organization,omitempty"` // the registered domain above it
	Note         string `json:"note,omitempty"`         // what was proved of it
	Same         bool   `json:"same"`
}

// Opinion is what this server would have done with the message, had it been for a person.
type Opinion struct {
	Action string `json:"action"` // inbox, junk, put off, refused
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"` // what was held against it
	Score  int    `json:"score"`
}

// Message is what came, and what was said of it.
type Message struct {
	Number  int     `json:"number"` // from 1
	Arrival Arrival `json:"arrival"`
	Header  string  `json:"header"`          // as it is kept: with our trace fields
	Again   bool    `json:"again,omitempty"` // judged by another look at the DNS than that of the session
	Verdict
}

// Verdict is what was said of a message.
type Verdict struct {
	Report    *finding.Report `json:"report,omitempty"` // nil: it is being judged
	Receivers []Receiver      `json:"receivers,omitempty"`
}

// Receiver is what one big receiver is likely to say.
type Receiver struct {
	ID      string         `json:"id"` // of the provider, "google"
	Verdict finding.Status `json:"verdict"`
	Minds   []string       `json:"minds,omitempty"` // ids of the checks that are red or yellow and that it acts on
}

// Meet takes over what the connection and the authentication tell.
func (a *Arrival) Meet(p smtp.Peer, r *mailauth.Results) {
	a.HELO, a.EHLO, a.Protocol = p.HELO, p.EHLO, p.Via(false, false)
	if p.TLS != nil {
		a.TLS, a.Cipher = tls.VersionName(p.TLS.Version), tls.CipherSuiteName(p.TLS.CipherSuite)
	}
	if r == nil {
		return
	}
	a.known = r
	a.PTR = r.IPRev.Name.Text()
	a.Results, _ = json.Marshal(r) // it always can
	a.Chain = chainOf(r)
}

// Known is what the session found out about who sent it; nil when that is lost.
func (a *Arrival) Known() *mailauth.Results { return a.known }

// maxNames bounds the chain: a message may have many signatures.
const maxNames = 16

// chainOf are the names behind a message, the one that people see first.
func chainOf(r *mailauth.Results) []Name {
	own := r.DMARC.Author.Registrable()
	var chain []Name
	add := func(what string, name mail.Domain, note string) {
		if len(chain) < maxNames && !name.IsZero() {
			of := name.Registrable()
			chain = append(chain, Name{what, name.String(), of.String(), note, of == own && !own.IsZero()})
		}
	}
	add("From", r.DMARC.Author, "DMARC "+string(r.DMARC.Result))
	add("envelope", r.Envelope.ReversePath.Domain, "SPF "+string(r.SPF.Result))
	for i := range r.DKIM {
		add("DKIM", r.DKIM[i].Domain, r.DKIM[i].Result.String())
	}
	if helo, err := mail.ParseDomain(r.Envelope.HELO); err == nil {
		add("HELO", helo, "SPF "+string(r.SPF.HELO.Result))
	}
	for _, n := range r.IPRev.Names {
		if d, err := n.Name.Domain(); err == nil {
			add("PTR", d, leadsBack(n.Matches))
		}
	}
	return chain
}

func leadsBack(matches bool) string {
	if matches {
		return "leads back"
	}
	return "does not lead back"
}
