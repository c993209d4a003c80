package setup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/identity"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/zone"
)

// states are the keys of the domain with where they stand: "ag-r1 active".
func (c *climbing) states() string {
	var all []string
	for _, k := range c.Identity.Keys(domain) {
		all = append(all, k.Selector+" "+string(k.State))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestKeysRotate lives through three years.
func TestKeysRotate(t *testing.T) {
	c := newClimbing(t, true)
	c.publish(t, c.Identity)
	const first, both = "ag-e1 active, ag-r1 active", "ag-e1 retired, ag-e2 active, ag-r1 retired, ag-r2 active"
	want := func(after time.Duration, states string) {
		t.Helper()
		c.after(after)
		if got := c.states(); got != states {
			t.Errorf("%s; want %s", got, states)
		}
	}
	if next := setup.NextRotation(c.Identity.Keys(domain)[0]); !next.Equal(c.now.Add(365 * day)) {
		t.Errorf("next is %v", next)
	}
	want(364*day, first)
	c.mute = true // the zone is written, and nobody shows it
	want(day, "ag-e1 active, ag-e2 planned, ag-r1 active, ag-r2 planned")
	if !c.has("ag-r2._domainkey.example.com.", "TXT", "p=MII") {
		t.Fatal("the next key is not published")
	}
	signers, err := c.Identity.Signers(domain)
	if err != nil || signers[0].Selector != "ag-r1" {
		t.Errorf("signs with %+v, %v, which nobody can see", signers[0], err)
	}
	want(time.Hour, "ag-e1 active, ag-e2 planned, ag-r1 active, ag-r2 planned")
	c.mute = false
	want(time.Hour, both)
	if !c.has("ag-r1._domainkey.example.com.", "TXT", "p=MII") {
		t.Error("the old key is gone while mail is under way")
	}
	want(6*day, both)
	c.fails = zone.ErrRefused
	c.turn(day)
	if err := c.Look(t.Context(), domain); err == nil {
		t.Error("nothing was refused")
	}
	c.fails = nil
	want(time.Hour, strings.ReplaceAll(both, "retired", "revoked"))
	if !c.has("ag-r1._domainkey.example.com.", "TXT", `p="`) {
		t.Errorf("not empty: %v", c.get("ag-r1._domainkey.example.com.", "TXT"))
	}
	want(90*day, "ag-e2 active, ag-r2 active")
	if s := c.get("ag-r1._domainkey.example.com.", "TXT"); len(s.Values) != 0 {
		t.Errorf("left is %v", s)
	}
	if keys := c.Identity.Keys(domain); len(keys) != 2 || keys[0].State != identity.Active {
		t.Errorf("%+v", keys)
	}
	want(365*day, "ag-e1 active, ag-e2 retired, ag-r1 active, ag-r2 retired") // selectors come back
}

// TestKeysByHand has nobody who publishes: the operator is told, once.
func TestKeysByHand(t *testing.T) {
	c := newClimbing(t, false)
	c.after(0)
	for range 3 {
		c.after(365 * day)
	}
	if len(c.told) != 1 || !strings.Contains(c.told[0], "allgreen dkim rotate example.com") || c.states() != "ag-e1 active, ag-r1 active" {
		t.Errorf("%s; told %q", c.states(), c.told)
	}
}

// TestKeysOfOthersStay has the name of the next key in use.
func TestKeysOfOthersStay(t *testing.T) {
	c := newClimbing(t, true, `ag-r2._domainkey.example.com. 3600 TXT "v=DKIM1; p=AAAA"`)
	c.publish(t, c.Identity)
	c.turn(366 * day)
	if err := c.Look(t.Context(), domain); err == nil || !strings.Contains(err.Error(), "ag-r2") {
		t.Error(err)
	}
	if !c.has("ag-r2._domainkey.example.com.", "TXT", "p=AAAA") || strings.Contains(c.states(), "retired") {
		t.Error(c.states())
	}
}
