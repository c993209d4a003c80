package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/message"
	"github.com/allgreen-mail/allgreen/report"
)

var (
	arrival = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later   = arrival.Add(5 * time.Hour)
)

const original = "From: Anna <anna@example.com>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Message-ID: <1@example.com>\r\nX-Long: " + "x\r\n\r\nbody\r\n"

func failure() report.DSN {
	return report.DSN{
		From: mail.MustParseAddress("postmaster@mx.example.com"), To: mail.MustParseAddress("anna@example.com"),
		MessageID: "dsn1@mx.example.com", Date: later, ReportingMTA: "mx.example.com", EnvelopeID: "e+1", Arrival: arrival,
		Trace: "trace1", Original: strings.NewReader(original),
		Recipients: []report.Recipient{{
			Original: "rfc822;bob@example.org", Final: mail.MustParseAddress("bob@example.org"), Action: report.Failed,
			Status: mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}, RemoteMTA: "mx.example.org",
			Diagnostic: "550 5.1.1 no such user\r\nX-Evil: yes", LastAttempt: later,
		}},
	}
}

func write(t *testing.T, d report.DSN) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	var form message.Form
	form.Write(b.Bytes())
	form.Close()
	if p := form.Problems(); len(p) > 0 {
		t.Errorf("what is written breaks the form of a message: %v", p)
	}
	return b.String()
}

func TestWriteAndRead(t *testing.T) {
	got, err := report.ReadDSN(strings.NewReader(write(t, failure())))
	if err != nil {
		t.Fatal(err)
	}
	want := failure()
	want.Original, want.Trace = nil, ""
	want.OriginalID, want.OriginalSubject = "1@example.com", "Grüße"
	want.Recipients[0].FinalText = "bob@example.org"
	want.Recipients[0].Diagnostic = "550 5.1.1 no such user X-Evil: yes"
	equal := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, equal, cmp.AllowUnexported(mail.Domain{}), cmp.Comparer(func(a, b mail.Address) bool { return a == b })); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestTextSaysWhatHappenedAndWhatToDo(t *testing.T) {
	delayed := failure()
	r := &delayed.Recipients[0]
	r.Action, r.Status, r.RetryUntil = report.Delayed, mail.EnhancedCode{Class: 4, Subject: 4, Detail: 1}, arrival.Add(120*time.Hour)
	r.Diagnostic, r.RemoteMTA = "no server answers on port 25", ""
	delivered := failure()
	delivered.Recipients[0].Action, delivered.Recipients[0].Status = report.Relayed, mail.EnhancedCode{Class: 2}
	delivered.Recipients[0].Diagnostic = "250 ok"
	for _, tt := range []struct {
		name string
		dsn  report.DSN
		want []string
	}{
		{"failed", failure(), []string{"Subject: Your message could not be delivered", "The server mx.example.org answered: 550 5.1.1 no such user",
			"What to do: That address does not exist there.", "bob@example.org", "Its header is attached.", "Auto-Submitted: auto-replied", "Trace:      trace1"}},
		{"delayed", delayed, []string{"Subject: Your message is delayed", "What happened: no server answers on port 25",
			"It will be tried until Fri, 06 Mar 2026 12:00:00 +0000", "You need not do anything", "Will-Retry-Until: Fri, 06 Mar 2026", "Diagnostic-Code: x-allgreen; no server"}},
		{"relayed", delivered, []string{"Subject: Your message was passed on", "Action: relayed", "Status: 2.0.0", "will not report whether"}},
	} {
		text := strings.ReplaceAll(write(t, tt.dsn), "=\r\n", "")
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", tt.name, want, text)
			}
		}
		if tt.name != "failed" && strings.Contains(text, "What to do") {
			t.Errorf("%s: there is advice where nothing is to be done", tt.name)
		}
	}
}

