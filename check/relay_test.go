package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/smtp"
	"github.com/allgreen-mail/allgreen/world"
)

// The catalogue is whole, and no trick says more than one line.
func TestTricks(t *testing.T) {
	seen := map[string]bool{}
	rows := map[string]int{}
	for _, trick := range tricks() {
		if seen[trick.ID] || trick.Says == "" || !strings.HasPrefix(trick.Row, "RELAY-0") {
			t.Errorf("%+v is named twice, or says too little", trick)
		}
		seen[trick.ID] = true
		rows[trick.Row]++
		commands := slices.Concat(trick.First, trick.Then, []string{trick.From, trick.To})
		if strings.ContainsAny(strings.Join(commands, ""), "\r\n") {
			t.Errorf("%s: more than one line", trick.ID)
		}
		if !strings.Contains(trick.To, "{v}") && !strings.Contains(trick.To, "{s}") {
			t.Errorf("%s: an arrival could not be told from others", trick.ID)
		}
	}
	want := map[string]int{"RELAY-01": 8, "RELAY-02": 4, "RELAY-03": 4, "RELAY-04": 4, "RELAY-05": 4, "RELAY-06": 4, "RELAY-07": 10, "RELAY-08": 11}
	for row, n := range want {
		if rows[row] < n {
			t.Errorf("%s has %d tricks, fewer than %d", row, rows[row], n)
		}
	}
}

func TestTrickFilled(t *testing.T) {
	names := map[string]string{"{D}": "example.com", "{I}": "[192.0.2.1]", "{H}": "", "{v}": "victim", "{X}": "example.org", "{s}": "me@example.org"}
	tests := []struct {
		trick trick
		want  string
		known bool
	}{
		{trick{From: "<{s}>", To: "<{v}%{X}@{D}>"}, "<me@example.org> <victim%example.org@example.com>", true},
		{trick{From: "<>", To: "<@{I}:{v}@{X}>"}, "<> <@[192.0.2.1]:victim@example.org>", true},
		{trick{From: "<a@{H}>", To: "<{v}@{X}>"}, "", false},
		{trick{To: "<{v}@{X}>", First: []string{"HELO {H}"}}, "", false},
		{trick{To: "<{v}@{X}>", Then: []string{"RCPT TO:<{H}>"}}, "", false},
	}
	for _, tt := range tests {
		got, known := tt.trick.filled(names)
		if known != tt.known || known && got.From+" "+got.To != tt.want {
			t.Errorf("%+v: %s %s, %v", tt.trick, got.From, got.To, known)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	closed := &smtp.DialogueError{Kind: smtp.ErrClosed}
	late := &smtp.DialogueError{Kind: smtp.ErrTimeout}
	tests := []struct {
		reply string
		err   error
		want  Outcome
	}{
		{"550 5.7.1 Relaying denied", nil, Refused},
		{"454 4.7.1 <v@example.org>: Relay access denied", nil, Refused}, // Postfix's defer_unauth_destination
		{"450 4.1.8 <a@localhost>: Sender address rejected: Domain not found", nil, Refused},
		{"451 relay not permitted", nil, Refused},
		{"451 4.7.1 Greylisted", nil, Deferred},
		{"451 try later", nil, Deferred},
		{"421 too many errors", errShown, Refused},
		{"", closed, Refused},
		{"", late, Broken},
		{"", context.Canceled, Broken},
	}
	for _, tt := range tests {
		var reply mail.Reply
		if tt.reply != "" {
			var err error
			if reply, err = mail.ParseReply([]string{tt.reply}); err != nil {
				t.Fatal(err)
			}
		}
		if got := outcomeOf(reply, tt.err); got != tt.want {
			t.Errorf("%q, %v: %q, want %q", tt.reply, tt.err, got, tt.want)
		}
	}
}

// Every mixture of outcomes has its code; the worst decides, and what was not seen is
// never green.
func TestJudgeAttempts(t *testing.T) {
	tests := []struct {
		name     string
		battery  Battery
		outcomes []Outcome
		here     bool
		want     string
	}{
		{"all refused", Battery{}, []Outcome{Refused, Refused}, false, "refused"},
		{"one came out", Battery{}, []Outcome{Refused, Dropped, Arrived}, false, "open"},
		{"one was lost", Battery{}, []Outcome{Deferred, Dropped, Broken}, false, "accepts-then-drops"},
		{"nobody listened", Battery{Deaf: errNoProbe}, []Outcome{Taken, Refused}, false, "may-be-open"},
		{"one was deferred", Battery{}, []Outcome{Refused, Deferred}, false, "deferred"},
		{"one was not answered", Battery{}, []Outcome{Refused, Broken}, false, "no-answer"},
		{"a catch-all", Battery{CatchAll: true}, []Outcome{Refused, Dropped}, true, "catch-all"},
		{"a catch-all that relays", Battery{CatchAll: true}, []Outcome{Dropped, Arrived}, true, "open"},
		{"a catch-all, and strangers too", Battery{CatchAll: true}, []Outcome{Dropped}, false, "accepts-then-drops"},
		{"nothing fits", Battery{}, []Outcome{Untried}, false, "not-tried"},
		{"no proof", Battery{WhyNot: errNoBattery}, nil, false, "needs-proof"},
		{"too slow", Battery{Unseen: errTooSlow}, nil, false, "no-answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.battery
			for _, o := range tt.outcomes {
				a := Attempt{trick: trick{ID: "x", Row: "RELAY-02", Says: "somehow", Here: tt.here}, Outcome: o, said: []string{"RCPT: 250"}}
				if o == Broken {
					a.err = errors.New("gone")
				}
				b.Attempts = append(b.Attempts, a)
			}
			f := judgeAttempts(Server{}, &b, "RELAY-02")
			if f.Code != tt.want {
				t.Errorf("%s, want %s", f.Code, tt.want)
			}
			if status, _ := relayPercent.about.status(f.Code); status == finding.Unknown && f.Fix == "" {
				t.Errorf("%s does not say what would make it visible", f.Code)
			}
			if len(f.Evidence) < len(tt.outcomes) {
				t.Errorf("not every attempt is shown: %q", f.Evidence)
			}
		})
	}
}

// The listener lives as long as somebody runs, and begins anew afterwards.
func TestArrivalsAreSharedAndEnd(t *testing.T) {
	a := &Audit{World: world.None(), Options: Options{ProbeDomain: mail.MustParseDomain("probe.example")}}
	s := newSubject(t.Context(), a, Target{Kind: Domain, Domain: mail.MustParseDomain("example.com")})
	a.arrivals.enter()
	a.arrivals.enter()
	if _, err := s.listener(t.Context()); !errors.Is(err, world.ErrNoWorld) {
		t.Fatalf("a world without a network listens: %v", err)
	}
	a.arrivals.leave()
	if !a.arrivals.begun {
		t.Error("the first who left took the listener away")
	}
	a.arrivals.leave()
	if a.arrivals.begun {
		t.Error("the last who left forgot to close")
	}
}
