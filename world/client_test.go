package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// lookupA asks for an A record and tells how long it took.
func lookupA(t *testing.T, w *World, name Name) (*Answer, time.Duration, error) {
	t.Helper()
	start := time.Now()
	a, err := w.Lookup(t.Context(), name, dns.TypeA)
	return a, time.Since(start), err
}

func TestFailover(t *testing.T) {
	good := func(t *testing.T) func(string, net.Conn) {
		return answering((&records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}).reply)
	}
	tests := []struct {
		name  string
		first func(string, net.Conn)
		after time.Duration // the first question
		then  time.Duration // another one
	}{
		{"silent", answering(silent), patience, 0},
		{"nobody there", nil, 0, 0},
		{"SERVFAIL", answering(refusing(dns.RcodeServerFailure)), 0, 0},
		{"REFUSED", answering(refusing(dns.RcodeRefused)), 0, 0},
		{"no resolver", answering(referral), 0, 0},
		{"garbage", garbage, patience, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := worldOf(t, Options{}, test.first, good(t))
				a, took, err := lookupA(t, w, "a.test.")
				if err != nil || took != test.after || a.Server != second {
					t.Errorf("got %+v, %v after %s, want an answer after %s", a, err, took, test.after)
				}
				if _, took, err := lookupA(t, w, "b.test."); !errors.Is(err, ErrNoName) || took != test.then {
					t.Errorf("then %v after %s, want NXDOMAIN after %s", err, took, test.then)
				}
			})
		})
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name  string
		hosts []func(string, net.Conn)
		want  string
		took  time.Duration
	}{
		{"both fail", []func(string, net.Conn){answering(refusing(dns.RcodeServerFailure)), answering(refusing(dns.RcodeRefused))},
			"SERVFAIL from 192.0.2.1:53; REFUSED from 192.0.2.2:53", 0},
		{"nobody there", []func(string, net.Conn){nil}, "connection refused from 192.0.2.1:53", 0},
		{"silence", []func(string, net.Conn){answering(silent)}, "time-out after 9.5s", 9500 * time.Millisecond},
		{"explained", []func(string, net.Conn){answering(explained)}, "SERVFAIL (DNSSEC Bogus no luck) from 192.0.2.1:53", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := worldOf(t, Options{}, test.hosts...)
				_, took, err := lookupA(t, w, "a.test.")
				var e *LookupError
				if !errors.As(err, &e) || !errors.Is(err, ErrTemporary) || e.Detail != test.want || took != test.took {
					t.Errorf("got %v after %s, want %s after %s", err, took, test.want, test.took)
				}
				// A failure is remembered, but not for long.
				asked := w.Stats().Questions
				lookupA(t, w, "a.test.")
				if got := w.Stats().Questions; got != asked {
					t.Errorf("asked again at once: %d questions", got)
				}
				time.Sleep(failureTTL)
				lookupA(t, w, "a.test.")
				if got := w.Stats().Questions; got != asked+1 {
					t.Errorf("after %s: %d questions, want %d", failureTTL, got, asked+1)
				}
			})
		})
	}
}

func explained(_ string, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus, ExtraText: "no\x1b luck"})
	return m
}

func TestLateAndLostPackets(t *testing.T) {
	for _, test := range []struct {
		name string
		lost int
		want time.Duration
	}{{"the first is lost", 1, patience}, {"two are lost", 2, 2 * patience}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
				var mu sync.Mutex
				lost := 0
				w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
					mu.Lock()
					defer mu.Unlock()
					if lost++; lost <= test.lost {
						return nil
					}
					return r.reply(network, q)
				}))
				if _, took, err := lookupA(t, w, "a.test."); err != nil || took != test.want {
					t.Errorf("got %v after %s, want an answer after %s", err, took, test.want)
				}
			})
		})
	}
	t.Run("a slow resolver", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
			w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
				time.Sleep(4 * time.Second)
				return r.reply(network, q)
			}))
			if _, took, err := lookupA(t, w, "a.test."); err != nil || took != 4*time.Second {
				t.Errorf("got %v after %s, want an answer after 4s", err, took)
			}
		})
	})
}

// TestSlowIsNotDead: a resolver that was overtaken but answered keeps its place.
func TestSlowIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t}
		slow := answering(func(network string, q *dns.Msg) *dns.Msg {
			time.Sleep(2 * time.Second)
			return r.reply(network, q)
		})
		w, n := worldOf(t, Options{}, slow, slow)
		lookupA(t, w, "a.test.")
		lookupA(t, w, "b.test.")
		if want := []string{"udp " + first.String(), "udp " + second.String(), "udp " + first.String()}; !slices.Equal(n.dials[:3], want) {
			t.Errorf("asked %v, want %v", n.dials, want)
		}
	})
}

func TestOneLookupAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			time.Sleep(time.Second)
			return r.reply(network, q)
		}))
		impatient, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() { // the first to ask, and the first to leave
			_, err := w.Lookup(impatient, "a.test.", dns.TypeA)
			if !errors.Is(err, ErrTemporary) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			waiting.Go(func() {
				if _, err := w.Lookup(t.Context(), "a.test.", dns.TypeA); err != nil {
					t.Error(err)
				}
			})
		}
		waiting.Wait()
		if got := r.count(); got != 1 {
			t.Errorf("%d questions went out, want 1", got)
		}
	})
}

func TestGivenUpLookupIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			time.Sleep(time.Second)
			return r.reply(network, q)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := w.Lookup(ctx, "a.test.", dns.TypeA); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, _, err := lookupA(t, w, "a.test."); err != nil {
			t.Errorf("the next one got %v", err)
		}
	})
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, chase: true, rrs: []string{
			"a.test. 60 A 192.0.2.7", "zero.test. 0 A 192.0.2.7", "long.test. 4294967295 A 192.0.2.7",
			"alias.test. 30 CNAME a.test.",
		}}
		w, _ := worldOf(t, Options{}, answering(r.reply))
		for _, test := range []struct {
			name Name
			keep time.Duration
		}{
			{"a.test.", time.Minute}, {"zero.test.", minTTL}, {"long.test.", minTTL}, {"alias.test.", 30 * time.Second},
			{"none.test.", 2 * time.Minute}, // the SOA's minimum
		} {
			lookupA(t, w, test.name)
			asked := r.count()
			time.Sleep(test.keep - time.Nanosecond)
			if lookupA(t, w, test.name); r.count() != asked {
				t.Errorf("%s was asked again before %s", test.name, test.keep)
			}
			time.Sleep(time.Nanosecond)
			if lookupA(t, w, test.name); r.count() != asked+1 {
				t.Errorf("%s was not asked again after %s", test.name, test.keep)
			}
		}
	})
}

func TestAliases(t *testing.T) {
	var chain []string
	for i := range 20 {
		chain = append(chain, fmt.Sprintf("c%d.test. 60 CNAME c%d.test.", i, i+1))
	}
	rrs := append(chain, "c20.test. 60 A 192.0.2.7", "dangling.test. 60 CNAME none.test.",
		"self.test. 60 CNAME self.test.", "one.test. 60 CNAME two.test.", "two.test. 60 CNAME one.test.",
		`up.test. 60 CNAME A\066.Test.`, "ab.test. 60 A 192.0.2.8")
	tests := []struct {
		name    Name
		aliases int
		kind    error
		detail  string
	}{
		{"c10.test.", 10, nil, ""},
		{"c4.test.", 16, nil, ""},
		{"c3.test.", 17, ErrTemporary, "more than 16 CNAMEs in a row"},
		{"up.test.", 1, nil, ""},
		{"dangling.test.", 1, ErrNoName, ""},
		{"self.test.", 1, ErrTemporary, "CNAME loop: self.test to self.test"},
		{"one.test.", 2, ErrTemporary, "CNAME loop: one.test to two.test to one.test"},
	}
	for _, chase := range []bool{false, true} {
		for _, test := range tests {
			if chase && errors.Is(test.kind, ErrTemporary) {
				continue // a resolver that follows would not come back
			}
			t.Run(fmt.Sprintf("%s chased %v", test.name, chase), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, _ := worldOf(t, Options{}, answering((&records{t: t, rrs: rrs, chase: chase}).reply))
					a, _, err := lookupA(t, w, test.name)
					var e *LookupError
					switch {
					case test.kind == nil && (err != nil || len(a.Aliases) != test.aliases || a.Owner() == test.name):
						t.Errorf("got %+v, %v", a, err)
					case test.kind != nil && (!errors.As(err, &e) || e.Kind != test.kind || e.Detail != test.detail || len(e.Aliases) != test.aliases || e.Name != test.name):
						t.Errorf("got %v", err)
					}
				})
			})
		}
	}
}

func TestAliasFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{"a.test. 60 CNAME b.test."}}
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			if q.Question[0].Name == "b.test." {
				return refusing(dns.RcodeServerFailure)(network, q)
			}
			return r.reply(network, q)
		}))
		_, _, err := lookupA(t, w, "a.test.")
		if want := "a.test A: no answer (at its alias b.test: SERVFAIL from 192.0.2.1:53)"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestEDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7", "b.test. 60 A 192.0.2.7"}}
		refused := 0
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			if q.IsEdns0() != nil {
				refused++
				m := refusing(dns.RcodeFormatError)(network, q)
				m.Question = nil // as servers do that cannot read on
				return m
			}
			return r.reply(network, q)
		}))
		for _, name := range []Name{"a.test.", "b.test."} {
			if _, _, err := lookupA(t, w, name); err != nil {
				t.Error(err)
			}
		}
		if refused != 1 {
			t.Errorf("EDNS was tried %d times, want once", refused)
		}
	})
}

// One question that a resolver cannot answer must not take EDNS, and with it the
// signatures, away from all others.
func TestEDNSStays(t *testing.T) {
	for name, optional := range map[string]bool{"with OPT": true, "without OPT": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
				plain := 0
				w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
					if q.Question[0].Name == "bad.test." {
						m := refusing(dns.RcodeFormatError)(network, q)
						if optional {
							m.SetEdns0(ednsBuffer, true)
						}
						return m
					}
					if q.IsEdns0() == nil {
						plain++
					}
					return r.reply(network, q)
				}))
				if _, _, err := lookupA(t, w, "bad.test."); err == nil {
					t.Error("a refusal was an answer")
				}
				if _, _, err := lookupA(t, w, "a.test."); err != nil || plain > 0 {
					t.Errorf("asked %d times without EDNS, error %v", plain, err)
				}
			})
		})
	}
}

func TestTrusted(t *testing.T) {
	r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7", "bad.test. 60 A 192.0.2.7"}}
	validating := func(network string, q *dns.Msg) *dns.Msg {
		name := q.Question[0].Name
		if name == "bad.test." && !q.CheckingDisabled {
			return explained(network, q)
		}
		if name == "dead.test." {
			return refusing(dns.RcodeServerFailure)(network, q)
		}
		m := r.reply(network, q)
		m.AuthenticatedData = true
		return m
	}
	tests := []struct {
		name    Name
		trusted bool
		want    Security
		kind    error
	}{
		{"a.test.", true, Secure, nil},
		{"a.test.", false, Indeterminate, nil},
		{"none.test.", true, Secure, ErrNoName},
		{"none.test.", false, Indeterminate, ErrNoName},
		{"bad.test.", true, Indeterminate, ErrBogus},
		{"bad.test.", false, Indeterminate, ErrTemporary},
		{"dead.test.", true, Indeterminate, ErrTemporary},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %v", test.name, test.trusted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o Options
				if test.trusted {
					o.Trusted = []netip.AddrPort{first}
				}
				w, _ := worldOf(t, o, answering(validating))
				a, _, err := lookupA(t, w, test.name)
				var e *LookupError
				switch {
				case test.kind == nil && (err != nil || a.Security != test.want):
					t.Errorf("got %+v, %v", a, err)
				case test.kind != nil && (!errors.As(err, &e) || e.Kind != test.kind || e.Security != test.want):
					t.Errorf("got %+v", err)
				}
			})
		})
	}
}

func TestImpossibleName(t *testing.T) {
	w, n := worldOf(t, Options{}, answering(silent))
	long := Name("a.test.")
	for range 6 {
		long = long.Under(strings.Repeat("x", 60))
	}
	for _, name := range []Name{long, "", "a..test.", Name("test.").Under(strings.Repeat("y", 64))} {
		if _, _, err := lookupA(t, w, name); !errors.Is(err, ErrNoName) {
			t.Errorf("%q: got %v, want no name", name, err)
		}
		if _, err := w.Exchange(t.Context(), Query{Name: name}); !errors.Is(err, ErrNoName) {
			t.Errorf("%q: got %v, want no name", name, err)
		}
	}
	if len(n.dials) != 0 {
		t.Errorf("dialled %v", n.dials)
	}
}

