package check_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/lab/host"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/world"
)

// letter is a message in the making: what its author writes, how it is signed, and
// what its receiver noted on top.
type letter struct {
	trace   string // Return-Path, Received: written by the receiver
	fields  []string
	body    string
	signers []*dkim.Signer
	signed  time.Time
	after   func(string) string // a change behind the signature
}

// goodLetter is a newsletter of green.example with everything right.
func goodLetter(t testing.TB, now time.Time) *letter {
	t.Helper()
	selectors, err := lab.Selectors()
	if err != nil {
		t.Fatal(err)
	}
	stamp := now.UTC().Format(time.RFC1123Z)
	l := &letter{
		trace: "Return-Path: <bounces@green.example>\r\n" +
			"Authentication-Results: mx.reader.example; iprev=pass policy.iprev=127.10.1.10; spf=pass smtp.mailfrom=bounces@green.example\r\n" +
			"Received: from mx.green.example (mx.green.example [127.10.1.10])\r\n" +
			"\tby mx.reader.example with ESMTPS (version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256)\r\n" +
			"\tid 4ABC for <reader@reader.example>; " + stamp + "\r\n",
		fields: []string{
			"Date: " + stamp,
			"From: The Gardener <postmaster@green.example>",
			"To: reader@reader.example",
			"Subject: What grows in November",
			"Message-ID: <20261121.1@green.example>",
			"MIME-Version: 1.0",
			"Content-Type: text/html; charset=utf-8",
			"List-Id: Garden news <news.green.example>",
			"List-Unsubscribe: <https://green.example/unsubscribe?t=4711>, <mailto:leave@green.example>",
			"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
		},
		body: "<p>Kale, mostly. <a href=\"https://www.green.example/kale\">www.green.example</a></p>\r\n" +
			"<p><a href=\"https://green.example/unsubscribe?t=4711\">Unsubscribe</a></p>\r\n",
		signed: now,
	}
	for _, s := range selectors {
		l.signers = append(l.signers, &dkim.Signer{Domain: mail.MustParseDomain("green.example"), Selector: s.Name, Key: s.Key})
	}
	return l
}

// set replaces the fields of a name, or adds one; "" removes them.
func (l *letter) set(name, value string) {
	at := slices.IndexFunc(l.fields, func(f string) bool { return strings.HasPrefix(f, name+":") })
	switch {
	case value == "":
		l.fields = slices.Delete(l.fields, at, at+1)
	case at < 0:
		l.fields = append(l.fields, name+": "+value)
	default:
		l.fields[at] = name + ": " + value
	}
}

// received replaces text in what the receiver noted.
func (l *letter) received(old, new string) { l.trace = strings.Replace(l.trace, old, new, 1) }

// single takes away what shows that the message goes to many.
func (l *letter) single() {
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		l.set(name, "")
	}
}

func (l *letter) bytes(t testing.TB) []byte {
	t.Helper()
	text := strings.Join(l.fields, "\r\n") + "\r\n\r\n"
	header := message.ParseHeader(text)
	signatures, err := dkim.Sign(header, strings.NewReader(l.body), l.signed, l.signers...)
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Join(signatures, "") + text + l.body
	if l.after != nil {
		whole = l.after(whole)
	}
	return []byte(l.trace + whole)
}

func checkMessage(t testing.TB, w *world.World, raw []byte, o check.Options) *finding.Report {
	t.Helper()
	return check.NewAudit(w, o).Run(t.Context(), check.Target{Text: "-", Kind: check.Message, Raw: raw}, nil)
}

