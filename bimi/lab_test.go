package bimi_test

import (
	"testing"

	"github.com/allgreen-mail/allgreen/bimi"
	"github.com/allgreen-mail/allgreen/lab"
	"github.com/allgreen-mail/allgreen/mail"
)

// TestLab fetches the logo of a well-run domain over names and TLS that are real.
func TestLab(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w, d := l.World(), mail.MustParseDomain("green.example")
	f := bimi.LookupRecord(t.Context(), w, d, d, bimi.DefaultSelector)
	if f.Err != nil || bimi.HasFatal(f.Problems) {
		t.Fatalf("record: %v %v", f.Err, f.Problems)
	}
	file, err := bimi.Fetch(t.Context(), w, f.Record.Logo)
	if err != nil {
		t.Fatal(err)
	}
	if logo, problems := bimi.JudgeLogo(file.Body); len(problems) > 0 || logo.Title != "green.example" {
		t.Errorf("logo %+v: %v", logo, problems)
	}
}