func TestExchange(t *testing.T) {
	r := &records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}
	var got *dns.Msg
	server := answering(func(network string, q *dns.Msg) *dns.Msg {
		got = q
		m := r.reply(network, q)
		if q.Question[0].Name == "refused.test." {
			m.Rcode = dns.RcodeRefused
		}
		m.Truncated = network == "udp" && q.Question[0].Name == "big.test."
		return m
	})
	at := netip.MustParseAddr("2001:db8::7f0a:35")
	query := func(name Name, change func(*Query)) Query {
		q := Query{Server: at, Name: name, Type: dns.TypeA}
		change(&q)
		return q
	}
	tests := []struct {
		name  string
		query Query
		dials string
		check func(answer *dns.Msg) bool
	}{
		{"plain words", query("a.test.", func(*Query) {}), "udp", func(m *dns.Msg) bool {
			return len(m.Answer) == 1 && !got.RecursionDesired && got.IsEdns0().UDPSize() == 1232 && !got.IsEdns0().Do()
		}},
		{"all set", query("a.test.", func(q *Query) { q.Recursion, q.DNSSEC, q.Buffer = true, true, 4096 }), "udp", func(m *dns.Msg) bool {
			return got.RecursionDesired && got.IsEdns0().UDPSize() == 4096 && got.IsEdns0().Do()
		}},
		{"without EDNS", query("a.test.", func(q *Query) { q.Plain = true }), "udp", func(*dns.Msg) bool { return got.IsEdns0() == nil }},
		{"over TCP", query("a.test.", func(q *Query) { q.TCP = true }), "tcp", func(m *dns.Msg) bool { return len(m.Answer) == 1 }},
		{"truncated", query("big.test.", func(*Query) {}), "udp tcp", func(m *dns.Msg) bool { return !m.Truncated }},
		{"truncated, over UDP only", query("big.test.", func(q *Query) { q.UDP = true }), "udp", func(m *dns.Msg) bool { return m.Truncated }},
		{"a refusal is an answer", query("refused.test.", func(*Query) {}), "udp", func(m *dns.Msg) bool { return m.Rcode == dns.RcodeRefused }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, n := worldOf(t, Options{}, nil)
				w.Map = Map{Ports: map[uint16]uint16{53: 5353}, Nets: []NetMap{{netip.MustParsePrefix("2001:db8::/96")}}}
				n.hosts["127.10.0.53:5353"] = server
				for range 2 { // never cached
					m, err := w.Exchange(t.Context(), test.query)
					if err != nil || !test.check(m) {
						t.Errorf("got %v, %v to %v", m, err, got)
					}
				}
				var dials []string
				for _, network := range strings.Fields(test.dials) {
					dials = append(dials, network+" 127.10.0.53:5353")
				}
				if want := slices.Repeat(dials, 2); !slices.Equal(n.dials, want) {
					t.Errorf("dialled %v, want %v", n.dials, want)
				}
			})
		})
	}
}

func TestExchangeFailures(t *testing.T) {
	for _, test := range []struct {
		name string
		host func(string, net.Conn)
		want string
		took time.Duration
	}{
		{"silence", answering(silent), "192.0.2.1: time-out", 10 * time.Second},
		{"nobody", nil, "192.0.2.1: connection refused", 0},
		{"garbage", garbage, "192.0.2.1: not a DNS message", 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := worldOf(t, Options{}, test.host)
				start := time.Now()
				_, err := w.Exchange(t.Context(), Query{Server: first.Addr(), Name: "a.test.", Type: dns.TypeA})
				var e *LookupError
				if !errors.As(err, &e) || e.Kind != ErrTemporary || e.Detail != test.want || time.Since(start) != test.took {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
			})
		})
	}
}

func TestStats(t *testing.T) {
	if got := None().Stats(); got != (Stats{}) {
		t.Errorf("a world of nothing counts %+v", got)
	}
	synctest.Test(t, func(t *testing.T) {
		w, _ := worldOf(t, Options{}, answering(func(network string, q *dns.Msg) *dns.Msg {
			m := (&records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}).reply(network, q)
			m.Truncated = network == "udp"
			return m
		}))
		lookupA(t, w, "a.test.")
		lookupA(t, w, "a.test.")
		if got, want := w.Stats(), (Stats{Questions: 1, Messages: 2, TCP: 1, Recalled: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestFreshRemembersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := worldOf(t, Options{}, answering((&records{t: t, rrs: []string{"a.test. 60 A 192.0.2.7"}}).reply))
		lookupA(t, w, "a.test.")
		fresh := w.Fresh()
		lookupA(t, fresh, "a.test.")
		if old, now := w.Stats(), fresh.Stats(); old.Recalled != 0 || now.Questions != 1 || now.Recalled != 0 {
			t.Errorf("asked before %+v, and afresh %+v", old, now)
		}
		if lookupA(t, w, "a.test."); w.Stats().Recalled != 1 {
			t.Error("the first world has forgotten")
		}
	})
	if none := None().Fresh(); none.Resolver != nil {
		t.Error("a world of nothing has got a resolver")
	}
}
