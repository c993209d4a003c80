package setup

import (
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
)

// TestAskPublisher guesses who has the zone, and asks for what that one wants.
func TestAskPublisher(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{Bare: true, Zones: []string{freshZone,
		"cloud.example. SOA anna.ns.cloudflare.com. dns.cloudflare.com. 1 7200 1800 1814400 60\ncloud.example. NS anna.ns.cloudflare.com.\n"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, tt := range []struct {
		domain  string
		answers []string
		usual   string
		lines   string
	}{
		{"fresh.example", nil, "hand", ""},
		{"fresh.example", []string{"hand"}, "hand", ""},
		{"cloud.example", []string{"cloudflare"}, "cloudflare", "\n[dns]\nprovider = \"cloudflare\"\nsecret_file = \"dns-secret\"\n"},
		{"cloud.example", []string{"rfc2136", "192.0.2.1:53", "k"}, "cloudflare", "\n[dns]\nprovider = \"rfc2136\"\nserver = \"192.0.2.1:53\"\nkey = \"k\"\nsecret_file = \"dns-secret\"\n"},
	} {
		s := aMachine(t, l, "")
		s.Domain, s.Desk = mail.MustParseDomain(tt.domain), &script{answers: tt.answers}
		if got := s.publisherOf(t.Context()); got != tt.usual && got+tt.usual != "hand" {
			t.Errorf("%s: guessed %q", tt.domain, got)
		}
		if err := s.askPublisher(t.Context()); err != nil || s.Answers.Lines != tt.lines {
			t.Errorf("%q: %v, %q", tt.answers, err, s.Answers.Lines)
		}
	}
	s := aMachine(t, l, "")
	s.Desk = &script{answers: []string{"bind"}}
	if err := s.askPublisher(t.Context()); err == nil || !strings.Contains(err.Error(), `"bind" is none of`) {
		t.Error(err)
	}
	if kinds := publisherKinds(); !slices.ContainsFunc(kinds, func(k publisherKind) bool { return k.ID == "desec" }) {
		t.Errorf("%v", kinds)
	}
}
