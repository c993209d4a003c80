package provider_test

import (
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
)

func TestByMX(t *testing.T) {
	d := provider.New()
	for host, want := range map[string]string{
		"gmail-smtp-in.l.google.com":              "google",
		"aspmx3.googlemail.com":                   "google",
		"hotmail-com.olc.protection.outlook.com":  "outlook",
		"example-org.mail.protection.outlook.com": "microsoft365",
		"example-com.a-v1.mx.microsoft":           "microsoft365",
		"mx-att.mail.am0.yahoodns.net":            "yahoo",
		"mfsmax.docomo.ne.jp":                     "docomo",
		"other.docomo.ne.jp":                      "",
		"google.com":                              "", // the suffix wants something before it
		"notgoogle.com":                           "",
		"mail.example.org":                        "",
	} {
		p, ok := d.ByMX(mail.MustParseDomain(host))
		if got := nameOf(p); got != want || ok != (want != "") {
			t.Errorf("ByMX(%s) = %q, %t, want %q", host, got, ok, want)
		}
	}
	if _, ok := d.ByMX(mail.Domain{}); ok {
		t.Error("no host has a provider")
	}
}

func TestByDomain(t *testing.T) {
	d := provider.New()
	for domain, want := range map[string]string{
		"gmail.com": "google", "hotmail.fr": "outlook", "hotmail.co.uk": "outlook", "live.com": "outlook",
		"yahoo.co.jp": "yahoojp", "yahoo.de": "yahoo", "att.net": "yahoo", "hotmail.a.b.c": "", "hotmail": "", "example.org": "",
	} {
		p, _ := d.ByDomain(mail.MustParseDomain(domain))
		if got := nameOf(p); got != want {
			t.Errorf("ByDomain(%s) = %q, want %q", domain, got, want)
		}
	}
}

func nameOf(p *provider.Provider) string {
	if p == nil {
		return ""
	}
	return p.ID
}

func TestClassify(t *testing.T) {
	d := provider.New()
	for _, tt := range []struct {
		name, host, text string
		want             provider.Meaning
	}{
		{"the receiver's own rule", "gmail-smtp-in.l.google.com", "550-5.7.25 [192.0.2.1] The IP address sending this message has no PTR",
			provider.Meaning{Class: "dns.ptr", Scope: provider.Address, Permanence: provider.Permanent, Provider: "google", Rule: "google.ptr", Hold: time.Hour}},
		{"the same code of another", "mx.example.org", "550 5.7.25 we do not like you",
			provider.Meaning{Class: "dns.ptr", Scope: provider.Address, Permanence: provider.Permanent, Hold: time.Hour, Guessed: true}},
		{"of its kin", "example-org.mail.protection.outlook.com", "550 5.7.1 Unfortunately, messages from [192.0.2.5] weren't sent. part of their network is on our block list (S3140)",
			provider.Meaning{Class: "rep.network", Scope: provider.Address, Permanence: provider.Permanent, Provider: "microsoft365", Rule: "ms.s3140", Hold: 4 * time.Hour}},
		{"unmistakable", "", "421 4.7.0 [TSS04] Messages from 192.0.2.5 temporarily deferred",
			provider.Meaning{Class: "rate.reputation", Scope: provider.Address, Permanence: provider.Transient, Provider: "yahoo", Rule: "yahoo.ts", Hold: 2 * time.Hour}},
		{"given away by a word", "", "550-5.7.27 This message was blocked because it didn't pass SPF. Gmail requires it",
			provider.Meaning{Class: "auth.spf", Scope: provider.Domain, Permanence: provider.Permanent, Provider: "google", Rule: "google.spf", Hold: time.Hour}},
		{"words of 5yz under a 4yz", "", "451 4.7.1 rejected by DMARC policy",
			provider.Meaning{Class: "auth.dmarc", Scope: provider.Domain, Permanence: provider.Transient, Rule: "any.dmarc", Hold: 15 * time.Minute}},
		{"permanent code, passing fault", "mx3.qq.com", "550 Ip frequency limited",
			provider.Meaning{Class: "rate.volume", Scope: provider.Address, Permanence: provider.Transient, Provider: "qq", Rule: "qq.freq", Hold: time.Hour}},
		{"by an enhanced code", "", "452 4.2.2 come back", provider.Meaning{Class: "rcpt.full", Scope: provider.Recipient, Permanence: provider.Transient, Hold: 4 * time.Hour, Guessed: true}},
		{"by words", "", "550 your servers reputation is poor", provider.Meaning{Class: "rep.ip", Scope: provider.Address, Permanence: provider.Permanent, Hold: 4 * time.Hour, Guessed: true}},
		{"by the code", "", "521 goodbye", provider.Meaning{Class: "rcpt.domain", Scope: provider.Recipient, Permanence: provider.Permanent, Guessed: true}},
		{"by its first digit", "", "441 hm", provider.Meaning{Class: "sys.temp", Scope: provider.Receiver, Permanence: provider.Transient, Hold: 15 * time.Minute, Guessed: true}},
		{"not at all", "", "554 Transaction failed", provider.Meaning{Class: "unknown.permanent", Scope: provider.Message, Permanence: provider.Permanent, Guessed: true}},
		{"taken", "gmail-smtp-in.l.google.com", "250 2.0.0 OK spam virus", provider.Meaning{Class: "sent", Provider: "google"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := provider.Read(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			host := mail.Domain{}
			if tt.host != "" {
				host = mail.MustParseDomain(tt.host)
			}
			got := d.Classify(p.Reply, host)
			if got.Advice == "" || got.Means == "" {
				t.Errorf("%+v says nothing to people", got)
			}
			got.Advice, got.Means, got.Checks, got.Link = "", "", nil, ""
			if !same(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func same(a, b provider.Meaning) bool {
	return a.Class == b.Class && a.Scope == b.Scope && a.Permanence == b.Permanence && a.Provider == b.Provider &&
		a.Hold == b.Hold && a.Rule == b.Rule && a.Guessed == b.Guessed
}

// TestNothingSaid: what is no answer is not taken for one.
func TestNothingSaid(t *testing.T) {
	if got := provider.New().Classify(mail.Reply{}, mail.Domain{}); got.Class != "unknown" || !got.Guessed || got.Permanence != "" {
		t.Errorf("got %+v", got)
	}
}
