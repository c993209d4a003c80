package check

import (
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
)

func TestLikeness(t *testing.T) {
	tests := []struct {
		name, own string
		alike     bool
	}{
		{"example.com", "example.com", false},
		{"news.example.com", "example.com", false},
		{"example-news.com", "example.com", true},
		{"news-example.com", "example.com", true},
		{"example.com", "example-news.com", true},
		{"examp1e.com", "example.com", true},
		{"exarnple.com", "example.com", true},
		{"exmaple.com", "example.com", true},
		{"exampel.org", "example.com", true},
		{"ехаmple.com", "example.com", true}, // Cyrillic е, х, а
		{"bücherwurm.de", "bucherwurm.de", true},
		{"example.net", "example.com", false}, // another top: usually the same people
		{"sample.com", "example.com", false},
		{"ebay.com", "okay.com", false}, // short names resemble each other by chance
		{"abc.com", "abd.com", false},
		{"facebook.com", "example.com", false},
	}
	for _, tt := range tests {
		got := likeness(mail.MustParseDomain(tt.name), mail.MustParseDomain(tt.own))
		if (got != "") != tt.alike {
			t.Errorf("likeness(%s, %s) = %q", tt.name, tt.own, got)
		}
	}
}

func TestDeceivingCharacters(t *testing.T) {
	tests := []struct {
		text             string
		deceiving, mixed bool
	}{
		{"Jürgen Müller", false, false},
		{"Мария Петрова", false, false},
		{"Ελένη (Athens)", false, false},
		{"Иван Ivanov", false, false}, // words of one script each
		{"\u202eknaB", true, false},
		{"Pay\u200bpal", true, false},
		{"Pay\u00adpal", true, false},
		{"family \U0001f468\u200d\U0001f469\u200d\U0001f467", false, false},
		{"می\u200cخواهم", false, false},
		{"P\u0430ypal", false, true},
		{"Αpple", false, true},
		{"bell\x07", true, false},
	}
	for _, tt := range tests {
		_, deceiving := deceivingRune(tt.text)
		_, mixed := mixedWord(tt.text)
		if deceiving != tt.deceiving || mixed != tt.mixed {
			t.Errorf("%+q: deceiving %v, mixed %v", tt.text, deceiving, mixed)
		}
	}
}

func TestShownDomain(t *testing.T) {
	tests := []struct{ text, want string }{
		{"https://www.example.com/path", "www.example.com"},
		{"HTTP://example.com", "example.com"},
		{"www.example.com", "www.example.com"},
		{"example.com", "example.com"},
		{"example.com/", "example.com"},
		{"Click here", ""},
		{"README.md", ""},
		{"index.html", ""},
		{"Node.js", ""},
		{"3.14", ""},
		{"see https://example.com for more", ""},
		{"joe@example.com", ""},
		{"https://", ""},
	}
	for _, tt := range tests {
		got := shownDomain(tt.text)
		if got.String() != tt.want {
			t.Errorf("shownDomain(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestLookalikeData(t *testing.T) {
	known := knownLookalikes()
	for letter, latin := range known.Letters {
		if len([]rune(letter)) != 1 || len(latin) != 1 || latin[0] < 'a' || latin[0] > 'z' {
			t.Errorf("%q is not one letter that looks like %q", letter, latin)
		}
		if known.Letters[latin] != "" {
			t.Errorf("%q looks like %q, which itself looks like another", letter, latin)
		}
	}
	if len(known.Pairs) == 0 || known.Badges == "" || len(known.FileNames) == 0 || len(known.LeaveList) < 10 {
		t.Error("a part of the data is missing")
	}
}
