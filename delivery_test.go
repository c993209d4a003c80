package main

import (
	"net/netip"
	"testing"

	"github.com/allgreen-mail/allgreen/world"
)

func TestIsElsewhere(t *testing.T) {
	w := &world.World{Network: world.Machine()}
	for ip, want := range map[string]bool{"127.0.0.1": false, "192.0.2.7": true} {
		if got := isElsewhere(t.Context(), w, netip.MustParseAddr(ip)); got != want {
			t.Errorf("isElsewhere(%s) = %t", ip, got)
		}
	}
	if isElsewhere(t.Context(), world.None(), netip.MustParseAddr("192.0.2.7")) {
		t.Error("what could not be seen is taken for an absence")
	}
}
