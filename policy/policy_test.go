package policy_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth"
	"github.com/allgreen-mail/allgreen/mailauth/arc"
	"github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
	"github.com/allgreen-mail/allgreen/mailbox"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/policy"
	"github.com/allgreen-mail/allgreen/reputation"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/srs"
	"github.com/allgreen-mail/allgreen/world"
)

var (
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours = mail.MustParseDomain("ours.example")
	host = mail.MustParseDomain("mx.ours.example")
	key  = srs.Key("0123456789abcdef")
)

// goodZone is the DNS of 192.0.2.1, whose name leads back to it.
const goodZone = `
1.2.0.192.in-addr.arpa. 60 IN PTR mail.sender.example.
mail.sender.example. 60 IN A 192.0.2.1
2.2.0.192.in-addr.arpa. 60 IN PTR mail.sender.example.
4.2.0.192.in-addr.arpa. 60 IN PTR dsl-192-0-2-4.dyn.isp.example.
dsl-192-0-2-4.dyn.isp.example. 60 IN A 192.0.2.4
5.2.0.192.in-addr.arpa. SERVFAIL
`

// options are those of a policy in a made world; no list is asked.
func options(z *zone) policy.Options {
	w := world.None()
	w.Resolver, w.Clock = z, func() time.Time { return now }
	return policy.Options{
		World: w, Hostname: host, Domains: []mail.Domain{ours, mail.MustParseDomain("second.example")},
		Resolve: resolve, Owner: owner, SRS: key, Marks: []byte("marks"), Blocklists: []string{},
	}
}

// resolve knows anna, the role addresses, and some that go wrong.
func resolve(_ context.Context, to mail.Address) (account.Destination, error) {
	here := account.Destination{Mailboxes: []account.Target{{Account: 1, Address: to}}}
	switch strings.ToLower(to.Local) {
	case "anna", "bob":
		return here, nil
	case "postmaster", "abuse", "webmaster":
		here.Role = true
		return here, nil
	case "away":
		return account.Destination{Forwards: []account.Forward{{To: mail.MustParseAddress("x@else.example"), Owner: 1}}}, nil
	case "gone":
		return here, account.ErrDisabled
	case "broken":
		return here, errors.New("disk on fire")
	}
	return account.Destination{}, account.ErrNoMailbox
}

func owner(_ context.Context, id account.ID, _ mail.Domain) (account.ID, error) { return id, nil }

func open(t *testing.T, o policy.Options) *policy.Policy {
	t.Helper()
	p, err := policy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// begin is a connection that said EHLO.
func begin(p *policy.Policy, ip, helo string) *policy.Session {
	s := p.Begin(smtp.Peer{
		Remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 4000), Local: netip.MustParseAddrPort("198.51.100.25:25"), HELO: helo, EHLO: true,
	}, false)
	s.Mail(mail.MustParseAddress("joe@sender.example"), 0)
	return s
}

func rcpt(t *testing.T, p *policy.Policy, s *policy.Session, to mail.Address) policy.Verdict {
	t.Helper()
	s.Recipient = policy.Recipient{To: to}
	v := p.Ask(t.Context(), policy.Rcpt, s)
	if !v.IsRefusal() {
		s.Recipients = append(s.Recipients, s.Recipient)
	}
	return v
}

