package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/lab"
)

// outcome is what one run of the program left behind.
type outcome struct {
	code     int
	out, err string
}

// allgreen runs the program as the shell would, its output going into a pipe.
func allgreen(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return allgreenUntil(t.Context(), t, stdin, args...)
}

func allgreenUntil(ctx context.Context, t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(stdin), &out, &err})
	for _, text := range []string{out.String(), err.String()} {
		if strings.Contains(text, "goroutine ") || strings.Contains(text, "panic:") {
			t.Errorf("allgreen %q shows its insides:\n%s", args, text)
		}
		if strings.ContainsRune(text, '\x1b') {
			t.Errorf("allgreen %q sends escape codes into a pipe", args)
		}
	}
	return outcome{code, out.String(), err.String()}
}

// inLab gives the test a lab that --lab finds.
func inLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	path := filepath.Join(t.TempDir(), "lab.json")
	if err := l.File().Write(path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ALLGREEN_LAB", path)
	return l
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// decode reads JSON documents, one per line, and nothing beside them.
func decode[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s in %.300q", err, line)
		}
		all = append(all, v)
	}
	return all
}

type object = map[string]any

// has wants these keys, and no others but the optional ones.
func has(t *testing.T, what string, o object, keys string, optional string) {
	t.Helper()
	for _, key := range strings.Fields(keys) {
		if _, ok := o[key]; !ok {
			t.Errorf("%s has no %q", what, key)
		}
	}
	known := strings.Fields(keys + " " + optional)
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, key) {
			t.Errorf("%s has a %q, which the contract does not know", what, key)
		}
	}
}

func TestCLIExitCodes(t *testing.T) {
	inLab(t)
	targets := writeFile(t, "targets", "# ours\ngreen.example\n\nno-ptr.example # known\n")
	for _, tt := range []struct {
		name string
		args string
		want int
	}{
		{"green", "check --lab green.example", 0},
		{"red", "check --lab no-ptr.example", 1},
		{"yellow", "check --lab sts-testing.example", 2},
		{"unknown", "check --lab servfail.example --only mx", 3},
		{"nothing to judge", "check --lab parked.example --only submission", 3},
		{"the worst of several", "check --lab green.example sts-testing.example no-ptr.example", 1},
		{"from a file", "check --lab --from-file " + targets, 1},
		{"a host", "check --lab mx.green.example --as host --only rdns,helo", 0},
		{"an address", "check --lab 127.10.1.10 --only rdns", 0},
		{"nonsense among the targets", "check --lab no-ptr.example --only rdns nonsense", 64},
		{"explained", "explain rdns.forward-confirmed", 0},
		{"all explained", "explain", 0},
		{"version", "version", 0},
		{"help", "--help", 0},
		{"help of a command", "check --help", 0},
		{"spf judged, whatever the result", "spf --lab --ip 192.0.2.1 --from joe@green.example", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := allgreen(t, "", strings.Fields(tt.args)...); got.code != tt.want {
				t.Errorf("exit %d, want %d\n%s%s", got.code, tt.want, got.out, got.err)
			}
		})
	}
}

