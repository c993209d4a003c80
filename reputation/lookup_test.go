package reputation

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// TestAnswerRules: every way a list can answer, and what may be believed of it.
func TestAnswerRules(t *testing.T) {
	const zen, cop, rats = "zen.spamhaus.org.", "bl.spamcop.net.", "all.spamrats.com."
	point := func(zone string) string { return "2.0.0.127." + zone }
	tests := []struct {
		name, list string
		a          map[string]string
		result     Result
		why        Reason
		cause      string
		means      string
	}{
		{"clean", "spamcop", map[string]string{point(cop): "127.0.0.2"}, Clean, "", "", ""},
		{"listed", "spamcop", map[string]string{point(cop): "127.0.0.2", ownLabels + cop: "127.0.0.2"}, Listed, "", "", "reported by people"},
		{"several codes", "spamhaus-zen", map[string]string{point(zen): "127.0.0.2", ownLabels + zen: "127.0.0.4 127.0.0.11"}, Listed, "", "", "XBL"},
		{"no data is clean", "spamcop", map[string]string{point(cop): "127.0.0.2", ownLabels + cop: "empty"}, Clean, "", "", ""},
		{"refused, public resolver", "spamhaus-zen", map[string]string{"*." + zen: "127.255.255.254"}, Unknown, Refused, "resolver", ""},
		{"refused, typo", "spamhaus-zen", map[string]string{"*." + zen: "127.255.255.252"}, Unknown, Refused, "typo", ""},
		{"refused, volume", "spamhaus-zen", map[string]string{"*." + zen: "127.255.255.255"}, Unknown, Refused, "volume", ""},
		{"refusal beside a listing", "spamhaus-zen", map[string]string{point(zen): "127.0.0.2", ownLabels + zen: "127.0.0.2 127.255.255.254"}, Unknown, Refused, "resolver", ""},
		{"refusal nobody documented", "spamcop", map[string]string{ownLabels + cop: "127.255.255.7"}, Unknown, Refused, "resolver", ""},
		{"127.0.0.1", "spamcop", map[string]string{ownLabels + cop: "127.0.0.1"}, Unknown, Refused, "intercepted", ""},
		{"undocumented code", "spamcop", map[string]string{point(cop): "127.0.0.2", ownLabels + cop: "127.0.0.77"}, Unknown, Undocumented, "operator", ""},
		{"undocumented beside a documented code", "spamcop", map[string]string{point(cop): "127.0.0.2", ownLabels + cop: "127.0.0.2 127.0.0.77"}, Listed, "", "", "reported"},
		{"parked domain", "spamcop", map[string]string{"*." + cop: "203.0.113.9"}, Unknown, Rewritten, "intercepted", ""},
		{"parked with a code mixed in", "spamcop", map[string]string{ownLabels + cop: "127.0.0.2 203.0.113.9"}, Unknown, Rewritten, "intercepted", ""},
		{"time-out", "spamcop", map[string]string{ownLabels + cop: "timeout"}, Unknown, NoAnswer, "network", ""},
		{"bogus", "spamcop", map[string]string{ownLabels + cop: "bogus"}, Unknown, NoAnswer, "network", ""},
		{"dead: clean means nothing", "spamcop", nil, Unknown, Dead, "operator", ""},
		{"silent towards the unregistered", "barracuda", nil, Unknown, Dead, "registration", ""},
		{"lost its point, still lists", "spamcop", map[string]string{ownLabels + cop: "127.0.0.2"}, Listed, "", "", "reported"},
		{"lists the world", "spamcop", map[string]string{"*." + cop: "127.0.0.2"}, Unknown, ListsAll, "operator", ""},
		{"control times out, clean", "spamcop", map[string]string{point(cop): "timeout"}, Unknown, NoControl, "network", ""},
		{"control times out, listed", "spamcop", map[string]string{"1.0.0.127." + cop: "timeout", ownLabels + cop: "127.0.0.2"}, Unknown, NoControl, "network", ""},
		{"control refused", "spamhaus-zen", map[string]string{"1.0.0.127." + zen: "127.255.255.254"}, Unknown, Refused, "resolver", ""},
		{"key needed", "abusix", nil, Unknown, NeedsKey, "key", ""},
		{"policy", "spamrats", map[string]string{point(rats): "127.0.0.36", ownLabels + rats: "127.0.0.36"}, Listed, "", "", "RATS-Dyna"},
		{"praise on 127.0.0.1", "hostkarma", map[string]string{point("hostkarma.junkemailfilter.com."): "127.0.0.2", ownLabels + "hostkarma.junkemailfilter.com.": "127.0.0.1"}, Clean, "", "", "white"},
		{"a grade is no listing", "mailspike-rep", map[string]string{point("rep.mailspike.net."): "127.0.0.10", ownLabels + "rep.mailspike.net.": "127.0.0.14"}, Clean, "", "", "neutral"},
		{"allowed", "dnswl", map[string]string{point("list.dnswl.org."): "127.0.10.0", ownLabels + "list.dnswl.org.": "127.0.5.2"}, Listed, "", "", "medium trust"},
		{"trusts everybody who asks too much", "dnswl", map[string]string{"*.list.dnswl.org.": "127.0.10.3"}, Unknown, Refused, "volume", ""},
		{"score", "senderscore", map[string]string{"score.senderscore.com.": "empty", ownLabels + "score.senderscore.com.": "127.0.4.97"}, Clean, "", "", "a score"},
		{"bits", "senderscore-bl", map[string]string{point("bl.score.senderscore.com."): "127.0.0.2", ownLabels + "bl.score.senderscore.com.": "127.0.0.18"}, Listed, "", "", "without authentication"},
		{"bits nobody explained", "senderscore-bl", map[string]string{point("bl.score.senderscore.com."): "127.0.0.2", ownLabels + "bl.score.senderscore.com.": "127.0.0.34"}, Unknown, Undocumented, "operator", ""},
		{"zone of a list without points is gone", "senderscore", nil, Unknown, Dead, "operator", ""},
		{"only on the web", "invaluement", nil, Unknown, NoSuchQuery, "question", ""},
		{"domains only", "surbl", nil, Unknown, NoSuchQuery, "question", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDirectory(Options{})
			a := d.LookupIP(t.Context(), &lists{a: tt.a}, mustList(t, d, tt.list), own)
			if a.Result != tt.result || a.Why != tt.why || a.Cause != tt.cause {
				t.Fatalf("got %s %s %s (%s), want %s %s %s", a.Result, a.Why, a.Cause, a.Detail, tt.result, tt.why, tt.cause)
			}
			if tt.means != "" && (len(a.Codes) == 0 || !strings.Contains(a.Codes[0].Means, tt.means)) {
				t.Errorf("codes %+v, want %q", a.Codes, tt.means)
			}
			if a.Result == Unknown && (a.Cure == "" || a.Detail == "") {
				t.Errorf("no cure or no detail: %+v", a)
			}
		})
	}
}

