package check

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/message"
)

// Trace fields as the servers of the world write them.
func TestParseReceived(t *testing.T) {
	at := time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC)
	const date = "; Sat, 21 Nov 2026 17:05:00 +0100"
	tests := []struct {
		name, body string
		want       Received
		encrypted  bool
	}{
		{"Postfix", "from mail.a.example (mail.a.example [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\tby mx.b.example (Postfix) with ESMTPS id 4C1\r\n\tfor <joe@b.example>" + date,
			Received{HELO: "mail.a.example", Name: "mail.a.example", IP: ip("192.0.2.1"), By: "mx.b.example", With: "ESMTPS", TLS: "1.3", Time: at}, true},
		{"Postfix, no PTR, IPv6", "from a (unknown [IPv6:2001:db8::1]) by mx.b.example with ESMTP id 1" + date,
			Received{HELO: "a", IP: ip("2001:db8::1"), By: "mx.b.example", With: "ESMTP", Time: at}, false},
		{"Exim", "from [192.0.2.1] (helo=mail.a.example) by mx.b.example with esmtps (TLS1.2) tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 (Exim 4.98) (envelope-from <joe@a.example>) id 1uX-000" + date,
			Received{HELO: "mail.a.example", IP: ip("192.0.2.1"), By: "mx.b.example", With: "ESMTPS", TLS: "1.2", EnvelopeFrom: "<joe@a.example>", Time: at}, true},
		{"Exim, verified name", "from mail.a.example ([192.0.2.1]:40222 helo=ylmf-pc) by mx.b.example with esmtp" + date,
			Received{HELO: "ylmf-pc", IP: ip("192.0.2.1"), By: "mx.b.example", With: "ESMTP", Time: at}, false},
		{"Google", "from mail.a.example (mail.a.example. [192.0.2.1]) by mx.b.example with ESMTPS id d9 for <joe@b.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128)" + date,
			Received{HELO: "mail.a.example", Name: "mail.a.example", IP: ip("192.0.2.1"), By: "mx.b.example", With: "ESMTPS", TLS: "1.3", Time: at}, true},
		{"Exchange", "from mail.a.example (192.0.2.1) by MX.B.example (10.0.0.2) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20" + date,
			Received{HELO: "mail.a.example", IP: ip("192.0.2.1"), By: "mx.b.example", With: "MICROSOFT", TLS: "1.2", Time: at}, true},
		{"qmail", "from unknown (HELO mail.a.example) (192.0.2.1) by b.example with SMTP" + date,
			Received{HELO: "mail.a.example", IP: ip("192.0.2.1"), By: "b.example", With: "SMTP", Time: at}, false},
		{"Sendmail with ident", "from mail.a.example (root@mail.a.example [192.0.2.1] (may be forged)) by b.example (8.18/8.18) with ESMTP id x" + date,
			Received{HELO: "mail.a.example", Name: "mail.a.example", IP: ip("192.0.2.1"), By: "b.example", With: "ESMTP", Time: at}, false},
		{"Courier, mapped", "from mail.a.example (mail.a.example [::ffff:192.0.2.1]) by b.example with UTF8SMTPS" + date,
			Received{HELO: "mail.a.example", Name: "mail.a.example", IP: ip("192.0.2.1"), By: "b.example", With: "UTF8SMTPS", Time: at}, true},
		{"local", "by b.example (Postfix, from userid 1000) id 7" + date, Received{By: "b.example", Time: at}, false},
		{"TLS 1.0", "from a.example (a.example [192.0.2.1]) (using TLSv1 with cipher X) by b.example with ESMTPS" + date,
			Received{HELO: "a.example", Name: "a.example", IP: ip("192.0.2.1"), By: "b.example", With: "ESMTPS", TLS: "1.0", Time: at}, true},
		{"a client named by", "from by (a.example [192.0.2.1]) by b.example with SMTP" + date,
			Received{HELO: "by", Name: "a.example", IP: ip("192.0.2.1"), By: "b.example", With: "SMTP", Time: at}, false},
		{"no end of comment", "from a (((((", Received{HELO: "a"}, false},
		{"nothing", "", Received{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseReceived(tt.body)
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.IsEncrypted() != tt.encrypted {
				t.Errorf("IsEncrypted() = %v", got.IsEncrypted())
			}
		})
	}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestBorder(t *testing.T) {
	const (
		client   = "from mail.a.example (mail.a.example [192.0.2.1]) by mx.b.example with ESMTPS"
		inside   = "from mx.b.example (mx.b.example [198.51.100.7]) by store.b.example with LMTP"
		private  = "from localhost (localhost [127.0.0.1]) by store.b.example with LMTP"
		deeper   = "from desk.a.example (desk.a.example [203.0.113.9]) by mail.a.example with ESMTPSA"
		unstated = "by store.b.example id 7"
	)
	isPublic := func(a netip.Addr) bool { return !a.IsLoopback() }
	tests := []struct {
		name   string
		fields []string
		wanted netip.Addr
		want   int
	}{
		{"one hop", []string{client}, netip.Addr{}, 0},
		{"behind internal hops", []string{unstated, private, inside, client, deeper}, netip.Addr{}, 3},
		{"within one organization", []string{private, deeper}, netip.Addr{}, 1},
		{"a wanted address", []string{client, deeper}, ip("203.0.113.9"), 1},
		{"a wanted address that is nowhere", []string{client}, ip("203.0.113.10"), -1},
		{"only inside", []string{private, unstated}, netip.Addr{}, -1},
		{"none", nil, netip.Addr{}, -1},
	}
	for _, tt := range tests {
		var hops []Received
		for _, f := range tt.fields {
			hops = append(hops, ParseReceived(f))
		}
		if got := borderOf(hops, tt.wanted, isPublic); got != tt.want {
			t.Errorf("%s: the border is hop %d, want %d", tt.name, got, tt.want)
		}
	}
}