func TestRecipients(t *testing.T) {
	p := open(t, options(newZone(t, goodZone)))
	good := key.Rewrite(mail.MustParseAddress("joe@sender.example"), 7, ours, now).String()
	old := key.Rewrite(mail.MustParseAddress("joe@sender.example"), 7, ours, now.AddDate(0, -2, 0)).String()
	for _, tt := range []struct{ to, reason string }{
		{"anna@ours.example", ""},
		{"anna@OURS.example", ""},
		{"anna@second.example", ""},
		{"nobody@ours.example", "recipient.unknown"},
		{"gone@ours.example", "recipient.disabled"},
		{"broken@ours.example", "recipient.unavailable"},
		{"postmaster@mx.ours.example", "role"},
		{"webmaster@mx.ours.example", ""},
		{"anna@mx.ours.example", "recipient.unknown"},
		{"victim@else.example", "relay.denied"},
		{"anna@relay-probe.ours.example", "relay.denied"},
		{"victim%else.example@ours.example", "relay.percent"},
		{"else.example!victim@ours.example", "relay.bang"},
		{`"victim@else.example"@ours.example`, "relay.quoted"},
		{`"@else.example:victim"@ours.example`, "relay.route"},
		{`"|sh"@ours.example`, "relay.program"},
		{"/etc/passwd@ours.example", "relay.program"},
		{"postmaster@[198.51.100.25]", "relay.literal"},
		{"victim@[203.0.113.5]", "relay.literal"},
		{good, ""},
		{old, "recipient.srs-expired"},
		{"SRS0=aaaaaaaa7=aa=sender.example=joe@ours.example", "recipient.srs-unsigned"},
	} {
		t.Run(tt.to, func(t *testing.T) {
			s := begin(p, "192.0.2.1", "mail.sender.example")
			v := rcpt(t, p, s, mail.MustParseAddress(tt.to))
			if v.Reason != tt.reason {
				t.Fatalf("%s: %+v, want %q", tt.to, v, tt.reason)
			}
			if v.IsRefusal() && (!strings.Contains(v.Reply.Text(), "["+tt.reason+"]") || !strings.Contains(v.Reply.Text(), "postmaster@mx.ours.example")) {
				t.Errorf("the refusal names no reason or no help: %s", v.Reply)
			}
		})
	}
	for _, to := range []mail.Address{{Local: "Postmaster"}, {Local: "Postmaster", Domain: host}, {Local: "Postmaster", Domain: ours}} {
		s := begin(p, "192.0.2.1", "x.example")
		if v := rcpt(t, p, s, to); v.Action != policy.Accept {
			t.Errorf("%s: %+v", to.Path(), v)
		}
		if home := s.Recipients[0].Home; home != (mail.Address{Local: "Postmaster", Domain: ours}) {
			t.Errorf("%s is at home as %s", to.Path(), home)
		}
	}
}

func TestCompany(t *testing.T) {
	p := open(t, options(newZone(t, goodZone)))
	s := begin(p, "192.0.2.1", "mail.sender.example")
	for _, step := range []struct{ to, reason string }{
		{"anna@ours.example", ""},
		{"bob@ours.example", ""},
		{"postmaster@ours.example", "recipient.alone"}, // its mail is not judged, theirs is
	} {
		if v := rcpt(t, p, s, mail.MustParseAddress(step.to)); v.Reason != step.reason {
			t.Errorf("%s: %+v, want %q", step.to, v, step.reason)
		}
	}
	s.Mail(mail.Address{}, 0)
	if v := rcpt(t, p, s, mail.MustParseAddress("postmaster@ours.example")); v.IsRefusal() {
		t.Errorf("in a transaction of its own: %+v", v)
	}
	o := options(newZone(t, goodZone))
	o.OneByOne = true
	p = open(t, o)
	s = begin(p, "192.0.2.1", "mail.sender.example")
	if v := rcpt(t, p, s, mail.MustParseAddress("anna@ours.example")); v.IsRefusal() {
		t.Error(v)
	}
	if v := rcpt(t, p, s, mail.MustParseAddress("bob@ours.example")); v.Reply.Code != 452 || v.Action != policy.Defer {
		t.Errorf("two at a time to another store: %+v", v)
	}
}

func TestSizeAndRoom(t *testing.T) {
	o := options(newZone(t, goodZone))
	o.MaxSize = 1000
	o.Room = func(_ context.Context, _ account.ID, size int64) error {
		if size > 500 {
			return mailbox.ErrQuota
		}
		return nil
	}
	p := open(t, o)
	for _, tt := range []struct {
		size   int64
		reason string
	}{{100, ""}, {0, ""}, {501, "room.mailbox"}, {1001, "size.declared"}} {
		s := begin(p, "192.0.2.1", "mail.sender.example")
		s.Size = tt.size
		if v := rcpt(t, p, s, mail.MustParseAddress("anna@ours.example")); v.Reason != tt.reason {
			t.Errorf("SIZE=%d: %+v, want %q", tt.size, v, tt.reason)
		}
		if tt.size == 0 && !s.Recipients[0].Alone {
			t.Error("a recipient whose room may not do is in company")
		}
	}
}

