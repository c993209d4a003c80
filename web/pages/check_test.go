package pages

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/allgreen-mail/allgreen/check"
	"github.com/allgreen-mail/allgreen/mail"
	"github.com/allgreen-mail/allgreen/world"
)

// stuck is a resolver that answers when it is let go: until then a check is under way.
type stuck struct {
	asked atomic.Int64
	free  chan struct{}
}

func (r *stuck) Lookup(ctx context.Context, name world.Name, qtype uint16) (*world.Answer, error) {
	r.asked.Add(1)
	select {
	case <-r.free:
	case <-ctx.Done():
	}
	return nil, &world.LookupError{Name: name, Type: qtype, Kind: world.ErrTemporary}
}

// nobody is a network that nobody may touch.
type nobody struct{ t *testing.T }

func (n nobody) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	n.t.Errorf("%s was dialed", address)
	return nil, errors.New("dialed")
}

func (n nobody) Listen(_ context.Context, _, address string) (net.Listener, error) {
	return nil, errors.New("listened on " + address)
}

// checkingSite is a site whose checks wait until they are let go.
func checkingSite(t *testing.T, o Options) (*Site, *stuck) {
	t.Helper()
	r := &stuck{free: make(chan struct{})}
	o.World = &world.World{Resolver: r, Network: nobody{t}}
	o.Hostname = mail.MustParseDomain("mx.example.com")
	s := New(o)
	t.Cleanup(s.Close)
	return s, r
}

// from is a request of somebody at an address.
func from(ip, method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.RemoteAddr = "mx.example.com", netip.AddrPortFrom(netip.MustParseAddr(ip), 40000).String()
	return r
}

func (s *Site) ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// ended waits for the checks of a target.
func (s *Site) ended(t *testing.T, target string) {
	t.Helper()
	for {
		one := s.audits.find(target)
		if one == nil {
			t.Fatalf("no check of %s", target)
		}
		state, changed := one.look()
		if state.Report != nil {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("the check does not end")
		}
	}
}

// What may be typed: no path into our own network, no message, no machine's way out.
func TestTargets(t *testing.T) {
	s, _ := checkingSite(t, Options{Public: true})
	for text, want := range map[string]string{
		"Example.COM": "/check/example.com", " example.com ": "/check/example.com", "anna@example.com": "/check/example.com",
		"192.0.0.8": "", "127.0.0.1": "", "10.0.0.1": "", "[::1]": "", "fe80::1": "", "169.254.169.254": "", "::ffff:10.0.0.1": "",
		"8.8.8.8": "/check/8.8.8.8", "egress": "", "-": "", "localhost": "", "a b": "", "https://example.com/": "",
	} {
		r := from("198.51.100.1", "GET", "/check")
		q := r.URL.Query()
		q.Set("target", text)
		r.URL.RawQuery = q.Encode()
		w := s.ask(r)
		if got := w.Header().Get("Location"); got != want || want == "" && w.Code != http.StatusBadRequest {
			t.Errorf("%q leads to %q (%d), want %q", text, got, w.Code, want)
		}
	}
	if w := s.ask(from("198.51.100.1", "GET", "/check/10.0.0.1")); w.Code != http.StatusBadRequest {
		t.Errorf("a private address in the path: %d", w.Code)
	}
}

