package lab

import (
	"encoding/json"
	"fmt"
)

// list is one public blocklist: its zone and the points at which it shows that it
// is alive.
type list struct {
	Zone   string   `json:"zone"`
	Code   string   `json:"code"`   // the address with which it lists a control point
	Points []string `json:"points"` // relative names, always listed
}

// lists makes the zones of the public lists and of the lab's own.
func (t zoneTemplates) lists() ([]string, error) {
	data, err := internet.ReadFile("internet/lists.json")
	if err != nil {
		return nil, err
	}
	var lists []list
	if err := json.Unmarshal(data, &lists); err != nil {
		return nil, fmt.Errorf("reading lists.json: %w", err)
	}
	own, err := t.text("lists-of-our-own.tmpl", nil)
	texts := []string{own}
	for _, l := range lists {
		if err != nil {
			break
		}
		var text string
		text, err = t.text("lists.tmpl", l)
		texts = append(texts, text)
	}
	return texts, err
}
