package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/standing"
	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/store/storetest"
	"github.com/allgreen-mail/allgreen/web"
	"github.com/allgreen-mail/allgreen/world"
)

// standingOf answers calls about the standing with these rows.
func standingOf(rows []standing.Row, changes []standing.Change) *web.Client {
	mux := http.NewServeMux()
	answer := func(name string, v any) {
		mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	answer("standing.rows", rows)
	answer("standing.history", changes)
	return web.NewClientOf(mux)
}

// rowsOf are rows of every check of a domain, by turns in these colours.
func rowsOf(domains int, colours ...finding.Status) (rows []standing.Row) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for d := range domains {
		target := fmt.Sprintf("domain%d.example", d)
		for i, c := range check.All() {
			a := c.About()
			status := colours[i%len(colours)]
			f := finding.Finding{Check: a.ID, Group: a.Group(), Status: status, Subject: target, Summary: "what was found of " + target,
				Why: a.Why, Fix: a.Fix, Who: a.Who, Refs: a.Refs, Evidence: []string{strings.Repeat("evidence ", 20)},
				Records: []finding.Record{finding.TXT("_dmarc."+target+".", "v=DMARC1; p=quarantine")}}
			rows = append(rows, standing.Row{Target: target, Check: a.ID, Subject: target, Status: status, Since: at, Seen: at, Runs: 3, Finding: f})
		}
	}
	return rows
}

func practicesOf(t testing.TB) (all []Practice) {
	t.Helper()
	text, err := os.ReadFile("../../docs/practices.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func pageOf(s *Site, path string) string {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Body.String()
}

// The page says no more than is known.
func TestGreenIsHonest(t *testing.T) {
	for _, tt := range []struct {
		name, verdict, sentence string
		rows                    []standing.Row
	}{
		{"nothing was looked at", "unknown", "Nothing was looked at yet", []standing.Row{}},
		{"all is green", "green", "All is green.", rowsOf(1, finding.Green, finding.Skip)},
		{"nothing applies", "unknown", "Nothing could be judged.", rowsOf(1, finding.Skip)},
		{"nothing was seen", "unknown", "Nothing could be judged.", rowsOf(1, finding.Unknown)},
		{"something was not seen", "unknown", "something could not be seen", rowsOf(1, finding.Green, finding.Unknown)},
		{"yellow", "yellow", "should be mended", rowsOf(1, finding.Green, finding.Yellow, finding.Unknown)},
		{"red", "red", "Something is red", rowsOf(1, finding.Green, finding.Yellow, finding.Red)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := closedSite(t, Options{Open: true, Client: standingOf(tt.rows, nil), Practices: practicesOf(t)})
			page := pageOf(s, "/green")
			if !strings.Contains(page, `<p class="verdict `+tt.verdict+`">`) || !strings.Contains(page, tt.sentence) {
				t.Errorf("the page does not say %s, %q:\n%.1500s", tt.verdict, tt.sentence, page)
			}
			if looking := strings.Contains(page, `http-equiv="refresh"`); looking != (len(tt.rows) == 0) {
				t.Errorf("the page looks again: %v", looking)
			}
		})
	}
}

// Every practice stands on the page, and none is green that nobody looked at.
func TestEveryPracticeStands(t *testing.T) {
	practices := practicesOf(t)
	page := pageOf(closedSite(t, Options{Open: true, Client: standingOf(rowsOf(1, finding.Green), nil), Practices: practices}), "/green")
	for _, p := range practices {
		if !strings.Contains(page, strings.ReplaceAll(strings.ReplaceAll(p.Practice, "'", "&#39;"), "+", "&#43;")) {
			t.Errorf("%s %s is missing", p.Row, p.Practice)
		}
	}
	few := rowsOf(1, finding.Green)[:1]
	green := 0
	for _, p := range judgePractices(practices, check.All(), few) {
		if p.Status != finding.Green {
			continue
		}
		if green++; len(p.Rows) == 0 {
			t.Errorf("%s is green, and nobody looked", p.Practice.Practice)
		}
	}
	if green == 0 {
		t.Error("no practice is green")
	}
}

// However much there is to say, a page stays small, says what it left out, and what is
// red comes first.
func TestPagesStaySmall(t *testing.T) {
	rows := rowsOf(20, finding.Yellow, finding.Red, finding.Unknown)
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var changes []standing.Change
	for i := range 100 {
		changes = append(changes, standing.Change{Time: at.Add(-time.Duration(i) * time.Hour), Kind: standing.Turned, Target: "domain0.example",
			Subject: "domain0.example", Check: "spf.record", From: finding.Green, To: finding.Red, Finding: rows[0].Finding})
	}
	s := closedSite(t, Options{Open: true, Client: standingOf(rows, changes), Practices: practicesOf(t)})
	for _, path := range []string{"/green", "/green?target=domain7.example", "/green/spf.record", "/static/allgreen.css", "/static/allgreen.js"} {
		page := pageOf(s, path)
		if len(page) > 150_000 {
			t.Errorf("%s has %d octets", path, len(page))
		}
		if path == "/green" && !strings.Contains(page, "more: choose one domain") {
			t.Error("the page does not say that something was left out")
		}
	}
	page := pageOf(s, "/green")
	if red, yellow := strings.Index(page, `class="group" open>
<summary><span class="tag red"`), strings.Index(page, `class="group" open>
<summary><span class="tag yellow"`); red < 0 || yellow >= 0 && yellow < red {
		t.Errorf("red stands at %d, yellow at %d", red, yellow)
	}
	if n := len(pageOf(s, "/static/allgreen.js")); n > 6*1024 {
		t.Errorf("the script has %d octets", n)
	}
}

