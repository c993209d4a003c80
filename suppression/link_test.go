package suppression_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/suppression"
)

var secret = []byte("a secret of thirty-two octets...")

func TestLink(t *testing.T) {
	for _, text := range []string{
		"anna@example.net", "Anna+news@example.net", `"a b"@example.net`, "jürgen@bücher.example",
		strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 61)+".", 3) + "io",
	} {
		a := mail.MustParseAddress(text)
		stream := "token:" + strings.Repeat("n", 94)
		token := suppression.Link(secret, stream, a)
		if url.PathEscape(token) != token || len(token) > 800 {
			t.Errorf("%s is not for a URL: %s", text, token)
		}
		if again := suppression.Link(secret, stream, a); again != token {
			t.Errorf("%s has two tokens", text)
		}
		s, got, err := suppression.Read(secret, token)
		if err != nil || s != stream || got != a {
			t.Errorf("%s came back as %q, %v, %v", text, s, got, err)
		}
		if _, _, err := suppression.Read([]byte("another"), token); !errors.Is(err, suppression.ErrLink) {
			t.Errorf("%s reads with another secret: %v", text, err)
		}
	}
	if strings.Contains(suppression.Link(secret, "token:news", mail.MustParseAddress("anna@example.net")), "YW5uYUBl") {
		t.Error("the address can be read")
	}
}

// TestLinkChanged changes every letter of a token, and its length.
func TestLinkChanged(t *testing.T) {
	token := suppression.Link(secret, "token:news", mail.MustParseAddress("anna@example.net"))
	wrong := []string{"", "AAAA", token + "A", token + "=", token + "\n", token[:len(token)-1], strings.Repeat("A", 5000)}
	for i := range token {
		other := byte('A')
		if token[i] == 'A' {
			other = 'B'
		}
		wrong = append(wrong, token[:i]+string(other)+token[i+1:])
	}
	for _, w := range wrong {
		if s, a, err := suppression.Read(secret, w); !errors.Is(err, suppression.ErrLink) {
			t.Errorf("%.100q reads as %q, %v, %v", w, s, a, err)
		}
	}
}

// FuzzRead holds that what is read was made by Link, letter for letter.
func FuzzRead(f *testing.F) {
	f.Add(suppression.Link(secret, "token:news", mail.MustParseAddress("anna@example.net")))
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		stream, a, err := suppression.Read(secret, token)
		if err != nil {
			if !errors.Is(err, suppression.ErrLink) {
				t.Error(err)
			}
			return
		}
		if again := suppression.Link(secret, stream, a); again != token {
			t.Errorf("%q reads as %q, %v, which is %q", token, stream, a, again)
		}
	})
}