func TestLookupDomain(t *testing.T) {
	d := NewDirectory(Options{})
	r := &lists{a: map[string]string{
		"test.surbl.org.multi.surbl.org.":   "127.0.0.254",
		"spam.example.multi.surbl.org.":     "127.0.0.72",
		"clicks.example.multi.surbl.org.":   "127.0.0.32",
		"odd.example.multi.surbl.org.":      "127.0.0.2",
		"refused.example.multi.surbl.org.":  "127.0.0.1",
		"dbltest.com.dbl.spamhaus.org.":     "127.0.1.2",
		"192.example.dbl.spamhaus.org.":     "127.0.1.255",
		"abused.example.dbl.spamhaus.org.":  "127.0.1.104",
		"test.uribl.com.multi.uribl.com.":   "127.0.0.14",
		"blocked.example.multi.uribl.com.":  "127.0.0.255",
		"grey.example.multi.uribl.com.":     "127.0.0.4",
		"example.com.multi.uribl.com.":      "empty",
		"redgrey.example.multi.uribl.com.":  "127.0.0.12",
		"unlisted.example.multi.uribl.com.": "empty",
	}}
	for _, tt := range []struct {
		list, name string
		result     Result
		why        Reason
		codes      int
	}{
		{"surbl", "spam.example", Listed, "", 2},
		{"surbl", "clicks.example", Clean, "", 1},
		{"surbl", "odd.example", Unknown, Undocumented, 0},
		{"surbl", "refused.example", Unknown, Refused, 0},
		{"surbl", "other.example", Clean, "", 0},
		{"spamhaus-dbl", "abused.example", Listed, "", 1},
		{"spamhaus-dbl", "192.example", Unknown, Refused, 0},
		{"uribl", "blocked.example", Unknown, Refused, 0},
		{"uribl", "grey.example", Clean, "", 1},
		{"uribl", "redgrey.example", Listed, "", 2},
		{"uribl", strings.Repeat("long.", 48) + "example", Unknown, NoSuchQuery, 0},
		{"spamcop", "spam.example", Unknown, NoSuchQuery, 0},
	} {
		a := d.LookupDomain(t.Context(), r, mustList(t, d, tt.list), mail.MustParseDomain(tt.name))
		if a.Result != tt.result || a.Why != tt.why || len(a.Codes) != tt.codes {
			t.Errorf("%s on %s: %s %s %v (%s)", tt.name, tt.list, a.Result, a.Why, a.Codes, a.Detail)
		}
	}
}