// TestClients holds what is noted of who connects, and that none of it refuses alone.
func TestClients(t *testing.T) {
	p := open(t, options(newZone(t, goodZone)))
	for _, tt := range []struct{ name, ip, helo, want string }{
		{"in order", "192.0.2.1", "mail.sender.example", ""},
		{"no PTR", "192.0.2.3", "mail.sender.example", "no-ptr"},
		{"PTR elsewhere", "192.0.2.2", "mail.sender.example", "ptr-unconfirmed"},
		{"a home", "192.0.2.4", "mail.sender.example", "ptr-dynamic"},
		{"the DNS fails", "192.0.2.5", "mail.sender.example", ""},
		{"our name", "192.0.2.1", "mx.ours.example", "helo-ours"},
		{"our domain", "192.0.2.1", "OURS.example", "helo-ours"},
		{"our address", "192.0.2.1", "[198.51.100.25]", "helo-other-address"},
		{"its literal", "192.0.2.1", "[192.0.2.1]", "helo-literal"},
		{"a bare address", "192.0.2.1", "192.0.2.1", "helo-bare-address"},
		{"one label", "192.0.2.1", "localhost", "helo-short"},
		{"no name", "192.0.2.1", "my_pc!", "helo-no-name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(p, tt.ip, tt.helo)
			if v := rcpt(t, p, s, mail.MustParseAddress("anna@ours.example")); v.IsRefusal() {
				t.Errorf("refused: %+v", v)
			}
			if codes := codes(s); codes != tt.want {
				t.Errorf("noted %q, want %q", codes, tt.want)
			}
		})
	}
}

func codes(s *policy.Session) string {
	var all []string
	for _, e := range s.Evidence {
		all = append(all, e.Code)
	}
	return strings.Join(all, " ")
}

// lists are two blocklists with control points, in a DNS of their own making.
var lists = []reputation.List{
	{ID: "zen", Zone: "zen.test", Purpose: reputation.Block, Weight: reputation.Critical, Access: reputation.Open, Subjects: []reputation.Subject{reputation.OfIP},
		Control: reputation.TestPoints{Listed: []string{"127.0.0.2"}, Clean: []string{"127.0.0.1"}},
		Codes:   []reputation.Code{{Code: pattern("127.0.0.2"), Means: "spam"}}},
}

func pattern(s string) (p reputation.Pattern) {
	if err := p.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return p
}

func TestBlocklists(t *testing.T) {
	const holds = "2.0.0.127.zen.test. 60 IN A 127.0.0.2\n"
	for _, tt := range []struct {
		name, zone, to, want string
	}{
		{"listed", holds + "1.2.0.192.zen.test. 60 IN A 127.0.0.2", "anna@ours.example", "score.listed-critical"},
		{"listed, to postmaster", holds + "1.2.0.192.zen.test. 60 IN A 127.0.0.2", "postmaster@ours.example", "role"},
		{"listed, to abuse", holds + "1.2.0.192.zen.test. 60 IN A 127.0.0.2", "abuse@ours.example", "role"},
		{"not listed", holds, "anna@ours.example", ""},
		{"refuses us", holds + "1.2.0.192.zen.test. 60 IN A 127.255.255.254", "anna@ours.example", ""},
		{"silent", "1.2.0.192.zen.test SERVFAIL", "anna@ours.example", ""},
		{"lists the world", holds + "1.0.0.127.zen.test. 60 IN A 127.0.0.2\n1.2.0.192.zen.test. 60 IN A 127.0.0.2", "anna@ours.example", ""},
		{"taken over", holds + "1.2.0.192.zen.test. 60 IN A 203.0.113.9", "anna@ours.example", ""},
		{"a code nobody documented", holds + "1.2.0.192.zen.test. 60 IN A 127.0.0.77", "anna@ours.example", ""},
		{"dead", "", "anna@ours.example", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(newZone(t, goodZone+tt.zone))
			o.Directory = reputation.NewDirectory(reputation.Options{Lists: lists, Now: o.World.Now})
			o.Blocklists = []string{"zen"}
			p := open(t, o)
			v := rcpt(t, p, begin(p, "192.0.2.1", "mail.sender.example"), mail.MustParseAddress(tt.to))
			if v.Reason != tt.want {
				t.Errorf("%+v, want %q", v, tt.want)
			}
		})
	}
}

func TestUnknownList(t *testing.T) {
	for _, id := range []string{"no-such-list", "invaluement"} {
		o := options(newZone(t, ""))
		o.Blocklists = []string{id}
		if _, err := policy.New(o); !errors.Is(err, policy.ErrList) {
			t.Errorf("New with %q: %v", id, err)
		}
	}
}

const goodHeader = "From: joe@sender.example\r\nTo: anna@ours.example\r\nSubject: hi\r\nDate: Sat, 21 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\n"

