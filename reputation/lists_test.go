package reputation

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

func loadFile(t *testing.T) file {
	t.Helper()
	var f file
	dec := json.NewDecoder(bytes.NewReader(listsJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestListsData holds the data to its schema.
func TestListsData(t *testing.T) {
	f := loadFile(t)
	if len(f.Lists) != 43 || len(f.Dead) != 27 {
		t.Errorf("%d lists and %d dead groups, want 43 and 27", len(f.Lists), len(f.Dead))
	}
	ids := make(map[string]bool)
	for _, l := range f.Lists {
		if ids[l.ID] {
			t.Errorf("%s stands twice", l.ID)
		}
		ids[l.ID] = true
		if l.ID == "" || l.Name == "" || l.Operator == "" || len(l.Subjects) == 0 {
			t.Errorf("%s lacks a name, an operator or subjects", l.ID)
		}
		oneOf(t, l.ID, string(l.Purpose), "block", "allow", "info")
		oneOf(t, l.ID, string(l.Access), "open", "key-optional", "key", "registration", "web-only")
		oneOf(t, l.ID, l.State, "alive", "uncertain", "restricted")
		oneOf(t, l.ID, l.Scope, "", "range", "asn")
		oneOf(t, l.ID, l.Topic, "", "backscatter")
		for _, s := range l.Subjects {
			oneOf(t, l.ID, string(s), "ip", "domain", "email-sha1")
		}
		if l.State == "uncertain" && l.Weight > Info {
			t.Errorf("%s is uncertain and weighs %s", l.ID, l.Weight)
		}
	}
	for _, id := range neighbourLists {
		if !ids[id] {
			t.Errorf("neighbours are asked of %s, which is not there", id)
		}
	}
}

func oneOf(t *testing.T, id, word string, words ...string) {
	t.Helper()
	for _, w := range words {
		if w == word {
			return
		}
	}
	t.Errorf("%s: %q is none of %q", id, word, words)
}

func TestListsZones(t *testing.T) {
	d := NewDirectory(Options{})
	for _, l := range d.Lists() {
		keyed := strings.Contains(l.KeyZone, "{key}.")
		if (l.KeyZone != "") != keyed || keyed != (l.KeyName != "") {
			t.Errorf("%s: key zone %q, name %q", l.ID, l.KeyZone, l.KeyName)
		}
		if (l.Access == KeyRequired) != (keyed && l.Zone == "") || (l.Access == KeyOptional) != (keyed && l.Zone != "") {
			t.Errorf("%s: access %s does not fit its zones", l.ID, l.Access)
		}
		if l.Zone == "" && !keyed && l.Access != WebOnly {
			t.Errorf("%s has no zone", l.ID)
		}
		for _, zone := range []string{l.Zone, l.Zone6, strings.ReplaceAll(l.KeyZone, "{key}", "k")} {
			if zone == "" {
				continue
			}
			if _, err := mail.ParseDomain(zone); err != nil {
				t.Errorf("%s: %s", l.ID, err)
			}
			if dead, ok := d.DeadZone(zone); ok {
				t.Errorf("%s asks %s, which is dead since %s", l.ID, zone, dead.Since)
			}
		}
		for _, link := range []string{l.Lookup, l.Delist} {
			if u, err := url.Parse(link); link != "" && (err != nil || u.Scheme != "https") {
				t.Errorf("%s: %q is no https link", l.ID, link)
			}
		}
	}
}

// TestListsCodes: every code lies in 127/8, has a meaning, and is no refusal.
func TestListsCodes(t *testing.T) {
	f := loadFile(t)
	d := NewDirectory(Options{})
	for _, l := range f.Lists {
		if len(l.Codes)+len(l.Bits) == 0 {
			t.Errorf("%s has no codes", l.ID)
		}
		for _, c := range l.Codes {
			inLoopback(t, l.ID, c.Code)
			oneOf(t, l.ID, string(c.Says), "", "bad", "policy", "note", "good")
			if c.Means == "" {
				t.Errorf("%s: %s means nothing", l.ID, c.Code)
			}
			if r, refused := d.refusal(&l, netip.AddrFrom4(c.Code.lo)); refused && c.Code.Exact() {
				t.Errorf("%s: %s is a code and a refusal (%s)", l.ID, c.Code, r.Means)
			}
		}
		bits := uint8(0)
		for _, b := range l.Bits {
			if b.Bit == 0 || b.Bit&(b.Bit-1) != 0 || bits&b.Bit != 0 || b.Means == "" {
				t.Errorf("%s: bit %d", l.ID, b.Bit)
			}
			bits |= b.Bit
		}
		for _, r := range append(l.Refusals, f.RefusedEverywhere...) {
			inLoopback(t, l.ID, r.Code)
			if f.Cures[r.Cause] == "" {
				t.Errorf("%s: no cure for %q", l.ID, r.Cause)
			}
		}
	}
}

func inLoopback(t *testing.T, id string, p Pattern) {
	t.Helper()
	if p.lo[0] != 127 || p.hi[0] != 127 || !p.Contains(netip.AddrFrom4(p.lo)) || p.Contains(netip.MustParseAddr("128.0.0.1")) {
		t.Errorf("%s: %s is not in 127/8", id, p)
	}
}

// TestListsControl: control points fit what the list is about, and a list of
// weight has points that prove it alive.
func TestListsControl(t *testing.T) {
	for _, l := range NewDirectory(Options{}).Lists() {
		for _, point := range append(l.Control.Listed, l.Control.Clean...) {
			ip, err := netip.ParseAddr(point)
			switch {
			case err == nil && (!ip.IsLoopback() || !l.Asks(OfIP)):
				t.Errorf("%s: control point %s", l.ID, point)
			case err != nil && !l.Asks(OfDomain):
				t.Errorf("%s: control point %s", l.ID, point)
			}
			if _, err := world.ParseName(pointLabels(point, false) + ".example"); err != nil {
				t.Errorf("%s: %s", l.ID, err)
			}
		}
		if l.Weight >= Medium && (len(l.Control.Listed) == 0 || len(l.Control.Clean) == 0) {
			t.Errorf("%s weighs %s and has no control points", l.ID, l.Weight)
		}
	}
}

func TestDeadZones(t *testing.T) {
	d := NewDirectory(Options{})
	for zone, want := range map[string]bool{
		"dnsbl.sorbs.net": true, "spam.dnsbl.sorbs.net.": true, "SORBS.net": true, "ix.dnsbl.manitu.net": true,
		"zen.spamhaus.org": false, "swl.spamhaus.org": true, "notsorbs.net": false, "manitu.net": false,
	} {
		if _, dead := d.DeadZone(zone); dead != want {
			t.Errorf("%s: dead %v", zone, dead)
		}
	}
	for _, dead := range loadFile(t).Dead {
		oneOf(t, dead.Zones[0], dead.Behaviour, "gone", "empty", "silent", "refusing", "lists-all")
	}
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		in, out []string
	}{
		{"127.0.0.2", []string{"127.0.0.2"}, []string{"127.0.0.3", "0.0.0.0"}},
		{"127.0.0.4-127.0.0.7", []string{"127.0.0.4", "127.0.0.7"}, []string{"127.0.0.3", "127.0.0.8"}},
		{"127.0.*.3", []string{"127.0.0.3", "127.0.255.3"}, []string{"127.0.5.2", "127.1.5.3"}},
	} {
		var p Pattern
		if err := p.UnmarshalText([]byte(tt.pattern)); err != nil {
			t.Fatal(err)
		}
		for _, s := range tt.in {
			if !p.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%s does not contain %s", p, s)
			}
		}
		for _, s := range append(tt.out, "::1") {
			if p.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%s contains %s", p, s)
			}
		}
	}
	for _, bad := range []string{"", "127.0.0", "127.0.0.9-127.0.0.2", "127.0.0.*-127.0.0.9", "::1", "x"} {
		if err := new(Pattern).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
	if (Pattern{}).Contains(netip.MustParseAddr("0.0.0.0")) {
		t.Error("the zero pattern contains an address")
	}
}
