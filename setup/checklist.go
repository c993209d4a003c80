package setup

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
)

// ItemState is where one thing on the checklist stands.
type ItemState string

// The states of an Item.
const (
	Open    ItemState = "open"    // nobody has done it
	Ticked  ItemState = "done"    // a person says that it is done
	Seen    ItemState = "seen"    // it was looked up, and is done
	Due     ItemState = "due"     // done, and to be done again soon
	Expired ItemState = "expired" // it was done too long ago
)

// Item is one thing that only a person can do, for one address or domain or for the
// whole server.
type Item struct {
	ID      string         `json:"id"`
	Subject string         `json:"subject,omitempty"` // an address or a domain; "": the server
	For     string         `json:"for"`               // address, domain or server
	Need    string         `json:"need"`              // must, wise or may
	Title   string         `json:"title"`
	Why     string         `json:"why"`
	Do      []string       `json:"do"` // steps, as sentences
	Link    string         `json:"link,omitempty"`
	Who     string         `json:"who"`
	State   ItemState      `json:"state"`
	Status  finding.Status `json:"status"`           // the colour of the state
	Note    string         `json:"note,omitempty"`   // what was seen, or what the person wrote
	Since   time.Time      `json:"since,omitzero"`   // a person said so
	Until   time.Time      `json:"until,omitzero"`   // it counts; zero: for good
	Seeable bool           `json:"seeable"`          // this server looks for itself
	Unseen  string         `json:"unseen,omitempty"` // why it could not look
}

// Facts are what a checklist follows from.
type Facts struct {
	Hostname  mail.Domain
	Domains   []mail.Domain
	Addresses []Address // that mail leaves from
	DQSKey    bool      // the configuration has one
	Now       time.Time
	Ticks     []Tick
	Sights    []Sight
}

// Address is an address that mail leaves from, with the name that its PTR record should
// have.
type Address struct {
	IP   netip.Addr
	Name mail.Domain
}

// Tick is the word of a person that something is done.
type Tick struct {
	ID      string
	Subject string
	Time    time.Time
	Note    string
}

// Sight is what was looked up about one item.
type Sight struct {
	ID      string
	Subject string
	Known   bool // something answered
	Done    bool
	Note    string
}

// entry is a row of checklist.json.
type entry struct {
	ID     string   `json:"id"`
	For    string   `json:"for"`
	Need   string   `json:"need"`
	See    string   `json:"see"`    // how to look; "": only a person knows
	Strict bool     `json:"strict"` // what is seen counts against the word of a person
	Days   int      `json:"days"`   // how long it counts; zero: for good
	Title  string   `json:"title"`
	Why    string   `json:"why"`
	Do     []string `json:"do"`
	Link   string   `json:"link"`
	Who    string   `json:"who"`
}

//go:embed checklist.json
var checklistText []byte

// entries are the rows of checklist.json, in their order.
var entries = sync.OnceValue(func() (all []entry) {
	if err := json.Unmarshal(checklistText, &all); err != nil {
		panic(fmt.Sprintf("checklist.json: %v", err))
	}
	return all
})

// dueBefore is how long before it expires an attestation turns yellow.
const dueBefore = 30 * 24 * time.Hour

// Checklist is everything that only a person can do, with where it stands: what is
// needed first, and within that in the order of the data.
func Checklist(f Facts) []Item {
	all := []Item{}
	for _, e := range entries() {
		for _, s := range f.subjects(e) {
			all = append(all, f.item(e, s))
		}
	}
	slices.SortStableFunc(all, func(a, b Item) int { return cmp.Compare(rankOfNeed(a.Need), rankOfNeed(b.Need)) })
	return all
}

func rankOfNeed(need string) int { return slices.Index([]string{"must", "wise", "may"}, need) }

// subject is what an item is about, with the words that stand for it in texts.
type subject struct{ text, name string }

func (f Facts) subjects(e entry) []subject {
	var all []subject
	switch e.For {
	case "address":
		for _, a := range f.Addresses {
			all = append(all, subject{a.IP.String(), a.Name.String()})
		}
	case "domain":
		for _, d := range f.Domains {
			all = append(all, subject{d.String(), d.String()})
		}
	default:
		all = append(all, subject{"", f.Hostname.String()})
	}
	return all
}

func (f Facts) item(e entry, s subject) Item {
	say := strings.NewReplacer("{subject}", s.text, "{name}", s.name).Replace
	i := Item{
		ID: e.ID, Subject: s.text, For: e.For, Need: e.Need, Title: say(e.Title), Why: say(e.Why), Link: say(e.Link), Who: e.Who,
		State: Open, Seeable: e.See != "",
	}
	for _, step := range e.Do {
		i.Do = append(i.Do, say(step))
	}
	f.weigh(&i, e)
	i.Status = i.colour()
	return i
}

// weigh decides between what was seen and what a person says.
func (f Facts) weigh(i *Item, e entry) {
	for _, t := range f.Ticks {
		if t.ID == i.ID && t.Subject == i.Subject {
			i.tick(t, e.Days, f.Now)
		}
	}
	for _, s := range f.Sights {
		if s.ID != i.ID || s.Subject != i.Subject {
			continue
		}
		switch {
		case !s.Known:
			i.Unseen = s.Note
		case s.Done:
			i.State, i.Note = Seen, s.Note
		case e.Strict:
			i.State, i.Note = Open, s.Note
		case i.State == Open:
			i.Note = s.Note
		}
	}
}

func (i *Item) tick(t Tick, days int, now time.Time) {
	i.State, i.Since, i.Note = Ticked, t.Time, t.Note
	if days == 0 {
		return
	}
	i.Until = t.Time.Add(time.Duration(days) * 24 * time.Hour)
	switch left := i.Until.Sub(now); {
	case left <= 0:
		i.State = Expired
	case left <= dueBefore:
		i.State = Due
	}
}

// colour: what may be left open is no fault; what ran out is, because somebody counted
// on it.
func (i *Item) colour() finding.Status {
	switch {
	case i.State == Ticked, i.State == Seen:
		return finding.Green
	case i.State == Open && i.Need == "may":
		return finding.Skip
	}
	return finding.Yellow
}
