package dmarc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
)

// judge is the npm package mailauth judging a list of cases, its DNS replaced by
// the zone of each case.
const judge = `
const { dmarc } = require(process.argv[1]);
const fail = code => { const e = new Error(code); e.code = code; throw e; };
const resolverOf = zone => {
    const rr = {}, exists = new Set(), broken = new Set();
    for (const line of zone.split('\n').filter(l => l)) {
        const [name, type] = line.split(' ', 2);
        const rest = line.slice(name.length + type.length + 2);
        for (let n = name; n; n = n.split('.').slice(1).join('.')) exists.add(n);
        if (type === 'SERVFAIL') broken.add(name); else ((rr[name] ||= {})[type] ||= []).push(rest);
    }
    return async (name, type) => {
        for (let i = 0; i < 9; i++) {
            if (broken.has(name)) fail('ESERVFAIL');
            const at = rr[name] || {};
            if (at[type]) return type === 'TXT' ? at[type].map(t => [t]) : at[type];
            if (!at.CNAME) fail(exists.has(name) ? 'ENODATA' : 'ENOTFOUND');
            name = at.CNAME[0];
        }
        fail('ESERVFAIL');
    };
};
(async () => {
    const out = [];
    for (const c of JSON.parse(require('fs').readFileSync(0))) {
        const r = await dmarc({ headerFrom: ['x@' + c.author], spfDomains: c.spf, dkimDomains: c.dkim || [], resolver: resolverOf(c.zone), strict: true });
        out.push({ result: r.status.result, policy: r.policy || '', policyDomain: r.policyDomain || '', org: r.domain,
            spf: !!r.alignment?.spf?.result, dkim: !!r.alignment?.dkim?.result });
    }
    console.log(JSON.stringify(out));
})();
`

// testCase is one message: who claims to have written it, which domains passed, and
// what the DNS holds.
type testCase struct {
	Author string   `json:"author"`
	SPF    []string `json:"spf"`
	DKIM   []string `json:"dkim"`
	Zone   string   `json:"zone"`
}

// verdict is what both sides must agree on.
type verdict struct {
	Result       string `json:"result"`
	Policy       string `json:"policy"`
	PolicyDomain string `json:"policyDomain"`
	Org          string `json:"org"`
	SPF          bool   `json:"spf"`
	DKIM         bool   `json:"dkim"`
}

// oracle is the module to require. ALLGREEN_ORACLES names a node_modules folder; make
// one with "npm install --prefix DIR mailauth@7.1.0". Versions before 7 do not know
// RFC 9989. With CI=true, a folder that was promised must hold what it promises.
func oracle(t *testing.T) (node, module string) {
	folder := os.Getenv("ALLGREEN_ORACLES")
	if folder == "" {
		t.Skip("ALLGREEN_ORACLES names no node_modules folder with mailauth 7")
	}
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node is not installed")
	}
	module = filepath.Join(folder, "mailauth")
	text, err := os.ReadFile(filepath.Join(module, "package.json"))
	if err != nil {
		missing("the npm package mailauth is not installed: %v", err)
	}
	var about struct{ Version string }
	if err := json.Unmarshal(text, &about); err != nil || len(about.Version) < 2 || about.Version[1] == '.' && about.Version[0] < '7' {
		missing("mailauth %s does not know RFC 9989", about.Version)
	}
	return node, filepath.Join(module, "lib", "dmarc")
}

func TestMailauthJudgesAlike(t *testing.T) {
	node, module := oracle(t)
	random := rand.New(rand.NewPCG(9989, 2026))
	cases := make([]testCase, 5000)
	for i := range cases {
		cases[i] = someCase(random)
	}
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "-e", judge, module)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []verdict
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(cases) {
		t.Fatalf("%d verdicts, %v", len(theirs), err)
	}
	seen := map[string]int{}
	for i, want := range theirs {
		got := verdictOf(t, cases[i])
		seen[want.Result]++
		if want.Result == "temperror" {
			want.Policy, want.PolicyDomain, want.Org = got.Policy, got.PolicyDomain, got.Org // they name none
		}
		if want.Result == "none" {
			want.PolicyDomain, want.Policy = got.PolicyDomain, got.Policy
		}
		if got.Org == "" || want.Result == "pass" && got.Policy == "" {
			want.Org, want.Policy = got.Org, got.Policy // they name the author, or assume the weaker policy
		}
		if got != want {
			t.Fatalf("case %d: %+v\n got %+v\nwant %+v", i, cases[i], got, want)
		}
	}
	for _, result := range []string{"pass", "fail", "none", "temperror"} {
		if seen[result] < 100 {
			t.Errorf("only %d of the cases end in %s: the test tests too little", seen[result], result)
		}
	}
}

