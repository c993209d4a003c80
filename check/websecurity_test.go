package check

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/message"
)

var securityNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestSecurityTxt(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"current", "Contact: mailto:s@example.com\nExpires: 2027-01-01T00:00:00Z\n", ""},
		{"CRLF, comment, any case", "# hello\r\ncontact: https://example.com/\r\nEXPIRES: 2027-01-01T00:00:00+01:00\r\n", ""},
		{"no contact", "Expires: 2027-01-01T00:00:00Z\n", "no contact"},
		{"no expiry", "Contact: mailto:s@example.com\n", "when it expires"},
		{"expired", "Contact: mailto:s@example.com\nExpires: 2025-01-01T00:00:00Z\n", "expired on 2025-01-01"},
		{"nonsense", "Expires: soon\nContact: x\n", "when it expires"},
		{"empty", "", "no contact"},
		{"one endless line", strings.Repeat("x", 1<<20), "no contact"},
	}
	for _, tt := range tests {
		if got := staleSecurity([]byte(tt.text), securityNow); got != tt.want && (tt.want == "" || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzSecurityTxt(f *testing.F) {
	f.Add("Contact: mailto:s@example.com\nExpires: 2027-01-01T00:00:00Z\n")
	f.Add("Expires: 2025-01-01T00:00:00Z\x00\n:\n::")
	f.Fuzz(func(t *testing.T, text string) {
		if staleSecurity([]byte(text), securityNow) == "" && !strings.Contains(strings.ToLower(text), "contact") {
			t.Error("current without a contact")
		}
	})
}

func TestWordsOfLinks(t *testing.T) {
	for _, tt := range []struct {
		text, word string
		want       bool
	}{
		{"subscribe", "subscribe", true},
		{"/list/subscribe?now", "subscribe", true},
		{"unsubscribe", "subscribe", false},
		{"unsubscribe or subscribe", "subscribe", true},
		{"désabonnez-vous", "abonnez", false},
		{"kontaktformular", "kontakt", true},
		{"弊社へお問い合わせください", "お問い合わせ", true},
		{"", "kontakt", false},
		{"\xff\xffkontakt", "kontakt", true},
	} {
		if got := hasWord(tt.text, tt.word); got != tt.want {
			t.Errorf("%q in %q: %v", tt.word, tt.text, got)
		}
	}
}

func TestLinksByKind(t *testing.T) {
	p := &WebPage{URL: &url.URL{Scheme: "https", Host: "example.com", Path: "/"}, Links: []message.Link{
		{Tag: "a", URL: "/legal", Text: "Impressum"},
		{Tag: "a", URL: "http://example.com/kontakt#form", Text: "Write"},
		{Tag: "a", URL: "https://example.com/kontakt", Text: "Kontakt"},
		{Tag: "img", URL: "/contact.png"},
		{Tag: "a", URL: "javascript:contact()", Text: "Contact"},
		{Tag: "a", URL: "mailto:contact@example.com", Text: "Contact"},
		{Tag: "a", URL: "%zz", Text: "Contact"},
	}}
	want := "https://example.com/legal https://example.com/kontakt"
	if got := strings.Join(p.linksTo("contact"), " "); got != want {
		t.Errorf("contact: %s, want %s", got, want)
	}
	for kind, words := range pageKinds() {
		for _, word := range words {
			if word == "" || word != strings.ToLower(word) {
				t.Errorf("%s: %q is no word in lower case", kind, word)
			}
		}
	}
}
