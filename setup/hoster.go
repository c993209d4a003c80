package setup

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/reputation"
)

//go:embed hosters.json
var hostersJSON []byte

// Hoster is who a machine is rented from, or whose line it stands behind.
type Hoster struct {
	ID   string   `json:"id"`
	Name string   `json:"name"`
	ASNs []uint32 `json:"asns"`
	PTR  string   `json:"ptr"`            // where the PTR record is set
	Port string   `json:"port25"`         // "open", "ask", "self" or "shut"
	Open string   `json:"open,omitempty"` // how port 25 is opened
	Link string   `json:"link,omitempty"`

	system string // the name of its network, where the hoster is not known
}

// Hosters are those that are known. The order is that of the file.
func Hosters() []Hoster {
	var all []Hoster
	if err := json.Unmarshal(hostersJSON, &all); err != nil {
		panic("hosters.json: " + err.Error())
	}
	return all
}

// findHoster tells whose network an address is in; the zero Hoster where nobody knows.
func (s *Setup) findHoster(ctx context.Context, ip netip.Addr) Hoster {
	origin, err := reputation.LookupOrigin(ctx, s.World, ip)
	if err != nil || len(origin.ASNs) == 0 {
		return Hoster{}
	}
	for _, h := range Hosters() {
		for _, asn := range origin.ASNs {
			if slices.Contains(h.ASNs, asn) {
				return h
			}
		}
	}
	system, err := reputation.LookupSystem(ctx, s.World, origin.ASNs[0])
	if err != nil {
		return Hoster{system: fmt.Sprintf("AS%d", origin.ASNs[0])}
	}
	return Hoster{system: system.Name}
}

// ptrCure is how the name of an address is set.
func (h Hoster) ptrCure(ip netip.Addr, name mail.Domain) string {
	cure := fmt.Sprintf("set it to %s where %s comes from", name, ip)
	switch {
	case h.PTR != "":
		cure = fmt.Sprintf("set it to %s: %s", name, h.PTR)
	case h.system != "":
		cure = fmt.Sprintf("set it to %s at whoever you have the address from (network: %s)", name, h.system)
	}
	return cure
}

// tell says whose the address is, and what to know of port 25 there.
func (h Hoster) tell(ip netip.Addr, out *Outcome) {
	switch {
	case h.Name == "" && h.system == "":
		return
	case h.Name == "":
		out.info(fmt.Sprintf("%s belongs to the network %s, of which nothing more is known here", ip, h.system), "")
		return
	}
	words := map[string]string{
		"open": "port 25 is open there",
		"ask":  "port 25 is closed there until one asks",
		"self": "port 25 is closed there until one opens it oneself",
		"shut": "port 25 stays closed there",
	}
	out.info(strings.Join([]string{fmt.Sprintf("%s belongs to %s", ip, h.Name), words[h.Port]}, "; "), strings.TrimSpace(h.Open+" "+h.Link))
}
