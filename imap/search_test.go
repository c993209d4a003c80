//go:build unix

package imap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// searches are asked of both servers. A message without a date was sent on no day here,
// and in 1970 there.
var searches = []string{
	"ALL", "NOT ALL", "1:3", "2,4:5", "UID 3:*", "*", "SEEN", "UNSEEN", "FLAGGED", "UNFLAGGED", "ANSWERED", "DELETED", "DRAFT", "KEYWORD work", "UNKEYWORD work",
	"OR SEEN FLAGGED", "NOT (SEEN FLAGGED)", "SEEN UNFLAGGED", "LARGER 100", "SMALLER 100",
	"SENTON 21-Nov-2026", "SENTBEFORE 21-Nov-2026 SENTSINCE 1-Jan-2000", "SENTSINCE 21-Nov-2026", "NOT SENTSINCE 1-Jan-2000",
	"SUBJECT plain", "SUBJECT PLAIN", "SUBJECT \"folded\"", "FROM john", "FROM \"Doe, John\"", "TO a@b", "CC a@b", "FROM @example.org", "BCC quoted",
	"HEADER Subject \"\"", "HEADER X-None \"\"", "HEADER Message-ID <1@example.org>", "HEADER Content-Type multipart", "HEADER Content-Type \"\"",
	"HEADER Sender s@t", "HEADER In-Reply-To 0@", "OR FROM john SUBJECT digest", "NOT FROM john", "SUBJECT digest NOT SEEN",
	"CHARSET UTF-8 SUBJECT {7+}\r\nGrüße", "CHARSET ISO-8859-1 SUBJECT {5+}\r\nGr\xfc\xdfe",
	"BODY hello", "TEXT hello", "BODY two", "TEXT john", "BODY john", "TEXT \"body one\"", "NOT TEXT hello", "OR TEXT hello SEEN",
	"CHARSET UTF-8 BODY {7+}\r\nGrüße", "MODSEQ 1",
}

func TestSearchAsDovecot(t *testing.T) {
	ours, theirs := both(t, odd)
	for _, d := range []*dialogue{ours, theirs} {
		d.ask(`STORE 1:3 FLAGS.SILENT (\Seen)`)
		d.ask(`STORE 2,5 +FLAGS.SILENT (\Flagged work)`)
		d.ask(`STORE 6 +FLAGS.SILENT (\Answered \Deleted \Draft)`)
	}
	for _, s := range searches {
		for _, form := range []string{"SEARCH ", "UID SEARCH ", "SEARCH RETURN (MIN MAX COUNT ALL) "} {
			have, want := searched(ours.ask(form+s)), searched(theirs.ask(form+s))
			if have != want && !strings.Contains(s, "MODSEQ") {
				t.Errorf("%s%s: %s, and Dovecot's %s", form, s, have, want)
			}
			if strings.Contains(s, "MODSEQ") && !strings.Contains(have, "MODSEQ") {
				t.Errorf("%s%s: %s has no MODSEQ", form, s, have)
			}
		}
	}
}

// searched is the answer of SEARCH and its kind, without what must differ.
func searched(responses []string) string {
	for _, r := range responses {
		for _, name := range []string{"SEARCH", "ESEARCH", "SORT", "THREAD"} {
			if r == name || strings.HasPrefix(r, name+" ") {
				fields := strings.Fields(r)
				if strings.HasPrefix(r, "ESEARCH (TAG") {
					fields = slices.Delete(fields, 2, 3)
				}
				return strings.Join(fields, " ")
			}
		}
	}
	return strings.Join(responses, "; ")
}

func TestSavedResult(t *testing.T) {
	ours, theirs := both(t, odd[:10])
	for _, step := range []string{
		"SEARCH RETURN (SAVE) SUBJECT e", "SEARCH $", "FETCH $ (UID)", "SEARCH RETURN (SAVE MIN) SUBJECT e", "SEARCH $ SMALLER 100000", "UID SEARCH NOT $",
		"SEARCH RETURN (SAVE COUNT) NOT ALL", "SEARCH $", "SEARCH RETURN (SAVE) 2:4", "UID SEARCH RETURN (COUNT) $", "SEARCH RETURN (SAVE MIN MAX ALL) 2:5", "SEARCH $",
	} {
		a, b := ours.ask(step), theirs.ask(step)
		if strings.HasPrefix(step, "FETCH") {
			continue
		}
		if have, want := searched(a), searched(b); have != want {
			t.Errorf("%s: %s, and Dovecot's %s", step, have, want)
		}
	}
}

