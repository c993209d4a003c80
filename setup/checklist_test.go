package setup_test

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/world"
)

var day = 24 * time.Hour

// someFacts are a server with two addresses and two domains.
func someFacts() setup.Facts {
	host := mail.MustParseDomain("mx.example.com")
	return setup.Facts{
		Hostname: host, Domains: []mail.Domain{mail.MustParseDomain("example.com"), mail.MustParseDomain("example.net")},
		Addresses: []setup.Address{{IP: netip.MustParseAddr("203.0.113.7"), Name: host}, {IP: netip.MustParseAddr("2001:db8::7"), Name: host}},
		Now:       time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

func itemOf(t *testing.T, items []setup.Item, id, subject string) setup.Item {
	t.Helper()
	i := slices.IndexFunc(items, func(i setup.Item) bool { return i.ID == id && i.Subject == subject })
	if i < 0 {
		t.Fatalf("no %s for %q among %d items", id, subject, len(items))
	}
	return items[i]
}

// TestChecklistData holds the data to what a page wants to show of it.
func TestChecklistData(t *testing.T) {
	items := setup.Checklist(someFacts())
	seen := map[string]bool{}
	for _, i := range items {
		seen[i.ID] = true
		if i.Title == "" || i.Why == "" || i.Who == "" || len(i.Do) == 0 || i.State != setup.Open {
			t.Errorf("%+v", i)
		}
		for _, text := range append([]string{i.Title, i.Why, i.Link}, i.Do...) {
			if strings.ContainsAny(text, "{}") || i.Subject == "" && strings.Contains(text, "  ") {
				t.Errorf("%s: %q", i.ID, text)
			}
		}
		if u, err := url.Parse(i.Link); i.Link != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			t.Errorf("%s: link %q", i.ID, i.Link)
		}
		if !slices.Contains([]string{"must", "wise", "may"}, i.Need) {
			t.Errorf("%s: need %q", i.ID, i.Need)
		}
	}
	for _, id := range []string{
		"ptr", "microsoft-snds", "microsoft-jmrp", "office365-delisting", "hotmail-delisting", "yahoo-cfl", "google-postmaster", "att",
		"spamcop-reports", "abuse-net", "validity-ufbl", "dnswl", "spamhaus-dqs", "abuse-contact",
	} {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
	if items[0].ID != "ptr" || items[len(items)-1].Need != "may" {
		t.Errorf("begins with %s, ends with %s", items[0].ID, items[len(items)-1].Need)
	}
}

func TestChecklistExpires(t *testing.T) {
	f := someFacts()
	f.Ticks = []setup.Tick{{ID: "microsoft-snds", Subject: "203.0.113.7", Time: f.Now, Note: "as anna"}}
	for _, tt := range []struct {
		age    time.Duration
		state  setup.ItemState
		status finding.Status
	}{
		{0, setup.Ticked, finding.Green},
		{269 * day, setup.Ticked, finding.Green},
		{270 * day, setup.Due, finding.Yellow},
		{299 * day, setup.Due, finding.Yellow},
		{300 * day, setup.Expired, finding.Yellow},
	} {
		later := f
		later.Now = f.Now.Add(tt.age)
		items := setup.Checklist(later)
		i := itemOf(t, items, "microsoft-snds", "203.0.113.7")
		if i.State != tt.state || i.Status != tt.status || i.Note != "as anna" || !i.Until.Equal(f.Now.Add(300*day)) {
			t.Errorf("after %v: %+v", tt.age, i)
		}
		if other := itemOf(t, items, "microsoft-snds", "2001:db8::7"); other.State != setup.Open || other.Status != finding.Yellow {
			t.Errorf("the other address: %+v", other)
		}
	}
	f.Addresses[0].IP = netip.MustParseAddr("203.0.113.8")
	if i := itemOf(t, setup.Checklist(f), "microsoft-snds", "203.0.113.8"); i.State != setup.Open {
		t.Errorf("a new address: %+v", i)
	}
	if i := itemOf(t, setup.Checklist(f), "att", "203.0.113.8"); i.Status != finding.Skip {
		t.Errorf("what may be left: %+v", i)
	}
}

// TestChecklistWeighs has what was seen meet what a person says.
func TestChecklistWeighs(t *testing.T) {
	for _, tt := range []struct {
		name, id, subject string
		ticked            bool
		sight             setup.Sight
		want              setup.ItemState
	}{
		{"seen", "dnswl", "203.0.113.7", false, setup.Sight{Known: true, Done: true}, setup.Seen},
		{"not seen, but a person knows better", "google-postmaster", "example.com", true, setup.Sight{Known: true}, setup.Ticked},
		{"not seen, and nobody can know better", "ptr", "203.0.113.7", true, setup.Sight{Known: true}, setup.Open},
		{"nothing answered", "ptr", "203.0.113.7", true, setup.Sight{}, setup.Ticked},
		{"nothing at all", "ptr", "203.0.113.7", false, setup.Sight{}, setup.Open},
	} {
		f := someFacts()
		tt.sight.ID, tt.sight.Subject = tt.id, tt.subject
		f.Sights = []setup.Sight{tt.sight}
		if tt.ticked {
			f.Ticks = []setup.Tick{{ID: tt.id, Subject: tt.subject, Time: f.Now}}
		}
		if i := itemOf(t, setup.Checklist(f), tt.id, tt.subject); i.State != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, i.State, tt.want)
		}
	}
}

