package check

import (
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/probe"
)

func TestKindOf(t *testing.T) {
	someone := mail.MustParseAddress("joe@example.com")
	tests := []struct {
		name  string
		event probe.Event
		want  answerKind
	}{
		{"a report", probe.Event{Kind: probe.Bounced, Header: "Content-Type: multipart/report; report-type=delivery-status\r\n"}, aReport},
		{"a report that was confirmed by its subject", probe.Event{Kind: probe.Bounced, Subject: "could not confirm", Header: "Content-Type: Multipart/Report\r\n"}, aReport},
		{"a report without MIME", probe.Event{Kind: probe.Bounced, Header: "From: MAILER-DAEMON@example.com\r\n", Subject: "failure notice"}, aReport},
		{"a challenge from <>", probe.Event{Kind: probe.Bounced, Subject: "Please CONFIRM your message"}, aChallenge},
		{"a challenge from somebody", probe.Event{Kind: probe.Answered, Reverse: someone, Subject: "Re: are you human?"}, aChallenge},
		{"a challenge by its field", probe.Event{Kind: probe.Answered, Header: "X-TMDA-Confirm: yes\r\n"}, aChallenge},
		{"a vacation", probe.Event{Kind: probe.Answered, Reverse: someone, Subject: "Out of office"}, anAutomaticNote},
		{"a vacation from <>", probe.Event{Kind: probe.Bounced, Subject: "Out of office"}, anAutomaticNote},
		{"a callout", probe.Event{Kind: probe.Callout}, noAnswer},
		{"our own letter", probe.Event{Kind: probe.Delivered, Subject: "confirm"}, noAnswer},
	}
	for _, tt := range tests {
		if got := kindOf(tt.event); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBreaches(t *testing.T) {
	someone := mail.MustParseAddress("joe@example.com")
	for _, tt := range []struct {
		event probe.Event
		want  int
	}{
		{probe.Event{Automatic: true}, 0},
		{probe.Event{}, 1},
		{probe.Event{Automatic: true, Reverse: someone}, 1},
		{probe.Event{Reverse: someone}, 2},
	} {
		if got := breaches(tt.event); len(got) != tt.want {
			t.Errorf("%+v: %q", tt.event, got)
		}
	}
}

// What did not get in is neither green nor red.
func TestUntakenLetters(t *testing.T) {
	for outcome, want := range map[Outcome]string{Untried: "no-mailbox", Refused: "not-taken", Deferred: "deferred", Broken: "no-answer"} {
		l := Letter{Purpose: Personal, Outcome: outcome, err: errShown}
		f, untaken := l.untaken(Server{})
		if !untaken || f.Code != want || f.Fix == "" {
			t.Errorf("%s: %s, want %s", outcome, f.Code, want)
		}
	}
	if _, untaken := (Letter{Outcome: Dropped}).untaken(Server{}); untaken {
		t.Error("a letter that was taken counts as not taken")
	}
}
