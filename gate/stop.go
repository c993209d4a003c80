package gate

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/standing"
)

//go:embed gate.json
var gateJSON []byte

// Stop says which red stops which mail.
type Stop struct {
	Check string   `json:"check"`
	Codes []string `json:"codes"`
	Stops string   `json:"stops"`        // "address" or "domain"
	At    []string `json:"at,omitempty"` // ids of providers that mind; none: everybody
}

// Stops are all of them, in the order of the data.
func Stops() []Stop {
	var all []Stop
	if err := json.Unmarshal(gateJSON, &all); err != nil {
		panic(fmt.Sprintf("gate: gate.json: %s", err)) // it is part of the program
	}
	return all
}

// Red is something that stops mail now.
type Red struct {
	Check   string
	Code    string
	Subject string
	Target  string
	Text    string // one line for people, without a dot
	Stop    Stop

	ip netip.Addr // the subject where it is an address
}

// Key names the red whatever its words are today.
func (r *Red) Key() string {
	if r.Stop.Stops == "address" {
		return r.Check + " " + r.Subject
	}
	return r.Check + " " + r.Target + " " + r.Subject
}

// redOf is the red of a row that is red, if it stops anything.
func redOf(stops []Stop, row *standing.Row) (Red, bool) {
	for _, s := range stops {
		if s.Check != row.Check || !slices.Contains(s.Codes, row.Finding.Code) {
			continue
		}
		r := Red{Check: row.Check, Code: row.Finding.Code, Subject: row.Subject, Target: row.Target, Stop: s}
		r.Text = inWords(&row.Finding)
		if ip, err := netip.ParseAddr(row.Subject); err == nil {
			r.ip = ip.Unmap()
		}
		return r, s.Stops == "domain" || r.ip.IsValid()
	}
	return Red{}, false
}

// maxText bounds the words of a red: they stand in every row that it holds.
const maxText = 200

// inWords is the summary, in which words of others may stand, on one line, without what
// would end a key early.
func inWords(f *finding.Finding) string {
	text := strings.Join(strings.Fields(strings.NewReplacer("[", "(", "]", ")", ";", ",").Replace(f.Summary)), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return strings.TrimSuffix(text, ".")
}

// Way is one way that a message could take.
type Way struct {
	From netip.Addr  // our address; zero: the system chooses
	MX   mail.Domain // the host there; zero: an address without a name
}

// stops reports whether the red stops a message of a domain on one of its ways. Without
// any way known, only what stops all of them counts.
func (r *Red) stops(domain mail.Domain, ways []Way, minds func(mail.Domain, []string) bool) bool {
	if r.Stop.Stops == "domain" && (domain.IsZero() || r.Target != domain.String()) {
		return false
	}
	if len(ways) == 0 {
		return r.Stop.Stops == "domain" && !r.ip.IsValid() && len(r.Stop.At) == 0
	}
	return slices.ContainsFunc(ways, func(w Way) bool {
		return r.concerns(w.From) && (len(r.Stop.At) == 0 || minds(w.MX, r.Stop.At))
	})
}

// concerns reports whether the red is about an address of ours. Where the system chooses
// it, every address that is watched as ours may be the one.
func (r *Red) concerns(from netip.Addr) bool {
	switch {
	case !r.ip.IsValid():
		return true
	case !from.IsValid():
		return r.Stop.Stops == "domain" || r.Target == r.Subject
	}
	return r.ip == from.Unmap()
}
