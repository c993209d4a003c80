package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

// TestAdvice reads the data and sees that every line can be reached, and that every
// refusal has advice.
func TestAdvice(t *testing.T) {
	var lines []struct{ Status, Advice string }
	if err := json.Unmarshal(adviceText, &lines); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		s := l.Status
		for strings.HasSuffix(s, ".") {
			s += "99"
			if strings.Count(s, ".") < 2 {
				s += "."
			}
		}
		if got := advice(status(s)); got != l.Advice {
			t.Errorf("%s: %q, want the advice of its own line %q", s, got, l.Advice)
		}
	}
	if advice(mail.EnhancedCode{Class: 4, Subject: 2, Detail: 1}) != "" {
		t.Error("advice on what is still being tried")
	}
}