// fails is a message that fails DMARC with this policy.
func fails(author string, policy dmarc.Policy) mailauth.Results {
	return mailauth.Results{
		SPF:   mailauth.SPF{Result: spf.Fail},
		DMARC: dmarc.Evaluation{Result: dmarc.ResultFail, Author: mail.MustParseDomain(author), Disposition: policy},
		IPRev: mailauth.IPRev{Result: mailauth.IPRevPass},
	}
}

func TestMessages(t *testing.T) {
	listed := "List-Id: <l.lists.example>\r\n" + goodHeader
	temp := mailauth.Results{DMARC: dmarc.Evaluation{Result: dmarc.ResultTempError}}
	sealed := fails("bank.example", dmarc.Reject)
	sealed.ARC.Result = arc.Pass
	broken := fails("bank.example", dmarc.Reject)
	broken.DKIM = []dkim.Verification{{Result: dkim.Fail}}
	spfFails := mailauth.Results{SPF: mailauth.SPF{Result: spf.Fail}, DMARC: dmarc.Evaluation{Result: dmarc.ResultNone}}
	for _, tt := range []struct {
		name, ip, to, header string
		results              mailauth.Results
		strict               bool
		action               policy.Action
		reason               string
	}{
		{name: "in order", header: goodHeader, action: policy.Continue},
		{name: "SPF fail alone", header: goodHeader, results: spfFails, action: policy.Continue},
		{name: "forged, straight from the forger", header: goodHeader, results: fails("bank.example", dmarc.Reject), action: policy.Reject, reason: "score.dmarc-reject"},
		{name: "forged, to postmaster", to: "postmaster@ours.example", header: goodHeader, results: fails("bank.example", dmarc.Reject), action: policy.Accept, reason: "role"},
		{name: "through a list", header: listed, results: fails("bank.example", dmarc.Reject), action: policy.Junk, reason: "score.dmarc-reject"},
		{name: "through a list, strict", header: listed, results: fails("bank.example", dmarc.Reject), strict: true, action: policy.Reject, reason: "score.dmarc-reject-strict"},
		{name: "through a list, from a home", ip: "192.0.2.4", header: listed, results: fails("bank.example", dmarc.Reject), action: policy.Reject, reason: "score.dmarc-reject"},
		{name: "sealed by a forwarder", header: goodHeader, results: sealed, action: policy.Junk, reason: "score.dmarc-reject"},
		{name: "a signature that broke", header: "Received: a\r\nReceived: b\r\n" + goodHeader, results: broken, action: policy.Junk, reason: "score.dmarc-reject"},
		{name: "our own name forged through a list", header: listed, results: fails("ours.example", dmarc.Reject), action: policy.Reject, reason: "score.dmarc-reject"},
		{name: "quarantine", header: goodHeader, results: fails("bank.example", dmarc.Quarantine), action: policy.Junk, reason: "score.dmarc-quarantine"},
		{name: "quarantine, strict", header: listed, results: fails("bank.example", dmarc.Quarantine), strict: true, action: policy.Junk, reason: "score.dmarc-quarantine"},
		{name: "p=none", header: goodHeader, results: fails("bank.example", dmarc.None), action: policy.Continue},
		{name: "names cannot be looked up", header: goodHeader, results: temp, action: policy.Defer, reason: "authorship.unavailable"},
		{name: "no From", header: "Subject: x\r\n\r\n", action: policy.Reject, reason: "form.from"},
		{name: "two From", header: "From: a@b.example\r\n" + goodHeader, action: policy.Reject, reason: "form.from"},
		{name: "no Date, no Message-ID", header: "From: a@b.example\r\n\r\n", action: policy.Continue},
		{name: "two Subjects and a clock in 1970", header: "From: a@b.example\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nSubject: x\r\nSubject: y\r\n\r\n", action: policy.Continue},
		{name: "101 hops", header: strings.Repeat("Received: x\r\n", 101) + goodHeader, action: policy.Reject, reason: "loop.hops"},
		{name: "100 hops", header: strings.Repeat("Received: x\r\n", 100) + goodHeader, action: policy.Continue},
		{name: "delivered before", header: "Delivered-To: ANNA@ours.example\r\n" + goodHeader, action: policy.Reject, reason: "loop.delivered"},
		{name: "delivered before, to postmaster", to: "postmaster@ours.example", header: "Delivered-To: postmaster@ours.example\r\n" + goodHeader, action: policy.Reject, reason: "loop.delivered"},
		{name: "delivered to others", header: "Delivered-To: anna@sender.example\r\n" + goodHeader, action: policy.Continue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(newZone(t, goodZone))
			o.Strict = tt.strict
			p := open(t, o)
			ip, to := "192.0.2.1", "anna@ours.example"
			if tt.ip != "" {
				ip = tt.ip
			}
			if tt.to != "" {
				to = tt.to
			}
			s := begin(p, ip, "mail.sender.example")
			if v := rcpt(t, p, s, mail.MustParseAddress(to)); v.IsRefusal() {
				t.Fatal(v)
			}
			s.Header, s.Results = message.ParseHeader(tt.header), tt.results
			v := p.Ask(t.Context(), policy.Data, s)
			if v.Action != tt.action || v.Reason != tt.reason {
				t.Errorf("%s %+v, want %s %q", v.Action, v, tt.action, tt.reason)
			}
		})
	}
}

