package sieve_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/sieve"
)

// TestLimits holds every bound on both of its sides.
func TestLimits(t *testing.T) {
	many := func(n int, format string) (s string) {
		for i := range n {
			s += fmt.Sprintf(format, i)
		}
		return s
	}
	star := `require "variables"; if string :matches "` + strings.Repeat("a", 4000) + `b" "` + "*" + strings.Repeat("a", 1000) + `c" { stop; }`
	for _, tt := range []struct {
		name     string
		limits   sieve.Limits
		in, over string
	}{
		{"size", sieve.Limits{Size: 10}, "keep;    #", "keep;     #"},
		{"commands", sieve.Limits{Commands: 3}, "keep; keep; keep;", "keep; keep; keep; keep;"},
		{"tests count", sieve.Limits{Commands: 3}, "if not true { }", "if not not true { }"},
		{"depth of blocks", sieve.Limits{Depth: 3}, "if true { if true { } }", "if true { if true { if true { } } } if true { if true { if true { if true { } } } }"},
		{"depth of tests", sieve.Limits{Depth: 3}, "if not not true { }", "if not not not true { }"},
		{"redirects", sieve.Limits{Redirects: 2}, many(2, `redirect "a%d@b.example";`), many(3, `redirect "a%d@b.example";`)},
		{"actions", sieve.Limits{Actions: 2}, `require "fileinto";` + many(2, `fileinto "a%d";`), `require "fileinto";` + many(3, `fileinto "a%d";`)},
		{"variables", sieve.Limits{Variables: 3}, `require "variables";` + many(3, `set "a%d" "x";`), `require "variables";` + many(4, `set "a%d" "x";`)},
		{"steps", sieve.Limits{Steps: 300}, many(10, "keep; #%d\n"), `require "variables"; if string "` + strings.Repeat("x", 200) + `" "` + strings.Repeat("y", 200) + `" { }`},
		{"steps of patterns", sieve.Limits{Steps: 20_000}, "keep;", star},
		{"flags", sieve.Limits{}, `require "imap4flags"; addflag "` + many(100, "f%d ") + `";`, `require "imap4flags"; addflag "` + many(101, "f%d ") + `";`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := try(tt.in, tt.limits); err != nil {
				t.Errorf("within the limit: %v", err)
			}
			if err := try(tt.over, tt.limits); !errors.Is(err, sieve.ErrTooMuch) {
				t.Errorf("beyond the limit: %v", err)
			}
		})
	}
}

func try(source string, l sieve.Limits) error {
	script, err := sieve.Parse(source, l)
	if err == nil {
		_, err = script.Run(facts("From: joe@sender.example\n\nbody\n"))
	}
	return err
}

// TestValueIsCut: a value that is too long is cut between characters, not refused
// (RFC 5229 section 6).
func TestValueIsCut(t *testing.T) {
	source := `require ["variables", "fileinto"]; set "a" "` + strings.Repeat("ä", 6) + `"; set "a" "${a}${a}"; fileinto "${a}";`
	script, err := sieve.Parse(source, sieve.Limits{Value: 11})
	if err != nil {
		t.Fatal(err)
	}
	actions, err := script.Run(facts("\n"))
	if err != nil || len(actions.Files) != 1 || actions.Files[0].Folder != strings.Repeat("ä", 5) {
		t.Errorf("%+v, %v", actions, err)
	}
}

