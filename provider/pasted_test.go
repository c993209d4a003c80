package provider_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/provider"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct{ name, text, host, reply string }{
		{"bare", "550 5.1.1 No such user", "", "550 5.1.1 No such user"},
		{"many lines", "550-5.7.26 Unauthenticated email from example.com\r\n550-5.7.26 is not accepted\r\n550 5.7.26 today", "",
			"550 5.7.26 Unauthenticated email from example.com is not accepted today"},
		{"many lines in one", "550-5.7.1 first 550-5.7.1 second 550 5.7.1 third", "", "550 5.7.1 first second third"},
		{"no code in the first word", "550-Requested action not taken: mailbox unavailable\n550 For explanation visit https://postmaster.example/", "",
			"550 Requested action not taken: mailbox unavailable For explanation visit https://postmaster.example/"},
		{"code alone", "421", "", "421"},
		{"Postfix, bounced", "Nov 20 10:00:00 mx postfix/smtp[12345]: 4ABC12: to=<bob@gmail.com>, relay=gmail-smtp-in.l.google.com[192.0.2.27]:25, delay=1.2, delays=0.1/0/0.5/0.6, dsn=5.7.26, status=bounced (host gmail-smtp-in.l.google.com[192.0.2.27] said: 550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. 550 5.7.26 x - gsmtp (in reply to end of DATA command))",
			"gmail-smtp-in.l.google.com", "550 5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. x - gsmtp"},
		{"Postfix, refused at the door", "postfix/smtp[1]: 4A: to=<x@t-online.de>, relay=none, delay=5, dsn=4.0.0, status=deferred (host mx00.t-online.de[192.0.2.1] refused to talk to me: 554 IP=192.0.2.5 - None/bad reputation. (NOWL))",
			"mx00.t-online.de", "554 IP=192.0.2.5 - None/bad reputation. (NOWL)"},
		{"Postfix, the status beside it", "to=<x@example.org>, relay=mx.example.org[192.0.2.1]:25, dsn=5.0.0, status=bounced (host mx.example.org[192.0.2.1] said: 550 go away (in reply to RCPT TO command))",
			"mx.example.org", "550 5.0.0 go away"},
		{"Postfix, no connection", "postfix/smtp[1]: 4A: to=<x@example.org>, relay=none, delay=30, dsn=4.4.1, status=deferred (connect to mx.example.org[192.0.2.1]:25: Connection timed out)",
			"mx.example.org", "connect to mx.example.org[192.0.2.1]:25: Connection timed out"},
		{"Exim", `2026-11-20 10:00:00 1abcde-000001-AB ** bob@gmail.com R=dnslookup T=remote_smtp H=gmail-smtp-in.l.google.com [192.0.2.27] X=TLS1.3:ECDHE_X25519:256 CV=yes: SMTP error from remote mail server after end of data: 550-5.7.1 The user or domain that you are sending to (or from) has a policy that\n550 5.7.1 prohibits the email that you sent.`,
			"gmail-smtp-in.l.google.com", "550 5.7.1 The user or domain that you are sending to (or from) has a policy that prohibits the email that you sent."},
		{"Exim, deferred", "2026-11-20 10:00:00 1abcde-000001-AB == x@yahoo.com R=dnslookup T=remote_smtp defer (-46) H=mta5.am0.yahoodns.net [192.0.2.3]: SMTP error from remote mail server after MAIL FROM:<a@example.org>: 421 4.7.0 [TSS04] Messages from 192.0.2.5 temporarily deferred",
			"mta5.am0.yahoodns.net", "421 4.7.0 [TSS04] Messages from 192.0.2.5 temporarily deferred"},
		{"Exim, its report", "  bob@example.org\n    host mx.example.org [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<bob@example.org>:\n    550 5.1.1 unknown user\n",
			"mx.example.org", "550 5.1.1 unknown user"},
		{"sendmail", "sm-mta[99]: 4A: to=<x@example.org>, delay=00:00:02, mailer=esmtp, relay=mx.example.org. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 <x@example.org>... User unknown, stat=User unknown",
			"mx.example.org", "550 5.1.1 <x@example.org>... User unknown, stat=User unknown"},
		{"sendmail, its report", "   ----- Transcript of session follows -----\n... while talking to mx.example.org.:\n>>> RCPT To:<x@example.org>\n<<< 550 5.1.1 no such person\n550 5.1.1 <x@example.org>... User unknown\n",
			"mx.example.org", "550 5.1.1 no such person <x@example.org>... User unknown"},
		{"qmail", "delivery 7: failure: 192.0.2.1_does_not_like_recipient./Remote_host_said:_550_5.1.1_no_such_person/Giving_up_on_192.0.2.1./",
			"", "550 5.1.1 no such person/Giving up on 192.0.2.1./"},
		{"delivery report", "Reporting-MTA: dns; mail.example.com\n\nFinal-Recipient: rfc822; bob@hotmail.com\nAction: failed\nStatus: 5.7.515\nRemote-MTA: dns; hotmail-com.olc.protection.outlook.com\nDiagnostic-Code: smtp; 550 5.7.515 Access denied, sending domain\n    example.com does not meet the required authentication level.\nLast-Attempt-Date: Fri, 20 Nov 2026 10:00:00 +0000\n",
			"hotmail-com.olc.protection.outlook.com", "550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level."},
		{"Postfix, its report", "<bob@example.org>: host mx.example.org[192.0.2.1] said: 550-5.1.1 The email\n    account that you tried to reach 550-5.1.1 does not exist. 550 5.1.1 Sorry (in\n    reply to RCPT TO command)\n\nReporting-MTA: dns; x\n",
			"mx.example.org", "550 5.1.1 The email account that you tried to reach does not exist. Sorry"},
		{"Exchange", "Remote Server at example.org (192.0.2.9) returned '550 5.4.1 Recipient address rejected: Access denied'", "example.org", "550 5.4.1 Recipient address rejected: Access denied"},
		{"numbers that are no code", "port 587 said 2026-11-20 nothing", "", "port 587 said 2026-11-20 nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := provider.Read(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Reply.String()
			if p.Reply.IsZero() {
				got = p.Reply.Text()
			}
			if got != tt.reply {
				t.Errorf("reply\n got %q\nwant %q", got, tt.reply)
			}
			if p.Host.String() != tt.host {
				t.Errorf("host %q, want %q", p.Host, tt.host)
			}
		})
	}
	if _, err := provider.Read(" \n\t"); !errors.Is(err, provider.ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
}