// records is a resolver that knows some records; of the rest it says that they are not
// there, or nothing.
type records map[string]string

func (r records) Lookup(_ context.Context, name world.Name, kind uint16) (*world.Answer, error) {
	text, ok := r[name.String()+" "+dns.TypeToString[kind]]
	if !ok {
		if strings.HasSuffix(name.String(), "example.net.") {
			return nil, world.ErrTemporary
		}
		return nil, world.ErrNoName
	}
	rr, err := dns.NewRR(name.String() + " 60 IN " + dns.TypeToString[kind] + " " + text)
	if err != nil {
		return nil, err
	}
	return &world.Answer{Records: []dns.RR{rr}}, nil
}

func TestLook(t *testing.T) {
	f := someFacts()
	f.DQSKey = true
	w := world.None()
	w.Resolver = records{
		"7.113.0.203.in-addr.arpa. PTR":         "mx.example.com.",
		"example.com. TXT":                      `"google-site-verification=abc"`,
		"example.com.contacts.abuse.net. HINFO": `"lookup" "example.com"`,
		"7.113.0.203.list.dnswl.org. A":         "127.0.3.1",
		"2.0.0.127.list.dnswl.org. A":           "127.0.10.0",
		"example.net.contacts.abuse.net. HINFO": `"default" "example.net"`,
		"7.113.0.203.list.dnswl.org. TXT":       `"example.com"`,
		"list.dnswl.org. SOA":                   "a. b. 1 2 3 4 5",
	}
	f.Sights = setup.Look(t.Context(), w, f)
	items := setup.Checklist(f)
	for _, tt := range []struct {
		id, subject string
		want        setup.ItemState
		note        string
	}{
		{"ptr", "203.0.113.7", setup.Seen, "mx.example.com"},
		{"ptr", "2001:db8::7", setup.Open, "no PTR"},
		{"google-postmaster", "example.com", setup.Seen, ""},
		{"google-postmaster", "example.net", setup.Open, ""},
		{"abuse-net", "example.com", setup.Seen, ""},
		{"abuse-net", "example.net", setup.Open, "guessed"},
		{"dnswl", "203.0.113.7", setup.Seen, ""},
		{"spamhaus-dqs", "", setup.Seen, ""},
		{"yahoo-cfl", "example.com", setup.Open, ""},
	} {
		if i := itemOf(t, items, tt.id, tt.subject); i.State != tt.want || !strings.Contains(i.Note, tt.note) {
			t.Errorf("%s of %q: %s, %q, %q", tt.id, tt.subject, i.State, i.Note, i.Unseen)
		}
	}
	if i := itemOf(t, items, "google-postmaster", "example.net"); i.Unseen == "" {
		t.Errorf("nothing answered: %+v", i)
	}
}

func TestMark(t *testing.T) {
	storetest.Each(t, []store.Schema{setup.ChecklistSchema}, mark)
}

func mark(t *testing.T, st *store.Store) {
	f := someFacts()
	write := func(do func(tx *store.Tx) error) error { return st.Write(t.Context(), do) }
	if err := write(func(tx *store.Tx) error { return setup.Mark(tx, f, "dnswl", "", "both") }); err != nil {
		t.Fatal(err)
	}
	if err := write(func(tx *store.Tx) error { return setup.Unmark(tx, f, "dnswl", "2001:DB8::7") }); err != nil {
		t.Fatal(err)
	}
	err := st.Read(t.Context(), func(tx *store.Tx) (err error) {
		f.Ticks, err = setup.Ticks(tx)
		return err
	})
	if err != nil || len(f.Ticks) != 1 || f.Ticks[0].Subject != "203.0.113.7" || f.Ticks[0].Note != "both" {
		t.Fatalf("%+v, %v", f.Ticks, err)
	}
	for _, no := range [][2]string{{"dnswl", "203.0.113.9"}, {"nothing", ""}, {"ptr", "example.com"}} {
		if err := write(func(tx *store.Tx) error { return setup.Mark(tx, f, no[0], no[1], "") }); !errors.Is(err, setup.ErrNoItem) {
			t.Errorf("%v: %v", no, err)
		}
	}
}