// A check is shown while it runs, without a script too, and then its report, to everybody
// who asks, also as JSON.
func TestCheckRuns(t *testing.T) {
	s, world := checkingSite(t, Options{Public: true})
	w := s.ask(from("198.51.100.1", "GET", "/check/example.com"))
	page := w.Body.String()
	if w.Code != 200 || !strings.Contains(page, `content="2;url=/check/example.com"`) || !strings.Contains(page, `data-events="/check/example.com/events"`) {
		t.Fatalf("%d\n%s", w.Code, page)
	}
	if w.Header().Get("X-Robots-Tag") == "" {
		t.Error("crawlers are welcome")
	}
	events := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Handler().ServeHTTP(events, from("198.51.100.1", "GET", "/check/example.com/events"))
	}()
	close(world.free)
	s.ended(t, "example.com")
	<-done
	if got := events.Body.String(); !strings.HasSuffix(got, "event: done\ndata: /check/example.com\n\n") {
		t.Errorf("events:\n%s", got)
	}
	asked := world.asked.Load()
	page = s.ask(from("203.0.113.1", "GET", "/check/example.com")).Body.String()
	if !strings.Contains(page, `<p class="verdict unknown">`) || strings.Contains(page, "http-equiv") || world.asked.Load() != asked {
		t.Errorf("the report is not shown, or made again:\n%.2000s", page)
	}
	r := from("203.0.113.1", "GET", "/check/example.com")
	r.Header.Set("Accept", "application/json")
	if w := s.ask(r); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"target":"example.com"`) {
		t.Errorf("as JSON: %d %.200s", w.Code, w.Body)
	}
}

// Strangers have so many checks, by network, and so many at once; what is known costs
// nothing.
func TestStrangersAreBounded(t *testing.T) {
	s, world := checkingSite(t, Options{Public: true})
	for i, target := range []string{"a.example", "b.example", "c.example"} {
		if w := s.ask(from("198.51.100.1", "GET", "/check/"+target)); w.Code != 200 {
			t.Fatalf("check %d: %d", i, w.Code)
		}
	}
	w := s.ask(from("203.0.113.9", "GET", "/check/d.example"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a fourth at once: %d", w.Code)
	}
	close(world.free)
	for _, target := range []string{"a.example", "b.example", "c.example"} {
		s.ended(t, target)
	}
	var codes []int
	for _, target := range []string{"e.example", "f.example", "g.example"} {
		codes = append(codes, s.ask(from("198.51.100.200", "GET", "/check/"+target)).Code)
		if codes[len(codes)-1] == 200 {
			s.ended(t, target)
		}
	}
	if codes[0] != 200 || codes[1] != 200 || codes[2] != 429 {
		t.Errorf("the same network got %v, want two more and no third", codes)
	}
	if w := s.ask(from("198.51.100.1", "GET", "/check/a.example")); w.Code != 200 {
		t.Errorf("a report that is there: %d", w.Code)
	}
	if w := s.ask(from("203.0.113.77", "GET", "/check/h.example")); w.Code != 200 {
		t.Errorf("another network: %d", w.Code)
	}
}

// A picture on somebody's page, and a browser that fetches ahead, begin no check.
func TestOnlyVisitsBegin(t *testing.T) {
	s, world := checkingSite(t, Options{Public: true})
	for name, value := range map[string]string{"Sec-Fetch-Dest": "image", "Sec-Purpose": "prefetch"} {
		r := from("198.51.100.1", "GET", "/check/example.com")
		r.Header.Set(name, value)
		if w := s.ask(r); w.Code != http.StatusForbidden || world.asked.Load() != 0 {
			t.Errorf("%s: %s: %d, %d lookups", name, value, w.Code, world.asked.Load())
		}
	}
}

func TestAllowance(t *testing.T) {
	var s strangers
	now := time.Unix(0, 0)
	ip := func(text string) netip.Addr { return netip.MustParseAddr(text) }
	take := func(text string, n int) (got int) {
		for range n {
			if s.take(ip(text), now) {
				got++
			}
		}
		return got
	}
	if got := take("192.0.2.1", 8); got != strangerBurst {
		t.Errorf("%d at first", got)
	}
	if take("192.0.2.200", 1) != 0 || take("192.0.3.1", 1) != 1 || take("2001:db8::1", 8) != strangerBurst || take("2001:db8:0:ff::1", 1) != 0 || take("2001:db8:0:100::1", 1) != 1 {
		t.Error("networks are not what they should be")
	}
	now = now.Add(strangerPause)
	if take("192.0.2.1", 2) != 1 {
		t.Error("not one more after a pause")
	}
	now = now.Add(time.Hour)
	if take("192.0.2.1", 9) != strangerBurst {
		t.Error("an hour later there is not the full allowance, or more")
	}
	for i := range maxStrangers + 10 {
		s.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
		s.take(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), now)
	}
	if len(s.seen) > maxStrangers {
		t.Errorf("%d networks are remembered", len(s.seen))
	}
}

// A site that closes ends what is under way.
func TestCloseEndsChecks(t *testing.T) {
	s, _ := checkingSite(t, Options{Public: true})
	if w := s.ask(from("198.51.100.1", "GET", "/check/example.com")); w.Code != 200 {
		t.Fatal(w.Code)
	}
	s.Close()
	if one := s.audits.find("example.com"); one == nil || !one.isOver() {
		t.Error("the check goes on")
	}
	if _, err := s.audits.begin(check.Target{Text: "late.example"}, false); !errors.Is(err, errBusy) {
		t.Errorf("a check after the end: %v", err)
	}
}