// TestReadIsBounded: a huge text is looked at in part, at once.
func TestReadIsBounded(t *testing.T) {
	p, err := provider.Read("550 5.1.1 x " + strings.Repeat("550-5.1.1 again ", 1<<20))
	if err != nil || p.Reply.Code != 550 || len(p.Reply.Text()) > 64<<10 {
		t.Errorf("%d %d %v", p.Reply.Code, len(p.Reply.Text()), err)
	}
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{"550 5.1.1 x", "421-4.7.0 a\n421 4.7.0 b", "status=bounced (host a.b[1] said: 550 no (in reply to", "Diagnostic-Code: smtp; 5", "Remote_host_said:_5", "\xff550 \n\n", "=="} {
		f.Add(s, "mx.example.org")
	}
	d := provider.New()
	f.Fuzz(func(t *testing.T, text, host string) {
		p, err := provider.Read(text)
		if err != nil {
			return
		}
		name, err := mail.ParseDomain(host)
		if err != nil {
			name = p.Host
		}
		m := d.Classify(p.Reply, name)
		if m.Class == "" || m.Means == "" || m.Advice == "" {
			t.Errorf("%q means %+v", text, m)
		}
		if strings.ContainsAny(p.Reply.Text(), "\r\n") {
			t.Errorf("%q keeps the ends of its lines: %q", text, p.Reply.Text())
		}
	})
}
