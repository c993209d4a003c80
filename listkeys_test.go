package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

func TestListKeys(t *testing.T) {
	for _, tt := range []struct{ flag, complaint string }{
		{"abusix=abc123", ""},
		{"spamhaus-dqs=abc123", ""},
		{"spamhaus-zen=abc123", ""},
		{"abusix", "LIST=KEY"},
		{"abusix=", "LIST=KEY"},
		{"abusix=two words", "LIST=KEY"},
		{"abusix=a.b", "LIST=KEY"},
		{"spamcop=abc", "no list"},
	} {
		c := checkCommand{ListKey: []string{tt.flag}}
		c.Lab = true
		d, err := c.directory(world.None())
		if tt.complaint == "" && (err != nil || d == nil) || tt.complaint != "" && (err == nil || !strings.Contains(err.Error(), tt.complaint)) {
			t.Errorf("%s: %v", tt.flag, err)
		}
		if err != nil && strings.Contains(err.Error(), "two words") {
			t.Errorf("the key itself is shown: %v", err)
		}
	}
}

// A key reaches the zone of its list.
func TestListKeyIsAsked(t *testing.T) {
	c := checkCommand{ListKey: []string{"abusix=abc123"}}
	c.Lab = true
	d, err := c.directory(world.None())
	if err != nil {
		t.Fatal(err)
	}
	if a := d.LookupIP(t.Context(), world.None(), d.List("abusix"), netip.MustParseAddr("5.5.5.7")); !a.Keyed || a.Why == reputation.NeedsKey {
		t.Errorf("answer %+v", a)
	}
}

// What a lab shows is forgotten; what each resolver shows is kept apart.
func TestListMemory(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	open := func(resolver string) reputation.Memory {
		c := checkCommand{}
		c.Resolver = []string{resolver}
		w, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		return c.listMemory(w)
	}
	one, two := open("127.0.0.53:53"), open("127.0.0.54:53")
	one.Remember("spamcop", reputation.Control{State: reputation.ControlHolds})
	if _, ok := open("127.0.0.53:53").Recall("spamcop"); !ok {
		t.Error("forgotten from one run to the next")
	}
	if c, ok := two.Recall("spamcop"); ok {
		t.Errorf("another resolver recalls %+v", c)
	}
	lab := checkCommand{}
	lab.Lab = true
	if m := lab.listMemory(world.None()); m != nil {
		t.Errorf("a lab is remembered in %+v", m)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if m := new(checkCommand).listMemory(world.None()); m != nil {
		t.Errorf("without a place it remembers in %+v", m)
	}
}
