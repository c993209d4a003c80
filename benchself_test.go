package main

import (
	"strings"
	"testing"
	"time"
)

// The medians are printed, with how far the ratio to the floor went; rounds that
// differ too much are not to be believed.
func TestBenchSelfPrints(t *testing.T) {
	rounds := func(rates ...float64) (heats []heat) {
		for _, rate := range rates {
			heats = append(heats, heat{rate: rate, p99: 20 * time.Millisecond, cpu: 400 * time.Microsecond, peak: 90 << 20})
		}
		return heats
	}
	for _, tt := range []struct {
		name  string
		ours  []heat
		want  []string
		noisy bool
	}{
		{"steady", rounds(450, 500, 480), []string{"480", "48 %", "45 %", "50 %", "20 ms", "400 us", "90 MB"}, false},
		{"beside other work", rounds(450, 100, 480), []string{"450", "45 %", "10 %", "48 %"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := printHeats(&out, 4096, []result{{"floor", rounds(1000, 1000, 1000)}, {"allgreen", tt.ours}}); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(out.String(), "\n")
			got := strings.Join(strings.Fields(lines[2]), " ")
			if want := "allgreen " + strings.Join(tt.want, " "); !strings.HasPrefix(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if noisy := strings.Contains(out.String(), "other work"); noisy != tt.noisy {
				t.Errorf("noisy is %t:\n%s", noisy, out.String())
			}
		})
	}
}
