package authres_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/allgreen-mail/allgreen/mailauth/authres"
)

// reader is python3-authres reading a list of fields.
const reader = `
import authres, json, sys
out = []
for field in json.load(sys.stdin):
    try:
        h = authres.AuthenticationResultsHeader.parse("Authentication-Results: " + field)
        out.append({"id": h.authserv_id, "results": [{"method": r.method, "value": r.result, "reason": r.reason or "",
            "properties": [[p.type, p.name, p.value] for p in r.properties]} for r in h.results if r.method != "none"]})
    except Exception as e:
        out.append({"error": repr(e)})
json.dump(out, sys.stdout)
`

// reading is what either side understood.
type reading struct {
	ID      string `json:"id"`
	Results []struct {
		Method     string      `json:"method"`
		Value      string      `json:"value"`
		Reason     string      `json:"reason"`
		Properties [][3]string `json:"properties"`
	} `json:"results"`
	Error string `json:"error"`
}

func readingOf(f authres.Field) reading {
	r := reading{ID: f.ID}
	for _, result := range f.Results {
		r.Results = append(r.Results, struct {
			Method     string      `json:"method"`
			Value      string      `json:"value"`
			Reason     string      `json:"reason"`
			Properties [][3]string `json:"properties"`
		}{result.Method, result.Value, result.Reason, nil})
		last := &r.Results[len(r.Results)-1]
		for _, p := range result.Properties {
			last.Properties = append(last.Properties, [3]string{p.Type, p.Name, p.Value})
		}
	}
	return r
}

// python is an interpreter that has authres: Debian's, not the first in PATH.
func python(t *testing.T) string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import authres").Run() == nil {
			return name
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("python3-authres is not installed")
	}
	t.Skip("python3-authres is not installed")
	return ""
}

func ask(t *testing.T, fields []string) []reading {
	t.Helper()
	in, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python(t), "-c", reader)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var readings []reading
	if err := json.Unmarshal(out, &readings); err != nil || len(readings) != len(fields) {
		t.Fatalf("%d readings of %d fields, %v", len(readings), len(fields), err)
	}
	return readings
}

// What we write, another implementation reads as it was meant.
func TestAuthresReadsWhatWeWrite(t *testing.T) {
	random := rand.New(rand.NewPCG(8601, 1))
	var fields []authres.Field
	var texts []string
	for range 400 {
		f := someField(random)
		fields = append(fields, f)
		texts = append(texts, f.String(), strings.TrimPrefix(f.Folded(), authres.Name+":"))
	}
	for i, got := range ask(t, texts) {
		if d := cmp.Diff(readingOf(fields[i/2]), got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%q\n%s", texts[i], d)
		}
	}
}

// What stands in RFC 8601 and in the wild, both read alike.
func TestWeReadWhatAuthresReads(t *testing.T) {
	texts := []string{
		"example.org 1; none",
		"example.com; spf=pass smtp.mailfrom=example.net",
		"example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net",
		"example.com; dkim=pass (good signature) header.d=example.com",
		"example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net; dkim=fail reason=\"bad signature\" header.i=@newyork.example.com",
		"mx.google.com; dkim=pass header.i=@example.com header.s=sel header.b=abcd1234; spf=pass (google.com: domain of a@example.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.com; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=example.com",
		"mx.example.com; iprev=pass policy.iprev=192.0.2.1 (mail.example.net)",
	}
	for i, want := range ask(t, texts) {
		f, err := authres.Parse(texts[i])
		if d := cmp.Diff(want, readingOf(f), cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%q: %v\n%s", texts[i], err, d)
		}
	}
}

// someField makes a field out of words that are easy and hard to write. The other
// side has two faults that it steers around: authres 1.2.0 leaves the backslashes of
// a quoted string in place, and loses a quoted property that another one follows.
func someField(random *rand.Rand) authres.Field {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	plain := func() string { return pick("example.net", "a@example.net", "@example.net", "192.0.2.1") }
	quoted := func() string {
		return pick("two words", "semi; colon", "(paren", "paren)", "=", "x=y", "/", "2001:db8::1", "ab/c+d==")
	}
	f := authres.Field{ID: "mx.example.com"}
	for range 1 + random.IntN(4) {
		r := authres.Result{Method: pick("spf", "dkim", "dmarc", "x-custom"), Value: pick("pass", "fail", "none", "temperror")}
		if random.IntN(2) == 0 {
			r.Reason = pick(plain(), quoted())
		}
		if random.IntN(2) == 0 {
			r.Comment = fmt.Sprint(quoted(), " ", pick(plain(), `a "quote"`, `back\slash`))
		}
		for range random.IntN(4) {
			r.Properties = append(r.Properties, prop(pick("smtp", "header", "policy"), pick("mailfrom", "d", "i", "helo"), plain()))
		}
		if random.IntN(2) == 0 {
			r.Properties = append(r.Properties, prop("policy", "x", quoted()))
		}
		f.Results = append(f.Results, r)
	}
	return f
}