// TestBodyIsCut: a huge body is looked at as far as the limit goes.
func TestBodyIsCut(t *testing.T) {
	script, err := sieve.Parse(`require "body"; if body :raw :contains "end" { discard; }`, sieve.Limits{Text: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{990: "nothing", 1000: "implicit"} {
		m := facts("\n")
		m.Body = func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", n)), strings.NewReader("end"))), nil
		}
		if actions, err := script.Run(m); err != nil || !slices.Equal(show(actions), []string{want}) {
			t.Errorf("%d octets before: %+v, %v", n, actions, err)
		}
	}
}

// TestBrokenBody: what cannot be read fails the run, and is never taken for empty.
func TestBrokenBody(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, how := range []string{":raw", ":text", `:content "text"`} {
		script, err := sieve.Parse(`require "body"; if body `+how+` :contains "x" { discard; }`, sieve.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		m := facts("\n")
		m.Body = func() (io.ReadCloser, error) { return io.NopCloser(failing{broken}), nil }
		if _, err := script.Run(m); !errors.Is(err, broken) {
			t.Errorf("%s: %v", how, err)
		}
		m.Body = func() (io.ReadCloser, error) { return nil, broken }
		if _, err := script.Run(m); !errors.Is(err, broken) {
			t.Errorf("%s not opened: %v", how, err)
		}
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestNothingThere: a message of nothing, and no functions.
func TestNothingThere(t *testing.T) {
	script, err := sieve.Parse(`require ["body", "mailbox", "special-use", "envelope", "fileinto", "variables"];
		if anyof (body :contains "", mailboxexists "x", specialuse_exists "\\Junk", address "from" "x", exists "from") { discard; }
		if envelope :all :is "from" "" { fileinto "null"; }`, sieve.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	actions, err := script.Run(&sieve.Message{})
	if err != nil || !slices.Equal(show(actions), []string{"file null"}) {
		t.Errorf("%q, %v", show(actions), err)
	}
}

func TestVacationDetails(t *testing.T) {
	run := func(source string) *sieve.Vacation {
		t.Helper()
		script, err := sieve.Parse(source, sieve.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		actions, err := script.Run(facts("Subject: hi\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		return actions.Vacation
	}
	v := run(`require ["vacation", "variables"]; if header :matches "subject" "*" { vacation :days 0 :from "Anna <anna@ours.example>" :addresses ["a@ours.example", "nobody", "b@ours.example"] :subject "Re: ${1}" :mime "Content-Type: text/plain

x"; }`)
	want := []mail.Address{mail.MustParseAddress("a@ours.example"), mail.MustParseAddress("b@ours.example")}
	if v.Again != 24*time.Hour || v.From != mail.MustParseAddress("anna@ours.example") || v.FromName != "Anna" || !slices.Equal(v.Addresses, want) || v.Subject != "Re: hi" || !v.MIME {
		t.Errorf("%+v", v)
	}
	plain := run(`require "vacation"; vacation "x";`)
	if plain.Again != 7*24*time.Hour || !plain.From.IsZero() {
		t.Errorf("%+v", plain)
	}
	if other := run(`require "vacation"; vacation "y";`); other.Handle == plain.Handle || plain.Handle != run(`require "vacation"; vacation :days 9 "x";`).Handle {
		t.Errorf("handles: %q of x, %q of y", plain.Handle, other.Handle)
	}
	if a, b := run(`require "vacation"; vacation :handle "h" "x";`), run(`require "vacation"; vacation :handle "h" "y";`); a.Handle != b.Handle {
		t.Errorf("one handle: %q, %q", a.Handle, b.Handle)
	}
	if long := run(`require "vacation"; vacation :days 99999999 "x";`); long.Again != 365*24*time.Hour {
		t.Errorf("%v", long.Again)
	}
	if none := run(`require "vacation-seconds"; vacation :seconds 0 "x";`); none.Again != 0 {
		t.Errorf("%v", none.Again)
	}
}

// TestRunLeavesTheScriptAlone: a script is run by many at the same time.
func TestRunLeavesTheScriptAlone(t *testing.T) {
	script, err := sieve.Parse(`require ["variables", "fileinto", "imap4flags"]; if header :matches "subject" "*" { setflag "${1}"; addflag "x"; fileinto "${1}"; }`, sieve.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 20)
	for i := range 20 {
		go func() {
			actions, err := script.Run(facts(fmt.Sprintf("Subject: s%d\n\n", i)))
			if err != nil || len(actions.Files) != 1 || actions.Files[0].Folder != fmt.Sprintf("s%d", i) {
				done <- fmt.Sprintf("%+v, %v", actions, err)
				return
			}
			done <- ""
		}()
	}
	for range 20 {
		if trouble := <-done; trouble != "" {
			t.Error(trouble)
		}
	}
}

func TestExtensions(t *testing.T) {
	all := sieve.Extensions()
	if !slices.IsSorted(all) {
		t.Errorf("not in order: %q", all)
	}
	for _, e := range all {
		if script, err := sieve.Parse(`require "`+e+`";`, sieve.Limits{}); err != nil || !script.Requires(e) {
			t.Errorf("%s: %v", e, err)
		}
	}
}

// FuzzParse: whatever is written ends, in bounds, and errors point into the script.
func FuzzParse(f *testing.F) {
	for _, c := range readCases(f) {
		f.Add(c.script, c.message)
	}
	limits := sieve.Limits{Size: 1 << 16, Steps: 1_000_000}
	f.Fuzz(func(t *testing.T, source, letter string) {
		script, err := sieve.Parse(source, limits)
		if e, ok := errors.AsType[*sieve.Error](err); err != nil {
			if !ok || e.Line < 1 || e.Column < 1 || e.Line > strings.Count(source, "\n")+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		actions, err := script.Run(facts(letter))
		if err != nil {
			return
		}
		if len(actions.Redirects) > 4 || len(actions.Files)+len(actions.Redirects) > 32 {
			t.Fatalf("%+v", actions)
		}
		for _, to := range actions.Redirects {
			if to.Check() != nil {
				t.Fatalf("redirected to %+v", to)
			}
		}
	})
}

// BenchmarkRun is a script of ten rules over an ordinary header.
func BenchmarkRun(b *testing.B) {
	source := `require ["fileinto", "imap4flags", "variables", "subaddress", "envelope"];`
	for i := range 10 {
		source += fmt.Sprintf("if anyof (header :contains \"list-id\" \"list%d\", address :domain \"from\" \"d%d.example\") { fileinto \"Lists/%d\"; }\n", i, i, i)
	}
	script, err := sieve.Parse(source, sieve.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	m := facts(readCases(b)[0].message)
	if len(m.Header.Fields) < 5 {
		b.Fatal(message.ErrNoField)
	}
	for b.Loop() {
		if _, err := script.Run(m); err != nil {
			b.Fatal(err)
		}
	}
}
