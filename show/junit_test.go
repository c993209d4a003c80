package show

import (
	"bytes"
	"encoding/xml"
	"errors"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
)

func TestJUnitGolden(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, []*finding.Report{sick(), healthy()}); err != nil {
		t.Fatal(err)
	}
	golden(t, "both.xml", b.Bytes())
	var back junitSuites
	if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	failed, skipped := 0, 0
	for _, s := range back.Suites {
		for _, c := range s.Cases {
			if c.Failure != nil {
				failed++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	if failed != back.Failures || skipped != back.Skipped || failed != 2 || skipped != 5 {
		t.Errorf("%d failed, %d skipped; the file says %d, %d", failed, skipped, back.Failures, back.Skipped)
	}
}

func TestJUnitSurvivesAnyText(t *testing.T) {
	for _, s := range []string{"]]>", "\x00\x1b\ufffe", "<failure>", `"'&`} {
		var b bytes.Buffer
		if err := JUnit(&b, []*finding.Report{attack(s)}); err != nil {
			t.Fatal(err)
		}
		var back junitSuites
		if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if got := back.Suites[0].Cases[0].Failure.Message; got != wash(s) {
			t.Errorf("%q came back as %q", wash(s), got)
		}
	}
}

func TestJUnitReturnsTheErrorOfTheWriter(t *testing.T) {
	if err := JUnit(full{}, []*finding.Report{sick()}); !errors.Is(err, errFull) {
		t.Errorf("JUnit: %v", err)
	}
}