// troubles are the findings worse than green, as "status check code", each once.
func troubles(r *finding.Report) []string {
	var all []string
	for _, f := range r.Findings {
		if f.Status != finding.Green && f.Status != finding.Skip {
			all = append(all, fmt.Sprintf("%s %s %s", f.Status, f.Check, f.Code))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func find(r *finding.Report, id string) finding.Finding {
	i := slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.Check == id })
	if i < 0 {
		return finding.Finding{}
	}
	return r.Findings[i]
}

// A well-made message that arrived through the all-green server is all green.
func TestGoodMessageIsAllGreen(t *testing.T) {
	l := start(t, lab.Options{})
	report := checkMessage(t, l.World(), goodLetter(t, time.Now()).bytes(t), check.Options{})
	for _, f := range report.Findings {
		if f.Status != finding.Green && f.Status != finding.Skip {
			t.Errorf("%s %s %s: %s %q", f.Status, f.Check, f.Code, f.Summary, f.Evidence)
		}
	}
	if report.Verdict != finding.Green {
		t.Errorf("the verdict is %s", report.Verdict)
	}
	want := []finding.Address{{IP: "127.10.1.10", Source: "message"}}
	if diff := cmp.Diff(want, report.Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	for id, code := range map[string]string{
		"message.unsubscribe-works": "works", "message.from-exists": "accepted", "dmarc.message": "both",
		"message.chain": "one-domain", "message.tls": "encrypted", "spf.message": "pass",
	} {
		if f := find(report, id); f.Code != code {
			t.Errorf("%s says %q, want %q", id, f.Code, code)
		}
	}
}

// start runs a lab for one test.
func start(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Each message is the good one with one change, and shows exactly what the change
// broke.
func TestBrokenMessages(t *testing.T) {
	now := time.Now()
	stamp := func(d time.Duration) string { return now.UTC().Add(d).Format(time.RFC1123Z) }
	tests := []struct {
		name   string
		change func(*letter)
		want   []string
	}{
		{"nothing", func(*letter) {}, nil},

		{"no subject", func(l *letter) { l.set("Subject", "") }, []string{"yellow message.fields no-subject"}},
		{"no recipient", func(l *letter) { l.set("To", "") }, []string{"yellow message.fields no-recipient"}},
		{"unreadable To", func(l *letter) { l.set("To", "<<nobody") }, []string{"red message.fields malformed"}},
		{"second Subject behind the signature", func(l *letter) {
			l.after = func(s string) string { return "Subject: Buy now\r\n" + s }
		}, []string{
			"red dkim.signature broken", "red message.fields twice", "red message.unsubscribe-signed unsigned",
			"yellow dmarc.message spf-only",
		}},
		{"a line that is no field", func(l *letter) { l.after = func(s string) string { return "what is this\r\n" + s } }, []string{"red message.fields malformed"}},
		{"space before the colon", func(l *letter) { l.fields = append(l.fields, "X-Odd : 1") }, []string{"yellow message.fields odd"}},

		{"a bare LF", func(l *letter) { l.body += "one\ntwo\r\n" }, []string{"red message.lines bare"}},
		{"a bare CR", func(l *letter) { l.body += "one\rtwo\r\n" }, []string{"red message.lines bare"}},
		{"a NUL", func(l *letter) { l.body += "one\x00two\r\n" }, []string{"red message.lines nul"}},
		{"a long line", func(l *letter) { l.body += strings.Repeat("a ", 600) + "\r\n" }, []string{"red message.lines long"}},
		{"raw UTF-8 in the header", func(l *letter) { l.set("Subject", "Grünkohl") }, []string{"yellow message.characters needs-smtputf8"}},
		{"raw UTF-8 by SMTPUTF8", func(l *letter) {
			l.set("Subject", "Grünkohl")
			l.received("ESMTPS", "UTF8SMTPS")
		}, nil},
		{"raw Latin-1 in the header", func(l *letter) { l.set("Subject", "Gr\xfcnkohl") }, []string{"red message.characters not-utf8"}},
		{"undeclared octets", func(l *letter) { l.body += "Grünkohl\r\n" }, []string{"yellow message.characters undeclared"}},
		{"declared octets", func(l *letter) {
			l.body += "Grünkohl\r\n"
			l.set("Content-Transfer-Encoding", "8bit")
		}, nil},
		{"a large header", func(l *letter) { l.set("X-Data", strings.Repeat("abcdefg\r\n ", 1200)+"x") }, []string{"yellow message.header-size large"}},
		{"a huge header", func(l *letter) { l.set("X-Data", strings.Repeat("abcdefg\r\n ", 7000)+"x") }, []string{"red message.header-size huge"}},
		{"a multipart without boundary", func(l *letter) {
			l.set("Content-Type", "multipart/mixed")
		}, []string{"red message.mime broken", "yellow message.unsubscribe-link none"}},
		{"an unknown encoding", func(l *letter) { l.set("Content-Transfer-Encoding", "rot13") }, []string{"yellow message.mime garbled"}},

		{"no Date", func(l *letter) { l.set("Date", "") }, []string{"red message.date missing"}},
		{"two days old", func(l *letter) { l.set("Date", stamp(-48*time.Hour)) }, []string{"red message.date past"}},
		{"two days ahead", func(l *letter) { l.set("Date", stamp(48*time.Hour)) }, []string{"red message.date future"}},
		{"a wrong Date", func(l *letter) { l.set("Date", "yesterday") }, []string{"red message.date malformed"}},
		{"old, and so is its receipt", func(l *letter) {
			l.set("Date", stamp(-240*time.Hour))
			l.received(stamp(0), stamp(-239*time.Hour))
		}, nil},
		{"no Message-ID", func(l *letter) { l.set("Message-ID", "") }, []string{"red message.message-id missing"}},
		{"a local Message-ID", func(l *letter) { l.set("Message-ID", "<1@localhost>") }, []string{"red message.message-id local"}},
		{"a Message-ID of a host without domain", func(l *letter) { l.set("Message-ID", "<1@web3>") }, []string{"red message.message-id local"}},
		{"a wrong Message-ID", func(l *letter) { l.set("Message-ID", "4711") }, []string{"red message.message-id malformed"}},

		{"second From behind the signature", func(l *letter) {
			l.after = func(s string) string { return "From: boss@green.example\r\n" + s }
		}, []string{"red dkim.signature broken", "red message.from twice", "red message.unsubscribe-signed unsigned"}},
		{"two authors", func(l *letter) { l.set("From", "postmaster@green.example, abuse@green.example") }, []string{
			"red message.fields malformed", "yellow message.from several",
		}},
		{"another address in the name", func(l *letter) {
			l.set("From", `"boss@bank.example" <postmaster@green.example>`)
		}, []string{"red message.display-name other-address"}},
		{"the address as the name", func(l *letter) {
			l.set("From", `"postmaster@green.example" <postmaster@green.example>`)
		}, []string{"yellow message.display-name address"}},
		{"a name that turns round", func(l *letter) {
			l.set("From", "=?utf-8?q?=E2=80=AEknaB?= <postmaster@green.example>")
		}, []string{"red message.display-name invisible"}},
		{"a name with a Cyrillic letter", func(l *letter) {
			l.set("From", "=?utf-8?q?P=D0=B0ypal?= <postmaster@green.example>")
		}, []string{"red message.display-name mixed-scripts"}},
		{"a name with a check mark", func(l *letter) {
			l.set("From", "=?utf-8?q?Bank_=E2=9C=85?= <postmaster@green.example>")
		}, []string{"yellow message.display-name badge"}},
		{"a From that nobody has", func(l *letter) { l.set("From", "no-reply@green.example") }, []string{"red message.from-exists refused"}},
		{"a reverse-path that does not exist", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "bounces@nowhere.green.example")
		}, []string{"red message.from-domain no-such-domain", "red spf.message none", "yellow dmarc.message dkim-only"}},
		{"a reverse-path that takes no mail", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "bounces@parked.example")
		}, []string{"red message.from-domain no-mail", "red spf.message fail", "yellow dmarc.message dkim-only", "yellow message.chain scattered"}},

		{"not signed", func(l *letter) { l.signers = nil }, []string{
			"red dkim.signature none", "red message.unsubscribe-signed unsigned", "yellow dmarc.message spf-only",
		}},
		{"changed behind the signature", func(l *letter) {
			l.after = func(s string) string { return s + "-- \r\nscanned by nobody\r\n" }
		}, []string{
			"red dkim.signature broken", "red message.unsubscribe-signed unsigned", "yellow dmarc.message spf-only",
		}},
		{"one selector without a key", func(l *letter) { l.signers[1].Selector = "gone" }, []string{"yellow dkim.signature broken-beside"}},
		{"signed by another domain", func(l *letter) {
			for _, s := range l.signers {
				s.Domain = mail.MustParseDomain("nsec3.example")
			}
		}, []string{"yellow dkim.alignment not-aligned", "yellow dmarc.message spf-only", "yellow message.chain scattered"}},
		{"rsa-sha1", func(l *letter) {
			l.signers = l.signers[:1]
			l.after = func(s string) string { return strings.Replace(s, "rsa-sha256", "rsa-sha1", 1) }
		}, []string{"red dkim.algorithm sha1", "red dkim.signature broken", "red message.unsubscribe-signed unsigned", "yellow dmarc.message spf-only"}},
		{"a body length", func(l *letter) {
			l.signers = l.signers[:1]
			l.after = func(s string) string { return strings.Replace(s, "; s=s1", "; l=10; s=s1", 1) }
		}, []string{"red dkim.body-length limited", "red dkim.signature broken", "red message.unsubscribe-signed unsigned", "yellow dmarc.message spf-only"}},
		{"Subject not signed", func(l *letter) {
			for _, s := range l.signers {
				s.Headers, s.Oversign = without(dkim.DefaultHeaders(), "Subject"), without(dkim.DefaultOversign(), "Subject")
			}
		}, []string{"yellow dkim.signed-headers partial"}},
		{"From signed once", func(l *letter) {
			for _, s := range l.signers {
				s.Oversign = []string{}
			}
		}, []string{"yellow dkim.signed-headers from-once"}},
		{"signed tomorrow", func(l *letter) { l.signed = now.Add(24 * time.Hour) }, []string{
			"red dkim.signature broken", "red message.unsubscribe-signed unsigned",
			"yellow dkim.times future", "yellow dmarc.message spf-only",
		}},
		{"a signature for an hour", func(l *letter) { l.signers[0].Expires = time.Hour }, []string{"yellow dkim.times short"}},

		{"from an address that SPF does not know", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "127.10.1.10", "127.10.84.10")
			l.received("from mx.green.example (mx.green.example", "from mx.nsec3.example (mx.nsec3.example")
		}, []string{"red spf.message fail", "yellow dmarc.message dkim-only", "yellow message.path unexpected"}},
		{"without PTR", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "127.10.1.10", "127.10.4.10")
			l.received("from mx.green.example (mx.green.example", "from mx.no-ptr.example (unknown")
		}, []string{"red rdns.client no-ptr", "red spf.message fail", "yellow dmarc.message dkim-only", "yellow message.path unexpected"}},
		{"a HELO that is an address", func(l *letter) { l.received("from mx.green.example", "from [127.10.1.10]") }, []string{"red helo.client literal"}},
		{"a HELO of the local network", func(l *letter) { l.received("from mx.green.example", "from server.local") }, []string{"red helo.client local"}},
		{"a HELO that does not exist", func(l *letter) { l.received("from mx.green.example", "from nobody.green.example") }, []string{"red helo.client unresolved"}},
		{"the HELO of another host", func(l *letter) { l.received("from mx.green.example", "from imap.green.example") }, []string{"yellow helo.client other-address"}},
		{"without TLS", func(l *letter) {
			l.received("ESMTPS (version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256)", "ESMTP")
		}, []string{"red message.tls clear"}},
		{"over TLS 1.0", func(l *letter) { l.received("TLSv1.3", "TLSv1") }, []string{"red message.tls old"}},
		{"null reverse-path", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "")
		}, nil},
		{"null reverse-path of another host", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "")
			l.trace = strings.ReplaceAll(l.trace, "127.10.1.10", "127.10.84.10")
			l.received("from mx.green.example (mx.green.example", "from mx.nsec3.example (mx.nsec3.example")
		}, []string{"yellow dmarc.null-path not-aligned", "yellow message.path unexpected"}},
		{"never received", func(l *letter) { l.trace = "" }, []string{
			"unknown helo.client no-client", "unknown message.chain partly-seen", "unknown message.path no-client", "unknown message.tls no-trace",
			"unknown rdns.client no-client", "unknown spf.message no-client",
		}},

		{"not bulk", func(l *letter) { l.single() }, nil},
		{"bulk by Precedence alone", func(l *letter) {
			l.single()
			l.set("Precedence", "bulk")
		}, []string{"red message.unsubscribe missing", "yellow message.list-headers no-list-id"}},
		{"no List-Id", func(l *letter) { l.set("List-Id", "") }, []string{"yellow message.list-headers no-list-id"}},
		{"List-Id without brackets", func(l *letter) { l.set("List-Id", "garden news") }, []string{"yellow message.list-headers malformed"}},
		{"only mailto", func(l *letter) { l.set("List-Unsubscribe", "<mailto:leave@green.example>") }, []string{"red message.unsubscribe no-https"}},
		{"http only", func(l *letter) { l.set("List-Unsubscribe", "<http://green.example/unsubscribe>") }, []string{"red message.unsubscribe no-https"}},
		{"two https", func(l *letter) {
			l.set("List-Unsubscribe", "<https://green.example/a>, <https://green.example/b>")
		}, []string{"red message.unsubscribe several-https"}},
		{"no post", func(l *letter) { l.set("List-Unsubscribe-Post", "") }, []string{"red message.unsubscribe no-post"}},
		{"wrong post", func(l *letter) { l.set("List-Unsubscribe-Post", "Yes") }, []string{"red message.unsubscribe wrong-post"}},
		{"unsubscription not signed", func(l *letter) {
			for _, s := range l.signers {
				s.Headers = without(dkim.DefaultHeaders(), "List-Unsubscribe-Post")
			}
		}, []string{"red message.unsubscribe-signed unsigned"}},
		{"unsubscription that is not there", func(l *letter) {
			l.set("List-Unsubscribe", "<https://green.example/nothing>")
		}, []string{"red message.unsubscribe-works refused"}},
		{"unsubscription that is redirected", func(l *letter) {
			l.set("List-Unsubscribe", "<https://web.broken.example/redirect>")
		}, []string{"red message.unsubscribe-works redirect"}},
		{"unsubscription behind a login", func(l *letter) {
			l.set("List-Unsubscribe", "<https://web.broken.example/login>")
		}, []string{"red message.unsubscribe-works login"}},
		{"unsubscription with an endless page", func(l *letter) {
			l.set("List-Unsubscribe", "<https://web.broken.example/endless>")
		}, nil},
		{"unsubscription on a host that does not exist", func(l *letter) {
			l.set("List-Unsubscribe", "<https://nobody.green.example/>")
		}, []string{"red message.unsubscribe-works no-host"}},
		{"unsubscription inside the network", func(l *letter) {
			l.set("List-Unsubscribe", "<https://inside.broken.example/>")
		}, []string{"red message.unsubscribe-works private"}},
		{"no visible link", func(l *letter) { l.body = "<p>Kale.</p>\r\n" }, []string{"yellow message.unsubscribe-link none"}},

		{"a disguised link", func(l *letter) {
			l.body += `<a href="https://nsec3.example/">https://green.example/login</a>` + "\r\n"
		}, []string{"red message.links disguised"}},
		{"a link to an address", func(l *letter) { l.body += `<a href="http://127.10.1.80/">here</a>` + "\r\n" }, []string{"red message.links bare-address"}},
		{"a link with a user", func(l *letter) { l.body += `<a href="https://bank.example@nsec3.example/">here</a>` + "\r\n" }, []string{"red message.links hidden"}},
		{"a link to a listed domain", func(l *letter) { l.body += `<a href="https://www.listed.example/">here</a>` + "\r\n" }, []string{"red blocklist.links listed"}},
		{"a reverse-path of a listed domain", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "bounces@green.example", "bounces@listed.example")
		}, []string{"red blocklist.domain listed", "red spf.message fail", "yellow dmarc.message dkim-only", "yellow message.chain scattered"}},
		{"from a listed address", func(l *letter) {
			l.trace = strings.ReplaceAll(l.trace, "127.10.1.10", "127.10.10.10")
			l.received("from mx.green.example (mx.green.example", "from mx.listed.example (mx.listed.example")
		}, []string{
			"red blocklist.address listed", "red blocklist.domain listed", "red spf.message fail", "yellow dmarc.message dkim-only", "yellow message.path unexpected",
		}},
		{"a cousin with a hyphen", func(l *letter) { l.body += `<a href="https://green-news.example/">here</a>` + "\r\n" }, []string{"yellow message.cousins cousin"}},
		{"a cousin by one letter", func(l *letter) { l.body += `<a href="https://greeen.example/">here</a>` + "\r\n" }, []string{"yellow message.cousins cousin"}},
		{"a cousin in Reply-To", func(l *letter) { l.set("Reply-To", "x@green-mail.example") }, []string{"yellow message.cousins cousin"}},
		{"a link of mixed scripts", func(l *letter) { l.body += `<a href="https://xn--grn-qddb.example/">here</a>` + "\r\n" }, []string{"red message.cousins mixed-scripts"}},
	}
	l := start(t, lab.Options{Zones: []string{brokenZone}, Web: []host.Web{brokenWeb()}})
	w := l.World()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made := goodLetter(t, now)
			tt.change(made)
			report := checkMessage(t, w, made.bytes(t), check.Options{})
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, troubles(report)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
				for _, f := range report.Findings {
					if f.Status != finding.Green && f.Status != finding.Skip {
						t.Logf("%s %s: %s %q", f.Status, f.Check, f.Summary, f.Evidence)
					}
				}
			}
		})
	}
}

func without(names []string, unwanted string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return n == unwanted })
}

const brokenZone = `
$TTL 3600
broken.example. SOA ns1.nameserver.example. hostmaster.broken.example. 1 7200 1800 1814400 3600
broken.example. NS ns1.nameserver.example.
web.broken.example. A 127.10.201.80
inside.broken.example. A 10.0.0.1
`

func brokenWeb() host.Web {
	return host.Web{Addr: netip.MustParseAddr("127.10.201.80"), Sites: []host.Site{{Name: "web.broken.example", Pages: map[string]host.Page{
		"POST /redirect": {Status: 302, Location: "https://web.broken.example/sure"},
		"POST /login":    {Status: 401},
		"POST /endless":  {Body: "thank you ", Endless: true},
	}}}}
}