// What goes wrong before anything is judged is one clear line and a hint.
func TestCLIErrors(t *testing.T) {
	broken, missing := writeFile(t, "broken.json", "{"), filepath.Join(t.TempDir(), "missing")
	message := "From: joe@green.example\r\n\r\nhello\r\n"
	for _, tt := range []struct {
		name, lab, stdin string
		args             string
		want             int
		says             string
	}{
		{"no command of ours", "", "", "chekc green.example", 64, "chekc"},
		{"unknown flag", "", "", "check --lba green.example", 64, "lba"},
		{"no target", "", "", "check", 64, "target"},
		{"nonsense", missing, "", "check --resolver 127.0.0.1:9 nonsense", 64, "nonsense"},
		{"unknown check", "", "", "check --only rdns.forward green.example", 64, "rdns.forward-confirmed"},
		{"unknown kind", "", "", "check --as planet green.example", 64, "planet"},
		{"an address that is none", "", "", "check --ip 300.1.1.1 green.example", 64, "300.1.1.1"},
		{"a sender that is none", "", "", "spf --ip 192.0.2.1 --from @@", 64, "@@"},
		{"no sender", "", "", "spf --ip 192.0.2.1", 64, "--from"},
		{"no address", "", "", "spf --from joe@green.example", 64, "--ip"},
		{"a resolver that is none", "", "", "check --resolver nowhere green.example", 64, "nowhere"},
		{"explain the unknown", "", "", "explain rdns.exist", 64, "rdns."},
		{"sign for nobody", "", message, "sign --domain -- --selector s1 --key " + broken, 64, ""},
		{"no file of targets", "", "", "check --from-file " + missing, 66, "missing"},
		{"no message", broken, "", "check - --resolver 127.0.0.1:9", 66, "no message"},
		{"nothing to verify", broken, "", "verify --resolver 127.0.0.1:9", 66, "no message"},
		{"no key", "", message, "sign --domain green.example --selector s1 --key " + missing, 66, "missing"},
		{"no private key", "", message, "sign --domain green.example --selector s1 --key " + broken, 66, ""},
		{"no lab", missing, "", "check --lab green.example", 69, "no lab"},
		{"no lab for SPF", missing, "", "spf --lab --ip 192.0.2.1 --helo x.example", 69, "no lab"},
		{"a broken lab", broken, "", "check --lab green.example", 78, "broken.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("ALLGREEN_LAB", tt.lab)
			got := allgreen(t, tt.stdin, strings.Fields(tt.args)...)
			if got.code != tt.want {
				t.Errorf("exit %d, want %d", got.code, tt.want)
			}
			lines := strings.Split(strings.TrimSuffix(got.err, "\n"), "\n")
			if len(lines) > 2 || !strings.HasPrefix(lines[0], "allgreen: ") || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") {
				t.Errorf("that is not one line and a hint:\n%s", got.err)
			}
			if !strings.Contains(got.err, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, got.err)
			}
			if got.out != "" {
				t.Errorf("the complaint is on standard output:\n%s", got.out)
			}
		})
	}
}

// document is what scripts read of check --json.
type document struct {
	Target   string         `json:"target"`
	Error    string         `json:"error"`
	Kind     string         `json:"kind"`
	Started  time.Time      `json:"started"`
	Verdict  string         `json:"verdict"`
	Counts   map[string]int `json:"counts"`
	Findings []found        `json:"findings"`
}

// found is one of its findings.
type found struct {
	Check   string `json:"check"`
	Group   string `json:"group"`
	Status  string `json:"status"`
	Summary string `json:"summary"`
	Who     string `json:"who"`
}