func TestLookupEmail(t *testing.T) {
	d := NewDirectory(Options{})
	r := &lists{a: map[string]string{
		"ebl.msbl.org.": "empty",
		// The digest of "user@example.com".
		"63a710569261a24b3766275b7000ce8d7b32e2f7.ebl.msbl.org.": "127.0.0.2",
	}}
	l := mustList(t, d, "msbl-ebl")
	for address, want := range map[string]Result{"User@Example.com": Listed, "other@example.com": Clean} {
		if a := d.LookupEmail(t.Context(), r, l, mail.MustParseAddress(address)); a.Result != want {
			t.Errorf("%s: %s (%s)", address, a.Result, a.Detail)
		}
	}
	if r.count("user") > 0 {
		t.Error("the address itself was sent")
	}
}

func TestTextIsAskedOnlyWhenListed(t *testing.T) {
	d := NewDirectory(Options{})
	r := &lists{
		a:   map[string]string{"2.0.0.127.bl.spamcop.net.": "127.0.0.2", ownLabels + "bl.spamcop.net.": "127.0.0.2"},
		txt: map[string]string{ownLabels + "bl.spamcop.net.": "Blocked, see\x1b[31m here " + strings.Repeat("x", 500)},
	}
	l := mustList(t, d, "spamcop")
	a := d.LookupIP(t.Context(), r, l, own)
	if len(a.Text) != 1 || !strings.HasPrefix(a.Text[0], "Blocked, see [31m here") || len(a.Text[0]) > maxText {
		t.Errorf("text %q", a.Text)
	}
	d.LookupIP(t.Context(), r, l, netip.MustParseAddr("192.0.2.98"))
	if n := r.count(" TXT"); n != 1 {
		t.Errorf("%d texts were asked", n)
	}
}

// TestKeysStaySecret: a key changes the zone and never shows in evidence.
func TestKeysStaySecret(t *testing.T) {
	const key = "SecretKey123"
	zone := strings.ToLower(key) + ".zen.dq.spamhaus.net."
	d := NewDirectory(Options{Keys: map[string]string{"spamhaus-dqs": key, "abusix": "not a key"}})
	for _, a := range []map[string]string{
		{"2.0.0.127." + zone: "127.0.0.2", ownLabels + zone: "127.0.0.2"},
		{ownLabels + zone: "timeout"},
		{},
		{"*." + zone: "127.0.0.2"},
		{"*." + zone: "127.255.255.252"},
	} {
		got := NewDirectory(Options{Keys: map[string]string{"spamhaus-zen": key}}).LookupIP(t.Context(), &lists{a: a}, mustList(t, d, "spamhaus-zen"), own)
		if !got.Keyed || len(got.Raw) == 0 {
			t.Errorf("no key was used: %+v", got)
		}
		for _, s := range append(append(got.Raw, got.Text...), got.Detail, got.Cure) {
			if strings.Contains(strings.ToLower(s), strings.ToLower(key)) {
				t.Errorf("the key shows: %s", s)
			}
		}
	}
	if zone, k := d.zoneOf(mustList(t, d, "spamhaus-dbl"), false); k == "" || !strings.HasSuffix(zone, ".dbl.dq.spamhaus.net") {
		t.Errorf("the shared key is not used: %s", zone)
	}
	if _, k := d.zoneOf(mustList(t, d, "abusix"), false); k != "" {
		t.Error("a key with spaces is used")
	}
}