// What stands below the border may be written by anybody.
func TestReversePathIsBelievedAboveTheBorder(t *testing.T) {
	const border = "Received: from a.example (a.example [192.0.2.1]) by mx.b.example with SMTP\r\n"
	tests := []struct{ name, header, want, source string }{
		{"Return-Path", "Return-Path: <joe@a.example>\r\n" + border, "joe@a.example", "Return-Path"},
		{"null", "Return-Path: <>\r\n" + border, "", "Return-Path"},
		{"forged Return-Path", border + "Return-Path: <joe@a.example>\r\n", "", ""},
		{"Received-SPF", "Received-SPF: pass (ok) client-ip=192.0.2.1; envelope-from=\"joe@a.example\";\r\n" + border, "joe@a.example", "Received-SPF"},
		{"Authentication-Results", "Authentication-Results: b.example; spf=pass smtp.mailfrom=a.example\r\n" + border, "postmaster@a.example", "Authentication-Results"},
		{"forged results", border + "Authentication-Results: b.example; spf=pass smtp.mailfrom=a.example\r\n", "", ""},
		{"no border", "Return-Path: <joe@a.example>\r\n", "joe@a.example", "Return-Path"},
		{"nonsense", "Return-Path: joe\r\n" + border, "postmaster@joe", "Return-Path"},
	}
	for _, tt := range tests {
		h := &Handover{Border: -1}
		header := message.ParseHeader(tt.header + "\r\n")
		for i, f := range header.Fields {
			if f.Is("Received") {
				r := ParseReceived(f.Body())
				h.Border, h.Received = i, &r
			}
		}
		h.readReversePath(header)
		if h.ReversePath.String() != tt.want || h.PathSource != tt.source {
			t.Errorf("%s: %q from %q, want %q from %q", tt.name, h.ReversePath, h.PathSource, tt.want, tt.source)
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("from a (b [192.0.2.1]) by c with ESMTPS (version=TLS1_3); Sat, 21 Nov 2026 17:05:00 +0100")
	f.Add("from unknown (HELO x) (1.2.3.4) by")
	f.Add("from [IPv6:::1] (((\\) helo= ehlo (envelope-from <>")
	f.Fuzz(func(t *testing.T, body string) {
		r := ParseReceived(body)
		if r.IP.IsValid() && (r.IP.Is4In6() || r.IP.Zone() != "") {
			t.Errorf("the address %s is not normal", r.IP)
		}
		if strings.ContainsAny(r.By+r.With, " \r\n\t") {
			t.Errorf("a word has white space: %+q", r)
		}
	})
}
