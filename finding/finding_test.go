package finding

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestContract reads the document that scripts rely on and writes it again: no
// key may be lost, renamed or added.
func TestContract(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	var report Report
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&report); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if json.Unmarshal(again, &got) != nil || json.Unmarshal(text, &want) != nil {
		t.Fatal("not JSON")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the contract says\n%s\nand we write\n%s", text, again)
	}
}

// TestContractOfTheLeast: what a script may index into is always there.
func TestContractOfTheLeast(t *testing.T) {
	text, err := json.Marshal(NewReport("example.com", nil))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"target":"example.com","started":"0001-01-01T00:00:00Z","elapsed_ms":0,"verdict":"unknown",` +
		`"counts":{"green":0,"yellow":0,"red":0,"unknown":0,"skip":0},"findings":[]}`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

func TestTimesAreRFC3339UTC(t *testing.T) {
	r := NewReport("example.com", nil)
	r.Started = time.Date(2026, 11, 21, 16, 5, 0, 0, time.UTC)
	text, err := json.Marshal(r)
	if err != nil || !bytes.Contains(text, []byte(`"started":"2026-11-21T16:05:00Z"`)) {
		t.Errorf("%s, %v", text, err)
	}
}

var all = []Status{Unknown, Skip, Green, Yellow, Red}

func TestStatusWords(t *testing.T) {
	if Status(0) != Unknown {
		t.Error("the zero Status is not Unknown")
	}
	for _, tt := range []struct {
		status     Status
		word, sign string
		exit       int
	}{
		{Green, "green", "ok", 0},
		{Red, "red", "x", 1},
		{Yellow, "yellow", "!", 2},
		{Unknown, "unknown", "?", 3},
		{Skip, "skip", "-", 3},
		{Status(9), "status(9)", "?", 3},
		{Status(-1), "status(-1)", "?", 3},
	} {
		s := tt.status
		if s.String() != tt.word || s.Sign() != tt.sign || s.ExitCode() != tt.exit {
			t.Errorf("%d: %s %s, exit %d; want %s %s, exit %d", int(s), s, s.Sign(), s.ExitCode(), tt.word, tt.sign, tt.exit)
		}
	}
	for _, s := range all {
		text, err := s.MarshalText()
		back := Status(99)
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%s became %s, and that %s", s, text, back)
		}
	}
	var s Status
	for _, word := range []string{"", "Green", "blue", "status(9)"} {
		if s.UnmarshalText([]byte(word)) == nil {
			t.Errorf("%q is a status", word)
		}
	}
}

func TestWorse(t *testing.T) {
	order := []Status{Skip, Green, Unknown, Yellow, Red}
	for i, a := range order {
		for j, b := range order {
			if got, want := Worse(a, b), order[max(i, j)]; got != want {
				t.Errorf("Worse(%s, %s) = %s, want %s", a, b, got, want)
			}
		}
	}
}

func TestNewReport(t *testing.T) {
	of := func(statuses ...Status) []Finding {
		var fs []Finding
		for _, s := range statuses {
			fs = append(fs, Finding{Status: s})
		}
		return fs
	}
	for _, tt := range []struct {
		found  []Status
		want   Status
		counts Counts
	}{
		{nil, Unknown, Counts{}},
		{[]Status{Skip}, Unknown, Counts{Skip: 1}},
		{[]Status{Green, Skip}, Green, Counts{Green: 1, Skip: 1}},
		{[]Status{Green, Unknown}, Unknown, Counts{Green: 1, Unknown: 1}},
		{[]Status{Unknown, Yellow, Green}, Yellow, Counts{Green: 1, Yellow: 1, Unknown: 1}},
		{[]Status{Yellow, Red, Unknown, Red}, Red, Counts{Yellow: 1, Red: 2, Unknown: 1}},
	} {
		r := NewReport("example.com", of(tt.found...))
		if r.Verdict != tt.want || r.Counts != tt.counts {
			t.Errorf("%v: %s %+v, want %s %+v", tt.found, r.Verdict, r.Counts, tt.want, tt.counts)
		}
	}
}

func TestWorstFirst(t *testing.T) {
	r := NewReport("example.com", []Finding{
		{Status: Green, Code: "1"}, {Status: Red, Code: "2"}, {Status: Skip, Code: "3"},
		{Status: Unknown, Code: "4"}, {Status: Red, Code: "5"}, {Status: Yellow, Code: "6"},
	})
	before := slices.Clone(r.Findings)
	var order string
	for _, f := range r.WorstFirst() {
		order += f.Code
	}
	if order != "256413" {
		t.Errorf("the order is %s", order)
	}
	if !reflect.DeepEqual(r.Findings, before) {
		t.Error("the report itself was sorted")
	}
}
