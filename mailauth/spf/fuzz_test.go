package spf_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

func FuzzParse(f *testing.F) {
	f.Add("v=spf1 a:%{d2r-}.example.com/24//64 -mx ?ip6:::1/0 redirect=%{o} exp=%%.x.com x=%_%-")
	f.Add("v=spf1 a/24/64 –all ip4:2001:db8::1 _spf.example.com %{ all. 192.0.2.0/24 -redirect=a.b")
	for _, fault := range someFaults {
		f.Add("v=spf1 " + fault)
	}
	f.Fuzz(func(t *testing.T, text string) {
		record, problems := spf.Parse(text)
		end := len("v=spf1")
		for _, term := range record.Terms {
			if term.Offset <= end || text[term.Offset:term.Offset+len(term.Text)] != term.Text {
				t.Errorf("term %q is not at %d", term.Text, term.Offset)
			}
			if strings.Trim(text[end:term.Offset], " ") != "" {
				t.Errorf("the text before %q is lost", term.Text)
			}
			end = term.Offset + len(term.Text)
		}
		for _, p := range problems {
			if p.Offset < 0 || p.Offset > len(text) || p.Text == "" || p.String() == "" {
				t.Errorf("problem %+v", p)
			}
			if p.Hint != "" {
				if _, more := spf.Parse("v=spf1 " + p.Hint); len(more) > 0 {
					t.Errorf("the hint %q is wrong itself: %v", p.Hint, more)
				}
			}
		}
		if len(problems) > 0 {
			return
		}
		if strings.Trim(text[end:], " ") != "" {
			t.Errorf("the end %q is lost", text[end:])
		}
		if _, problems := spf.Parse(text + " %"); len(problems) != 1 {
			t.Errorf("one error more gives %v", problems)
		}
	})
}

func FuzzEvaluate(f *testing.F) {
	f.Add("v=spf1 exists:%{p}.%{l1r-}.%{h} ptr:%{d} mx:%{o}/0//0 include:a.example.com -all exp=%{d}", uint64(1), "alice", "x.example.com")
	f.Add("v=spf1 redirect=%{d}", uint64(2), "mü", "")
	f.Add("v=spf1 "+strings.Repeat("a:%{i}.example.com ", 12), uint64(3), "a.b..c", "[192.0.2.1]")
	f.Fuzz(func(t *testing.T, text string, seed uint64, local, helo string) {
		g := generate(rand.New(rand.NewPCG(seed, 1)), 5)
		delete(g.Zone["example.com"], "TXT")
		g.add("example.com", "TXT", text)
		z := g.zone()
		req := g.request()
		req.Sender = mail.Address{Local: local, Domain: mail.MustParseDomain("example.com")}
		req.HELO = helo
		e := spf.Evaluate(t.Context(), z, req)
		// The record, ten terms with up to ten hosts each, ten names of the
		// client, an explanation and its %{p}.
		if n := z.queries.Load(); n > 1+10*11+11+1 || e.Lookups > 10 || e.Voids > 3 {
			t.Errorf("%d queries, %d lookups, %d void", n, e.Lookups, e.Voids)
		}
		all := []spf.Result{spf.None, spf.Neutral, spf.Pass, spf.Fail, spf.SoftFail, spf.TempError, spf.PermError}
		if !slices.Contains(all, e.Result) {
			t.Errorf("result %q", e.Result)
		}
		if _, problems := spf.Parse(text); spf.IsRecord(text) && len(problems) > 0 && (e.Result != spf.PermError || e.Lookups > 0) {
			t.Errorf("%s in spite of %v", e.Result, problems)
		}
		if broken := slices.Contains([]spf.Result{spf.None, spf.TempError, spf.PermError}, e.Result); broken != (e.Reason != "") {
			t.Errorf("%s because %q", e.Result, e.Reason)
		}
		if strings.ContainsFunc(e.Explanation, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("explanation %q", e.Explanation)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(e.Text()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		tree := spf.Expand(t.Context(), z, req.Sender.Domain, spf.Bounds{})
		if tree.Root == nil || tree.Cut && len(text) < 1000 {
			t.Errorf("tree %+v", tree)
		}
	})
}
