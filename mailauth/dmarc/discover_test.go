package dmarc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/world"
)

// describe is a discovery on one line: org, policy domain, policy, source.
func describe(d dmarc.Discovery) string {
	word := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return strings.Join([]string{word(d.OrgDomain.String()), word(d.PolicyDomain().String()), word(string(d.Policy)), word(string(d.Source))}, " ")
}

func TestDiscover(t *testing.T) {
	const orgRecord = "_dmarc.example.com TXT v=DMARC1; p=reject; sp=quarantine; np=none\nsub.example.com A 192.0.2.1\n"
	for _, c := range []struct{ name, author, zone, want string }{
		{"own record", "example.com", orgRecord, "example.com example.com reject p"},
		{"none anywhere", "a.example.com", "a.example.com A 192.0.2.1", "a.example.com - - -"},
		{"sp for an existing subdomain", "sub.example.com", orgRecord, "example.com example.com quarantine sp"},
		{"np for one that does not exist", "no.example.com", orgRecord, "example.com example.com none np"},
		{"no data is existence", "ent.example.com", orgRecord + "x.ent.example.com A 192.0.2.1", "example.com example.com quarantine sp"},
		{"a CNAME to nowhere exists", "c.example.com", orgRecord + "c.example.com CNAME gone.example", "example.com example.com quarantine sp"},
		{"p for a subdomain without sp", "sub.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject", "example.com example.com reject p"},
		{"sp when np is absent", "no.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; sp=none", "example.com example.com none sp"},
		{"np without sp, existing", "sub.example.com", "sub.example.com A 192.0.2.1\n_dmarc.example.com TXT v=DMARC1; p=none; np=reject", "example.com example.com none p"},
		{"np without sp, not existing", "no.example.com", "_dmarc.example.com TXT v=DMARC1; p=none; np=reject", "example.com example.com reject np"},
		{"sp and np do not hold for the domain itself", "example.com", "_dmarc.example.com TXT v=DMARC1; p=none; sp=reject; np=reject", "example.com example.com none p"},
		{"sp does not hold for a subdomain's own record", "sub.example.com", orgRecord + "_dmarc.sub.example.com TXT v=DMARC1; p=none; sp=reject", "example.com sub.example.com none p"},
		{"a record in between does not speak", "a.mail.example.com", "a.mail.example.com A 192.0.2.1\n_dmarc.mail.example.com TXT v=DMARC1; p=none\n" + orgRecord, "example.com example.com quarantine sp"},
		{"unless it says psd=n", "a.mail.example.com", "_dmarc.mail.example.com TXT v=DMARC1; p=none; sp=reject; psd=n\n" + orgRecord, "mail.example.com mail.example.com reject sp"},
		{"psd=n at the start", "mail.example.com", "_dmarc.mail.example.com TXT v=DMARC1; p=none; psd=n\n" + orgRecord, "mail.example.com mail.example.com none p"},
		{"psd=y at the registry", "a.mail.example.bank", "_dmarc.bank TXT v=DMARC1; p=reject; psd=y", "example.bank bank reject p"},
		{"psd=y with sp and np", "no.example.bank", "_dmarc.bank TXT v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\nexample.bank A 192.0.2.1", "example.bank bank reject np"},
		{"the organization's record before the registry's", "www.example.bank", "_dmarc.example.bank TXT v=DMARC1; p=none\n_dmarc.bank TXT v=DMARC1; p=reject; psd=y", "example.bank example.bank none p"},
		{"a record below the organization is not the registry's either", "a.b.example.bank", "_dmarc.b.example.bank TXT v=DMARC1; p=none\n_dmarc.bank TXT v=DMARC1; p=reject; psd=y", "example.bank bank reject p"},
		{"mail from the registry", "bank", "_dmarc.bank TXT v=DMARC1; p=reject; psd=y", "bank bank reject p"},
		{"two-label registry", "x.example.gov.xx", "_dmarc.gov.xx TXT v=DMARC1; p=reject; psd=y\n_dmarc.xx TXT v=DMARC1; p=none", "example.gov.xx gov.xx reject p"},
		{"a registry without psd becomes the organization", "www.example.xx", "_dmarc.xx TXT v=DMARC1; p=none", "xx xx none p"},
		{"psd=y at the start is no boundary", "gov.xx", "_dmarc.gov.xx TXT v=DMARC1; p=reject; psd=y\n_dmarc.xx TXT v=DMARC1; p=none", "gov.xx gov.xx reject p"},
		{"several records are discarded", "example.com", "_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject", "example.com - - -"},
		{"and the walk goes on", "sub.example.com", "_dmarc.sub.example.com TXT v=DMARC1; p=none\n_dmarc.sub.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject", "example.com example.com reject p"},
		{"other texts beside it do not matter", "example.com", "_dmarc.example.com TXT v=spf1 -all\n_dmarc.example.com TXT v=DMARC1; p=reject\n_dmarc.example.com TXT v=dmarc1; p=none", "example.com example.com reject p"},
		{"a repeated tag makes it no record", "sub.example.com", "_dmarc.sub.example.com TXT v=DMARC1; p=none; p=reject\n_dmarc.example.com TXT v=DMARC1; p=quarantine", "example.com example.com quarantine p"},
		{"through a CNAME", "example.com", "_dmarc.example.com CNAME rec.host.example\nrec.host.example TXT v=DMARC1; p=quarantine", "example.com example.com quarantine p"},
		{"a CNAME to nothing", "example.com", "_dmarc.example.com CNAME gone.example", "example.com - - -"},
		{"p missing, reports wanted", "example.com", "_dmarc.example.com TXT v=DMARC1; rua=mailto:a@example.com", "example.com example.com none default"},
		{"p missing, no reports", "example.com", "_dmarc.example.com TXT v=DMARC1; sp=reject", "example.com example.com - -"},
		{"np invalid, reports wanted", "x.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; np=all; rua=mailto:a@example.com", "example.com example.com none default"},
		{"long text in chunks", "example.com", "_dmarc.example.com TXT v=DMARC1; p=none; rua=mailto:" + strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 90) + "example,mailto:c@example.com; sp=reject", "example.com example.com none p"},
		{"eight labels", "a.b.c.d.e.f.example.com", "_dmarc.b.c.d.e.f.example.com TXT v=DMARC1; p=reject; psd=n", "b.c.d.e.f.example.com b.c.d.e.f.example.com reject p"},
		{"nine labels skip the eighth", "a.b.c.d.e.f.g.example.com", "_dmarc.b.c.d.e.f.g.example.com TXT v=DMARC1; p=reject; psd=n", "a.b.c.d.e.f.g.example.com - - -"},
		{"nine labels see the seventh", "a.b.c.d.e.f.g.example.com", "_dmarc.c.d.e.f.g.example.com TXT v=DMARC1; p=reject; psd=n", "c.d.e.f.g.example.com c.d.e.f.g.example.com reject p"},
	} {
		d := dmarc.Discover(context.Background(), newZone(t, c.zone), mail.MustParseDomain(c.author))
		if got := describe(d); got != c.want || d.Err != nil {
			t.Errorf("%s: got %q, %v; want %q\n%s", c.name, got, d.Err, c.want, strings.Join(d.Walk.Trace(), "\n"))
		}
	}
}

