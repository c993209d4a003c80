package submit_test

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

func TestLocalUsers(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	for _, tt := range []struct {
		user       string
		privileged bool
		from       string // as the program says it
		header     string
		want       string // the From that goes out, or the refusal
	}{
		{"anna", false, "", "", "From: anna@example.com"},
		{"www-data", false, "", "", "From: postmaster@example.com"},
		{"www-data", false, "ceo@example.com", "From: The Boss <anna@example.com>", "From: The Boss <postmaster@example.com>"},
		{"root", true, "", "From: root (Cron Daemon)", "From: Cron Daemon <postmaster@example.com>"},
		{"root", true, "bob@example.com", "From: Bob <bob@example.com>", "From: Bob <bob@example.com>"},
		{"root", true, "x@example.net", "From: x@example.net", "550 5.7.1"},
	} {
		t.Run(tt.user+" "+tt.header, func(t *testing.T) {
			p, err := h.Local(t.Context(), tt.user, tt.privileged)
			h.ok(err)
			if p.Owner != 1 || (p.Kind == account.System) != tt.privileged {
				t.Errorf("principal %+v", p)
			}
			m := submit.Submission{Principal: p, From: submit.DefaultFrom(p), To: recipients("x@example.net"), Mend: true, Body: strings.NewReader(tt.header + "\n\nx\n")}
			if tt.from != "" {
				m.From = address(tt.from)
			}
			if tt.header == "" {
				m.Body = strings.NewReader("Subject: x\n\nx\n")
			}
			id, err := h.Submit(t.Context(), m)
			if strings.HasPrefix(tt.want, "550") {
				refused(t, err, tt.want)
				return
			}
			h.ok(err)
			if text := h.text(h.queued(id)[0].Body); !strings.Contains(text, "\r\n"+tt.want+"\r\n") {
				t.Errorf("want %q in\n%s", tt.want, text)
			}
		})
	}
}

// TestLocalNames: cron writes to "root", and somebody reads it.
func TestLocalNames(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	p, err := h.Local(t.Context(), "root", true)
	h.ok(err)
	_, err = h.Submit(t.Context(), submit.Submission{Principal: p, From: submit.DefaultFrom(p), FromTo: true, Mend: true,
		Body: strings.NewReader("From: root\nTo: root, bob\nSubject: Cron <root@host> backup\n\nDone.\n")})
	h.ok(err)
	if a, b := len(h.inbox(1)), len(h.inbox(2)); a != 1 || b != 1 {
		t.Errorf("the administrator has %d messages, bob %d", a, b)
	}
	text := h.text(h.inbox(2)[0].Body)
	if !strings.Contains(text, "To: postmaster@example.com, bob@example.com\r\n") || !strings.Contains(text, "Subject: Cron <root@host> backup\r\n") {
		t.Errorf("got\n%s", text)
	}
}