func TestCheckIP(t *testing.T) {
	d := NewDirectory(Options{})
	r := &lists{a: map[string]string{
		"2.0.0.127.zen.spamhaus.org.": "127.0.0.2", ownLabels + "zen.spamhaus.org.": "127.0.0.10",
		"2.0.0.127.psbl.surriel.com.": "127.0.0.2", ownLabels + "psbl.surriel.com.": "127.0.0.2",
		"2.0.0.127.list.dnswl.org.": "127.0.10.0", ownLabels + "list.dnswl.org.": "127.0.5.3",
	}}
	answers := d.CheckIP(t.Context(), r, own)
	if answers[0].List.ID != "spamhaus-zen" || !answers[0].IsPolicy() || answers[0].Weight() != Critical {
		t.Errorf("first %+v", answers[0])
	}
	if got := Score(answers); got != Critical.Points()+Medium.Points() {
		t.Errorf("score %d", got)
	}
	for _, a := range answers {
		if !a.List.Asks(OfIP) || a.List.Access == WebOnly {
			t.Errorf("%s was asked", a.List.ID)
		}
	}
	for _, a := range d.CheckIP(t.Context(), r, netip.MustParseAddr("2001:db8::1")) {
		if !a.List.IPv6 && a.List.Zone6 == "" {
			t.Errorf("%s was asked about IPv6", a.List.ID)
		}
	}
	for _, a := range d.CheckDomain(t.Context(), r, mail.MustParseDomain("example.org")) {
		if !a.List.Asks(OfDomain) {
			t.Errorf("%s was asked about a domain", a.List.ID)
		}
	}
}

// TestIPv6 asks a list whose IPv6 has a zone and control points of its own.
func TestIPv6(t *testing.T) {
	const zone = "bl.ipv6.spameatingmonkey.net."
	ip := netip.MustParseAddr("2001:db8::99")
	labels := "9.9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	control := "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	d := NewDirectory(Options{})
	r := &lists{a: map[string]string{labels + zone: "127.0.0.2", control + zone: "127.0.0.2"}}
	if a := d.LookupIP(t.Context(), r, mustList(t, d, "sem-black"), ip); a.Result != Listed {
		t.Errorf("got %+v", a)
	}
	r = &lists{a: map[string]string{control + zone: "127.0.0.2"}}
	d = NewDirectory(Options{})
	if a := d.LookupIP(t.Context(), r, mustList(t, d, "sem-black"), ip); a.Result != Clean {
		t.Errorf("got %+v, asked %v", a, r.asked)
	}
	if a := d.LookupIP(t.Context(), r, mustList(t, d, "spamcop"), ip); a.Why != NoSuchQuery {
		t.Errorf("got %+v", a)
	}
}