// The example of RFC 9989 section 4.10.
func TestWalkAsksEightQuestions(t *testing.T) {
	z := newZone(t, "")
	dmarc.Discover(context.Background(), z, mail.MustParseDomain("a.b.c.d.e.f.g.h.i.j.mail.example.com"))
	var want []string
	for _, d := range strings.Fields("a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com example.com com") {
		want = append(want, "_dmarc."+d+" TXT")
	}
	if !slices.Equal(z.asked, want) {
		t.Errorf("asked\n%s", strings.Join(z.asked, "\n"))
	}
	for labels := 1; labels < 120; labels++ {
		z := newZone(t, "")
		dmarc.Discover(context.Background(), z, mail.MustParseDomain(strings.Repeat("x.", labels)+"com"))
		if want := min(labels+1, 8); len(z.asked) != want {
			t.Errorf("%d labels: %d questions", labels+1, len(z.asked))
		}
	}
}

func TestWalkStopsAtPSD(t *testing.T) {
	for _, psd := range []string{"y", "n"} {
		z := newZone(t, "_dmarc.b.example.com TXT v=DMARC1; p=none; psd="+psd)
		dmarc.Discover(context.Background(), z, mail.MustParseDomain("a.b.example.com"))
		if len(z.asked) != 2 {
			t.Errorf("psd=%s: asked %q", psd, z.asked)
		}
	}
}

