package check_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/world"
)

// A message made to exhaust its reader ends in a report of modest size, in time.
func TestHostileMessages(t *testing.T) {
	const head = "From: a@green.example\r\nDate: Sat, 21 Nov 2026 17:05:00 +0100\r\nMessage-ID: <1@green.example>\r\nTo: b@green.example\r\nSubject: x\r\n"
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := []struct {
		name string
		raw  string
		want string // a finding that must be there, "check code"
	}{
		{"a header of 10 MB", head + repeat(100_000, "X-%d: "+strings.Repeat("x", 90)+"\r\n") + "\r\n", "message.form header-too-large"},
		{"a header without end", head + "X: " + strings.Repeat("x", 10<<20), "message.form header-too-large"},
		{"thousands of fields", head + repeat(5000, "X%d: y\r\n") + "\r\n", "message.form too-many-fields"},
		{"thousands of signatures", head + repeat(3000, "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; h=from; bh=AA==; b=AA==\r\n")[:200_000] + "\r\n\r\nx\r\n", "dkim.signature too-many"},
		{"thousands of hops", repeat(3000, "Received: from a%d (192.0.2.1) by b with SMTP\r\n") + head + "\r\n", "message.form readable"},
		{"thousands of authors", "From: " + repeat(9000, "a%d@b.example,\r\n ") + "a@green.example\r\n\r\n", "message.from several"},
		{"an ocean of seals", head + repeat(1000, "ARC-Seal: i=%d; a=rsa-sha256; cv=none; d=green.example; s=s1; b=AA==\r\n") + "\r\n", "message.arc broken"},
		{"thousands of links", head + "Content-Type: text/html\r\n\r\n" + repeat(200_000, "<a href=\"https://d%d.example/\">x</a>\r\n"), "message.form readable"},
		{"a MIME bomb in depth", head + mimeBomb(10_000), "message.mime broken"},
		{"a MIME bomb in breadth", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 200_000), "message.mime broken"},
		{"messages within messages", head + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 10_000), "message.mime broken"},
		{"an endless link", head + "Content-Type: text/html\r\n\r\n<a href=\"https://" + strings.Repeat("a", 5<<20), "message.form readable"},
		{"an endless address", head + "List-Unsubscribe: " + strings.Repeat("<https://green.example/>,", 8000) + "\r\n\r\n", "message.unsubscribe several-https"},
		{"a body of 20 MB", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat(strings.Repeat("y", 75)+"\r\n", 270_000) + "--b--\r\n", "message.mime sound"},
	}
	l := start(t, lab.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			report := checkMessage(t, l.World(), []byte(tt.raw), check.Options{})
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			id, code, _ := strings.Cut(tt.want, " ")
			seen := false
			for _, f := range report.Findings {
				seen = seen || f.Check == id && f.Code == code
				if f.Status == finding.Unknown && f.Code == "out-of-time" {
					t.Errorf("%s ran out of time", f.Check)
				}
			}
			if !seen {
				t.Errorf("%s is missing: %q", tt.want, troubles(report))
			}
			if size := reportSize(report); size > 64<<10 {
				t.Errorf("the report has %d octets", size)
			}
		})
	}
}

func mimeBomb(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String()
}

func reportSize(r *finding.Report) int {
	size := 0
	for _, f := range r.Findings {
		size += len(f.Summary) + len(f.Subject) + len(f.Fix) + len(strings.Join(f.Evidence, "\n"))
	}
	return size
}

// A message is judged as a message: no check of a domain or a server runs, and a
// check of messages runs for nothing else but addresses.
func TestOnlyMessageChecksRun(t *testing.T) {
	report := checkMessage(t, world.None(), []byte("From: a@b.example\r\n\r\n"), check.Options{})
	for _, f := range report.Findings {
		about, _ := check.Find(f.Check)
		if about.Scope&check.Message == 0 || about.Scope&check.Domain != 0 && f.Group == "message" {
			t.Errorf("%s, for %s, ran for a message", f.Check, about.Scope)
		}
	}
	if report.Kind != "message" || len(report.Findings) == 0 {
		t.Errorf("the report is of a %s with %d findings", report.Kind, len(report.Findings))
	}
}

// What needs the network is neither good nor bad when nothing can be reached.
func TestMessageWithoutNetwork(t *testing.T) {
	report := checkMessage(t, world.None(), goodLetter(t, time.Now()).bytes(t), check.Options{})
	for _, f := range report.Findings {
		if f.Status == finding.Red || f.Status == finding.Yellow {
			t.Errorf("%s says %s %s although nothing could be seen: %s", f.Check, f.Status, f.Code, f.Summary)
		}
		if f.Status != finding.Green {
			continue
		}
		switch f.Group {
		case "spf", "dmarc", "rdns", "helo", "blocklist":
			t.Errorf("%s is green although nothing could be seen: %s", f.Check, f.Summary)
		}
	}
}

func TestEmptyMessage(t *testing.T) {
	report := checkMessage(t, world.None(), nil, check.Options{})
	if got := find(report, "message.form").Code; got != "empty" || report.Verdict != finding.Unknown {
		t.Errorf("an empty message is %q, verdict %s", got, report.Verdict)
	}
}

// FuzzMessageTarget: whatever comes in as a message, a report comes out.
func FuzzMessageTarget(f *testing.F) {
	f.Add(goodLetter(f, time.Now()).bytes(f))
	f.Add([]byte("From: a\r\nFrom: b@c.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n--x--"))
	f.Add([]byte("Received: from x ([1.2.3.4]) by y\nList-Unsubscribe: <https://[::1]/>, <\nList-Id: <\n\n\x00\r"))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha1; l=-1; t=999999999999; x=1; d=; s=; h=:; bh=; b=\r\nFrom: =?utf-8?q?=E2=80=AE?= <a@xn--a>\r\n\r\n"))
	w := world.None()
	lists := reputation.NewDirectory(reputation.Options{Now: w.Now})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			raw = raw[:1<<16]
		}
		before := bytes.Clone(raw)
		report := checkMessage(t, w, raw, check.Options{Lists: lists})
		if !bytes.Equal(raw, before) {
			t.Error("the message was changed")
		}
		if find(report, "message.form").Code == "" {
			t.Error("nothing was judged")
		}
	})
}
