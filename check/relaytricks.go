package check

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"

	"github.com/allgreen-mail/allgreen/mail"
)

// trick is one way to have a stranger's mail relayed, as data. In its texts stand
// names that differ from host to host: {D} the domain it takes mail for, {H} its
// name, {I} its [address], {L} a mailbox it has; {s} our sender; {v} and {X} the
// local part and the domain of our recipient outside, {X^} in capitals, {Xwide} with
// other full stops, {XI} the [address] of that domain's MX.
type trick struct {
	ID      string   `json:"id"`
	Row     string   `json:"row"`     // of the catalogue of checks
	Says    string   `json:"says"`    // what is done, for people
	Offered string   `json:"offered"` // tried only where EHLO offers this
	First   []string `json:"first"`   // commands before MAIL, on a connection of their own
	From    string   `json:"from"`    // behind MAIL FROM: "<{s}>" when empty
	Then    []string `json:"then"`    // commands between MAIL and RCPT
	To      string   `json:"to"`      // behind RCPT TO:
	Here    bool     `json:"here"`    // the recipient reads as a mailbox of the host itself
	BDAT    bool     `json:"bdat"`    // the message goes by BDAT
}

//go:embed relay.json
var relayJSON []byte

// tricks is the whole battery, in the order of the catalogue.
var tricks = sync.OnceValue(func() []trick {
	var all []trick
	if err := json.Unmarshal(relayJSON, &all); err != nil {
		panic("check: relay.json: " + err.Error())
	}
	for i := range all {
		if all[i].From == "" {
			all[i].From = "<{s}>"
		}
	}
	return all
})

// filled is the trick for one host, false where a name is not known. The commands of
// the data are copied, never changed.
func (t trick) filled(names map[string]string) (trick, bool) {
	known := true
	fill := func(text string) string {
		for name, value := range names {
			if strings.Contains(text, name) {
				known = known && value != ""
				text = strings.ReplaceAll(text, name, value)
			}
		}
		return text
	}
	fillAll := func(texts []string) []string {
		var filled []string
		for _, text := range texts {
			filled = append(filled, fill(text))
		}
		return filled
	}
	t.From, t.To = fill(t.From), fill(t.To)
	t.First, t.Then = fillAll(t.First), fillAll(t.Then)
	return t, known
}

// hostNames are the names of the audited host for its tricks.
func (s *Subject) hostNames(ctx context.Context, v Server, visit *Visit) map[string]string {
	d := s.mailDomain()
	if d.IsZero() {
		d = v.Name.Registrable()
	}
	return map[string]string{
		"{D}": d.String(),
		"{H}": v.Name.String(),
		"{I}": literal(v.IP),
		"{L}": s.mailbox(ctx, visit),
	}
}

// outside completes the names with our sender and a recipient outside.
func outside(names map[string]string, sender, victim mail.Address, at netip.Addr) {
	d := victim.Domain.String()
	names["{s}"] = sender.String()
	names["{v}"], names["{X}"] = victim.Local, d
	names["{X^}"] = strings.ToUpper(d)
	names["{Xwide}"] = strings.ReplaceAll(d, ".", "\u3002") // UTS 46 maps it to a full stop
	names["{XI}"] = literal(at)
}

// literal is the address literal of an address (RFC 5321 section 4.1.3), "" for
// none.
func literal(ip netip.Addr) string {
	switch {
	case !ip.IsValid() || ip.IsUnspecified():
		return ""
	case ip.Is6():
		return "[IPv6:" + ip.String() + "]"
	}
	return "[" + ip.String() + "]"
}

// mailbox is an address that the host takes mail for, by what the visit heard; ""
// where none is known.
func (s *Subject) mailbox(ctx context.Context, visit *Visit) string {
	for _, role := range RoleNames {
		if visit.Roles[role].Reply.IsPositive() {
			return role + "@" + visit.For.String()
		}
	}
	return ""
}
