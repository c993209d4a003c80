package submit_test

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/queue"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/submit"
)

// TestReportOptions: what a program writes of RFC 3461 becomes words of MAIL and RCPT, so
// that it must be of their grammar.
func TestReportOptions(t *testing.T) {
	h := newHouse(t, storetest.Open(t, schemas...))
	for _, tt := range []struct {
		ret, envid string
		notify     []string
		want       string
	}{
		{"FULL", "order 17+4=21", []string{"SUCCESS", "DELAY"}, ""},
		{"HDRS", "", []string{"NEVER"}, ""},
		{"FULL AUTH=<>", "", nil, "501 5.5.4"},
		{"full", "", nil, "501 5.5.4"},
		{"", "a\r\nRSET", nil, "501 5.5.4"},
		{"", strings.Repeat("a", 101), nil, "501 5.5.4"},
		{"", "", []string{"NEVER", "DELAY"}, "501 5.5.4"},
		{"", "", []string{"DELAY", "DELAY"}, "501 5.5.4"},
		{"", "", []string{"SUCCESS ORCPT=RFC822;X"}, "501 5.5.4"},
		{"", "", []string{""}, "501 5.5.4"},
	} {
		_, err := h.Submit(t.Context(), submit.Submission{Principal: h.anna(), From: address("anna@example.com"), Return: tt.ret, EnvelopeID: tt.envid,
			To: []queue.Recipient{{To: address("x@example.net"), Notify: tt.notify}}, Body: letter(from, anyDate, "", "Hi.")})
		if tt.want == "" {
			h.ok(err)
			continue
		}
		refused(t, err, tt.want)
	}
}
