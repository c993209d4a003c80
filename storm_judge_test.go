package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
)

// The judge of the crash test must itself be right: who was refused at RCPT shares
// nothing with those whose data had an answer, or none.
func TestConclude(t *testing.T) {
	left := []string{"a", "b", "c"}
	yes := smtp.Fate{Reply: mail.Reply{Code: 250}, At: endOfData}
	none := smtp.Fate{}
	atRcpt := smtp.Fate{Reply: mail.Reply{Code: 451}, At: "RCPT"}
	atData := smtp.Fate{Reply: mail.Reply{Code: 451}, At: endOfData}
	for _, tt := range []struct {
		name  string
		fates []smtp.Fate
		want  fate
		to    []string
	}{
		{"all", []smtp.Fate{yes, yes, yes}, promised, left},
		{"one was refused before", []smtp.Fate{yes, atRcpt, yes}, promised, []string{"a", "c"}},
		{"refused at the end", []smtp.Fate{atData, atData, atData}, refused, left},
		{"refused before and at the end", []smtp.Fate{atRcpt, atRcpt, atData}, refused, []string{"c"}},
		{"all refused before", []smtp.Fate{atRcpt, atRcpt, atRcpt}, refused, left},
		{"no answer", []smtp.Fate{none, none, none}, unsure, left},
		{"no answer to the data", []smtp.Fate{atRcpt, none, none}, unsure, []string{"b", "c"}},
		{"no fates", nil, unsure, left},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt{to: []string{"a", "b", "c"}}
			a.conclude(left, tt.fates)
			if a.fate != tt.want {
				t.Errorf("fate %s, want %s", a.fate, tt.want)
			}
			if diff := cmp.Diff(tt.to, a.to); diff != "" {
				t.Errorf("shared by (-want +got):\n%s", diff)
			}
		})
	}
}