func TestLoopMarks(t *testing.T) {
	p := open(t, options(newZone(t, goodZone)))
	s := begin(p, "192.0.2.1", "mail.sender.example")
	for _, to := range []string{"anna@ours.example", "away@ours.example"} {
		if v := rcpt(t, p, s, mail.MustParseAddress(to)); v.IsRefusal() {
			t.Fatal(v)
		}
	}
	marks := p.LoopMarks(s.Recipients)
	if len(marks) != 1 || strings.Contains(marks[0].String(), "away") || marks[0].Domain != host {
		t.Fatalf("marks %v: want one, of the one that leaves, and nobody's name", marks)
	}
	for _, said := range []string{"Anna@OURS.example", "<away@ours.example>"} {
		s.Header = message.ParseHeader("Delivered-To: x@else.example\r\nDelivered-To: " + said + "\r\n" + goodHeader)
		if v := p.Ask(t.Context(), policy.Data, s); v.Reason != "loop.delivered" {
			t.Errorf("%s: %+v", said, v)
		}
	}
	s.Header = message.ParseHeader("Delivered-To: " + marks[0].String() + "\r\n" + goodHeader)
	if v := p.Ask(t.Context(), policy.Data, s); v.Reason != "loop.delivered" {
		t.Errorf("it came back and nobody knew it: %+v", v)
	}
}

// TestFront: a server of ours in front has judged its clients.
func TestFront(t *testing.T) {
	p := open(t, options(newZone(t, goodZone)))
	s := p.Begin(smtp.Peer{HELO: "localhost"}, true)
	s.Mail(mail.Address{}, 0)
	for _, to := range []string{"anna@ours.example", "postmaster@ours.example"} {
		if v := rcpt(t, p, s, mail.MustParseAddress(to)); v.IsRefusal() {
			t.Errorf("%s: %+v", to, v)
		}
	}
	if v := rcpt(t, p, s, mail.MustParseAddress("victim@else.example")); v.Reason != "relay.denied" {
		t.Errorf("a front may relay: %+v", v)
	}
	if len(s.Evidence) > 0 {
		t.Errorf("a front is judged: %v", s.Evidence)
	}
}

func TestCrowd(t *testing.T) {
	o := options(newZone(t, goodZone))
	o.Limits = policy.Limits{Connections: 1, Refusals: 2}
	p := open(t, o)
	first := begin(p, "192.0.2.1", "x.example")
	if v := p.Ask(t.Context(), policy.Connect, first); v.IsRefusal() {
		t.Fatal(v)
	}
	second := begin(p, "192.0.2.1", "x.example")
	if v := p.Ask(t.Context(), policy.Connect, second); v.Reply.Code != 421 {
		t.Errorf("the second connection: %+v", v)
	}
	p.End(second) // it never counted
	p.End(first)
	if v := p.Ask(t.Context(), policy.Connect, begin(p, "192.0.2.1", "x.example")); v.IsRefusal() {
		t.Errorf("after the first has left: %+v", v)
	}
	for range 2 {
		rcpt(t, p, first, mail.MustParseAddress("nobody@ours.example"))
	}
	if v := rcpt(t, p, first, mail.MustParseAddress("anna@ours.example")); v.Reason != "rate.refusals" {
		t.Errorf("who guesses goes on guessing: %+v", v)
	}
	if v := rcpt(t, p, begin(p, "127.0.0.1", "x.example"), mail.MustParseAddress("anna@ours.example")); v.IsRefusal() {
		t.Errorf("this machine: %+v", v)
	}
}