// Strangers' words do nothing on the page.
func TestStrangersWordsStayText(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>` + "\x1b[2J\u202e"
	row := standing.Row{Target: "example.com", Check: "spf.record", Subject: evil, Status: finding.Red, Unseen: evil, Blind: time.Unix(1, 0),
		Finding: finding.Finding{Check: "spf.record", Summary: evil, Evidence: []string{evil}, Fix: evil, Why: evil, Subject: evil,
			Records: []finding.Record{{Name: evil, Type: "TXT", Value: evil}}, Refs: []string{evil}, Affects: []string{evil}}}
	change := standing.Change{Kind: standing.Turned, Target: "example.com", Subject: evil, Check: "spf.record", To: finding.Red, Finding: row.Finding}
	s := closedSite(t, Options{Open: true, Client: standingOf([]standing.Row{row}, []standing.Change{change}), Practices: practicesOf(t)})
	for _, path := range []string{"/green", "/green/spf.record", "/green?target=%3Cscript%3Ealert(1)", "/check?target=%3Cscript%3Ealert(1)"} {
		page := pageOf(s, path)
		for _, bad := range []string{"<script>", "<img src=x", "\x1b", "\u202e"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
	}
}

// The line of colours is what the changes say.
func TestSpans(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	from := now.Add(-30 * 24 * time.Hour)
	day := func(n int) time.Time { return from.Add(time.Duration(n) * 24 * time.Hour) }
	turn := func(n int, was, is finding.Status) standing.Change {
		return standing.Change{Time: day(n), Kind: standing.Turned, Target: "t", Subject: "s", From: was, To: is}
	}
	row := func(status finding.Status, since int) standing.Row {
		return standing.Row{Target: "t", Subject: "s", Status: status, Since: day(since)}
	}
	for _, tt := range []struct {
		name    string
		row     standing.Row
		changes []standing.Change // the newest first
		want    string
	}{
		{"never changed", row(finding.Green, 10), nil, "green 240+480"},
		{"for long", row(finding.Green, -10), nil, "green 0+720"},
		{"never seen", standing.Row{Target: "t", Subject: "s"}, nil, ""},
		{"turned red", row(finding.Red, 20), []standing.Change{turn(21, finding.Green, finding.Red)}, "green 0+480, red 480+240"},
		{"and back", row(finding.Green, 25), []standing.Change{turn(25, finding.Red, finding.Green), turn(20, finding.Green, finding.Red)},
			"green 0+480, red 480+120, green 600+120"},
		{"red from the start", row(finding.Red, 15), []standing.Change{turn(15, finding.Unknown, finding.Red)}, "red 360+360"},
		{"of somebody else", row(finding.Green, 10), []standing.Change{{Time: day(20), Kind: standing.Turned, Target: "u", Subject: "s", From: finding.Red, To: finding.Green}}, "green 240+480"},
		{"blind is no colour", row(finding.Green, 10), []standing.Change{{Time: day(20), Kind: standing.Blind, Target: "t", Subject: "s", From: finding.Green}}, "green 240+480"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range spansOf(tt.row, tt.changes, from, now) {
				got = append(got, fmt.Sprintf("%s %d+%d", s.Status, s.X, s.Width))
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("%q, want %q", strings.Join(got, ", "), tt.want)
			}
		})
	}
}

// BenchmarkGreen is the first page of a server with ten domains: it is to take less than
// a tenth of a second.
func BenchmarkGreen(b *testing.B) {
	var all []finding.Finding
	rows := rowsOf(10, finding.Green, finding.Green, finding.Green, finding.Skip)
	rows[0].Finding.Status, rows[1].Finding.Status = finding.Red, finding.Yellow
	c := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	st := storetest.OpenWith(b, store.Options{Dir: b.TempDir(), Clock: func() time.Time { return c }, Schemas: []store.Schema{standing.Schema}})
	for i, row := range rows {
		all = append(all, row.Finding)
		if i+1 < len(rows) && rows[i+1].Target == row.Target {
			continue
		}
		if err := st.Write(b.Context(), func(tx *store.Tx) error {
			_, err := standing.Record(tx, standing.Run{Target: row.Target, Findings: all, Confirm: 1})
			return err
		}); err != nil {
			b.Fatal(err)
		}
		all = nil
	}
	client := web.NewClientOf(web.Administration{Store: st, Metrics: web.NewMetrics(), Jobs: web.NewJobs()}.Handler())
	s := New(Options{World: world.None(), Open: true, Client: client, Practices: practicesOf(b)})
	defer s.Close()
	for b.Loop() {
		if len(pageOf(s, "/green")) < 10_000 {
			b.Fatal("no page")
		}
	}
}
