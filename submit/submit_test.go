package submit_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	ourdkim "github.com/allgreen-mail/allgreen/mailauth/dkim"
	"github.com/allgreen-mail/allgreen/submit"
)

func TestSubmitDeliversHereAndQueuesElsewhere(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), Protocol: "ESMTPSA", From: address("anna@example.com"),
			To:   recipients("bob@example.com", "x@example.net", "y@example.org", "x@example.net"),
			Body: letter("From: Anna <anna@example.com>", "To: bob@example.com", "Bcc: secret@example.net", "Subject: Hello", "", "Hi.")})
		h.ok(err)
		jobs := h.queued(id)
		if len(jobs) != 2 || jobs[0].Destination != "example.net" || len(jobs[0].Recipients) != 1 {
			t.Fatalf("queued %+v", jobs)
		}
		got := h.inbox(2)
		if len(got) != 1 || got[0].Body != jobs[0].Body {
			t.Fatalf("bob has %+v, the queue %v", got, jobs[0].Body)
		}
		text := h.text(got[0].Body)
		for _, want := range []string{"Received: by mx.example.com with ESMTPSA\r\n id " + string(id) + "; ", "Date: Mon, 02 Nov 2026 12:00:00 +0000\r\n",
			"Message-ID: <" + string(id) + "@example.com>\r\n", "\r\n\r\nHi.\r\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("there is no %q in\n%s", want, text)
			}
		}
		if strings.Contains(text, "secret") || int64(len(text)) != got[0].Size {
			t.Errorf("%d octets, said %d:\n%s", len(text), got[0].Size, text)
		}
		h.verify(text)
	})
}

// verify asks other people's code about both signatures.
func (h *house) verify(text string) {
	h.t.Helper()
	all, err := dkim.VerifyWithOptions(strings.NewReader(text), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		for _, s := range h.keys {
			if name == s.Selector+"._domainkey.example.com" {
				record, err := ourdkim.KeyRecord(s.Key.Public())
				return []string{record}, err
			}
		}
		return nil, nil
	}})
	h.ok(err)
	if len(all) != 2 {
		h.t.Fatalf("%d signatures", len(all))
	}
	for _, v := range all {
		if v.Err != nil || v.Domain != "example.com" {
			h.t.Errorf("signature of %s: %v\n%s", v.Domain, v.Err, text)
		}
	}
}
