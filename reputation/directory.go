package reputation

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

//go:embed lists.json
var listsJSON []byte

// Options are what a caller gives a Directory. The zero value asks without keys
// and remembers control results as long as the Directory lives.
type Options struct {
	Keys   map[string]string // by list id, or by the name that lists of one operator share ("spamhaus-dqs")
	Memory Memory            // control results of earlier runs; nil: none
	Lists  []List            // asked instead of the embedded ones; nil: those
	Now    func() time.Time  // nil: control results never grow old
}

// Directory is the lists there are, ready to be asked. Make it with NewDirectory;
// it is safe for concurrent use.
type Directory struct {
	lists      []List
	dead       []DeadList
	cures      map[string]string
	everywhere []Refusal // refusals that hold on every list
	keys       map[string]string
	memory     Memory
	now        func() time.Time

	mu       sync.Mutex
	controls map[string]*controlCall // by list id and family
}

// file is lists.json.
type file struct {
	Reviewed          string            `json:"reviewed"`
	Cures             map[string]string `json:"cures"`
	RefusedEverywhere []Refusal         `json:"refused_everywhere"`
	Lists             []List            `json:"lists"`
	Dead              []DeadList        `json:"dead"`
}

// NewDirectory opens the embedded lists. A key that could not stand in a DNS name
// is as good as none.
func NewDirectory(o Options) *Directory {
	var f file
	if err := json.Unmarshal(listsJSON, &f); err != nil {
		panic(fmt.Sprintf("reputation: lists.json: %s", err))
	}
	d := &Directory{
		lists: f.Lists, dead: f.Dead, cures: f.Cures, everywhere: f.RefusedEverywhere,
		keys: make(map[string]string), memory: o.Memory, now: o.Now,
		controls: make(map[string]*controlCall),
	}
	if o.Lists != nil {
		d.lists = o.Lists
	}
	for name, key := range o.Keys {
		if IsKey(key) {
			d.keys[name] = strings.ToLower(key)
		}
	}
	return d
}

// IsKey reports whether s can be the key of a list: one label of a DNS name.
func IsKey(s string) bool {
	return s != "" && len(s) <= 63 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// Lists is all lists there are, in the order of the data; they must not be
// changed.
func (d *Directory) Lists() []*List {
	all := make([]*List, len(d.lists))
	for i := range d.lists {
		all[i] = &d.lists[i]
	}
	return all
}

// List finds a list by its id, nil when there is none.
func (d *Directory) List(id string) *List {
	for i := range d.lists {
		if d.lists[i].ID == id {
			return &d.lists[i]
		}
	}
	return nil
}

// DeadZone finds out whether a zone belongs to a list that is dead, for those who
// still have it in their configuration.
func (d *Directory) DeadZone(zone string) (DeadList, bool) {
	for _, dead := range d.dead {
		if dead.Covers(zone) {
			return dead, true
		}
	}
	return DeadList{}, false
}

// zoneOf is the zone to ask, and the key that stands in it. No zone means that
// the list cannot be asked: for want of a key, or at all.
func (d *Directory) zoneOf(l *List, ipv6 bool) (zone, key string) {
	key = d.keys[l.ID]
	if key == "" {
		key = d.keys[l.KeyName]
	}
	switch {
	case l.KeyZone != "" && key != "" && (!ipv6 || l.IPv6):
		return strings.ReplaceAll(l.KeyZone, "{key}", key), key
	case ipv6 && l.Zone6 != "":
		return l.Zone6, ""
	case ipv6 && !l.IPv6:
		return "", ""
	}
	return l.Zone, ""
}
