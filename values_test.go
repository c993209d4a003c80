package main

import (
	"slices"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/reputation"
)

func TestBlocklistsByZoneOrID(t *testing.T) {
	known := reputation.NewDirectory(reputation.Options{Now: time.Now}).Lists()
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"", nil},
		{"blocklists = []", []string{}},
		{`blocklists = ["zen.spamhaus.org", "spamcop", "no.such.example"]`, []string{"spamhaus-zen", "spamcop", "no.such.example"}},
	} {
		c, err := config.Parse("test", "/", []byte(homeConfig+"[receive]\n"+tt.line))
		if err != nil {
			t.Fatal(err)
		}
		got := blocklists(c, known)
		if !slices.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
}
