package submit

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed watch.json
var watchData []byte

// Watch is what is usual and what is not: thresholds, as data. The zero value
// limits and suspects nothing; DefaultWatch is the one to begin with.
type Watch struct {
	Limits  map[string]Rate `json:"limits"`  // by kind of principal: "login", "device", "token", "system"
	HoldAt  int             `json:"hold_at"` // points at which a sender's mail is held; zero: never
	Signals []Signal        `json:"signals"`
}

// Rate is how many recipients one sender may write to. Zero: as many as it likes.
type Rate struct {
	Hour int `json:"hour"`
	Day  int `json:"day"`
}

// Signal is one thing that a stolen password looks like. Of the signals with one
// ID the heaviest that holds counts.
type Signal struct {
	ID       string  `json:"id"`
	Points   int     `json:"points"`
	AtLeast  int     `json:"at_least"` // of what it counts
	Times    float64 `json:"times"`    // volume: this often the busiest hour so far
	Share    float64 `json:"share"`    // strangers, refusals: this part of all recipients
	Messages int     `json:"messages"` // strangers: in at least so many messages
	Minutes  int     `json:"minutes"`  // how far back it looks
	Hours    int     `json:"hours"`    // new-network: how long one stays new
	Days     int     `json:"days"`     // unusual-hour: how many days it must have sent on before
	Says     string  `json:"says"`     // to a person; {n}, {usual} and {network} are filled in
}

// The signals there are. Each is one method of history.
const (
	volume      = "volume"
	strangers   = "strangers"
	newNetwork  = "new-network"
	networks    = "networks"
	unusualHour = "unusual-hour"
	refusals    = "refusals"
)

// DefaultWatch is what is built in.
func DefaultWatch() Watch {
	var w Watch
	if err := json.Unmarshal(watchData, &w); err != nil {
		panic(fmt.Sprintf("watch.json is broken: %v", err))
	}
	return w
}

// Suspicion is why a sender's mail is held.
type Suspicion struct {
	Points  int
	Reasons []string // a sentence each, the heaviest first come
}

// String is all the reasons on one line.
func (s Suspicion) String() string { return strings.Join(s.Reasons, "; ") }

// judge adds up what speaks against a sender.
func (w *Watch) judge(h *history, now time.Time) Suspicion {
	heaviest := map[string]Signal{}
	says := map[string]string{}
	var order []string
	for _, s := range w.Signals {
		n, ok := h.shows(&s, now)
		if !ok || s.Points <= heaviest[s.ID].Points {
			continue
		}
		if _, seen := heaviest[s.ID]; !seen {
			order = append(order, s.ID)
		}
		heaviest[s.ID] = s
		says[s.ID] = strings.NewReplacer("{n}", strconv.Itoa(n), "{usual}", strconv.Itoa(h.usual),
			"{network}", h.network.String()).Replace(s.Says)
	}
	var found Suspicion
	for _, id := range order {
		found.Points += heaviest[id].Points
		found.Reasons = append(found.Reasons, says[id])
	}
	return found
}

// holds reports whether a suspicion is enough.
func (w *Watch) holds(s Suspicion) bool { return w.HoldAt > 0 && s.Points >= w.HoldAt }

// shows reports whether a signal holds, and what it counted.
func (h *history) shows(s *Signal, now time.Time) (n int, ok bool) {
	back := now.Add(-time.Duration(s.Minutes) * time.Minute)
	switch s.ID {
	case volume:
		t := h.since(now.Add(-time.Hour))
		return t.Remote, t.Remote >= s.AtLeast && float64(t.Remote) >= s.Times*float64(h.usual)
	case strangers:
		t := h.since(back)
		return t.Strangers, t.Strangers >= s.AtLeast && t.Messages >= s.Messages && part(t.Strangers, t.Remote, s.Share)
	case refusals:
		t := h.since(back)
		return t.Refused, t.Refused >= s.AtLeast && part(t.Refused, t.Recipients+t.Refused, s.Share)
	case newNetwork:
		since, known := h.networks[h.network]
		fresh := !known || since.After(now.Add(-time.Duration(s.Hours)*time.Hour))
		return 1, h.network.IsValid() && fresh && h.hadNetworks(now.Add(-time.Duration(s.Hours)*time.Hour))
	case networks:
		n = h.networksSince(back)
		return n, n >= s.AtLeast
	case unusualHour:
		return 1, h.days >= s.Days && !h.knowsHour(now)
	}
	return 0, false
}

func part(n, of int, share float64) bool { return float64(n) >= share*float64(of) }
