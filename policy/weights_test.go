package policy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWeights holds what is promised whatever the weights are.
func TestWeights(t *testing.T) {
	w := loadWeights()
	sum := func(codes ...string) int {
		var evidence []Evidence
		for _, code := range codes {
			evidence = append(evidence, Evidence{Code: code})
		}
		return w.sum(evidence)
	}
	if w.Junk <= 0 || w.Refuse <= w.Junk {
		t.Fatalf("junk from %d, refuse from %d", w.Junk, w.Refuse)
	}
	alone := []string{"listed-critical", "dmarc-reject-strict"}
	for _, code := range slices.Sorted(maps.Keys(w.Evidence)) {
		if sum(code) >= w.Refuse && !slices.Contains(alone, code) {
			t.Errorf("%s alone refuses", code)
		}
	}
	never := [][]string{
		{"spf-fail"}, {"spf-fail", "dmarc-none"},
		{"dmarc-reject"}, {"dmarc-reject", "spf-fail"}, {"dmarc-reject", "spf-softfail"},
		{"helo-ours"}, {"helo-bare-address", "helo-short"},
		{"listed-low", "listed-low", "listed-low"},
	}
	for _, codes := range never {
		if sum(codes...) >= w.Refuse {
			t.Errorf("%v refuse: %d", codes, sum(codes...))
		}
	}
	for _, accomplice := range []string{"no-ptr", "ptr-unconfirmed", "ptr-dynamic", "forged-ours", "forged-directly", "listed-high", "listed-policy", "helo-ours"} {
		if sum("dmarc-reject", accomplice) < w.Refuse {
			t.Errorf("dmarc-reject with %s is not refused: %d", accomplice, sum("dmarc-reject", accomplice))
		}
	}
	for _, code := range []string{"dmarc-reject", "dmarc-quarantine"} {
		if sum(code) < w.Junk {
			t.Errorf("%s alone is not filed in Junk", code)
		}
	}
	if sum("spf-fail", "no-ptr") >= w.Refuse || sum("dmarc-none", "no-ptr") >= w.Junk {
		t.Error("an honest server with two common mistakes is lost")
	}
	if sum("listed-high", "listed-high") < w.Refuse || sum("no-ptr", "no-ptr") != sum("no-ptr") {
		t.Error("lists are witnesses each, and nothing else counts twice")
	}
}

// TestEveryCodeHasItsWeight finds the codes in the source, so that none is noted
// that weighs nothing, and none weighs that nobody notes.
func TestEveryCodeHasItsWeight(t *testing.T) {
	noted := regexp.MustCompile(`"((?:helo|ptr|no|spf|dmarc|forged|from|date|message|field|header|welcome)(?:-[a-z]+)*)"`)
	found := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range noted.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	delete(found, "helo") // the name of the stage
	w := loadWeights()
	for code := range found {
		if _, ok := w.Evidence[code]; !ok {
			t.Errorf("%s has no weight", code)
		}
	}
	for code := range w.Evidence {
		if !found[code] && !strings.Contains(code, "listed-") {
			t.Errorf("%s weighs, and nobody notes it", code)
		}
	}
	for _, prefix := range []string{"listed-", "name-listed-"} {
		for _, weight := range []string{"critical", "high", "medium", "low", "info", "policy"} {
			if _, ok := w.Evidence[prefix+weight]; !ok {
				t.Errorf("%s%s has no weight", prefix, weight)
			}
		}
	}
}
