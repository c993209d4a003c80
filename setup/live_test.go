package setup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/zone"
)

// TestWaitsForTheMail publishes nothing that keeps mail from the server that has it: an
// MTA-STS policy of ours comes when the mail is here for good, what leads mail programs
// when it has moved.
func TestWaitsForTheMail(t *testing.T) {
	m := newMoving(t, true, "example.com. 300 MX "+theirs, "_imaps._tcp.example.com. 300 SRV 0 1 993 imap.other.example.")
	id := m.someone(t)
	by := &setup.Publisher{World: m.world(), Provider: m.zoneWorld, UndoDir: t.TempDir(), Data: m.Data}
	published := func() (all []string) {
		t.Helper()
		m.turn(time.Second) // undo files are named by the time
		one, err := by.Compare(t.Context(), domain, id.Records(domain))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := by.Publish(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"_mta-sts", "mta-sts", "autodiscover", "_submissions._tcp"} {
			if slices.ContainsFunc(m.sets, func(s zone.Set) bool { return s.Name.String() == name+".example.com." }) {
				all = append(all, name)
			}
		}
		var b strings.Builder
		if one.WriteDiff(&b, false); (len(one.Later) > 0) != strings.Contains(b.String(), "more wait") || len(one.Later) > 0 && !one.Differs {
			t.Errorf("%d wait; %s", len(one.Later), b.String())
		}
		return all
	}
	if got := published(); len(got) > 0 || !m.has("example.com.", "TXT", "v=spf1") {
		t.Errorf("elsewhere: %q", got)
	}
	m.goes(0, setup.Settling, "leave the old server on")
	if got := published(); !slices.Equal(got, []string{"autodiscover", "_submissions._tcp"}) {
		t.Errorf("settling: %q", got)
	}
	m.goes(3*day, setup.Switched, "")
	if got := published(); len(got) != 4 || !m.has("_imaps._tcp.example.com.", "SRV", "imap.other.example.") {
		t.Errorf("settled: %q", got)
	}
}

// TestSends knows a domain that somebody sends for, whatever its SPF records look like.
func TestSends(t *testing.T) {
	for _, tt := range []struct {
		spf  []string
		want bool
	}{
		{nil, false},
		{[]string{"v=spf1 -all"}, false},
		{[]string{"v=spf1 ip4:203.0.113.7 ?all"}, false},
		{[]string{"v=spf1 include:spf.example.football ~all"}, true},
		{[]string{"v=spf1 redirect=_spf.other.example"}, true},
		{[]string{"v=spf1 mx -all", "v=spf1 include:_spf.other.example -all"}, true},
	} {
		s := zone.Set{Name: apex, Type: "TXT"}
		for _, text := range tt.spf {
			s.Values = append(s.Values, finding.TXT("", text).Value)
		}
		wanted := []finding.Record{finding.TXT(apex.String(), "v=spf1 ip4:203.0.113.7 -all")}
		if got := setup.LifeOf(domain, wanted, []zone.Set{s}).Sends; got != tt.want {
			t.Errorf("%q: sends: %v", tt.spf, got)
		}
	}
}

// TestDMARCOfASpoiltRecord never writes less than a person did, though receivers take a
// record with a bad tag for p=none.
func TestDMARCOfASpoiltRecord(t *testing.T) {
	c := newClimbing(t, true, `_dmarc.example.com. 3600 TXT "v=DMARC1; p=reject; sp=refuse; rua=mailto:a@example.com"`)
	c.after(0)
	if s := c.after(40 * day); s.Policy != dmarc.Reject {
		t.Errorf("%+v", s)
	}
	c.policy("reject")
}

// TestInherits begins with what a domain above says already, and with nothing weaker.
func TestInherits(t *testing.T) {
	news := mail.MustParseDomain("news.example.com")
	wanted := []finding.Record{finding.TXT("_dmarc.news.example.com.", "v=DMARC1; p=quarantine; rua=mailto:postmaster@news.example.com")}
	for _, tt := range []struct{ above, spf, want string }{
		{"v=DMARC1; p=reject", "", "p=reject"},
		{"v=DMARC1; p=reject", "v=spf1 include:_spf.other.example -all", "p=reject"},
		{"v=DMARC1; p=reject; sp=none", "v=spf1 include:_spf.other.example -all", "p=none"},
		{"v=DMARC1; p=reject; sp=none", "", "p=quarantine"},
		{"v=DMARC1; p=none", "", "p=quarantine"},
	} {
		z := newZoneWorld(`_dmarc.example.com. 3600 TXT "` + tt.above + `"`)
		if tt.spf != "" {
			z.add(`news.example.com. 3600 TXT "` + tt.spf + `"`)
		}
		by := &setup.Publisher{World: z.world(), Provider: z}
		records := append(wanted, finding.TXT("news.example.com.", "v=spf1 ip4:203.0.113.7 -all"))
		one, err := by.Compare(t.Context(), news, records)
		if err != nil {
			t.Fatal(err)
		}
		if got := one.Steps[0].Wanted[0]; !strings.Contains(got, tt.want+";") {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