func TestExistenceIsAskedOnlyForNP(t *testing.T) {
	for _, c := range []struct {
		record string
		asked  bool
	}{{"p=none", false}, {"p=none; sp=reject", false}, {"p=none; np=reject", true}} {
		z := newZone(t, "_dmarc.example.com TXT v=DMARC1; "+c.record)
		dmarc.Discover(context.Background(), z, mail.MustParseDomain("x.example.com"))
		if got := slices.Contains(z.asked, "x.example.com A"); got != c.asked {
			t.Errorf("%s: asked %v", c.record, got)
		}
	}
}

func TestFailuresAreNotNone(t *testing.T) {
	for _, kind := range []struct {
		word string
		err  error
	}{{"SERVFAIL", world.ErrTemporary}, {"BOGUS", world.ErrBogus}} {
		for _, c := range []struct{ name, author, zone, want, result string }{
			{"at the author", "example.com", "_dmarc.example.com %s", "- - - -", "temperror"},
			{"above the author", "a.example.com", "_dmarc.example.com %s", "- - - -", "temperror"},
			{"above a record", "example.com", "_dmarc.example.com TXT v=DMARC1; p=reject\n_dmarc.com %s", "- example.com reject p", "fail"},
			{"above a psd tag it is never asked", "example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; psd=n\n_dmarc.com %s", "example.com example.com reject p", "fail"},
			{"existence, np differs", "x.example.com", "_dmarc.example.com TXT v=DMARC1; p=none; np=reject\nx.example.com %s", "example.com example.com - -", "temperror"},
			{"existence, np is the same", "x.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; np=reject\nx.example.com %s", "example.com example.com reject p", "fail"},
		} {
			z := newZone(t, fmt.Sprintf(c.zone, kind.word))
			d := dmarc.Discover(context.Background(), z, mail.MustParseDomain(c.author))
			if got := describe(d); got != c.want {
				t.Errorf("%s %s: got %q, want %q", kind.word, c.name, got, c.want)
			}
			e := dmarc.Evaluate(context.Background(), z, d, dmarc.Evidence{})
			if string(e.Result) != c.result || c.result == "temperror" && !errors.Is(e.Err, kind.err) {
				t.Errorf("%s %s: %s, %v", kind.word, c.name, e.Result, e.Err)
			}
		}
	}
}

func TestNameTooLongIsNoName(t *testing.T) {
	long := mail.MustParseDomain(strings.Repeat(strings.Repeat("a", 61)+".", 4) + "com")
	d := dmarc.Discover(context.Background(), newZone(t, "_dmarc.com TXT v=DMARC1; p=reject; psd=y"), long)
	if d.Err != nil || d.Policy != dmarc.Reject {
		t.Errorf("%s, %v", describe(d), d.Err)
	}
}

func TestReadAs7489(t *testing.T) {
	for _, c := range []struct{ name, author, zone, want string }{
		{"the same", "www.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject", ""},
		{"pct", "example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; pct=5", "an older receiver applies the policy to 5% of failing mail, because of pct"},
		{"t", "example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; t=y", "the policy applied is quarantine, with an older receiver reject"},
		{"np", "no.example.com", "_dmarc.example.com TXT v=DMARC1; p=none; np=reject", "the policy applied is reject, with an older receiver none"},
		{"a registry that the list does not know", "a.example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; psd=y",
			"the organizational domain is a.example.com by the tree (one label below psd=y) and example.com by the public suffix list"},
		{"psd=n below", "a.b.example.com", "_dmarc.b.example.com TXT v=DMARC1; p=none; psd=n\n_dmarc.example.com TXT v=DMARC1; p=reject",
			"the organizational domain is b.example.com by the tree (declared by psd=n) and example.com by the public suffix list\n" +
				"the record is taken from b.example.com, by an older receiver from example.com\nthe policy applied is none, with an older receiver reject"},
		{"no p", "example.com", "_dmarc.example.com TXT v=DMARC1; rua=mailto:a@example.com", ""},
		{"bad np", "example.com", "_dmarc.example.com TXT v=DMARC1; p=reject; np=x", "the policy applied is nothing, with an older receiver reject"},
	} {
		z := newZone(t, c.zone)
		d := dmarc.Discover(context.Background(), z, mail.MustParseDomain(c.author))
		l := dmarc.ReadAs7489(context.Background(), z, d)
		if got := strings.Join(l.Differences(d), "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}