func TestCLICheckJSON(t *testing.T) {
	inLab(t)
	got := allgreen(t, "", "check", "--lab", "--json", "red.example")
	if got.err != "" || got.code != 1 {
		t.Errorf("exit %d, diagnostics %q", got.code, got.err)
	}
	documents := decode[object](t, got.out)
	if len(documents) != 1 {
		t.Fatalf("%d documents", len(documents))
	}
	has(t, "the document", documents[0], "target started elapsed_ms verdict counts findings kind addresses", "")
	has(t, "counts", documents[0]["counts"].(object), "green yellow red unknown skip", "")
	for _, f := range documents[0]["findings"].([]any) {
		has(t, "a finding", f.(object), "check group status code subject summary", "evidence why fix records who refs affects")
		for _, r := range listOf(f.(object)["records"]) {
			has(t, "a record", r.(object), "name type value", "")
		}
	}
	for _, a := range listOf(documents[0]["addresses"]) {
		has(t, "an address", a.(object), "ip source", "name")
	}
	if started := documents[0]["started"].(string); !strings.HasSuffix(started, "Z") {
		t.Errorf("started %s: not in UTC", started)
	}
	checkCounts(t, decode[document](t, got.out)[0])
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// checkCounts wants the counts to be those of the findings, green and skipped ones
// among them, and each red or yellow one to name who can act.
func checkCounts(t *testing.T, r document) {
	t.Helper()
	counted := map[string]int{"green": 0, "yellow": 0, "red": 0, "unknown": 0, "skip": 0}
	for _, f := range r.Findings {
		counted[f.Status]++
		if group, _, _ := strings.Cut(f.Check, "."); group != f.Group {
			t.Errorf("%s is of the group %s", f.Check, f.Group)
		}
		bad := f.Status == "red" || f.Status == "yellow"
		if bad && !slices.Contains([]string{"dns-owner", "ip-owner", "this-server", "other-side"}, f.Who) {
			t.Errorf("%s is for %q to mend", f.Check, f.Who)
		}
	}
	if !maps.Equal(counted, r.Counts) {
		t.Errorf("counts say %v, the findings %v", r.Counts, counted)
	}
	if r.Counts["green"] == 0 || r.Counts["skip"] == 0 || r.Counts["red"] == 0 {
		t.Errorf("findings are left out: %v", r.Counts)
	}
}

// Several targets are one document a line, in their order, nonsense among them.
func TestCLISeveralTargets(t *testing.T) {
	inLab(t)
	file := writeFile(t, "targets", "nsec3.example # signed otherwise\n")
	got := allgreen(t, "", "check", "--lab", "--json", "--only", "mx,rdns", "green.example", "what is this", "no-ptr.example", "--from-file", file)
	if got.code != 64 || got.err != "" {
		t.Errorf("exit %d, diagnostics %q", got.code, got.err)
	}
	verdicts := map[string]string{}
	for i, r := range decode[document](t, got.out) {
		verdicts[r.Target] = r.Verdict
		if r.Error != "" {
			has(t, "the complaint", decode[object](t, got.out)[i], "target error", "")
			verdicts[r.Target] = "error"
		}
	}
	want := map[string]string{"green.example": "green", "what is this": "error", "no-ptr.example": "red", "nsec3.example": "green"}
	if !maps.Equal(verdicts, want) {
		t.Errorf("verdicts %v, want %v", verdicts, want)
	}
}

// Into a pipe go short lines without colour, whatever the environment wants.
func TestCLITextInAPipe(t *testing.T) {
	inLab(t)
	t.Setenv("CLICOLOR_FORCE", "1")
	for _, name := range []string{"green.example", "red.example", "bad-cert.example", "spf-lookups.example"} {
		for _, verbose := range []string{"", "-v"} {
			got := allgreen(t, "", slices.DeleteFunc([]string{"check", "--lab", verbose, name}, func(s string) bool { return s == "" })...)
			if !strings.Contains(got.out, name) {
				t.Errorf("%s is not named:\n%s", name, got.out)
			}
			shortLines(t, got.out)
		}
	}
	got := allgreen(t, "", "check", "--lab", "no-ptr.example")
	for _, word := range []string{"red x", "10.4.10.127.in-addr.arpa. IN PTR mx.no-ptr.example.", "explain"} {
		if !strings.Contains(got.out, word) {
			t.Errorf("the text does not say %q:\n%s", word, got.out)
		}
	}
}

// shortLines wants lines of 80 columns at most, but for what must not be broken: a
// long word, and the owner name of a record to paste.
func shortLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		record := strings.Contains(line, " IN ") && !strings.HasPrefix(line, " ")
		if utf8.RuneCountInString(line) > 80 && strings.Contains(strings.TrimSpace(line), " ") && !record {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
}

func TestCLIReportFiles(t *testing.T) {
	inLab(t)
	dir := t.TempDir()
	page, junit := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.xml")
	got := allgreen(t, "", "check", "--lab", "--html", page, "--junit", junit, "green.example", "no-ptr.example")
	if got.code != 1 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"<!doctype html>", "green.example", "no-ptr.example", "rdns.forward-confirmed"} {
		if !strings.Contains(strings.ToLower(string(text)), word) {
			t.Errorf("the page does not say %s", word)
		}
	}
	if strings.Contains(string(text), "<script") || strings.Contains(string(text), `src="http`) {
		t.Error("the page loads something")
	}
	var suites struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Cases    []struct {
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if text, err = os.ReadFile(junit); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	if len(suites.Suites) != 2 || suites.Suites[0].Failures != 0 || suites.Suites[1].Failures == 0 || suites.Suites[0].Tests != len(suites.Suites[0].Cases) {
		t.Errorf("JUnit says %+v", suites)
	}
	if got := allgreen(t, "", "check", "--lab", "--html", filepath.Join(dir, "none", "x.html"), "--only", "mx", "green.example"); got.code != 66 {
		t.Errorf("exit %d for a file that cannot be written", got.code)
	}
}

func TestCLIExplain(t *testing.T) {
	page := allgreen(t, "", "explain", "rdns.forward-confirmed")
	for _, word := range []string{"rdns.forward-confirmed", "Why it matters", "What to do", "no-ptr (red x)", "RFC"} {
		if !strings.Contains(page.out, word) {
			t.Errorf("the page does not say %q:\n%s", word, page.out)
		}
	}
	shortLines(t, page.out)
	group, all := allgreen(t, "", "explain", "rdns"), allgreen(t, "", "explain")
	shortLines(t, all.out)
	if !strings.Contains(group.out, "rdns.forward-confirmed") || strings.Contains(group.out, "spf.") || !strings.Contains(all.out, "spf.record") {
		t.Errorf("the group is:\n%s", group.out)
	}
	near := allgreen(t, "", "explain", "rdns.forward-confirm")
	if near.code != 64 || !strings.Contains(near.err, "rdns.forward-confirmed") {
		t.Errorf("exit %d: %s", near.code, near.err)
	}
}

func TestCLISPF(t *testing.T) {
	inLab(t)
	for _, tt := range []struct{ ip, from, helo, result, mechanism, domain string }{
		{"127.10.1.10", "joe@green.example", "", "pass", "ip4:127.10.1.10", "green.example"},
		{"192.0.2.1", "<joe@green.example>", "", "fail", "-all", "green.example"},
		{"127.10.1.10", "", "mx.green.example", "pass", "a", "mx.green.example"},
		{"192.0.2.1", "joe@no-spf.example", "", "none", "", "no-spf.example"},
		{"192.0.2.1", "joe@spf-lookups.example", "", "permerror", "", "spf-lookups.example"},
	} {
		got := allgreen(t, "", "spf", "--lab", "--json", "--ip", tt.ip, "--from", tt.from, "--helo", tt.helo)
		if got.code != 0 || got.err != "" {
			t.Errorf("exit %d: %s", got.code, got.err)
		}
		var o object
		if err := json.Unmarshal([]byte(got.out), &o); err != nil {
			t.Fatalf("%s: %s", err, got.out)
		}
		for _, key := range strings.Fields("result mechanism domain explanation lookups void trace") {
			if _, ok := o[key]; !ok {
				t.Errorf("there is no %q", key)
			}
		}
		if o["result"] != tt.result || o["domain"] != tt.domain || tt.mechanism != "" && o["mechanism"] != tt.mechanism {
			t.Errorf("%+v gives %v by %v of %v", tt, o["result"], o["mechanism"], o["domain"])
		}
	}
}

// signingKey writes a key of the lab into a file.
func signingKey(t *testing.T, s lab.Selector) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, s.Name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// verdict is what scripts read of verify.
type verdict struct {
	SPF struct {
		Result string `json:"result"`
	} `json:"spf"`
	DKIM []struct {
		Result    string `json:"result"`
		Domain    string `json:"domain"`
		Selector  string `json:"selector"`
		Algorithm string `json:"algorithm"`
		Bits      int    `json:"bits"`
	} `json:"dkim"`
	DMARC struct {
		Result      string `json:"result"`
		Policy      string `json:"policy"`
		Disposition string `json:"disposition"`
	} `json:"dmarc"`
	Field string `json:"authentication_results"`
}

func TestCLISignAndVerify(t *testing.T) {
	inLab(t)
	selectors, err := lab.Selectors()
	if err != nil {
		t.Fatal(err)
	}
	message := "From: Joe <joe@green.example>\nTo: ann@elsewhere.example\nSubject: hello\n" +
		"Date: Sat, 21 Nov 2026 16:05:00 +0000\nMessage-ID: <1@green.example>\n\nHello Ann.\n"
	for _, s := range selectors {
		signed := allgreen(t, message, "sign", "--domain", "green.example", "--selector", s.Name, "--key", signingKey(t, s))
		if signed.code != 0 || signed.err != "" || !strings.HasPrefix(signed.out, "DKIM-Signature: ") {
			t.Fatalf("exit %d: %s%s", signed.code, signed.out, signed.err)
		}
		for name, tt := range map[string]struct{ text, ip, dkim, spf, dmarc, disposition string }{
			"as sent":   {signed.out, "127.10.1.10", "pass", "pass", "pass", "none"},
			"forwarded": {signed.out, "192.0.2.1", "pass", "fail", "pass", "none"},
			"changed":   {strings.Replace(signed.out, "Hello Ann", "Hello Bob", 1), "192.0.2.1", "fail", "fail", "fail", "reject"},
		} {
			got := allgreen(t, tt.text, "verify", "--lab", "--json", "--ip", tt.ip, "--helo", "mx.green.example", "--from", "joe@green.example")
			if got.code != 0 || got.err != "" {
				t.Errorf("exit %d: %s", got.code, got.err)
			}
			var v verdict
			var o object
			if err := json.Unmarshal([]byte(got.out), &v); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(got.out), &o); err != nil {
				t.Fatal(err)
			}
			has(t, "the verdict", o, "iprev spf dkim dmarc arc authentication_results", "")
			has(t, "dkim", listOf(o["dkim"])[0].(object), "result domain selector algorithm bits reason",
				"identity canonicalization testing unsigned_octets")
			if len(v.DKIM) != 1 || v.DKIM[0].Result != tt.dkim || v.SPF.Result != tt.spf || v.DMARC.Result != tt.dmarc ||
				v.DMARC.Disposition != tt.disposition || v.DMARC.Policy != "reject" || v.DKIM[0].Selector != s.Name {
				t.Errorf("%s, %s: %+v", s.Name, name, v)
			}
			if !strings.Contains(v.Field, "dkim="+tt.dkim) || !strings.Contains(v.Field, "dmarc="+tt.dmarc) {
				t.Errorf("the field says %q", v.Field)
			}
		}
	}
}

