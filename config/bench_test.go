package config

import (
	"os"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	whole, err := os.ReadFile("testdata/whole.toml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Parse("whole.toml", "/etc", whole); err != nil {
			b.Fatal(err)
		}
	}
}
