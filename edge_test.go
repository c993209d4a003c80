package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/web"
)

// lookedOut waits until the server knows how it is seen.
func (v village) lookedOut(t *testing.T) *foundEdge {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(60 * time.Second); time.Now().Before(until); <-tick.C {
		if found := v.home.server.edge.found.Load(); found != nil {
			return found
		}
	}
	t.Fatal("the server did not look how it is seen")
	return nil
}

func TestServeIsSeenWhereItIsConfigured(t *testing.T) {
	v := settle(t, "", lab.Options{})
	found := v.lookedOut(t)
	if len(found.Problems) != 0 || !slices.Equal(found.Addresses(), found.Configured) || len(found.Sightings) != 4 {
		t.Errorf("%+v", found)
	}
	for _, s := range found.Sightings {
		if s.Err != nil || s.Seen != s.From {
			t.Errorf("%+v", s)
		}
	}
	status, err := web.Status.Do(t.Context(), v.client(), web.None{})
	if err != nil || !status.Ready || status.Warnings != nil || status.Checks["edge"] != "" {
		t.Errorf("%+v, %v", status, err)
	}
	if v.home.server.identity.IsNews(found.Edge) {
		t.Error("the administrator would be told of nothing")
	}
}

// TestServeIsSeenElsewhere has a host of the lab see another address: mail flows all the
// same, and everybody who should hear of it does.
func TestServeIsSeenElsewhere(t *testing.T) {
	const zone = `liar.example. 300 SOA ns1.nameserver.example. hostmaster 1 7200 1800 1814400 300
liar.example. 300 NS ns1.nameserver.example.
liar.example. 300 MX 10 mx.liar.example.
mx.liar.example. 300 A 127.10.99.10
`
	v := settle(t, "[edge]\ngreet = [\"liar.example\"]\nstun = []\n", lab.Options{Zones: []string{zone}, Hosts: []host.Mail{
		{Name: "mx.liar.example", Character: host.Character{Replies: map[string]string{"EHLO": "250 {name} sees [198.51.100.66]"}}},
	}})
	found := v.lookedOut(t)
	status, err := web.Status.Do(t.Context(), v.client(), web.None{})
	if err != nil || !status.Ready || !strings.Contains(status.Warnings["edge"], "write 198.51.100.66 into addresses") {
		t.Errorf("%+v, %v", status, err)
	}
	v.home.server.edge.note(t.Context(), found.Edge) // the first look may have been before the first account
	text := v.awaitText(t, v.home.settings.Admin, "elsewhere")
	if !strings.Contains(text, "mx.liar.example (EHLO): sees 198.51.100.66") || !strings.Contains(text, "What to do:") {
		t.Errorf("the letter:\n%s", text)
	}
	v.home.server.edge.note(t.Context(), found.Edge)
	anna, err := v.home.server.accounts.Get(t.Context(), v.home.settings.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if letters := v.inbox(t, anna.ID); len(letters) != 1 {
		t.Errorf("told %d times", len(letters))
	}
	figures := map[string]float64{}
	for _, f := range v.home.server.edge.figures() {
		f.Read(func(value float64, labels ...string) { figures[f.Name+strings.Join(labels, " ")] = value })
	}
	if figures["edge_seen198.51.100.66"] != 1 || figures["edge_problems"] == 0 {
		t.Errorf("%v", figures)
	}
}
