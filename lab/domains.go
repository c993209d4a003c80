package lab

import (
	"encoding/json"
	"slices"
)

// Domain is one domain of the lab and what is wrong with it, as expected.json
// says.
type Domain struct {
	Name    string   `json:"name"`
	Net     int      `json:"net"`             // its hosts are in 127.10.NET.0/24
	About   string   `json:"about"`           // one line for people
	Defects []Defect `json:"defects"`         // none: all green
	Alone   bool     `json:"alone,omitempty"` // begins with nothing instead of the good zone
	Dark    []string `json:"dark,omitempty"`  // of mx, imap, web: those that do not run
	More    bool     `json:"more,omitempty"`  // not one of the domains to begin with
}

// Host is the name of its mail server.
func (d Domain) Host() string { return "mx." + d.Name }

// Defect is one finding that a judge should come to.
type Defect struct {
	Row    string `json:"row"`    // of the catalogue of checks: "RDNS-01"
	Status string `json:"status"` // "red" or "yellow"
}

// Domains are the domains of the lab, from all green on.
func Domains() []Domain {
	text, err := internet.ReadFile("internet/expected.json")
	if err != nil {
		panic("lab: " + err.Error())
	}
	var all []Domain
	if err := json.Unmarshal(text, &all); err != nil {
		panic("lab: expected.json: " + err.Error())
	}
	return all
}

func (d Domain) runs(what string) bool { return !d.Alone && !slices.Contains(d.Dark, what) }