func TestReturnsWhatWasAskedFor(t *testing.T) {
	full := failure()
	full.Full = true
	if text := write(t, full); !strings.Contains(text, "Content-Type: message/rfc822\r\n") || !strings.Contains(text, "\r\n\r\nbody\r\n") {
		t.Errorf("the message is not returned:\n%s", text)
	}
	if text := write(t, failure()); strings.Contains(text, "\r\nbody\r\n") || !strings.Contains(text, "Content-Type: text/rfc822-headers\r\n") {
		t.Errorf("more or less than the header is returned:\n%s", text)
	}
	huge := failure()
	huge.Full, huge.Original = true, strings.NewReader(original+strings.Repeat("0123456789\r\n", 200_000))
	if text := write(t, huge); len(text) > 10_000 || !strings.Contains(text, "text/rfc822-headers") {
		t.Errorf("a large message is returned with %d octets", len(text))
	}
	endless := failure()
	endless.Original = strings.NewReader(strings.Repeat("X-Field: 0123456789\r\n", 200_000))
	if text := write(t, endless); len(text) > 150_000 {
		t.Errorf("an endless header is returned with %d octets", len(text))
	}
	nothing := failure()
	nothing.Original = nil
	if text := write(t, nothing); strings.Contains(text, "attached") {
		t.Errorf("nothing is returned, and the text says otherwise:\n%s", text)
	}
}

func TestRefusesToWrite(t *testing.T) {
	none := failure()
	none.Recipients = nil
	if err := none.Write(&bytes.Buffer{}); !errors.Is(err, report.ErrDSN) {
		t.Errorf("without recipients: %v", err)
	}
}

