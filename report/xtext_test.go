package report_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/report"
)

func TestDecodeOriginal(t *testing.T) {
	for in, want := range map[string]string{
		"rfc822;bob@example.org":         "rfc822;bob@example.org",
		"rfc822;bob+2Bx+3D@example.org":  "rfc822;bob+x=@example.org",
		"rfc822;bob+zz@example.org":      "rfc822;bob+zz@example.org",
		"rfc822;bob+2":                   "rfc822;bob+2",
		`utf-8;j\x{FC}rgen@example.org`:  "utf-8;jürgen@example.org",
		`utf-8;j\x{}\x{110000}+2B@x.org`: `utf-8;j\x{}\x{110000}+2B@x.org`,
		"nonsense":                       "nonsense",
	} {
		if got := report.DecodeOriginal(in); got != want {
			t.Errorf("DecodeOriginal(%q) = %q, want %q", in, got, want)
		}
	}
}