// --now judges as of another time: a signature from the future, a key of the past.
func TestCLIVerifyAtAnotherTime(t *testing.T) {
	inLab(t)
	const message = "From: joe@green.example\r\n\r\nhello\r\n"
	got := allgreen(t, message, "verify", "--lab", "--now", "1", "--ip", "127.10.1.10", "--from", "joe@green.example")
	if got.code != 0 || !strings.Contains(got.out, "temperror") {
		t.Errorf("in 1970 no DNSSEC signature holds; exit %d:\n%s", got.code, got.out)
	}
}

func TestCLIEgress(t *testing.T) {
	inLab(t)
	got := allgreen(t, "", "check", "--lab", "--json", "egress")
	r := decode[document](t, got.out)[0]
	if got.code != 2 || r.Kind != "egress" || r.Verdict != "yellow" || r.Findings[0].Check != "egress.port25" {
		t.Errorf("exit %d, %+v", got.code, r)
	}
}

func TestCLIMessage(t *testing.T) {
	inLab(t)
	got := allgreen(t, "From: joe@green.example\r\n\r\nhello\r\n", "check", "--lab", "--json", "-", "--ip", "192.0.2.1", "--from", "joe@green.example")
	r := decode[document](t, got.out)[0]
	if got.code != 1 || r.Kind != "message" || r.Target != "-" || r.Verdict != "red" {
		t.Errorf("exit %d, %s %s: %s", got.code, r.Kind, r.Verdict, got.err)
	}
}

func TestCLILabOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "lab.json")
	t.Setenv("ALLGREEN_LAB", path)
	text := allgreen(t, "", "lab", "--once")
	if text.code != 0 || !strings.Contains(text.out, "green.example is all green") {
		t.Errorf("exit %d:\n%s%s", text.code, text.out, text.err)
	}
	shortLines(t, text.out)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the lab left its world behind: %v", err)
	}
	tour := allgreen(t, "", "lab", "--once", "--json")
	var o object
	if err := json.Unmarshal([]byte(tour.out), &o); err != nil || tour.code != 0 {
		t.Fatalf("exit %d, %v: %s", tour.code, err, tour.out)
	}
	if o["holds"] != true || len(listOf(o["steps"])) < 2 {
		t.Errorf("the tour is %v", o)
	}
}

// interrupter ends a run once it has printed something.
type interrupter struct {
	bytes.Buffer
	stop context.CancelFunc
}

func (w *interrupter) Write(text []byte) (int, error) {
	defer w.stop()
	return w.Buffer.Write(text)
}

// --watch goes on until somebody stops it, and then exits with the last verdict.
func TestCLIWatchUntilInterrupted(t *testing.T) {
	inLab(t)
	ctx, stop := context.WithCancel(t.Context())
	out := &interrupter{stop: stop}
	code := run(ctx, []string{"check", "--lab", "--json", "--watch", "1h", "--only", "rdns", "no-ptr.example"}, streams{strings.NewReader(""), out, out})
	if r := decode[document](t, out.String()); code != 1 || len(r) != 1 || r[0].Verdict != "red" {
		t.Errorf("exit %d: %s", code, out)
	}
}