func TestBadSearches(t *testing.T) {
	h := newHouse(t)
	h.deliver("anna", odd[0])
	d := h.dialogue("anna")
	d.ask("SELECT INBOX")
	for command, want := range map[string]string{
		"SEARCH CHARSET x-none SUBJECT a": "NO [BADCHARSET (US-ASCII UTF-8)]",
		"SEARCH 2":                        "BAD ",
		"SEARCH SUBJECT":                  "BAD ",
		"FETCH 2 UID":                     "BAD ",
		"UID FETCH 2 UID":                 "OK ",
		"FETCH 1 BINARY.SIZE[7]":          "OK ",
		"UID FETCH 1 FLAGS (VANISHED)":    "BAD ",
		"SORT (SIZE) x-none ALL":          "OK ",
		"SORT (SIZE) x-none TEXT a":       "NO [BADCHARSET (US-ASCII UTF-8)]",
	} {
		if _, end := d.try(command); !strings.HasPrefix(end, want) {
			t.Errorf("%s: %s, want %s", command, end, want)
		}
	}
}

// talk are letters that answer each other in all ways.
func talk(many int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	subjects := []string{"lunch", "Re: lunch", "RE: [list] Lunch", "lunch (fwd)", "Fwd: lunch", "[list] lunch", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: =?utf-8?q?GR=C3=9C=C3=9Fe?=",
		"[fwd: report]", "report", "Re[2]: report", "re: re: re:", "", "Re:", "a", "Zebra", "[blob]", "re: [a] [b] c"}
	names := []string{"Zoe <anna@x.org>", "bert@x.org (Bert)", "\"Carl, C\" <CARL@y.org>", "=?utf-8?q?=C3=84nne?= <dora@y.org>", "group: eve@x.org;"}
	all := make([]string, many)
	for i := range all {
		var b strings.Builder
		fmt.Fprintf(&b, "From: %s\n", names[r.IntN(len(names))])
		for _, field := range []string{"To", "Cc"} {
			if r.IntN(3) > 0 {
				fmt.Fprintf(&b, "%s: %s, %s\n", field, names[r.IntN(len(names))], names[r.IntN(len(names))])
			}
		}
		fmt.Fprintf(&b, "Subject: %s\n", subjects[r.IntN(len(subjects))])
		fmt.Fprintf(&b, "Date: %d Nov 2026 %02d:%02d:%02d %+03d00\n", 1+r.IntN(20), r.IntN(24), r.IntN(60), i%60, r.IntN(20)-10)
		if r.IntN(10) > 0 {
			fmt.Fprintf(&b, "Message-ID: <%d@x>\n", r.IntN(many*11/10))
		}
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "In-Reply-To: <%d@x>\n", r.IntN(many))
		case 1:
			fmt.Fprintf(&b, "References:")
			for range 1 + r.IntN(4) {
				fmt.Fprintf(&b, " <%d@x>", r.IntN(many))
			}
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "\n%s\n", strings.Repeat("x", r.IntN(2000)))
		all[i] = crlf(b.String())
	}
	return all
}

func TestSortAsDovecot(t *testing.T) {
	ours, theirs := both(t, append(talk(200), odd...))
	for _, order := range []string{"SUBJECT", "REVERSE SUBJECT", "FROM", "TO", "CC", "REVERSE CC", "SIZE", "REVERSE SIZE", "DISPLAYFROM", "DISPLAYTO",
		"DATE SUBJECT", "SUBJECT REVERSE FROM SIZE", "REVERSE DATE"} {
		for _, form := range []string{"SORT ", "UID SORT ", "SORT RETURN (MIN MAX COUNT ALL) "} {
			command := form + "(" + order + ") UTF-8 SENTSINCE 1-Jan-2000"
			if have, want := searched(ours.ask(command)), searched(theirs.ask(command)); have != want {
				t.Errorf("%s:\n%s, and Dovecot's\n%s", command, have, want)
			}
		}
	}
}

func TestThreadAsDovecot(t *testing.T) {
	ours, theirs := both(t, talk(200))
	for _, command := range []string{"THREAD ORDEREDSUBJECT UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "UID THREAD REFERENCES UTF-8 FROM anna", "THREAD REFERENCES UTF-8 NOT ALL"} {
		if have, want := searched(ours.ask(command)), searched(theirs.ask(command)); have != want {
			t.Errorf("%s:\n%s, and Dovecot's\n%s", command, have, want)
		}
	}
}