// TestControlIsAskedSeldom: once in a run however many ask, once a day over runs,
// sooner when the list was out of order.
func TestControlIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := new(MapMemory)
		run := func(r *lists) int {
			d := NewDirectory(Options{Memory: memory, Now: time.Now})
			done := make(chan Result)
			for i := range 20 {
				go func() {
					done <- d.LookupIP(t.Context(), r, d.List("spamcop"), netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})).Result
				}()
			}
			for range 20 {
				<-done
			}
			return r.count("2.0.0.127.bl.spamcop.net.")
		}
		good := map[string]string{"2.0.0.127.bl.spamcop.net.": "127.0.0.2"}
		steps := []struct {
			wait time.Duration
			a    map[string]string
			want int
		}{
			{0, good, 1},
			{23 * time.Hour, good, 0},
			{2 * time.Hour, good, 1},
			{25 * time.Hour, nil, 1}, // it died
			{30 * time.Minute, nil, 0},
			{time.Hour, good, 1}, // and is mended
			{25 * time.Hour, map[string]string{"2.0.0.127.bl.spamcop.net.": "timeout"}, 1},
			{time.Second, good, 1}, // a time-out is not remembered
		}
		for i, step := range steps {
			time.Sleep(step.wait)
			if got := run(&lists{a: step.a}); got != step.want {
				t.Errorf("step %d: the control point was asked %d times, want %d", i, got, step.want)
			}
		}
	})
}

func TestControlObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, ok := (&controlCall{done: make(chan struct{})}).wait(ctx)
	if ok || c.State != ControlUnknown || c.doubts(true) != NoControl {
		t.Errorf("got %+v", c)
	}
}

// hasty answers nothing to those who have no time.
type hasty struct{ *lists }

func (r hasty) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return r.lists.Lookup(ctx, name, qtype)
}

// Who had no time to ask the control points does not silence the list for others.
func TestControlForgetsWhatAContextCutShort(t *testing.T) {
	d := NewDirectory(Options{Now: time.Now})
	r := hasty{&lists{a: map[string]string{"2.0.0.127.bl.spamcop.net.": "127.0.0.2"}}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c := d.Control(ctx, r, d.List("spamcop")); c.State != ControlUnknown {
		t.Errorf("nothing was asked, and it shows %+v", c)
	}
	if c := d.Control(t.Context(), r, d.List("spamcop")); c.State != ControlHolds {
		t.Errorf("the next one is told %+v", c)
	}
}

func TestZeroAnswerIsUnknown(t *testing.T) {
	var a Answer
	if a.Result != Unknown || a.Weight() != Info || a.IsPolicy() || Score([]Answer{a}) != 0 {
		t.Error("the zero answer says something")
	}
	if (Control{}).doubts(true) == "" || (Control{}).doubts(false) == "" {
		t.Error("the zero control lets answers through")
	}
}

func TestJudgeResolver(t *testing.T) {
	refusing := map[string]string{
		"*.zen.spamhaus.org.": "127.255.255.254", "*.list.dnswl.org.": "127.0.0.255", "*.bl.spamcop.net.": "127.0.0.1",
		"*.bl.mailspike.net.": "timeout",
	}
	rewriting := make(map[string]string)
	healthy := make(map[string]string)
	d := NewDirectory(Options{})
	for _, l := range d.Lists() {
		if l.Zone != "" {
			rewriting["*."+l.Zone+"."] = "203.0.113.1"
			healthy["2.0.0.127."+l.Zone+"."] = "127.0.0.2"
		}
	}
	one := map[string]string{"*.zen.spamhaus.org.": "127.255.255.254"}
	for k, v := range healthy {
		if !strings.Contains(k, "zen.") {
			one[k] = v
		}
	}
	all := map[string]string{}
	for _, l := range d.Lists() {
		all["*."+l.Zone+"."] = "timeout"
	}
	for _, tt := range []struct {
		name string
		a    map[string]string
		want Verdict
	}{{"refused", refusing, Unfit}, {"rewriting", rewriting, Mangled}, {"healthy", healthy, Fit}, {"one refuses", one, Partly}, {"silent", all, Helpless}} {
		d := NewDirectory(Options{})
		f := JudgeResolver(d.CheckIP(t.Context(), &lists{a: tt.a}, own))
		if f.Verdict != tt.want {
			t.Errorf("%s: %s %+v", tt.name, f.Verdict, f)
		}
		if (f.Verdict == Unfit || f.Verdict == Mangled) && (f.Cure == "" || len(f.Evidence) == 0) {
			t.Errorf("%s: no cure or evidence", tt.name)
		}
	}
	if f := JudgeResolver(nil); f.Verdict != NotSeen {
		t.Errorf("nothing asked: %s", f.Verdict)
	}
}