func TestInternational(t *testing.T) {
	d := failure()
	d.Recipients[0].Final = mail.MustParseAddress("jürgen@bücher.example")
	d.Recipients[0].Original = "utf-8;jürgen@bücher.example"
	d.Recipients[0].Diagnostic = "550 5.1.1 kein Empfänger"
	text := write(t, d)
	for _, want := range []string{"Content-Type: message/global-delivery-status\r\n", "Final-Recipient: utf-8; jürgen@xn--bcher-kva.example\r\n",
		"Original-Recipient: utf-8; jürgen@bücher.example\r\n", "kein Empfänger", "Content-Type: message/global-headers\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	got, err := report.ReadDSN(strings.NewReader(text))
	if err != nil || got.Recipients[0].Final != d.Recipients[0].Final {
		t.Errorf("read %+v, %v", got, err)
	}
	plain := failure()
	plain.Recipients[0].Diagnostic = "550 5.1.1 kein Empfänger"
	if text := write(t, plain); !strings.Contains(text, "Diagnostic-Code: smtp; 550 5.1.1 kein Empf?nger") {
		t.Errorf("octets over 127 in a report of ASCII:\n%s", text)
	}
}

// TestReads takes reports of others apart, spelled as the world spells them.
func TestReads(t *testing.T) {
	for _, tt := range []struct{ name, status, want string }{
		{"postfix", "Reporting-MTA: dns; mail.example.net\nX-Postfix-Queue-ID: 4F\nX-Postfix-Sender: rfc822; a@example.com\nArrival-Date: Sun,  1 Mar 2026 12:00:00 +0000 (UTC)\n\n" +
			"Final-Recipient: rfc822; b@example.org\nOriginal-Recipient: rfc822;b@example.org\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.org\n" +
			"Diagnostic-Code: smtp; 550 5.1.1 <b@example.org>:\n    Recipient address rejected\n", "b@example.org failed 5.1.1 mx.example.org 550 5.1.1 <b@example.org>: Recipient address rejected"},
		{"no blank line between", "Reporting-MTA: dns;x.example\nFinal-Recipient: RFC822;<b@example.org>\nAction: Failed (sorry)\nStatus: 5.2.2 (full)\n", "b@example.org failed 5.2.2  "},
		{"two recipients", "Reporting-MTA: dns; x\n\n\nFinal-recipient: rfc822; b@example.org\naction: delayed\nstatus: 4.4.1\n\nFinal-Recipient: rfc822; c@example.org\nAction: failed\nStatus: 5.0.0\n", "b@example.org delayed 4.4.1   c@example.org failed 5.0.0  "},
		{"odd status", "\nFinal-Recipient: rfc822; b@example.org\nAction: failed\nStatus: 5.1\n", "b@example.org failed   "},
	} {
		raw := "From: <>\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: message/delivery-status\n\n" + tt.status + "\n--b--\n"
		d, err := report.ReadDSN(strings.NewReader(raw))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, r := range d.Recipients {
			got = append(got, strings.Join([]string{r.Final.String(), string(r.Action), r.Status.String(), r.RemoteMTA, r.Diagnostic}, " "))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
	for _, raw := range []string{"", "Subject: hello\n\nFinal-Recipient: rfc822; b@example.org\n", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n--b--\n"} {
		if d, err := report.ReadDSN(strings.NewReader(raw)); !errors.Is(err, report.ErrNoDSN) {
			t.Errorf("%q is taken for a report: %+v, %v", raw, d, err)
		}
	}
}

const pythonReads = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
parts = list(m.iter_parts())
groups = [[[k, str(v)] for k, v in g.items()] for g in parts[1].get_payload()]
print(json.dumps({
  "type": m.get_content_type(), "report": m.get_param("report-type"), "auto": m["Auto-Submitted"], "types": [p.get_content_type() for p in parts],
  "text": parts[0].get_content(), "groups": groups,
  "defects": [str(d) for p in m.walk() for d in p.defects]}))
`

// TestPythonReadsOurs has the email package of Python take our report apart.
func TestPythonReadsOurs(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no python3")
		}
		t.Skip("there is no python3 to read it")
	}
	d := failure()
	d.Recipients[0].Diagnostic = "550 5.1.1 " + strings.TrimSpace(strings.Repeat("a long answer ", 30))
	second := d.Recipients[0]
	second.Final = mail.MustParseAddress(`"odd one"@example.org`)
	d.Recipients = append(d.Recipients, second)
	cmd := exec.Command("python3", "-c", pythonReads)
	cmd.Stdin = strings.NewReader(write(t, d))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got struct {
		Type, Report, Auto, Text string
		Types, Defects           []string
		Groups                   [][][2]string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	fieldOf := func(group int, name string) string {
		for _, f := range got.Groups[group] {
			if f[0] == name {
				return strings.Join(strings.Fields(f[1]), " ")
			}
		}
		return ""
	}
	if got.Type != "multipart/report" || got.Report != "delivery-status" || got.Auto != "auto-replied" || len(got.Defects) > 0 || len(got.Groups) != 3 {
		t.Fatalf("Python reads %+v", got)
	}
	for _, want := range []struct {
		group       int
		name, value string
	}{
		{0, "Reporting-MTA", "dns; mx.example.com"}, {0, "Original-Envelope-Id", "e+1"},
		{1, "Final-Recipient", "rfc822; bob@example.org"}, {1, "Action", "failed"}, {1, "Status", "5.1.1"},
		{1, "Diagnostic-Code", "smtp; " + d.Recipients[0].Diagnostic}, {2, "Final-Recipient", `rfc822; "odd one"@example.org`},
	} {
		if v := fieldOf(want.group, want.name); v != want.value {
			t.Errorf("Python reads %s of group %d as %q, want %q", want.name, want.group, v, want.value)
		}
	}
	if diff := cmp.Diff([]string{"text/plain", "message/delivery-status", "text/rfc822-headers"}, got.Types); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(got.Text, "Subject:    Grüße") {
		t.Errorf("the text as Python decodes it: %s", got.Text)
	}
}

// FuzzReadDSN: whatever comes, reading ends, and what it finds can be written again.
func FuzzReadDSN(f *testing.F) {
	var b bytes.Buffer
	failure().Write(&b)
	f.Add(b.String())
	f.Add("Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; b@example.org\nStatus: 5.1.1\nAction: failed\n")
	f.Add("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n :\n: \n\n\nOriginal-Recipient:;\n--b--")
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := report.ReadDSN(strings.NewReader(raw))
		if err != nil {
			return
		}
		if len(d.Recipients) == 0 || len(d.Recipients) > 1000 {
			t.Fatalf("%d recipients", len(d.Recipients))
		}
		d.From = mail.MustParseAddress("postmaster@mx.example.com")
		for i := range d.Recipients {
			if d.Recipients[i].Final.IsZero() {
				d.Recipients[i].Final = mail.MustParseAddress("x@example.org")
			}
		}
		var b bytes.Buffer
		if err := d.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := report.ReadDSN(&b)
		if err != nil || len(again.Recipients) != len(d.Recipients) {
			t.Fatalf("written again: %d recipients of %d, %v", len(again.Recipients), len(d.Recipients), err)
		}
		for i, r := range again.Recipients {
			if r.Final != d.Recipients[i].Final || r.Status != d.Recipients[i].Status {
				t.Fatalf("recipient %d: %+v, was %+v", i, r, d.Recipients[i])
			}
		}
	})
}
