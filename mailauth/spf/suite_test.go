package spf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/spf"
)

// scenario is one document of a published test suite: a zone and the tests in it.
type scenario struct {
	Description string
	Tests       map[string]suiteTest
	Zonedata    map[string][]any
}

type suiteTest struct {
	Helo        string
	Host        string
	Mailfrom    string
	Result      any // one word or a list
	Explanation *string
	Receiver    string
	Strict      *int
}

// suiteFile reads a suite where its module has it; nothing of it is copied here.
func suiteFile(t *testing.T, name string) []scenario {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "blitiri.com.ar/go/spf").Output()
	if err != nil {
		t.Fatalf("the module with the published test suites is missing: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []scenario
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var s scenario
		switch err := dec.Decode(&s); {
		case errors.Is(err, io.EOF):
			return scenarios
		case err != nil:
			t.Fatal(err)
		}
		if len(s.Tests) > 0 {
			scenarios = append(scenarios, s)
		}
	}
}

// zone builds the resolver of a scenario. Type SPF stands for TXT unless the name
// has TXT of its own; TXT NONE means that it has none (the suite's preface).
func (s scenario) zone(t *testing.T) *zone {
	z := newZone()
	for owner, entries := range s.Zonedata {
		name, err := rawName(owner)
		if err != nil {
			t.Fatalf("%s: %v", owner, err)
		}
		var spfTexts []string
		hasTXT := false
		put := func(rtype, value string) {
			if err := z.add(owner, rtype, value); err != nil {
				t.Fatalf("%s %s %s: %v", owner, rtype, value, err)
			}
		}
		put("", "")
		for _, entry := range entries {
			for rtype, value := range entry.(map[string]any) {
				switch rtype {
				case "TIMEOUT", "SERVFAIL", "CNAMELOOP":
					z.broken[name] = true
				case "SPF":
					spfTexts = append(spfTexts, joined(value))
				case "TXT":
					hasTXT = true
					if value != "NONE" {
						put("TXT", joined(value))
					}
				case "MX":
					pair := value.([]any)
					put("MX", fmt.Sprint(pair[0], " ", pair[1]))
				default:
					put(rtype, fmt.Sprint(value))
				}
			}
		}
		for _, text := range spfTexts {
			if !hasTXT {
				put("TXT", text)
			}
		}
	}
	return z
}

// joined is a TXT text written as one string or as a list of strings.
func joined(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	text := ""
	for _, s := range list {
		text += fmt.Sprint(s)
	}
	return text
}

func (x suiteTest) results() []string {
	list, ok := x.Result.([]any)
	if !ok {
		return []string{fmt.Sprint(x.Result)}
	}
	var words []string
	for _, w := range list {
		words = append(words, fmt.Sprint(w))
	}
	return words
}

// request is what an SMTP server would hand over: a domain that is none leaves
// the sender without one.
func (x suiteTest) request(t *testing.T) spf.Request {
	ip, err := netip.ParseAddr(x.Host)
	if err != nil {
		t.Fatal(err)
	}
	req := spf.Request{IP: ip, HELO: x.Helo}
	if x.Receiver != "" {
		req.Receiver = mail.MustParseDomain(x.Receiver)
	}
	if x.Mailfrom == "" {
		return req
	}
	at := strings.LastIndexByte(x.Mailfrom, '@')
	req.Sender.Local = x.Mailfrom[:at]
	if d, err := mail.ParseDomain(x.Mailfrom[at+1:]); err == nil {
		req.Sender.Domain = d
	}
	return req
}

func runSuite(t *testing.T, scenarios []scenario, decided map[string]spf.Result) (ran int) {
	for _, s := range scenarios {
		z := s.zone(t)
		for name, x := range s.Tests {
			ran++
			t.Run(name, func(t *testing.T) {
				e := spf.Evaluate(t.Context(), z, x.request(t))
				want := x.results()
				if r, ok := decided[name]; ok {
					want = []string{string(r)}
				}
				if !slices.Contains(want, string(e.Result)) {
					t.Errorf("%s: got %q, want one of %q\n%s", s.Description, e.Result, want, e.Text())
				}
				if x.Explanation == nil {
					return
				}
				text := *x.Explanation
				if text == "DEFAULT" {
					text = "" // the receiver's own words
				}
				if e.Explanation != text {
					t.Errorf("explanation %q, want %q\n%s", e.Explanation, text, e.Text())
				}
			})
		}
	}
	return ran
}

// TestRFC7208Suite is the published suite, whole. Where it allows several results
// this table says which one is ours, and why.
func TestRFC7208Suite(t *testing.T) {
	ran := runSuite(t, suiteFile(t, "rfc7208-tests.yml"), map[string]spf.Result{
		"multispf1":                     spf.PermError, // 4.5: more than one record, even when identical
		"p-macro-multiple":              spf.Pass,      // 7.3: a subdomain of the domain SHOULD be used
		"invalid-domain-empty-label":    spf.Fail,      // 4.8 leaves it open: such a name does not exist
		"invalid-domain-long":           spf.Fail,      // likewise
		"invalid-domain-long-via-macro": spf.Fail,      // likewise
	})
	if want := 203; ran != want {
		t.Errorf("%d tests ran, the suite has %d", ran, want)
	}
}

func TestPySPFSuite(t *testing.T) {
	runSuite(t, suiteFile(t, "pyspf-tests.yml"), map[string]spf.Result{
		// RFC 7208 section 6: unrecognized modifiers MUST be ignored; these two
		// want default=- to mean a fail, and to be ambiguous in another mode.
		"default-modifier":       spf.Neutral,
		"default-modifier-harsh": spf.Neutral,
	})
}

// TestBlitiriSuite runs a suite whose zones are full of names of one label. In a
// record those are no domain-spec (RFC 7208 section 7.1: a-only-toplabel of the
// published suite), so each gets a second label before the tests run.
func TestBlitiriSuite(t *testing.T) {
	scenarios := suiteFile(t, "blitirispf-tests.yml")
	for i := range scenarios {
		scenarios[i].qualify()
	}
	runSuite(t, scenarios, nil)
}

var oneLabel = regexp.MustCompile(`((?:include|a|mx|exists|ptr):|redirect=)([a-z0-9-]+)( |$)`)

func qualify(name string) string {
	if name == "" || strings.Contains(name, ".") {
		return name
	}
	return name + ".test"
}

func (s *scenario) qualify() {
	zone := map[string][]any{}
	for owner, entries := range s.Zonedata {
		for _, entry := range entries {
			for rtype, value := range entry.(map[string]any) {
				switch value := value.(type) {
				case string:
					if rtype == "SPF" || rtype == "TXT" {
						entry.(map[string]any)[rtype] = oneLabel.ReplaceAllString(value, "$1$2.test$3")
					}
				case []any:
					if rtype == "MX" {
						value[1] = qualify(fmt.Sprint(value[1]))
					}
				}
			}
		}
		zone[qualify(owner)] = entries
	}
	s.Zonedata = zone
	for name, x := range s.Tests {
		if local, domain, ok := strings.Cut(x.Mailfrom, "@"); ok {
			x.Mailfrom = local + "@" + qualify(domain)
		}
		s.Tests[name] = x
	}
}
