package sieve

import (
	"slices"
	"strings"
	"testing"
)

// TestRequireIsShort: what is required again and again is kept once. Every string of a
// script looks there, so that a quarter of a megabyte took five seconds otherwise.
func TestRequireIsShort(t *testing.T) {
	s, err := Parse(`require ["copy", "vacation-seconds"`+strings.Repeat(`,"copy"`, 18_000)+`]; require "vacation";`, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"copy", "vacation-seconds", "vacation"}; !slices.Equal(s.required, want) {
		t.Errorf("%d are required, want %v", len(s.required), want)
	}
}
