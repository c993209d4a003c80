package submit_test

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

const from = "From: anna@example.com"

// TestRules holds every rule about authors and headers; want is the beginning of
// the refusal, or nothing.
func TestRules(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	h.ok(h.accounts.AddAlias(t.Context(), account.Alias{From: address("sales@example.com"), To: []mail.Address{address("anna@example.com")}}))
	domain := account.Principal{Kind: account.APIToken, Name: "token:crm", Senders: []account.Sender{{Domain: example}}}
	foreign := account.Principal{Kind: account.APIToken, Name: "token:odd", Senders: []account.Sender{{Domain: mail.MustParseDomain("example.net")}}}
	local := account.Principal{Kind: account.APIToken, Name: "token:in", Senders: domain.Senders, LocalOnly: true}
	anna := h.anna()
	for _, tt := range []struct {
		name   string
		who    account.Principal
		from   string
		to     string
		header []string
		want   string
	}{
		{"her own", anna, "anna@example.com", "", []string{from, anyDate}, ""},
		{"her own in capitals", anna, "Anna@Example.com", "", []string{"From: ANNA@EXAMPLE.COM", anyDate}, ""},
		{"with a detail", anna, "anna+list@example.com", "", []string{"From: anna+list@example.com", anyDate}, ""},
		{"the null reverse-path", anna, "", "", []string{from, anyDate}, ""},
		{"nobody", account.Principal{}, "anna@example.com", "", []string{from}, "530 5.7.0"},
		{"somebody else in the envelope", anna, "bob@example.com", "", []string{from}, "550 5.7.1"},
		{"somebody else in From", anna, "anna@example.com", "", []string{"From: bob@example.com"}, "550 5.7.1"},
		{"a stranger in From", anna, "anna@example.com", "", []string{"From: anna@example.net"}, "550 5.7.1"},
		{"a name that looks like an address", anna, "anna@example.com", "", []string{`From: "ceo@example.com" <anna@example.com>`, anyDate}, ""},
		{"somebody else in Sender", anna, "anna@example.com", "", []string{from, "Sender: bob@example.com"}, "550 5.7.1"},
		{"nobody knows who in Resent-From", anna, "anna@example.com", "", []string{from, "Resent-From: bob at example"}, "550 5.6.0"},
		{"somebody else in Resent-Sender", anna, "anna@example.com", "", []string{from, "Resent-From: anna@example.com", "Resent-Sender: bob@example.com"}, "550 5.7.1"},
		{"somebody else in Resent-From", anna, "anna@example.com", "", []string{from, "Resent-From: bob@example.com"}, "550 5.7.1"},
		{"two authors", anna, "anna@example.com", "", []string{"From: anna@example.com, anna+b@example.com", anyDate}, "550 5.6.0"},
		{"two authors and a sender", anna, "anna@example.com", "", []string{"From: anna@example.com, anna+b@example.com", "Sender: anna@example.com", anyDate}, ""},
		{"two authors, one of them not hers", anna, "anna@example.com", "", []string{"From: anna@example.com, bob@example.com", "Sender: anna@example.com"}, "550 5.7.1"},
		{"an empty group", anna, "anna@example.com", "", []string{"From: nobody:;"}, "550 5.6.0"},
		{"two From fields", anna, "anna@example.com", "", []string{from, from}, "550 5.6.0"},
		{"no From", anna, "anna@example.com", "", []string{"Subject: x"}, "550 5.6.0"},
		{"a domain granted", domain, "bob@example.com", "", []string{"From: sales@example.com", anyDate}, ""},
		{"a domain granted, nobody there", domain, "bob@example.com", "", []string{"From: noreply@example.com"}, "550 5.1.8"},
		{"a role exists everywhere", domain, "postmaster@example.com", "", []string{"From: postmaster@example.com", anyDate}, ""},
		{"a domain granted that is not ours", foreign, "x@example.net", "", []string{"From: x@example.net"}, "550 5.7.1"},
		{"local only, here", local, "bob@example.com", "anna@example.com", []string{"From: bob@example.com", anyDate}, ""},
		{"local only, elsewhere", local, "bob@example.com", "x@example.net", []string{"From: bob@example.com"}, "550 5.7.1"},
		{"to an address nobody could say", anna, "anna@example.com", "-t", []string{from, anyDate, "To: \"a\ab\"@example.net"}, "553 5.1.3"},
		{"to an address longer than any", anna, "anna@example.com", "-t", []string{from, anyDate, "To: " + strings.Repeat("a", 65) + "@example.net"}, "553 5.1.3"},
		{"as an address longer than any", anna, "anna+" + strings.Repeat("a", 65) + "@example.com", "", []string{from, anyDate}, "553 5.1.7"},
		{"to nobody here", anna, "anna@example.com", "nobody@example.com", []string{from}, "550 5.1.1"},
		{"a line that is no field", anna, "anna@example.com", "", []string{from, "what is this"}, "550 5.6.0"},
		{"two subjects", anna, "anna@example.com", "", []string{from, "Subject: a", "Subject: b"}, "550 5.6.0"},
		{"a date nobody reads", anna, "anna@example.com", "", []string{from, "Date: yesterday"}, "550 5.6.0"},
		{"a date of another time", anna, "anna@example.com", "", []string{from, "Date: Thu, 01 Jan 1970 00:00:00 +0000"}, "550 5.6.0"},
		{"an old date sent again", anna, "anna@example.com", "", []string{from, "Date: Thu, 01 Jan 1970 00:00:00 +0000", "Resent-Date: Mon, 02 Nov 2026 11:59:00 +0000", "Resent-From: anna@example.com"}, ""},
		{"a loop", anna, "anna@example.com", "", append([]string{from}, strings.Split(strings.Repeat("Received: by x;|", 99)+"Received: by y;", "|")...), "554 5.4.6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := submit.Submission{Principal: tt.who, To: recipients("friend@example.net"), Body: letter(append(tt.header, "", "Hi.")...)}
			switch tt.to {
			case "":
			case "-t":
				m.To, m.FromTo = nil, true
			default:
				m.To = recipients(tt.to)
			}
			if local, _, ok := strings.Cut(tt.from, "@"); ok {
				m.From = mail.Address{Local: local, Domain: example} // as a header has it, however long
				if a, err := mail.ParseAddress(tt.from); err == nil {
					m.From = a
				}
			}
			id, err := h.Submit(t.Context(), m)
			switch {
			case tt.want != "":
				refused(t, err, tt.want)
				if id != "" {
					t.Errorf("refused, and accepted as %s", id)
				}
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// TestCompletion shows what becomes of headers; a want beginning with "-" must not
// be there.
func TestCompletion(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	printer := account.Principal{Kind: account.Appliance, Name: "device:printer", Senders: []account.Sender{{Address: address("bob@example.com")}}}
	for _, tt := range []struct {
		name string
		mend bool
		who  account.Principal
		in   string
		want []string
	}{
		{"private fields", false, h.anna(), from + "\r\nBcc: x@y.example\r\nReturn-Path: <z@y.example>\r\nStatus: RO\r\nX-Mozilla-Status: 1\r\n\r\n",
			[]string{"-Bcc", "-Return-Path", "-Status", "-x@y"}},
		{"results in our name", false, h.anna(), from + "\r\nAuthentication-Results: mx.example.com; dkim=pass\r\nAuthentication-Results: other.example; spf=pass\r\n\r\n",
			[]string{"-mx.example.com; dkim", "other.example"}},
		{"nobody named", false, h.anna(), from + "\r\n\r\n", []string{"To: undisclosed-recipients:;\r\n"}},
		{"a raw subject", false, h.anna(), from + "\r\nSubject: Grüße\r\nTo: Jürgen <j@example.net>\r\n\r\n", []string{"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "To: =?utf-8?q?J=C3=BCrgen?= <j@example.net>\r\n"}},
		{"a raw field of no list", false, h.anna(), from + "\r\nKeywords-Of-Ours: Grüße\r\nContent-Description: Grüße\r\n\r\n",
			[]string{"Keywords-Of-Ours: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "Content-Description: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"}},
		{"a raw file name", false, h.anna(), from + "\r\nContent-Disposition: attachment; filename=\"Grüße.txt\"\r\n\r\n", []string{"filename=\"Grüße.txt\"\r\n"}},
		{"no From", true, h.anna(), "Subject: x\n\nHi\n", []string{"From: Root <anna@example.com>\r\n", "\r\n\r\nHi\r\n"}},
		{"no header at all", true, h.anna(), "Hi there\n", []string{"From: Root <anna@example.com>\r\n", "\r\n\r\nHi there\r\n"}},
		{"a clock that is wrong", true, h.anna(), from + "\nDate: Thu, 01 Jan 1970 00:00:00 +0000\n\nHi\n", []string{"Date: Mon, 02 Nov 2026 12:00:00 +0000\r\n", "-1970"}},
		{"UTF-8 that says nothing", true, h.anna(), from + "\n\nGrüße\n", []string{"MIME-Version: 1.0\r\n", "charset=utf-8\r\n", "Encoding: 8bit\r\n"}},
		{"UTF-8 that says something", true, h.anna(), from + "\nContent-Type: text/plain; charset=latin1\n\nGrüße\n", []string{"-utf-8"}},
		{"a pinned device", true, printer, "From: Scanner <scan@printer.local>\nSender: x@y.example\n\nHi\n", []string{"From: Scanner <bob@example.com>\r\n", "-Sender", "-printer.local"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := h.Submit(t.Context(), submit.Submission{Principal: tt.who, From: tt.who.Senders[0].Address, To: recipients("friend@example.net"),
				Body: strings.NewReader(tt.in), Mend: tt.mend, FromName: "Root"})
			h.ok(err)
			text := h.text(h.queued(id)[0].Body)
			header, _, _ := strings.Cut(text, "\r\n\r\n")
			for _, want := range tt.want {
				unwanted, not := strings.CutPrefix(want, "-")
				if not && strings.Contains(header, unwanted) || !not && !strings.Contains(text, want) {
					t.Errorf("%q in\n%s", want, text)
				}
			}
			h.verify(text)
		})
	}
}

// TestSMTPUTF8IsForAddresses: a message asks for servers with SMTPUTF8 only where it has
// to, and for 8BITMIME wherever it has octets over 127.
func TestSMTPUTF8IsForAddresses(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	for _, tt := range []struct {
		name         string
		asked        bool
		in           string
		utf8, eight8 bool
	}{
		{"a raw file name", false, from + "\r\nContent-Disposition: attachment; filename=\"Grüße.txt\"\r\n\r\n", false, true},
		{"a raw field, asked for", true, from + "\r\nSubject: Grüße\r\n\r\n", true, true},
		{"asked for, and nothing in it", true, from + "\r\nSubject: hi\r\n\r\n", false, false},
		{"an address", false, from + "\r\nTo: jürgen@example.net\r\n\r\n", true, true},
		{"a group that cannot be encoded", false, from + "\r\nTo: Köche: a@example.net;\r\n\r\n", true, true},
		{"a body", false, from + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("friend@example.net"),
				Body: strings.NewReader(tt.in), SMTPUTF8: tt.asked})
			h.ok(err)
			if j := h.queued(id)[0]; j.SMTPUTF8 != tt.utf8 || j.EightBit != tt.eight8 {
				t.Errorf("SMTPUTF8 %t, want %t; 8BITMIME %t, want %t", j.SMTPUTF8, tt.utf8, j.EightBit, tt.eight8)
			}
		})
	}
}

func TestRequestsAreDoneOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		request := func(key, subject string) (mail.TraceID, error) {
			return h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("bob@example.com"),
				Body: letter(from, "Subject: "+subject, "", "x"), Key: key})
		}
		first, err := request("k1", "a")
		h.ok(err)
		again, err := request("k1", "a")
		h.ok(err)
		if again != first || len(h.inbox(2)) != 1 {
			t.Errorf("the same request gave %s and %s, %d messages", first, again, len(h.inbox(2)))
		}
		if _, err := request("k1", "b"); err != submit.ErrKeyReused {
			t.Errorf("another request with the key: %v", err)
		}
		h.clock.pass(25 * 3600e9)
		if later, err := request("k1", "b"); err != nil || later == first {
			t.Errorf("a day later: %s, %v", later, err)
		}
	})
}

func TestRequestsAtOnceAreDoneOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ids := make(chan mail.TraceID, 8)
		for range cap(ids) {
			go func() {
				id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("bob@example.com"),
					Body: letter(from, "", "x"), Key: "k"})
				if err != nil {
					t.Error(err)
				}
				ids <- id
			}()
		}
		first := <-ids
		for range cap(ids) - 1 {
			if id := <-ids; id != first {
				t.Errorf("ids %s and %s", first, id)
			}
		}
		if n := len(h.inbox(2)); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestNothingIsCountedThatWasNotAccepted(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	_, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("nobody@example.com"), Body: letter(from, "", "x")})
	refused(t, err, "550 5.1.1")
	var n int
	h.ok(h.store.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM submit_tally`).Scan(&n) }))
	if n != 0 {
		t.Errorf("%d rows", n)
	}
}