// verdictOf is our own judgement. A record without a usable policy is none to the
// other side.
func verdictOf(t *testing.T, c testCase) verdict {
	z := newZone(t, c.Zone)
	by := dmarc.Evidence{SPF: identifier("pass " + c.SPF[0])}
	for _, d := range c.DKIM {
		by.DKIM = append(by.DKIM, identifier("pass "+d))
	}
	d := dmarc.Discover(context.Background(), z, mail.MustParseDomain(c.Author))
	e := dmarc.Evaluate(context.Background(), z, d, by)
	v := verdict{string(e.Result), string(e.Applied), d.PolicyDomain().String(), d.OrgDomain.String(), e.SPFAligned, e.DKIMAligned}
	if e.Result == dmarc.ResultPermError {
		v.Result = "none"
	}
	return v
}

// someCase grows a small tree in which authors, identifiers and records meet often.
func someCase(random *rand.Rand) testCase {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	name := func() string {
		n := pick("xx", "gov.xx", "e.xx", "e.gov.xx", "e.gov.xx")
		for range random.IntN(pickDepth(random)) {
			n = pick("a", "a", "b") + "." + n
		}
		return n
	}
	c := testCase{Author: name(), SPF: []string{name()}}
	for range random.IntN(3) {
		c.DKIM = append(c.DKIM, name())
	}
	var zone strings.Builder
	for range random.IntN(7) {
		at := pick(append([]string{c.Author, c.SPF[0], "xx", "gov.xx", "e.xx"}, c.DKIM...)...)
		for random.IntN(3) == 0 && strings.Contains(at, ".") {
			_, at, _ = strings.Cut(at, ".")
		}
		switch random.IntN(16) {
		case 0:
			fmt.Fprintf(&zone, "_dmarc.%s SERVFAIL\n", at)
		case 1:
			fmt.Fprintf(&zone, "%s %s\n", at, pick("SERVFAIL", "CNAME gone.yy", "CNAME there.yy\nthere.yy A 192.0.2.1"))
		case 2:
			fmt.Fprintf(&zone, "%s A 192.0.2.1\n", at)
		default:
			fmt.Fprintf(&zone, "_dmarc.%s TXT %s\n", at, someRecord(pick))
		}
	}
	c.Zone = zone.String()
	return c
}

// pickDepth makes deep names rare but present.
func pickDepth(random *rand.Rand) int {
	if random.IntN(5) == 0 {
		return 11
	}
	return 4
}

func someRecord(pick func(...string) string) string {
	return pick("v=DMARC1", "v=DMARC1", "v=DMARC1", "v = DMARC1 ", "v=DMARC1", "v=DMARC2", "v=spf1 -all", "v=dmarc1") +
		pick("; p=reject", "; p=reject", "; p=quarantine", "; p=none", ";p = REJECT", "", "; p=x", "; p=none; p=reject") +
		pick("", "", "", "; sp=none", "; sp=reject", "; sp=y") +
		pick("", "", "", "; np=reject", "; np=none", "; np=quarantine", "; np=") +
		pick("", "", "", "", "; psd=y", "; psd=n", "; psd=u", "; psd=x", "; psd=Y") +
		pick("", "", "; t=y", "; t=n", "; t=maybe") +
		pick("", "", "; adkim=s", "; aspf=s", "; aspf=S; adkim=R", "; aspf=x") +
		pick("", "", "; rua=mailto:a@e.xx", "; rua=a@e.xx", "; rua=mailto:a@e.xx!1m", "; rua=,x:y", "; unknown=1; pct=3;; foo")
}
