package check

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/allgreen-mail/allgreen/world"
)

// wildcard answers every TXT question below the name that has no record of its own.
type wildcard struct {
	*names
	below string
}

func (w wildcard) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	a, err := w.names.Lookup(ctx, name, qtype)
	if errors.Is(err, world.ErrNotFound) && qtype == dns.TypeTXT && strings.HasSuffix(name.String(), "."+w.below) {
		return w.names.Lookup(ctx, world.Name("*."+w.below), qtype)
	}
	return a, err
}

// guesses are the questions for all the usual selectors but one.
func guesses(but string) []string {
	var questions []string
	for _, sel := range commonSelectors() {
		if sel != but {
			questions = append(questions, sel+"._domainkey.example.com. TXT")
		}
	}
	return questions
}

// Keys of 256 bits of Ed25519 (RFC 8463 appendix A) and of nothing.
const (
	edKey   = `"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="` + "\n"
	revoked = `"v=DKIM1; p="` + "\n"
	sends   = `example.com. TXT "v=spf1 ip4:192.0.2.1 -all"` + "\n"
	silent  = `example.com. TXT "v=spf1 -all"` + "\n"
	usual   = "default._domainkey.example.com. TXT "
	below   = "_domainkey.example.com. TXT"
)

func TestKeysOfDomains(t *testing.T) {
	both := func(a, b map[string]error) map[string]error { maps.Copy(a, b); return a }
	tests := []struct {
		name, zone string
		fail       map[string]error
		check      Check
		want       string
	}{
		{"a key", usual + edKey, nil, dkimKeys, "found/green"},
		{"a key, and the other guesses lost", usual + edKey, lost(guesses("default")...), dkimKeys, "found/green"},
		{"no guess", sends, nil, dkimKeys, "unguessed/unknown"},
		{"one guess lost", sends, lost("s1." + below), dkimKeys, "no-answer/unknown"},
		{"one guess forged", sends, forged("s1." + below), dkimKeys, "bogus/unknown"},
		{"_domainkey lost", sends, lost(below), dkimKeys, "no-answer/unknown"},
		{"nothing below _domainkey", sends, failing(world.ErrNoName, []string{below}), dkimKeys, "none/red"},
		{"nothing there, and SPF lost", "", both(failing(world.ErrNoName, []string{below}), lost("example.com. TXT")), dkimKeys, "no-answer/unknown"},
		{"nothing there, and nothing sent", silent, failing(world.ErrNoName, []string{below}), dkimKeys, "sends-nothing/skip"},
		{"an old revoked key", sends + usual + revoked, nil, dkimKeys, "unguessed/unknown"},
		{"an old revoked key, the rest lost", sends + usual + revoked, lost(guesses("default")...), dkimKeys, "no-answer/unknown"},
		{"a revoked key, and nothing sent", silent + usual + revoked, nil, dkimKeys, "sends-nothing/skip"},
		{"Ed25519 alone", usual + edKey, nil, dkimEd25519, "alone/yellow"},
		{"Ed25519, and a guess lost", usual + edKey, lost("s1." + below), dkimEd25519, "no-answer/unknown"},
		{"a broken key", usual + `"v=DKIM1; p=!"`, nil, dkimRecord, "broken/red"},
		{"a DomainKeys policy lost", "", lost(below), dkimDomainKeys, "no-answer/unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.check, subjectIn(newNames(t, tt.zone, tt.fail))); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
}

// What a wildcard answers is no key that somebody has published.
func TestKeysBesideWildcards(t *testing.T) {
	const all, keys = "*.example.com. TXT ", "*._domainkey.example.com. TXT "
	const spf = `"v=spf1 -all"` + "\n"
	tests := []struct {
		name, zone, below string
		check             Check
		want              string
	}{
		{"SPF everywhere", all + spf, "example.com.", dkimKeys, "unguessed/unknown"},
		{"SPF everywhere, its records", all + spf, "example.com.", dkimRecord, ""},
		{"a key beside it", all + spf + usual + edKey, "example.com.", dkimKeys, "found/green"},
		{"a key beside it, its record", all + spf + usual + edKey, "example.com.", dkimRecord, "right/green"},
		{"revoked everywhere", keys + revoked, "_domainkey.example.com.", dkimKeys, "unguessed/unknown"},
		{"revoked everywhere, and one in force", keys + revoked + usual + edKey, "_domainkey.example.com.", dkimKeys, "found/green"},
		{"one key for every selector", keys + edKey, "_domainkey.example.com.", dkimKeys, "found/green"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := subjectIn(newNames(t, sends, nil))
			s.World.Resolver = wildcard{newNames(t, sends+tt.zone, nil), tt.below}
			if got := said(t, tt.check, s); got != tt.want {
				t.Errorf("%s says %q, want %q", tt.check.About().ID, got, tt.want)
			}
		})
	}
	// Whether there is a wildcard is not known: what is surely a key counts.
	n := newNames(t, sends+all+spf+usual+edKey, nil)
	s := subjectIn(n)
	n.fail = lost(s.randomLabel() + "._domainkey.example.com. TXT")
	s.World.Resolver = wildcard{n, "example.com."}
	if got := said(t, dkimKeys, s) + " " + said(t, dkimRecord, s); got != "found/green right/green" {
		t.Errorf("with the wildcard in doubt: %q", got)
	}
}
