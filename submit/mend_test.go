package submit_test

import (
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/journal"
	"github.com/allgreen-mail/allgreen/report"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

// TestLongLines: a text whose lines are too long for SMTP goes out as quoted-printable,
// and says the same.
func TestLongLines(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	long := strings.Repeat("Grüße = gut ", 300)
	for name, header := range map[string]string{
		"plain": "", "html": "\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit",
	} {
		t.Run(name, func(t *testing.T) {
			id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("friend@example.net"),
				Body: strings.NewReader(from + header + "\n\nshort\n" + long + "\n"), Mend: true})
			h.ok(err)
			text := h.text(h.queued(id)[0].Body)
			h.verify(text)
			for line := range strings.SplitSeq(text, "\r\n") {
				if len(line) > 998 {
					t.Fatalf("a line of %d octets", len(line))
				}
			}
			head, body, _ := strings.Cut(text, "\r\n\r\n")
			if n := strings.Count(head, "Content-Transfer-Encoding: quoted-printable"); n != 1 || strings.Contains(head, "8bit") {
				t.Errorf("the header is\n%s", head)
			}
			back, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
			h.ok(err)
			if want := "short\r\n" + long + "\r\n"; string(back) != want {
				t.Errorf("%d octets came back, want %d", len(back), len(want))
			}
		})
	}
	id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("friend@example.net"),
		Body: strings.NewReader(from + "\r\n\r\n" + long + "\r\n")})
	h.ok(err)
	if !strings.Contains(h.text(h.queued(id)[0].Body), long) {
		t.Error("what a mail program sends was changed")
	}
}

// TestWhatWasReplacedIsTold: the journal says whom a pinned sender called itself.
func TestWhatWasReplacedIsTold(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	printer := account.Principal{Kind: account.Appliance, Name: "device:printer", Senders: []account.Sender{{Address: address("bob@example.com")}}}
	id, err := h.Submit(t.Context(), submit.Submission{Principal: printer, From: address("scan@printer.example"), To: recipients("friend@example.net"),
		Body: strings.NewReader("From: boss@example.net\n\nHi\n"), Mend: true})
	h.ok(err)
	events := h.life(id)
	if f := events[0].Fields; events[0].Kind != journal.Submitted || f["replaced-header-from"] != "boss@example.net" || f["replaced-envelope-from"] != "scan@printer.example" {
		t.Errorf("%+v", events)
	}
}

// TestRefusalsAreInTheJournal: so are logins that failed.
func TestRefusalsAreInTheJournal(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	h.givePassword()
	_, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: recipients("friend@example.net"),
		Body: strings.NewReader("From: bob@example.com\r\n\r\nHi\r\n")})
	refused(t, err, "550 5.7.1")
	converse(t, listen(t, smtp.ServerOptions{TLS: certificate(t), ImplicitTLS: true, Submission: true, Open: h.Open}), `TLS
S: 220
C: EHLO laptop
S: 250
C: AUTH PLAIN AGFubmFAZXhhbXBsZS5jb20Ad3Jvbmc=
S: 535
C: AUTH PLAIN {plain}
S: 235
C: MAIL FROM:<anna@example.com>
S: 250
C: RCPT TO:<nobody@example.com>
S: 550
C: QUIT
S: 221`)
	var all []journal.Event
	h.ok(h.store.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = journal.Search(tx, journal.Query{Limit: 10})
		return err
	}))
	var got []string
	for _, e := range all {
		got = append(got, string(e.Kind)+" "+e.From+" "+e.To+" "+e.Fields["as"]+" "+e.Fields["client"])
		if e.Trace == "" {
			t.Errorf("no trace: %+v", e)
		}
	}
	slices.Sort(got)
	want := []string{
		"login-failed anna@example.com   127.0.0.1", "refused anna@example.com friend@example.net anna@example.com ",
		"refused anna@example.com nobody@example.com anna@example.com 127.0.0.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestSuccessIsReported: who asks for it is told that one of ours has the message.
func TestSuccessIsReported(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		to := recipients("bob@example.com", "friend@example.net")
		to[0].Notify, to[0].Original, to[1].Notify = []string{"SUCCESS"}, "rfc822;Bob@example.com", []string{"SUCCESS"}
		id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: to, EnvelopeID: "e1", Return: "HDRS",
			Body: strings.NewReader(from + "\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n")})
		h.ok(err)
		inbox := h.inbox(1)
		if len(inbox) != 1 || len(h.inbox(2)) != 1 {
			t.Fatalf("%d reports, %d messages", len(inbox), len(h.inbox(2)))
		}
		dsn, err := report.ReadDSN(strings.NewReader(h.text(inbox[0].Body)))
		h.ok(err)
		r := dsn.Recipients[0]
		if len(dsn.Recipients) != 1 || r.Action != report.Delivered || r.Final != address("bob@example.com") || dsn.EnvelopeID != "e1" ||
			dsn.OriginalID != "1@example.com" || dsn.To != address("anna@example.com") {
			t.Errorf("%+v", dsn)
		}
		if j := h.queued(id); len(j) != 1 || !j[0].Recipients[0].WantsSuccess() {
			t.Errorf("%+v", j)
		}
		to[0].Notify = nil
		_, err = h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), To: to, Body: strings.NewReader(from + "\r\n\r\nHi\r\n")})
		h.ok(err)
		if n := len(h.inbox(1)); n != 1 {
			t.Errorf("%d reports, although nobody asked", n)
		}
	})
}
